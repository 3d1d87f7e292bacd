//! What a reading asks for, by its names in graphs and its keys in the store.

use std::sync::Arc;

use truenorth_protocol::graph::{Op, SINK_MULTIPLE};
use truenorth_protocol::{Graph, ModelInfo, ReadAt, Site};

use crate::store::Context;

/// A value to read, under its own key in the store and its own name in graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) site: Site,
    pub(super) at: ReadAt,
}

impl Wanted {
    /// What a reading of a site takes: the rows, and with means how many tokens are not in them.
    pub(super) fn of(site: Site, at: ReadAt) -> impl Iterator<Item = Self> {
        let sinks = (at == ReadAt::Mean).then_some(ReadAt::Sinks);
        std::iter::once(at).chain(sinks).map(move |at| Self { site, at })
    }

    pub(super) fn name(self) -> String {
        match self.at {
            ReadAt::Sinks => format!("{} {}", self.site, self.at),
            _ => self.site.to_string(),
        }
    }
}

/// Where and how a value is read, as the store keys it.
pub(super) fn context(info: &ModelInfo, wanted: Wanted) -> Arc<Context> {
    let at = match wanted.at {
        // What is left out is part of what the numbers are; `mean` alone once meant all tokens.
        ReadAt::Mean | ReadAt::Sinks => format!("{} beyond {SINK_MULTIPLE}", wanted.at),
        at => at.to_string(),
    };
    Context::new(&info.name, &info.revision, "", &info.path, wanted.site.to_string(), at)
}

/// The sites of a graph that only reads one group and saves what it read under the site's name.
pub(super) fn plain_reading(graph: &Graph) -> Option<Vec<Wanted>> {
    if graph.groups.len() != 1 || !graph.groups[0].special_tokens {
        return None;
    }
    let mut all = Vec::new();
    for pair in graph.nodes.chunks(2) {
        match pair {
            [Op::Read { site, positions, step: 0, .. }, Op::Save { name, .. }] => {
                let wanted = Wanted { site: *site, at: *positions };
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
