//! How models' files were read where a flag said it: a mark on every row that is written.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// The choices that numbers depend on, of all models that this command opened.
static CHOSEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers the choices of a model's numeric path.
pub fn note(path: &str) {
    CHOSEN.lock().unwrap_or_else(PoisonError::into_inner).extend(choices(path).map(str::to_owned));
}

/// A row with these choices under `read_with`; as it is where none was made.
#[derive(Serialize)]
pub struct ReadWith<T> {
    #[serde(flatten)]
    row: T,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    read_with: BTreeSet<String>,
}

/// Marks a row.
pub fn marked<T: Serialize>(row: T) -> ReadWith<T> {
    ReadWith { row, read_with: CHOSEN.lock().unwrap_or_else(PoisonError::into_inner).clone() }
}

/// The parts of a numeric path that a flag chose.
fn choices(path: &str) -> impl Iterator<Item = &str> {
    let chosen = |part: &&str| part.starts_with("transformers-") || part.starts_with("accept-config-key=");
    path.split('/').filter(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_flag_chose_is_marked() {
        let of = |path| choices(path).collect::<Vec<_>>();
        assert!(of("cpu/f32/avx2").is_empty());
        assert_eq!(
            of("cpu/f32/transformers-4.57/accept-config-key=a.b"),
            ["transformers-4.57", "accept-config-key=a.b"]
        );
    }
}
