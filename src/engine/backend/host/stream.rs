//! The steps of a pass over slices. Buffers are kept from block to block.

use candle_core::{Device, Error, Result};
use rayon::prelude::*;

use super::super::{Net, Slot, Stream};
use super::Host;
use super::linear::{Norm, linears};
use crate::engine::block::Block;
use crate::engine::cache::Cache;
use crate::engine::config::Config;
use crate::engine::error::{EngineError, backend};
use crate::engine::hooks::Value;
use crate::engine::kernel::panel::{Attend, Kv, Panels, Part, act, attend, gated, rope, softcap};
use crate::engine::layout::Rows;
use crate::engine::pass::Fork;
use crate::engine::rope::Frequencies;
use crate::engine::split::gather;

/// Rows of an embedding below which threads cost more than they save.
const SERIAL: usize = 64;

/// A pass over slices.
pub(in crate::engine) struct HostStream<'a> {
    net: &'a Net<Host>,
    config: &'a Config,
    frequencies: &'a [Frequencies],
    rows: usize,
    positions: Vec<usize>,
    /// Cosines and sines of the rows, `[rows, pairs]`, a pair of them each rotation of the model.
    angles: Vec<[Vec<f32>; 2]>,
    /// `[rows, hidden]`
    x: Vec<f32>,
    /// The stream normed, which attention or MLP reads.
    input: Vec<f32>,
    /// What entered the block, where the MLP reads that.
    entered: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    /// Whether `q` is of this block already.
    asked: bool,
    /// What attention gathered, or the MLP's gates.
    mid: Vec<f32>,
    up: Vec<f32>,
    /// Takes what a norm makes, to be swapped with what it read.
    spare: Vec<f32>,
    added: Vec<f32>,
    logits: Vec<f32>,
    /// Keys and values of each part of the batch, where there is no cache.
    own: Vec<Kv>,
}

impl<'a> HostStream<'a> {
    /// Embeds tokens.
    pub(in crate::engine) fn embed(
        net: &'a Net<Host>,
        config: &'a Config,
        frequencies: &'a [Frequencies],
        tokens: &[u32],
        rows: &Rows,
    ) -> Self {
        let mut x = vec![0.0; tokens.len() * config.hidden];
        let factor = config.embed_factor();
        let one = |(row, token): (&mut [f32], &u32)| {
            net.embedding.row(*token as usize, row);
            if let Some(factor) = factor {
                row.iter_mut().for_each(|x| *x *= factor);
            }
        };
        let width = config.hidden.max(1);
        if tokens.len() < SERIAL {
            x.chunks_mut(width).zip(tokens).for_each(one);
        } else {
            x.par_chunks_mut(width).zip(tokens).for_each(one);
        }
        if let Some(positions) = &net.positions {
            let mut learned = vec![0.0; width];
            for (row, at) in x.chunks_mut(width).zip(rows.all()) {
                Panels::row(positions, at.position, &mut learned);
                row.iter_mut().zip(&learned).for_each(|(x, p)| *x += p);
            }
        }
        Self {
            net,
            config,
            frequencies,
            rows: tokens.len(),
            positions: Vec::new(),
            angles: Vec::new(),
            x,
            input: Vec::new(),
            entered: Vec::new(),
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            asked: false,
            mid: Vec::new(),
            up: Vec::new(),
            spare: Vec::new(),
            added: Vec::new(),
            logits: Vec::new(),
            own: Vec::new(),
        }
    }

    fn block(&self, layer: usize) -> Result<&'a Block<Host>> {
        self.net.blocks.get(layer).ok_or_else(|| Error::Msg(format!("no block {layer}")))
    }

    /// Norms queries or keys, and rotates them.
    fn turn(
        &mut self,
        layer: usize,
        norm: Option<&Norm>,
        which: fn(&mut Self) -> &mut Vec<f32>,
    ) -> Result<()> {
        let mut y = std::mem::take(which(self));
        if let Some(norm) = norm {
            norm.forward(&y, &mut self.spare)?;
            std::mem::swap(&mut y, &mut self.spare);
        }
        if let Some([cos, sin]) = self.config.blocks.get(layer).and_then(|b| self.angles.get(b.rope)) {
            rope(&mut y, cos, sin, self.rows, self.config.head_dim).map_err(Error::wrap)?;
        }
        *which(self) = y;
        Ok(())
    }

    fn project(&mut self, layer: usize, queries: bool) -> Result<()> {
        let block = self.block(layer)?;
        match &block.attn_norm {
            Some(norm) => norm.forward(&self.x, &mut self.input)?,
            None => self.input.clone_from(&self.x),
        }
        if self.config.parallel {
            self.entered.clone_from(&self.x);
        }
        let (k, v) = ((&block.k, &mut self.k), (&block.v, &mut self.v));
        if queries {
            linears(&self.input, self.rows, [(&block.q, &mut self.q), k, v])?;
            self.turn(layer, block.q_norm.as_ref(), |s| &mut s.q)?;
        } else {
            linears(&self.input, self.rows, [k, v])?;
        }
        self.asked = queries;
        self.turn(layer, block.k_norm.as_ref(), |s| &mut s.k)
    }

    /// Appends the keys and values of every part to those of its own.
    fn hold(&mut self, rows: &Rows) -> Result<()> {
        let width = self.config.kv_width();
        let parts: Vec<_> = rows.parts().map(|(_, r)| r).collect();
        if self.own.is_empty() {
            let kv = |part: &std::ops::Range<usize>| {
                Kv::new(self.config.kv_heads, self.config.head_dim, part.len())
            };
            self.own = parts.iter().map(kv).collect();
        }
        let (k, v) = (&self.k, &self.v);
        let one = |(kv, part): (&mut Kv, &std::ops::Range<usize>)| {
            let here = part.start * width..part.end * width;
            kv.truncate(0);
            kv.append(k.get(here.clone()).unwrap_or(&[]), v.get(here).unwrap_or(&[]))
        };
        if self.rows < SERIAL {
            self.own.iter_mut().zip(&parts).try_for_each(one)
        } else {
            self.own.par_iter_mut().zip(&parts).try_for_each(one)
        }
        .map_err(Error::wrap)
    }
}

impl Stream for HostStream<'_> {
    fn place(&mut self, rows: &Rows) -> Result<()> {
        self.rows = rows.len();
        self.positions = rows.all().iter().map(|r| r.position).collect();
        self.angles = self.frequencies.iter().map(|f| f.table(self.positions.iter().copied())).collect();
        Ok(())
    }

    fn keys_values(
        &mut self,
        layer: usize,
        rows: &Rows,
        queries: bool,
        cache: Option<&mut Cache>,
    ) -> std::result::Result<(), EngineError> {
        let failed = || backend(format!("keys of block {layer}"));
        self.project(layer, queries).map_err(failed())?;
        let Some(cache) = cache else { return self.hold(rows).map_err(failed()) };
        let width = self.config.kv_width();
        for (seq, part) in rows.parts() {
            let here = part.start * width..part.end * width;
            let (k, v) = (self.k.get(here.clone()).unwrap_or(&[]), self.v.get(here).unwrap_or(&[]));
            cache.append(layer, seq, k, v)?;
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        layer: usize,
        fork: &Fork<'_>,
        cache: &mut Cache,
    ) -> std::result::Result<(), EngineError> {
        let width = self.config.kv_width();
        for (seq, part) in fork.rows.parts() {
            let from = fork.shared.from.get(part).unwrap_or(&[]);
            cache.append(layer, seq, &gather(&self.k, from, width), &gather(&self.v, from, width))?;
        }
        Ok(())
    }

    fn part(&mut self, fork: &Fork<'_>) -> Result<()> {
        self.x = gather(&self.x, &fork.shared.from, self.config.hidden);
        self.own.clear();
        self.place(&fork.rows)
    }

    fn keep(&mut self, kept: &[usize], rows: &Rows) -> Result<()> {
        let width = self.config.hidden;
        for all in [&mut self.x, &mut self.input, &mut self.entered] {
            for (to, from) in kept.iter().enumerate() {
                // Ascending, so that nothing is overwritten that is still to move.
                if (from + 1) * width <= all.len() {
                    all.copy_within(from * width..(from + 1) * width, to * width);
                }
            }
            all.truncate(kept.len() * width);
        }
        self.place(rows)
    }

    fn attention(&mut self, layer: usize, rows: &Rows, cache: Option<&Cache>) -> Result<()> {
        let block = self.block(layer)?;
        if !self.asked {
            linears(&self.input, self.rows, [(&block.q, &mut self.q)])?;
            self.turn(layer, block.q_norm.as_ref(), |s| &mut s.q)?;
        }
        let Some(here) = self.config.blocks.get(layer) else { candle_core::bail!("no block {layer}") };
        let held = match cache {
            Some(cache) => rows.parts().map(|(seq, _)| cache.kv(layer, seq)).collect::<Option<Vec<_>>>(),
            None => Some(self.own.iter().collect()),
        };
        let Some(held) = held else { candle_core::bail!("a sequence has no keys at block {layer}") };
        let mut spans: Vec<Vec<&Kv>> = Vec::with_capacity(held.len());
        for (kv, parent) in held.iter().zip(rows.parents()) {
            let mut chain = parent.and_then(|p| spans.get(p)).cloned().unwrap_or_default();
            chain.push(kv);
            spans.push(chain);
        }
        let parts: Vec<Part> = rows
            .parts()
            .zip(&spans)
            .filter(|((_, part), _)| !part.is_empty())
            .map(|((_, part), spans)| Part { positions: self.positions.get(part).unwrap_or(&[]), spans })
            .collect();
        #[allow(clippy::cast_possible_truncation)]
        let how = Attend {
            heads: self.config.heads,
            kv_heads: self.config.kv_heads,
            dim: self.config.head_dim,
            scale: here.scale as f32,
            softcap: self.config.attn_softcap.map(|c| c as f32),
            window: here.window,
        };
        self.mid.resize(self.q.len(), 0.0);
        attend(&how, &self.q, &parts, &mut self.mid).map_err(Error::wrap)?;
        self.asked = false;
        linears(&self.mid, self.rows, [(&block.out, &mut self.added)])?;
        self.post(block.attn_post.as_ref())
    }

    fn mlp(&mut self, layer: usize) -> Result<()> {
        let block = self.block(layer)?;
        let from = if self.config.parallel { &self.entered } else { &self.x };
        match &block.mlp_norm {
            Some(norm) => norm.forward(from, &mut self.input)?,
            None => self.input.clone_from(from),
        }
        match &block.gate {
            Some(gate) => {
                linears(&self.input, self.rows, [(gate, &mut self.mid), (&block.up, &mut self.up)])?;
                gated(self.config.act, &mut self.mid, &self.up).map_err(Error::wrap)?;
            }
            None => {
                linears(&self.input, self.rows, [(&block.up, &mut self.mid)])?;
                act(self.config.act, &mut self.mid);
            }
        }
        linears(&self.mid, self.rows, [(&block.down, &mut self.added)])?;
        self.post(block.mlp_post.as_ref())
    }

    fn add(&mut self) -> Result<()> {
        self.x.iter_mut().zip(&self.added).for_each(|(x, a)| *x += a);
        Ok(())
    }

    fn final_norm(&mut self) -> Result<()> {
        self.net.norm.forward(&self.x, &mut self.spare)?;
        std::mem::swap(&mut self.x, &mut self.spare);
        Ok(())
    }

    fn logits(&mut self) -> Result<()> {
        linears(&self.x, self.rows, [(&self.net.head, &mut self.logits)])?;
        #[allow(clippy::cast_possible_truncation)]
        if let Some(c) = self.config.logit_softcap {
            softcap(&mut self.logits, c as f32);
        }
        Ok(())
    }

    fn take(&mut self, slot: Slot) -> Value {
        let (values, width) = match slot {
            Slot::Stream => (&mut self.x, self.config.hidden),
            Slot::Added => (&mut self.added, self.config.hidden),
            Slot::Logits => (&mut self.logits, self.config.vocab),
        };
        Value::Host { values: std::mem::take(values), width }
    }

    fn put(&mut self, slot: Slot, value: Value) -> Result<()> {
        let values = match value {
            Value::Host { values, .. } => values,
            Value::Device(tensor) => tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?,
        };
        match slot {
            Slot::Stream => self.x = values,
            Slot::Added => self.added = values,
            Slot::Logits => self.logits = values,
        }
        Ok(())
    }
}

impl HostStream<'_> {
    /// Norms what is to be added, where the family does.
    fn post(&mut self, norm: Option<&Norm>) -> Result<()> {
        if let Some(norm) = norm {
            norm.forward(&self.added, &mut self.spare)?;
            std::mem::swap(&mut self.added, &mut self.spare);
        }
        Ok(())
    }
}
