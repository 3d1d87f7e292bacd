//! One root seed, as many independent streams as there are labels.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A named source of random streams.
///
/// A stream is keyed by the SHA-256 of the root and the label, so adding a use of randomness
/// somewhere never changes the numbers drawn elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds {
    number: u64,
    root: [u8; 32],
}

impl Seeds {
    /// The root of all streams; equal roots give equal streams.
    #[must_use]
    pub fn new(root: u64) -> Self {
        Self {
            number: root,
            root: Sha256::digest([b"truenorth seeds 1\0".as_slice(), &root.to_le_bytes()].concat()).into(),
        }
    }

    /// The root seed as a number, the same for every part of the work: for a model's own draws.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    fn key(&self, kind: u8, label: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.root);
        hash.update([kind]);
        hash.update(label.as_bytes());
        hash.finalize().into()
    }

    /// The stream under a label; the same each time it is asked for.
    #[must_use]
    pub fn stream(&self, label: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.key(b's', label))
    }

    /// The streams that all parts of the work have in common: by them units are dealt to folds, so that one quantity has one
    /// value wherever in a run it is asked for.
    #[must_use]
    pub fn common(&self) -> Self {
        Self::new(self.number)
    }

    /// The streams of a part of the work, none of them shared with another part.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self { number: self.number, root: self.key(b'c', label) }
    }
}
