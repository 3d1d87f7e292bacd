//! The steps of a pass as operations on tensors.

use candle_core::{Device, Result, Tensor};

use super::super::{HookSlot, Net, ResidualStream};
use super::{Candle, CandleLinear};
use crate::block::TransformerBlock;
use crate::cache::KvCache;
use crate::config::Config;
use crate::error::{EngineError, backend};
use crate::hooks::SiteValue;
use crate::kernel;
use crate::kernel::{AttendedSequence, AttentionInput, ComputedBy, TensorNorm};
use crate::layout::ActivationRows;
use crate::pass::Fork;
use crate::rope::{Angles, Frequencies};
use crate::split::select_rows;

/// A pass over tensors.
pub(crate) struct CandleStream<'a> {
    net: &'a Net<Candle>,
    config: &'a Config,
    frequencies: &'a [Frequencies],
    device: &'a Device,
    by: ComputedBy,
    /// A rotation each of the model's, for the rows there are.
    angles: Vec<Angles>,
    x: Tensor,
    input: Option<Tensor>,
    /// What entered the block, where the MLP reads that.
    entered: Option<Tensor>,
    /// Keys and values of every part of the batch.
    held: Vec<(Tensor, Tensor)>,
    added: Option<Tensor>,
    logits: Option<Tensor>,
}

impl<'a> CandleStream<'a> {
    pub(crate) fn embed(
        net: &'a Net<Candle>,
        config: &'a Config,
        frequencies: &'a [Frequencies],
        (device, by): (&'a Device, ComputedBy),
        tokens: &[u32],
        rows: &ActivationRows,
    ) -> Result<Self> {
        let ids = |v: Vec<u32>| Tensor::from_vec(v, rows.len(), device);
        let mut x = net.embedding.forward(&ids(tokens.to_vec())?)?;
        if let Some(factor) = config.embed_factor() {
            x = (x * f64::from(factor))?;
        }
        if let Some(positions) = &net.positions {
            #[allow(clippy::cast_possible_truncation)]
            let at = rows.all().iter().map(|r| r.position as u32).collect();
            x = (x + positions.forward(&ids(at)?)?)?;
        }
        Ok(Self {
            net,
            config,
            frequencies,
            device,
            by,
            angles: Vec::new(),
            x,
            input: None,
            entered: None,
            held: Vec::new(),
            added: None,
            logits: None,
        })
    }

    fn block(&self, layer: usize) -> Result<&'a TransformerBlock<Candle>> {
        self.net.block(layer)
    }

    fn angles(&self, layer: usize) -> Option<&Angles> {
        self.config.blocks.get(layer).and_then(|b| self.angles.get(b.rope))
    }

    fn normed(&self, norm: Option<&TensorNorm>, x: &Tensor) -> Result<Tensor> {
        match norm {
            Some(norm) => norm.forward(x, self.by),
            None => Ok(x.clone()),
        }
    }

    /// A product, normed and rotated.
    fn turned(
        &self,
        layer: usize,
        x: &Tensor,
        by: &CandleLinear,
        norm: Option<&TensorNorm>,
    ) -> Result<Tensor> {
        let y = self.normed(norm, &by.forward(x, self.by)?)?;
        match self.angles(layer) {
            Some(angles) => kernel::rope(&y, angles, self.config.head_dim, self.by),
            None => Ok(y),
        }
    }
}

impl ResidualStream for CandleStream<'_> {
    fn place(&mut self, rows: &ActivationRows) -> Result<()> {
        let one = |f: &Frequencies| f.at(rows.all().iter(), self.device);
        self.angles = self.frequencies.iter().map(one).collect::<Result<_>>()?;
        Ok(())
    }

    fn keys_values(
        &mut self,
        layer: usize,
        rows: &ActivationRows,
        _: bool,
        mut cache: Option<&mut KvCache>,
    ) -> std::result::Result<(), EngineError> {
        let failed = || backend(format!("keys of block {layer}"));
        let block = self.block(layer).map_err(failed())?;
        let input = self.normed(block.attn_norm.as_ref(), &self.x).map_err(failed())?;
        let k = self.turned(layer, &input, &block.k, block.k_norm.as_ref()).map_err(failed())?;
        let v = block.v.forward(&input, self.by).map_err(failed())?;
        let mut held: Vec<(Tensor, Tensor)> = Vec::new();
        for ((seq, rows), parent) in rows.parts().zip(rows.parents()) {
            let of = |t: &Tensor| t.narrow(0, rows.start, rows.len()).map_err(failed());
            let (k, v) = (of(&k)?, of(&v)?);
            held.push(match (&mut cache, parent.map(|p| &held[p])) {
                (Some(cache), _) => cache.append_tensors(layer, seq, &k, &v)?,
                (None, None) => (k, v),
                // Copied to lie in one piece; little beside the tokens that are not computed again.
                (None, Some((before_k, before_v))) => (
                    Tensor::cat(&[before_k, &k], 0).map_err(failed())?,
                    Tensor::cat(&[before_v, &v], 0).map_err(failed())?,
                ),
            });
        }
        self.held = held;
        self.input = Some(input);
        self.entered = self.config.parallel.then(|| self.x.clone());
        Ok(())
    }

    fn hand_out(
        &mut self,
        layer: usize,
        fork: &Fork<'_>,
        cache: &mut KvCache,
    ) -> std::result::Result<(), EngineError> {
        for ((seq, _), end) in fork.rows.parts().zip(&fork.shared.ends) {
            // A part of the tree holds what comes before it, too.
            let (k, v) = &self.held[*end];
            cache.append_tensors(layer, seq, k, v)?;
        }
        Ok(())
    }

    fn part(&mut self, fork: &Fork<'_>) -> Result<()> {
        self.x = select_rows(&self.x, &fork.shared.from)?;
        self.place(&fork.rows)
    }

    fn keep(&mut self, kept: &[usize], rows: &ActivationRows) -> Result<()> {
        if kept.is_empty() {
            return Ok(());
        }
        self.x = select_rows(&self.x, kept)?;
        for t in [&mut self.input, &mut self.entered].into_iter().flatten() {
            *t = select_rows(t, kept)?;
        }
        self.place(rows)
    }

    fn attention(&mut self, layer: usize, rows: &ActivationRows, _: Option<&KvCache>) -> Result<()> {
        let block = self.block(layer)?;
        let (Some(input), Some(here)) = (self.input.take(), self.config.blocks.get(layer)) else {
            candle_core::bail!("attention before its keys")
        };
        let parts: Vec<AttendedSequence> = rows
            .parts()
            .zip(self.held.drain(..))
            .map(|((_, part), (k, v))| {
                let here = &rows.all()[part.clone()];
                AttendedSequence { positions: here.iter().map(|r| r.position).collect(), rows: part, k, v }
            })
            .collect();
        let q = self.turned(layer, &input, &block.q, block.q_norm.as_ref())?;
        let how = AttentionInput {
            q: &q,
            parts: &parts,
            heads: self.config.heads,
            kv_heads: self.config.kv_heads,
            dim: self.config.head_dim,
            scale: here.scale,
            softcap: self.config.attn_softcap,
            window: here.window,
        };
        let gathered = kernel::attend(&how, self.by)?;
        self.added = Some(self.normed(block.attn_post.as_ref(), &block.out.forward(&gathered, self.by)?)?);
        Ok(())
    }

    fn mlp(&mut self, layer: usize) -> Result<()> {
        let block = self.block(layer)?;
        let x = self.normed(block.mlp_norm.as_ref(), self.entered.as_ref().unwrap_or(&self.x))?;
        let up = block.up.forward(&x, self.by)?;
        let act = self.config.act;
        let mid = match &block.gate {
            Some(gate) => kernel::act(act, &gate.forward(&x, self.by)?, Some(&up), self.by)?,
            None => kernel::act(act, &up, None, self.by)?,
        };
        self.added = Some(self.normed(block.mlp_post.as_ref(), &block.down.forward(&mid, self.by)?)?);
        Ok(())
    }

    fn add(&mut self) -> Result<()> {
        if let Some(added) = self.added.take() {
            self.x = (&self.x + added)?;
        }
        Ok(())
    }

    fn final_norm(&mut self) -> Result<()> {
        self.x = self.net.norm.forward(&self.x, self.by)?;
        Ok(())
    }

    fn logits(&mut self) -> Result<()> {
        let head = self.net.head()?;
        let logits = head.forward(&self.x, self.by)?;
        self.logits = Some(match self.config.logit_softcap {
            Some(c) => kernel::softcap(&logits, c)?,
            None => logits,
        });
        Ok(())
    }

    fn take(&mut self, slot: HookSlot) -> Result<SiteValue> {
        let taken = match slot {
            HookSlot::Stream => None,
            HookSlot::Added => self.added.take(),
            HookSlot::Logits => self.logits.take(),
        };
        // A tensor is a reference: what stays behind costs nothing.
        Ok(SiteValue::Device(taken.unwrap_or_else(|| self.x.clone())))
    }

    fn put(&mut self, slot: HookSlot, value: SiteValue) -> Result<()> {
        let tensor = value.into_tensor(self.device)?;
        match slot {
            HookSlot::Stream => self.x = tensor,
            HookSlot::Added => self.added = Some(tensor),
            HookSlot::Logits => self.logits = Some(tensor),
        }
        Ok(())
    }
}
