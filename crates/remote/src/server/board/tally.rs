//! How many jobs there are at each stage, kept as they move, so that no request looks at them all.

use std::collections::HashMap;

use super::super::auth::ClientId;
use super::job::JobStage;

#[derive(Debug, Default)]
pub(super) struct JobTally {
    open: HashMap<ClientId, usize>,
    /// Jobs that are received, wait or run.
    pub all: usize,
    /// Jobs that have ended.
    pub ended: usize,
    /// Jobs that run.
    pub running: usize,
    /// Jobs that are being written down.
    pub receiving: usize,
    /// Bytes of disk of jobs that have ended.
    pub kept: u64,
    /// Bytes of disk that all others may take.
    pub reserved: u64,
}

impl JobTally {
    /// A job comes in at a stage, moves between two, or is forgotten; `disk` are its bytes before and after.
    pub fn moved(&mut self, client: &ClientId, from: Option<(JobStage, u64)>, to: Option<(JobStage, u64)>) {
        if let Some((stage, disk)) = from {
            let open = stage != JobStage::Ended;
            *(if open { &mut self.reserved } else { &mut self.kept }) -= disk;
            self.all -= usize::from(open);
            self.ended -= usize::from(!open);
            self.running -= usize::from(stage == JobStage::Running);
            self.receiving -= usize::from(stage == JobStage::Receiving);
            if open && let Some(own) = self.open.get_mut(client) {
                *own -= 1;
                if *own == 0 {
                    self.open.remove(client);
                }
            }
        }
        if let Some((stage, disk)) = to {
            let open = stage != JobStage::Ended;
            *(if open { &mut self.reserved } else { &mut self.kept }) += disk;
            self.all += usize::from(open);
            self.ended += usize::from(!open);
            self.running += usize::from(stage == JobStage::Running);
            self.receiving += usize::from(stage == JobStage::Receiving);
            if open {
                *self.open.entry(client.clone()).or_default() += 1;
            }
        }
    }

    /// Jobs of a client that are received, wait or run.
    pub fn of(&self, client: &ClientId) -> usize {
        self.open.get(client).copied().unwrap_or(0)
    }
}
