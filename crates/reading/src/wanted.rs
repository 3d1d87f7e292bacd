//! What a reading asks for, by its names in graphs and its keys in the store.

use std::sync::Arc;

use truenorth_protocol::graph::{Op, SINK_MULTIPLE};
use truenorth_protocol::{Graph, ModelInfo, Prompt, ReadAt, Site};

use super::speech::EncodedPrompt;

use truenorth_data::store::ReadingContext;

/// A value to read, under its own key in the store and its own name in graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WantedValue {
    pub(super) site: Site,
    pub(super) at: ReadAt,
    /// Whether its name says where in the prompt it is read, as another of its site is asked for beside it.
    beside: bool,
}

impl WantedValue {
    /// What readings of sites take: the rows, and with means how many tokens are not in them.
    pub(super) fn all(asked: &[(Site, ReadAt)]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::with_capacity(asked.len());
        for (site, at) in asked {
            let beside = all.iter().any(|w| w.site == *site);
            // The rows of a part are taken out of those of all tokens.
            let of = if at.by_token() { ReadAt::All } else { *at };
            all.push(Self { site: *site, at: of, beside });
            all.extend(at.left_out().map(|at| Self { site: *site, at, beside }));
        }
        all
    }

    /// Its positions in a prompt, as the store keys them.
    pub(super) fn spelled(self, prompt: &EncodedPrompt) -> String {
        match self.at {
            // What is left out is part of what the numbers are; `mean` alone once meant all tokens.
            ReadAt::Mean | ReadAt::Sinks => format!("{} beyond {SINK_MULTIPLE}", self.at),
            ReadAt::In(part, take) => {
                let count = if let Prompt::Tokens(t) = &prompt.prompt { t.len() } else { 0 };
                let all = part.tokens(take, &prompt.turns.0, count).unwrap_or_default();
                format!("{take:?} of {all:?} beyond {SINK_MULTIPLE}")
            }
            at => at.to_string(),
        }
    }

    pub(super) fn name(self) -> String {
        match self.at {
            at if at.counts() => format!("{} {at}", self.site),
            at if self.beside => format!("{} {at}", self.site),
            _ => self.site.to_string(),
        }
    }
}

/// Where and how a value is read, as the store keys it.
pub(super) fn context(info: &ModelInfo, wanted: WantedValue, at: String) -> Arc<ReadingContext> {
    ReadingContext::new(&info.name, &info.revision, "", &info.path, wanted.site.to_string(), at)
}

/// The sites of a graph that only reads one group and saves what it read under the site's name.
pub(super) fn plain_reading(graph: &Graph) -> Option<Vec<WantedValue>> {
    if graph.groups.len() != 1 || !graph.groups[0].special_tokens {
        return None;
    }
    let mut all = Vec::new();
    let turns = graph.nodes.iter().take_while(|op| matches!(op, Op::Turns { .. })).count();
    for pair in graph.nodes[turns..].chunks(2) {
        match pair {
            [Op::Read { site, positions, step: 0, .. }, Op::Save { name, .. }] => {
                let beside = !positions.counts() && all.iter().any(|w: &WantedValue| w.site == *site);
                let wanted = WantedValue { site: *site, at: *positions, beside };
                if *name != wanted.name() {
                    return None;
                }
                all.push(wanted);
            }
            _ => return None,
        }
    }
    Some(all)
}

/// Whether a graph reads texts and does nothing else.
#[must_use]
pub fn only_reads(graph: &Graph) -> bool {
    plain_reading(graph).is_some()
}
