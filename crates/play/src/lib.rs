//! The playground: a page on which one feels what a direction does.
//!
//! A prompt goes through the model twice, with a dose of directions and without, and both texts stand side by side, token
//! by token where the model is in this process ([`Watch::drawn`](truenorth_protocol::run::Watch::drawn)), whole where it is
//! elsewhere. Texts are those of the analysis `steer`, the colours of their tokens the projections of `monitor`, the marks of
//! the slider the damage of doses. It knows neither where the model runs nor what else is served beside it: [`router`] gives
//! routes that can stand alone or be nested.
//!
//! What holds throughout: one run at a time has the model, in the order in which they came (`queue`); sizes, tokens, time and
//! waiting runs are bounded ([`PlayLimits`]); what visitors and models write is text, never markup; no script or style
//! stands in a page (`guard`); without a script the page is a form that is answered with a page.

mod event;
mod guard;
mod lens;
mod limits;
mod offered;
mod page;
mod playground;
mod queue;
mod refused;
mod routes;
mod run;
mod settings;
mod spelled;
#[cfg(test)]
mod tests;

pub use event::{ColourScale, Colours, Dosed, Event, PlainOrSteered, Projected, ShownToken};
pub use guard::Hosts;
pub use lens::{Lens, Lifted, lenses};
pub use limits::PlayLimits;
pub use offered::{Offered, OfferedVector, free_name};
pub use playground::{Playground, Setup, Start, Within};
pub use refused::PlayRefusal;
pub use routes::{ClientName, router};
pub use settings::Settings;
