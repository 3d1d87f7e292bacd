//! Activations as layers: held in memory where they fit, else out of the store a site at a time.

use ndarray::{Array2, Axis};
use truenorth_protocol::{ReadAt, Site};

use truenorth_protocol::run::Watch;
use truenorth_reading::{AnalysisError, NamedPrompt, Reader};
use truenorth_stats::estimate::probing::{Layers, SourceError};

/// Bytes of activations of one set that are held at once.
const HOLD: usize = 1 << 30;

/// The rows of some prompts at several sites.
pub(super) struct SiteRows<'a> {
    reader: Reader<'a>,
    prompts: &'a [NamedPrompt],
    sites: &'a [Site],
    at: ReadAt,
    watch: &'a dyn Watch,
    held: Option<Vec<Array2<f32>>>,
}

impl<'a> SiteRows<'a> {
    /// Reads every prompt at every site in one pass of the model.
    pub fn read(
        reader: Reader<'a>,
        prompts: &'a [NamedPrompt],
        sites: &'a [Site],
        at: ReadAt,
        watch: &'a dyn Watch,
    ) -> Result<Self, AnalysisError> {
        let row = reader.runner().info().hidden as usize * sites.len() * size_of::<f32>();
        let mut rows = Self { reader, prompts, sites, at, watch, held: None };
        if prompts.len() * row <= HOLD || reader.store().is_none() {
            let read = reader.read(prompts, sites, at, watch)?;
            rows.held = Some(read.into_iter().map(|r| r.values).collect());
            return Ok(rows);
        }
        // What does not fit goes through the store: computed now, read again a site at a time.
        for some in prompts.chunks((HOLD / 4 / row).max(1)) {
            reader.read(some, sites, at, watch)?;
        }
        Ok(rows)
    }
}

impl Layers for SiteRows<'_> {
    fn count(&self) -> usize {
        self.sites.len()
    }

    fn layer(&self, index: usize) -> Result<Array2<f32>, SourceError> {
        if let Some(held) = &self.held {
            return held.layer(index);
        }
        let site = self.sites.get(index).ok_or("no such layer")?;
        let read = self.reader.read(self.prompts, &[*site], self.at, self.watch)?;
        Ok(read.into_iter().next().ok_or("nothing was read")?.values)
    }
}

/// Some of the rows.
pub(super) struct PickedRows<'a> {
    pub all: &'a dyn Layers,
    pub rows: &'a [usize],
}

impl Layers for PickedRows<'_> {
    fn count(&self) -> usize {
        self.all.count()
    }

    fn layer(&self, index: usize) -> Result<Array2<f32>, SourceError> {
        Ok(self.all.layer(index)?.select(Axis(0), self.rows))
    }
}
