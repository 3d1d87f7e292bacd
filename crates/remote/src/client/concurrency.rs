//! Several jobs on the service at once, a bounded number of them.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use truenorth_protocol::{Answer, CheckedGraph};

use super::job_watch::JobWatch;
use super::{Client, ClientError};
use truenorth_protocol::run::Watch;

impl Client {
    /// Answers graphs; equal ones with one job. A failure or a wish to stop lets the jobs in flight
    /// run on: each is in the journal before this returns.
    pub(super) async fn work_each(
        &self,
        graphs: &[CheckedGraph],
        watch: &dyn Watch,
        each: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch, stop: &stop, tick: self.options.patience.tick };
        let mut queue = equals(graphs)?.into_iter();
        let mut running = FuturesUnordered::new();
        let (mut failed, mut enough) = (None, false);
        loop {
            while running.len() < self.options.at_once.max(1)
                && !job_watch.stopping()
                && let Some(twins) = queue.next()
            {
                let checked = &graphs[*twins.first().expect("equal graphs are one at least")];
                running.push(async move { (self.work(checked, job_watch).await, twins) });
            }
            let Some((result, twins)) = running.next().await else { break };
            match result {
                Ok((answer, job)) if !enough => {
                    enough = give(answer, &twins, each).is_break();
                    self.keep(job, &job_watch);
                    if enough {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                Ok(_) => {}
                Err(ClientError::Interrupted) if enough || failed.is_some() => {}
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None if !enough && queue.next().is_some() => Err(ClientError::Interrupted),
            None => Ok(()),
        }
    }
}

/// Places of equal graphs, in the order of the first of each.
fn equals(graphs: &[CheckedGraph]) -> Result<Vec<Vec<usize>>, ClientError> {
    let mut places: HashMap<[u8; 32], usize> = HashMap::new();
    let mut all: Vec<Vec<usize>> = Vec::new();
    for (i, checked) in graphs.iter().enumerate() {
        let at = *places.entry(checked.graph().content_hash()?).or_insert(all.len());
        match all.get_mut(at) {
            Some(twins) => twins.push(i),
            None => all.push(vec![i]),
        }
    }
    Ok(all)
}

fn give(
    answer: Answer,
    twins: &[usize],
    each: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some((last, others)) = twins.split_last() else { return ControlFlow::Continue(()) };
    for i in others {
        each(*i, answer.clone())?;
    }
    each(*last, answer)
}
