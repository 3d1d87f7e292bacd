//! From names to files, without a network: pip is a script that hands out prepared wheels, and
//! the hub a server on the loopback address.

#[cfg(feature = "hub")]
mod fake_hub;
mod folder;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod hub_wire;
#[cfg(unix)]
mod pull;
mod real;
#[cfg(unix)]
mod shop;
mod sources;
mod spec;

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{Progress, ProgressStage, ResolveOptions};

/// Options whose progress is written down.
pub(super) fn watched(cache_dir: &Path) -> (ResolveOptions, Arc<Mutex<Vec<Progress>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let options = ResolveOptions {
        progress: Some(Arc::new(move |progress: &Progress| log.lock().unwrap().push(progress.clone()))),
        ..ResolveOptions::new(cache_dir)
    };
    (options, seen)
}

/// The items seen at a stage, each once.
pub(super) fn items(seen: &Mutex<Vec<Progress>>, stage: ProgressStage) -> Vec<String> {
    let seen = seen.lock().unwrap();
    let mut items: Vec<String> = seen
        .iter()
        .filter(|progress| progress.stage == stage)
        .map(|progress| progress.item.clone())
        .collect();
    items.dedup();
    items
}
