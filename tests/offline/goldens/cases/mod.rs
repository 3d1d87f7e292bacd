//! The cases, a table for each group of verbs.
//!
//! A line is a command as a shell would take it: single quotes hold words together, `<F` is standard input.
//! `@/` begins a path in `fixtures/`; `@url` is the group's server, `@job` the last job of its journal.

mod analyses;
mod arena;
mod bands;
mod boards;
mod data;
mod directions;
mod errors;
mod experiments;
mod help;
mod judging;
mod models;
mod reading;
mod serving;
mod studies;

pub use help::verbs;

/// A command line and the name of its golden.
pub struct Case {
    pub name: String,
    pub line: String,
}

/// Cases that share a folder and run in this order.
pub struct Group {
    pub name: &'static str,
    pub cases: Vec<Case>,
    /// Whether a server is up for them.
    pub served: bool,
}

type Table = &'static [(&'static str, &'static str)];

fn group(name: &'static str, table: Table) -> Group {
    let case = |(name, line): &(&str, &str)| Case { name: (*name).into(), line: (*line).into() };
    Group { name, cases: table.iter().map(case).collect(), served: false }
}

/// All groups, those that take longest first.
pub fn all() -> Vec<Group> {
    vec![
        group("studies", studies::CASES),
        group("sweep", analyses::SWEEP),
        group("probe", analyses::PROBE),
        group("audit", analyses::AUDIT),
        group("geometry", analyses::GEOMETRY),
        group("extract", directions::EXTRACT),
        group("boards", boards::BOARDS),
        group("transfer", boards::TRANSFER),
        group("experiment", experiments::EXPERIMENT),
        group("arena", arena::ARENA),
        group("judge", judging::JUDGE),
        group("rate", judging::RATE),
        Group { served: true, ..group("server", serving::SERVER) },
        group("unreached", serving::UNREACHED),
        group("steer", reading::STEER),
        group("bands", bands::BANDS),
        group("baked", bands::BAKED),
        group("read", reading::READ),
        group("families", reading::FAMILIES),
        group("formats", directions::FORMATS),
        group("models", models::MODELS),
        group("cache", models::CACHE),
        group("data", data::CASES),
        group("errors", errors::CASES),
        help::group(),
    ]
}
