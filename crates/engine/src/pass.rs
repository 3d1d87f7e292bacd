//! One pass of a batch through a model: blocks in turn, hooks at every site, rows given up as
//! soon as nothing needs them.

use candle_core::Device;
use truenorth_protocol::Site;

use super::backend::{HookSlot, ResidualStream};
use super::cache::KvCache;
use super::config::Config;
use super::error::{EngineError, backend};
use super::hooks::{Flow, Hooks, SiteActivation, SiteValue};
use super::layout::{ActivationRows, Need, SharedPrefixes};
use super::model::Logits;

pub(super) struct PassState<'a, S: ResidualStream> {
    pub(super) config: &'a Config,
    pub(super) rows: ActivationRows,
    pub(super) stream: S,
    pub(super) cache: Option<&'a mut KvCache>,
    pub(super) need: &'a Need,
    /// The rows to keep where not all are needed; taken when it is done.
    pub(super) kept: Option<Vec<usize>>,
    pub(super) last_block: Option<usize>,
    /// Where sequences that share rows part; taken when they have.
    pub(super) fork: Option<Fork<'a>>,
    pub(super) hooks: &'a mut dyn Hooks,
}

/// Sequences that share rows for some blocks.
pub(super) struct Fork<'a> {
    pub(super) shared: &'a SharedPrefixes,
    /// The rows of each sequence for itself.
    pub(super) rows: ActivationRows,
}

/// Whether the pass goes on.
type PassFlow = Result<Flow, EngineError>;

impl<S: ResidualStream> PassState<'_, S> {
    pub(super) fn run(mut self) -> Result<Option<Logits>, EngineError> {
        if self.visit(Site::Embed, HookSlot::Stream)? == Flow::Stop {
            return Ok(None);
        }
        self.stream.place(&self.rows).map_err(backend("the angles of the rotation"))?;
        let blocks = self.last_block.map_or(0, |b| b + 1);
        for layer in 0..blocks.min(self.config.layers()) {
            if self.block(layer)? == Flow::Stop {
                return Ok(None);
            }
        }
        if let Site::ResidPre(_) = self.need.last {
            self.visit(self.need.last, HookSlot::Stream)?;
            return Ok(None);
        }
        self.give_up_before(Site::FinalNorm)?;
        if self.rows.is_empty() {
            return Ok(None);
        }
        self.stream.final_norm().map_err(backend("the final norm"))?;
        if self.visit(Site::FinalNorm, HookSlot::Stream)? == Flow::Stop {
            return Ok(None);
        }
        self.give_up_before(Site::Logits)?;
        if self.rows.is_empty() {
            return Ok(None);
        }
        self.stream.logits().map_err(backend("the logits"))?;
        self.visit(Site::Logits, HookSlot::Logits)?;
        let tensor = match self.stream.take(HookSlot::Logits).map_err(backend("the logits"))? {
            host @ SiteValue::Host { .. } => host.into_tensor(&Device::Cpu).map_err(backend("the logits"))?,
            SiteValue::Device(tensor) => tensor,
        };
        Ok(Some(Logits { tensor, rows: self.rows }))
    }

    fn block(&mut self, layer: usize) -> PassFlow {
        #[allow(clippy::cast_possible_truncation)]
        let l = layer as u32;
        let last = self.last_block == Some(layer);
        let attention = || backend(format!("attention of block {layer}"));
        if self.visit(Site::ResidPre(l), HookSlot::Stream)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        let queries = !(last && self.gives_up_before(Site::AttnOut(l)));
        let shared = self.fork.is_some();
        let cache = self.cache.as_deref_mut().filter(|_| !shared);
        self.stream.keys_values(layer, &self.rows, queries, cache)?;
        if let (Some(fork), Some(cache)) = (&self.fork, &mut self.cache) {
            self.stream.hand_out(layer, fork, cache)?;
        }
        // From here on nothing of this block is of use to other rows.
        if last {
            self.give_up_before(Site::AttnOut(l))?;
            if self.rows.is_empty() {
                return Ok(Flow::Stop);
            }
        }
        let cache = self.cache.as_deref().filter(|_| !shared);
        self.stream.attention(layer, &self.rows, cache).map_err(attention())?;
        if self.visit(Site::AttnOut(l), HookSlot::Added)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        self.stream.add().map_err(attention())?;
        if last {
            self.give_up_before(Site::ResidMid(l))?;
        }
        if self.visit(Site::ResidMid(l), HookSlot::Stream)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        if last {
            self.give_up_before(Site::MlpOut(l))?;
            if self.rows.is_empty() {
                return Ok(Flow::Stop);
            }
        }
        let mlp = || backend(format!("the MLP of block {layer}"));
        self.stream.mlp(layer).map_err(mlp())?;
        if self.visit(Site::MlpOut(l), HookSlot::Added)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        self.stream.add().map_err(mlp())?;
        if let Some(fork) = self.fork.take_if(|f| f.shared.blocks == layer + 1) {
            self.stream.part(&fork).map_err(backend("the rows of each sequence"))?;
            self.rows = fork.rows;
        }
        if last {
            self.give_up_before(Site::ResidPost(l))?;
        }
        self.visit(Site::ResidPost(l), HookSlot::Stream)
    }

    /// Whether there are rows that this and all later sites do without.
    fn gives_up_before(&self, site: Site) -> bool {
        self.kept.is_some() && self.need.full.is_none_or(|full| site.order() > full.order())
    }

    /// Keeps only the needed rows, if this and all later sites do without the others.
    fn give_up_before(&mut self, site: Site) -> Result<(), EngineError> {
        if !self.gives_up_before(site) {
            return Ok(());
        }
        let Some(kept) = self.kept.take() else { return Ok(()) };
        self.rows = self.rows.keep(&kept);
        self.stream.keep(&kept, &self.rows).map_err(backend("the rows needed"))
    }

    /// Calls the hook of a site, and says whether the pass ends there.
    fn visit(&mut self, site: Site, slot: HookSlot) -> PassFlow {
        let mut flow = Flow::Continue;
        if self.hooks.wants(site) {
            let failed = || backend(format!("`{site}`"));
            let value = self.stream.take(slot).map_err(failed())?;
            let mut x = SiteActivation { site, value, rows: &self.rows };
            flow = self.hooks.at(site, &mut x)?;
            self.stream.put(slot, x.value).map_err(failed())?;
        }
        if site.order() >= self.need.last.order() {
            flow = Flow::Stop;
        }
        Ok(flow)
    }
}
