//! One pass of a batch through a model: blocks in turn, hooks at every site, rows given up as
//! soon as nothing needs them.

use candle_core::Tensor;
use truenorth_protocol::Site;

use super::cache::Cache;
use super::error::{EngineError, backend};
use super::hooks::{Activation, Flow, Hooks};
use super::kernel::{self, Attend, Part};
use super::layout::{Need, Rows};
use super::linear::select_rows;
use super::model::{Logits, Model};
use super::rope::Angles;

/// The state of a pass.
pub(super) struct Pass<'a> {
    model: &'a Model,
    rows: Rows,
    /// The residual stream, `[rows, hidden]`.
    x: Tensor,
    cache: Option<&'a mut Cache>,
    need: &'a Need,
    /// The rows to keep where not all are needed; taken when it is done.
    kept: Option<Vec<usize>>,
    last_block: Option<usize>,
    /// A rotation each of the model's, for the rows there are.
    angles: Vec<Angles>,
    hooks: &'a mut dyn Hooks,
}

/// Whether the pass goes on.
type Step = Result<Flow, EngineError>;

impl<'a> Pass<'a> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        model: &'a Model,
        rows: Rows,
        x: Tensor,
        cache: Option<&'a mut Cache>,
        need: &'a Need,
        kept: Option<Vec<usize>>,
        last_block: Option<usize>,
        hooks: &'a mut dyn Hooks,
    ) -> Self {
        Self { model, rows, x, cache, need, kept, last_block, angles: Vec::new(), hooks }
    }

    pub(super) fn run(mut self) -> Result<Option<Logits>, EngineError> {
        if self.visit_stream(Site::Embed)? == Flow::Stop {
            return Ok(None);
        }
        self.angles = self.angles()?;
        let blocks = self.last_block.map_or(0, |b| b + 1);
        for layer in 0..blocks {
            if self.block(layer)? == Flow::Stop {
                return Ok(None);
            }
        }
        if let Site::ResidPre(_) = self.need.last {
            self.visit_stream(self.need.last)?;
            return Ok(None);
        }
        self.give_up_before(Site::FinalNorm, &mut [])?;
        if self.rows.is_empty() {
            return Ok(None);
        }
        self.x = self.model.norm.forward(&self.x).map_err(backend("the final norm"))?;
        if self.visit_stream(Site::FinalNorm)? == Flow::Stop {
            return Ok(None);
        }
        self.give_up_before(Site::Logits, &mut [])?;
        if self.rows.is_empty() {
            return Ok(None);
        }
        let logits = self.model.logits(&self.x).map_err(backend("the logits"))?;
        let (tensor, _) = self.visit(Site::Logits, logits)?;
        Ok(Some(Logits { tensor, rows: self.rows }))
    }

    fn block(&mut self, layer: usize) -> Step {
        #[allow(clippy::cast_possible_truncation)]
        let l = layer as u32;
        let model = self.model;
        let (Some(block), Some(config)) = (model.blocks.get(layer), model.config.blocks.get(layer)) else {
            return Ok(Flow::Stop);
        };
        let attention = || backend(format!("attention of block {layer}"));
        if self.visit_stream(Site::ResidPre(l))? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        let mut input = block.attn_input(&self.x).map_err(attention())?;
        let (k, v) = block.keys_values(&input, self.angles.get(config.rope)).map_err(attention())?;
        let held = self.hold(layer, &k, &v)?;
        // From here on nothing of this block is of use to other rows.
        if self.last_block == Some(layer) {
            self.give_up_before(Site::AttnOut(l), std::slice::from_mut(&mut input))?;
            if self.rows.is_empty() {
                return Ok(Flow::Stop);
            }
        }
        let parts: Vec<Part> = self
            .rows
            .parts()
            .zip(held)
            .map(|((_, rows), (k, v))| {
                let here = self.rows.all().get(rows.clone()).unwrap_or(&[]);
                Part { positions: here.iter().map(|r| r.position).collect(), rows, k, v }
            })
            .collect();
        let q = block.queries(&input, self.angles.get(config.rope)).map_err(attention())?;
        let gathered = kernel::attend(&Attend {
            q: &q,
            parts: &parts,
            heads: model.config.heads,
            kv_heads: model.config.kv_heads,
            dim: model.config.head_dim,
            scale: config.scale,
            softcap: model.config.attn_softcap,
            window: config.window,
        })
        .map_err(attention())?;
        let added = block.attn_output(&gathered).map_err(attention())?;
        let (added, flow) = self.visit(Site::AttnOut(l), added)?;
        if flow == Flow::Stop {
            return Ok(flow);
        }
        // A parallel MLP reads what entered the block.
        let mut entered = self.x.clone();
        self.x = (&self.x + added).map_err(attention())?;
        if self.last_block == Some(layer) {
            self.give_up_before(Site::ResidMid(l), std::slice::from_mut(&mut entered))?;
        }
        if self.visit_stream(Site::ResidMid(l))? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        if self.last_block == Some(layer) {
            self.give_up_before(Site::MlpOut(l), std::slice::from_mut(&mut entered))?;
            if self.rows.is_empty() {
                return Ok(Flow::Stop);
            }
        }
        let mlp = || backend(format!("the MLP of block {layer}"));
        let read = if model.config.parallel { &entered } else { &self.x };
        let added = block.mlp(read).map_err(mlp())?;
        let (added, flow) = self.visit(Site::MlpOut(l), added)?;
        if flow == Flow::Stop {
            return Ok(flow);
        }
        self.x = (&self.x + added).map_err(mlp())?;
        if self.last_block == Some(layer) {
            self.give_up_before(Site::ResidPost(l), &mut [])?;
        }
        self.visit_stream(Site::ResidPost(l))
    }

    /// Keys and values of every sequence: those of this pass, with those of the cache before them.
    fn hold(&mut self, layer: usize, k: &Tensor, v: &Tensor) -> Result<Vec<(Tensor, Tensor)>, EngineError> {
        let failed = || backend(format!("keys of block {layer}"));
        let mut held: Vec<(Tensor, Tensor)> = Vec::new();
        for ((seq, rows), parent) in self.rows.parts().zip(self.rows.parents()) {
            let of = |t: &Tensor| t.narrow(0, rows.start, rows.len()).map_err(failed());
            let (k, v) = (of(k)?, of(v)?);
            held.push(match (&mut self.cache, parent.and_then(|p| held.get(p))) {
                (Some(cache), _) => cache.append(layer, seq, &k, &v)?,
                (None, None) => (k, v),
                // Copied to lie in one piece; little beside the tokens that are not computed again.
                (None, Some((before_k, before_v))) => (
                    Tensor::cat(&[before_k, &k], 0).map_err(failed())?,
                    Tensor::cat(&[before_v, &v], 0).map_err(failed())?,
                ),
            });
        }
        Ok(held)
    }

    /// Keeps only the needed rows, of the stream and of `also`, if this and all later sites do
    /// without the others.
    fn give_up_before(&mut self, site: Site, also: &mut [Tensor]) -> Result<(), EngineError> {
        let needed_here = self.need.full.is_some_and(|full| site.order() <= full.order());
        if needed_here || self.kept.is_none() {
            return Ok(());
        }
        let Some(kept) = self.kept.take() else { return Ok(()) };
        self.rows = self.rows.keep(&kept);
        if kept.is_empty() {
            return Ok(());
        }
        let pick = |t: &Tensor| select_rows(t, &kept).map_err(backend("the rows needed"));
        self.x = pick(&self.x)?;
        for t in also {
            *t = pick(t)?;
        }
        self.angles = self.angles()?;
        Ok(())
    }

    fn angles(&self) -> Result<Vec<Angles>, EngineError> {
        let positions = || self.rows.all().iter().map(|r| r.position);
        let one = |f: &super::rope::Frequencies| f.at(positions(), &self.model.device);
        self.model
            .frequencies
            .iter()
            .map(one)
            .collect::<candle_core::Result<_>>()
            .map_err(backend("the angles of the rotation"))
    }

    fn visit_stream(&mut self, site: Site) -> Step {
        let x = self.x.clone();
        let (x, flow) = self.visit(site, x)?;
        self.x = x;
        Ok(flow)
    }

    /// Calls the hook of a site, and says whether the pass ends there.
    fn visit(&mut self, site: Site, tensor: Tensor) -> Result<(Tensor, Flow), EngineError> {
        let mut x = Activation { site, tensor, rows: &self.rows };
        let mut flow = Flow::Continue;
        if self.hooks.wants(site) {
            flow = self.hooks.at(site, &mut x)?;
        }
        if site.order() >= self.need.last.order() {
            flow = Flow::Stop;
        }
        Ok((x.tensor, flow))
    }
}
