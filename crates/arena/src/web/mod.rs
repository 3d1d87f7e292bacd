//! The pages and the JSON API, as one router.
//!
//! | route | what it is |
//! | --- | --- |
//! | `GET /` | both ends of the board |
//! | `GET /board/{top,bottom}` | one end, page by page |
//! | `GET /submit`, `POST /submit` | the form |
//! | `GET /entry/{id}` | a submission: its place in the queue, or its score, neighbours and shifts |
//! | `GET /plot`, `/how`, `/limitations` | the whole board, the method, what it does not show |
//! | `GET /seasons`, `/season/{name}` | earlier seasons |
//! | `/operator` | behind a key: hide, show, close, export |
//! | `/api/…` | the same for machines, as `GET /openapi.json` says |
//! | `/play` | the playground, where [`ArenaOptions::play`] has one |
//! | `GET /healthz`, `/readyz`, `/metrics` | for whoever runs it |
//!
//! A page is made again when an entry was scored, hidden or shown, or the season closed, and else served as it was.

mod api;
mod app;
mod assets;
mod board;
mod body;
mod cache;
mod captcha;
mod entry;
mod guard;
mod metrics;
mod nested;
mod openapi;
mod operator;
mod operator_api;
mod pages;
mod plots;
mod refusal;
mod server;
mod sessions;
mod submit;
mod templates;
mod tries;

#[cfg(test)]
mod tests;

pub use app::{App, ArenaOptions};
pub use captcha::Captcha;
pub use nested::Nested;
pub use server::{ArenaServer, router};
