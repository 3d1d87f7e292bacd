//! Two texts, token by token.
//!
//! Numbers with a fraction or an exponent may lie apart by a ten-thousandth of the larger or by 1e-6,
//! whichever is more, since kernels of other processors round otherwise. In a table for people, where they
//! are rounded, they may also differ by one unit of the last printed digit, which both must print alike.
//! Whole numbers, hashes, names and all else are compared exactly. Two spaces in a row are as good as
//! more: what a table is padded to depends on the width of what `normal` takes out.

use std::fmt;

const RELATIVE: f64 = 1e-4;
const ABSOLUTE: f64 = 1e-6;

/// A line that is not what it was.
#[derive(Debug, PartialEq)]
pub struct Difference {
    /// Its number in the golden, from 1.
    line: usize,
    /// What it belongs to, such as `--- stdout`.
    part: String,
    was: Option<String>,
    is: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  line {} ({})", self.line, self.part)?;
        let (was, is) = (self.was.as_deref(), self.is.as_deref());
        let at = first_difference(was.unwrap_or_default(), is.unwrap_or_default());
        let show = |line: Option<&str>| line.map_or("(no such line)".to_owned(), |l| around(l, at));
        write!(f, "    was {}\n    is  {}", show(was), show(is))
    }
}

impl Difference {
    /// Both lines whole, without the place.
    pub fn plain(&self) -> String {
        let line =
            |name: &str, l: &Option<String>| l.as_ref().map_or(String::new(), |l| format!("{name} {l}\n"));
        line("was", &self.was) + &line("is", &self.is)
    }
}

fn first_difference(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// A long line's part around a place.
fn around(line: &str, at: usize) -> String {
    let (before, wide) = (40, 140);
    let from = at.saturating_sub(before);
    let part: String = line.chars().skip(from).take(wide).collect();
    let cut = |yes: bool| if yes { "…" } else { "" };
    format!("{}{part}{}", cut(from > 0), cut(line.chars().count() > from + wide))
}

/// Every line that differs; from the first line that is missing or too many, lines are aligned again.
pub fn texts(was: &str, is: &str) -> Vec<Difference> {
    let (was, is): (Vec<&str>, Vec<&str>) = (was.lines().collect(), is.lines().collect());
    let (mut found, mut part, mut rounded) = (Vec::new(), String::from("head"), true);
    let (mut i, mut j) = (0, 0);
    while i < was.len() || j < is.len() {
        let (old, new) = (was.get(i).copied(), is.get(j).copied());
        if let Some(line) = old.filter(|l| l.starts_with("--- ")) {
            part = line.to_owned();
            rounded = !data(line, &was[i + 1..]);
        }
        if let (Some(old), Some(new)) = (old, new)
            && same(old, new, rounded)
        {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let (gone, come) = realign(&was[i..], &is[j..], rounded);
        for k in 0..gone.max(come) {
            found.push(Difference {
                line: i + k.min(gone) + 1,
                part: part.clone(),
                was: (k < gone).then(|| was[i + k].to_owned()),
                is: (k < come).then(|| is[j + k].to_owned()),
            });
        }
        (i, j) = (i + gone, j + come);
    }
    found
}

/// How many lines of each go until both go on alike; the fewest, within bounds.
fn realign(was: &[&str], is: &[&str], rounded: bool) -> (usize, usize) {
    let far = was.len().min(60) + is.len().min(60);
    for together in 1..=far {
        for gone in 0..=together.min(was.len()) {
            let come = together - gone;
            if let (Some(old), Some(new)) = (was.get(gone), is.get(come))
                && same(old, new, rounded)
                && !old.trim().is_empty()
            {
                return (gone, come);
            }
        }
    }
    (was.len(), is.len())
}

/// Whether a part holds numbers as they are, not rounded for people.
fn data(head: &str, rest: &[&str]) -> bool {
    let shown = [".json", ".jsonl", ".csv", ".safetensors", ".npy"];
    let first = rest.iter().find(|l| !l.is_empty()).map_or("", |l| l.trim_start());
    shown.iter().any(|end| head.ends_with(end)) || (head == "--- stdout" && first.starts_with(['{', '[']))
}

fn same(was: &str, is: &str, rounded: bool) -> bool {
    was == is || {
        let (was, is) = (tokens(was), tokens(is));
        was.len() == is.len() && was.iter().zip(&is).all(|(a, b)| a == b || close(a, b, rounded))
    }
}

/// Words, and what stands between them: runs of spaces, and every other character alone.
fn tokens(line: &str) -> Vec<&str> {
    let word = |c: char| c.is_alphanumeric() || "._+-".contains(c);
    let (mut found, mut rest) = (Vec::new(), line);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            ' ' => rest.find(|c| c != ' ').unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        // A full stop after a word belongs to the sentence.
        let text = &rest[..end];
        let end = if word(first) && text.len() > 1 { text.trim_end_matches('.').len().max(1) } else { end };
        let token = if first == ' ' { [" ", "  "][usize::from(end > 1)] } else { &rest[..end] };
        found.push(token);
        rest = &rest[end..];
    }
    found
}

/// Two numbers that are not whole, near enough.
fn close(was: &str, is: &str, rounded: bool) -> bool {
    let (Some(a), Some(b)) = (fraction(was), fraction(is)) else { return false };
    let unit = 10_f64.powi(-decimals(was));
    let printed = rounded && decimals(was) == decimals(is);
    if rounded && !printed {
        return false;
    }
    let most = (RELATIVE * a.abs().max(b.abs())).max(ABSOLUTE);
    // One unit has an error of its own in binary.
    (a - b).abs() <= if printed { most.max(unit * (1.0 + 1e-9)) } else { most }
}

fn fraction(word: &str) -> Option<f64> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let shape = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.contains(['.', 'e', 'E'])
        && digits.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    word.parse().ok().filter(|v: &f64| shape && v.is_finite())
}

/// Places behind the point that a number prints, its exponent taken off.
fn decimals(word: &str) -> i32 {
    let (digits, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let places = digits.split_once('.').map_or(0, |(_, f)| i32::try_from(f.len()).unwrap());
    places - exponent.parse::<i32>().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::texts;

    fn golden(part: &str, lines: &str) -> String {
        format!("$ truenorth x\nexit 0\n--- {part}\n{lines}\n")
    }

    fn found(part: &str, was: &str, is: &str) -> Vec<String> {
        texts(&golden(part, was), &golden(part, is)).iter().map(ToString::to_string).collect()
    }

    fn differ(part: &str, was: &str, is: &str) -> bool {
        let there = !found(part, was, is).is_empty();
        assert_eq!(there, !found(part, is, was).is_empty(), "{was} and {is} differ one way only");
        there
    }

    #[test]
    fn numbers_have_a_tolerance_and_no_more() {
        let json = "file a.json";
        for (part, was, is, expected) in [
            (json, "\"p\": 0.25,", "\"p\": 0.25002,", false),
            (json, "\"p\": 0.25,", "\"p\": 0.25004,", true),
            (json, "\"p\": 0.5,", "\"p\": 0.6,", true),
            (json, "[1e-7,-2e-7]", "[3e-7,1e-7]", false),
            (json, "1e-7", "3e-6", true),
            (json, "-0.5", "0.5", true),
            (json, "24", "25", true),
            (json, "100000", "100001", true),
            ("stdout", "z  0.656", "z  0.657", false),
            ("stdout", "z  0.656", "z  0.658", true),
            ("stdout", "0.050.", "0.051.", false),
            ("stdout", "0.05", "0.050", true),
            ("stdout", "n  24", "n  25", true),
            ("stdout", "{\"p\":0.5}", "{\"p\":0.6}", true),
            ("stdout", "1.2e-5", "1.3e-5", false),
            ("stdout", "1.2e-5", "1.4e-5", true),
        ] {
            assert_eq!(differ(part, was, is), expected, "{part}: {was} and {is}");
        }
    }

    #[test]
    fn all_else_is_exact() {
        assert!(differ("stderr", "hash 12ab34.5", "hash 12ab34.6"));
        assert!(differ("file a.json", "\"1bf25c41\"", "\"1bf25c42\""));
        assert!(differ("stdout", "resid_post.1", "resid_post.2"));
        assert!(differ("stdout", "a b", "a  b") && !differ("stdout", "a  b", "a    b"));
        assert!(differ("stdout", "a", "a\n\\ no newline at the end"));
    }

    #[test]
    fn lines_and_files_that_come_or_go_are_told_alone() {
        let was = "one\ntwo\nthree\n--- file b.csv\n1,2";
        assert_eq!(found("stdout", was, "one\nthree\n--- file b.csv\n1,2").len(), 1);
        assert_eq!(found("stdout", was, "one\ntwo\nthree\n--- file a.csv\n9\n--- file b.csv\n1,2").len(), 2);
        assert_eq!(found("stdout", was, "one\ntwo\nthree").len(), 2);
        let told = found("stdout", was, "one\ntwo\n3").concat();
        assert!(told.contains("line 6 (--- stdout)") && told.contains("was three"), "{told}");
    }

    #[test]
    fn a_long_line_is_shown_where_it_differs() {
        let line = |digit: char| format!("{}{digit}{}", "a".repeat(500), "b".repeat(500));
        let told = found("stdout", &line('x'), &line('y')).concat();
        assert!(told.contains("aaxbb") && told.contains("aaybb") && told.len() < 500, "{told}");
    }
}
