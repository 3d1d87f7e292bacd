//! The uniform numbers that sampling draws by: one stream a prompt, one number a token, the same
//! wherever a graph runs, so that a seed gives the same tokens there and here.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The uniform numbers that draw the tokens of one prompt, one a token (ChaCha8, a stream a prompt).
#[derive(Clone, Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of a prompt, by its row in the whole request.
    #[must_use]
    pub fn new(seed: u64, row: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(row);
        Self(rng)
    }

    /// The next number, uniform in [0, 1).
    pub fn draw(&mut self) -> f64 {
        self.0.random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_prompts_own_and_never_changes() {
        let first = |seed, prompt| Draws::new(seed, prompt).draw();
        assert_eq!(first(7, 3), first(7, 3));
        assert_ne!(first(7, 3), first(7, 4));
        assert_ne!(first(7, 3), first(8, 3));
        // What is stored under a seed stays true only as long as this does.
        let mut d = Draws::new(0, 0);
        assert_eq!([d.draw(), d.draw()], [0.709_075_415_426_561_8, 0.465_921_722_289_610_15]);
    }
}
