//! Words that stand elsewhere in a sentence, put at its beginning.

/// A text whose first letter is a capital.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Ids that a sentence gives before it counts the rest.
const NAMED: usize = 5;

/// The first of some ids in backquotes, and how many more there are.
pub fn named(ids: &[&str]) -> String {
    let first: Vec<String> = ids.iter().take(NAMED).map(|id| format!("`{id}`")).collect();
    match ids.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::capital;

    #[test]
    fn only_the_first_letter_changes() {
        assert_eq!([capital("über P and q"), capital("1 of x"), capital("")], ["Über P and q", "1 of x", ""]);
    }
}
