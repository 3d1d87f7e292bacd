//! Which file a prompt came from: an analysis knows its name alone.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The files of this command, each with the names of its rows.
static FILES: Mutex<Vec<(String, HashSet<String>)>> = Mutex::new(Vec::new());

/// Notes the names that the rows of a file have.
pub fn note<'a>(file: &str, ids: impl Iterator<Item = &'a str>) {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    files.push((file.to_owned(), ids.map(str::to_owned).collect()));
}

/// What joins the texts of a file into one cluster, for an error of too few of them.
static OPENINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes what the texts of a file begin or end with.
pub fn note_opening(sentence: &str) {
    let mut openings = OPENINGS.lock().unwrap_or_else(PoisonError::into_inner);
    if !openings.iter().any(|o| o == sentence) {
        openings.push(sentence.to_owned());
    }
}

/// What was noted of texts that begin or end alike.
pub fn openings() -> Vec<String> {
    OPENINGS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The files that have a row of this name, or the row whose side or combination it names (`p3/chosen`).
pub fn of(id: &str) -> Vec<String> {
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let row = id.rsplit_once('/').map_or(id, |(row, _)| row);
    let mut found: Vec<String> = files
        .iter()
        .filter(|(_, ids)| ids.contains(id) || ids.contains(row))
        .map(|(file, _)| file.clone())
        .collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_and_its_sides_are_of_their_file() {
        note("a.jsonl", ["origin-1"].into_iter());
        note("b.jsonl", ["origin-2", "origin/3"].into_iter());
        assert_eq!(of("origin-1/chosen"), ["a.jsonl"]);
        assert_eq!((of("origin/3"), of("origin-4")), (vec!["b.jsonl".to_owned()], vec![]));
    }
}
