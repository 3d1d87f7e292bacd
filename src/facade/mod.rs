//! The front door: a model, a direction and a study, in a few blocking calls.
//!
//! ```
//! use truenorth::{Direction, Options};
//!
//! let model = Options::new().without_store().open("fixtures/gguf/llama/model.gguf")?;
//! # let pairs = truenorth::Pairs::new((0..12).map(|i| (format!("the cup {i}"), format!("yes {i}"), format!("no {i}"))))?;
//! let direction = Direction::extract(&model, pairs)?;
//! for row in direction.steer(&model, ["the hat"], &[-0.1, 0.0, 0.1])? {
//!     println!("{:+}: {}", row.alpha, row.text);
//! }
//! # Ok::<(), truenorth::Error>(())
//! ```

mod direction;
mod model;
mod options;
mod place;
mod study;
#[cfg(test)]
mod tests;
mod texts;

pub use direction::{Direction, Extract};
pub use model::Model;
pub use options::Options;
pub use study::{Finished, Study};
pub use texts::Pairs;
