//! What means left out, site by site, over all readings of a model.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::SINK_MULTIPLE;
use truenorth_protocol::{Prompt, Site};

use super::Reading;

/// Counts the tokens that means leave out, each text once a site, and keeps what was warned of.
#[derive(Debug, Default)]
pub struct ReadingTally {
    left_out: Mutex<Vec<(Site, HashMap<Prompt, u32>)>>,
    warnings: Mutex<Vec<String>>,
}

/// How many tokens the means of a site left out: attention sinks, whose norm is beyond a multiple of
/// their text's median.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The site whose means left tokens out.
    pub site: Site,
    /// Multiple of its text's median norm beyond which a token is left out.
    pub multiple: f64,
    /// Texts that were read there.
    pub texts: usize,
    /// Texts of which at least one token was left out.
    pub of_texts: usize,
    /// Tokens left out.
    pub tokens: u64,
}

impl ReadingTally {
    pub(super) fn add(&self, reading: &Reading, prompts: &[Prompt]) {
        if reading.left_out.is_empty() {
            return;
        }
        let mut all = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let found = prompts.iter().cloned().zip(reading.left_out.iter().copied());
        match all.iter_mut().find(|(site, _)| *site == reading.site) {
            Some((_, texts)) => texts.extend(found),
            None => all.push((reading.site, found.collect())),
        }
    }

    /// Keeps a warning; whether it is new.
    pub(super) fn warn(&self, text: &str) -> bool {
        let mut all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let new = !all.iter().any(|other| other == text);
        if new {
            all.push(text.to_owned());
        }
        new
    }

    /// What was warned of so far, each once.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counts so far, by site; none where no mean was read.
    #[must_use]
    pub fn counts(&self) -> Vec<LeftOut> {
        let all = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: Vec<LeftOut> = all
            .iter()
            .map(|(site, texts)| LeftOut {
                site: *site,
                multiple: SINK_MULTIPLE,
                texts: texts.len(),
                of_texts: texts.values().filter(|n| **n > 0).count(),
                tokens: texts.values().map(|n| u64::from(*n)).sum(),
            })
            .collect();
        counts.sort_by_key(|c| c.site.order());
        counts
    }
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: the means of {} of {} texts leave out {} tokens, of norms more than {} times their text's median",
            self.site, self.of_texts, self.texts, self.tokens, self.multiple
        )
    }
}
