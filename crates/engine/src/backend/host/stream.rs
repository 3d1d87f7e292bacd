//! The steps of a pass over slices. Buffers are kept from block to block.

use std::ops::Range;

use candle_core::{Device, Error, Result};
use rayon::prelude::*;

use super::super::{HookSlot, Net, ResidualStream};
use super::HostBackend;
use super::groups::by_groups;
use super::linear::{HostNorm, activated, linears};
use crate::block::TransformerBlock;
use crate::cache::KvCache;
use crate::config::Config;
use crate::error::{EngineError, backend};
use crate::hooks::SiteValue;
use crate::kernel::panel::{AttentionShape, Kv, Panels, SequenceQueries, attend, rope, softcap};
use crate::layout::ActivationRows;
use crate::pass::Fork;
use crate::rope::Frequencies;
use crate::split::gather;

/// Rows of an embedding below which threads cost more than they save.
const SERIAL: usize = 64;

#[derive(Clone, Copy)]
enum PendingOutput {
    /// What its attention gathered, by its output matrix.
    Attention(usize),
    /// What its MLP gathered, by its output matrix.
    Mlp(usize),
}

/// A pass over slices.
pub(crate) struct HostStream<'a> {
    net: &'a Net<HostBackend>,
    config: &'a Config,
    frequencies: &'a [Frequencies],
    rows: usize,
    positions: Vec<usize>,
    /// Cosines and sines of the rows, `[rows, pairs]`, a pair of them each rotation of the model.
    angles: Vec<[Vec<f32>; 2]>,
    /// `[rows, hidden]`
    x: Vec<f32>,
    /// What entered the block, where the MLP reads that.
    entered: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    /// Whether `q` is of this block already.
    asked: bool,
    mid: Vec<f32>,
    /// What is to be added to the stream, computed when it is asked for.
    pending: Option<PendingOutput>,
    /// What was to be added and has been asked for by itself.
    added: Vec<f32>,
    logits: Vec<f32>,
    /// Keys and values of each part of the batch, where there is no cache.
    own: Vec<Kv>,
}

impl<'a> HostStream<'a> {
    pub(crate) fn embed(
        net: &'a Net<HostBackend>,
        config: &'a Config,
        frequencies: &'a [Frequencies],
        tokens: &[u32],
        rows: &ActivationRows,
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
            entered: Vec::new(),
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            asked: false,
            mid: Vec::new(),
            pending: None,
            added: Vec::new(),
            logits: Vec::new(),
            own: Vec::new(),
        }
    }

    fn block(&self, layer: usize) -> Result<&'a TransformerBlock<HostBackend>> {
        self.net.block(layer)
    }

    /// Norms the stream, and computes queries, or keys and values of it, or all three.
    fn project(&mut self, layer: usize, queries: bool, held: bool) -> Result<()> {
        let block = self.block(layer)?;
        let angles = self.config.blocks.get(layer).and_then(|b| self.angles.get(b.rope));
        let (dim, hidden) = (self.config.head_dim, self.config.hidden);
        let mut all = [&mut self.q, &mut self.k, &mut self.v].map(std::mem::take);
        let wanted = [(queries, &block.q), (held, &block.k), (held, &block.v)];
        let slices = {
            let mut each = wanted.into_iter();
            all.each_mut().map(|y| match each.next() {
                Some((true, l)) => {
                    y.resize(self.rows * l.outputs(), 0.0);
                    &mut y[..]
                }
                _ => &mut [],
            })
        };
        let done = by_groups(self.rows, slices, |rows, [q, k, v], room| {
            let x = normed(block.attn_norm.as_ref(), part(&self.x, &rows, hidden), &mut room.input)?;
            let each = [(&block.q, &mut *q), (&block.k, &mut *k), (&block.v, v)];
            linears(x, rows.len(), each.into_iter().filter(|(_, y)| !y.is_empty()).collect())?;
            for (y, norm) in [(q, &block.q_norm), (k, &block.k_norm)] {
                if let Some(norm) = norm {
                    norm.forward(y, &mut room.mid)?;
                    y.copy_from_slice(&room.mid);
                }
                if let Some([cos, sin]) = angles {
                    let pairs = cos.len() / self.rows;
                    let (cos, sin) = (part(cos, &rows, pairs), part(sin, &rows, pairs));
                    rope(y, cos, sin, rows.len(), dim).map_err(Error::wrap)?;
                }
            }
            Ok(())
        });
        [self.q, self.k, self.v] = all;
        done
    }

    /// Computes what is pending, if anything is, and adds it to the stream or leaves it by itself.
    fn compute_pending(&mut self, accumulate: bool) -> Result<()> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let (PendingOutput::Attention(layer) | PendingOutput::Mlp(layer)) = pending;
        let block = self.block(layer)?;
        let (hidden, act) = (self.config.hidden, self.config.act);
        let target = if accumulate { &mut self.x } else { &mut self.added };
        let mut y = std::mem::take(target);
        y.resize(self.rows * hidden, 0.0);
        let (x, mid, entered, parallel) = (&self.x, &self.mid, &self.entered, self.config.parallel);
        let done = by_groups(self.rows, [&mut y], |rows, [y], room| {
            let (post, last, x) = match pending {
                PendingOutput::Attention(_) => {
                    (&block.attn_post, &block.out, part(mid, &rows, block.out.inputs()))
                }
                PendingOutput::Mlp(_) => {
                    let from = if parallel {
                        part(entered, &rows, hidden)
                    } else if accumulate {
                        &*y
                    } else {
                        part(x, &rows, hidden)
                    };
                    let x = normed(block.mlp_norm.as_ref(), from, &mut room.input)?;
                    activated(x, rows.len(), act, block.gate.as_ref(), &block.up, &mut room.mid)?;
                    (&block.mlp_post, &block.down, &room.mid[..])
                }
            };
            let Some(post) = post else { return last.forward(x, rows.len(), y, accumulate) };
            room.added.resize(y.len(), 0.0);
            last.forward(x, rows.len(), &mut room.added, false)?;
            post.forward(&room.added, &mut room.input)?;
            if accumulate {
                y.iter_mut().zip(&room.input).for_each(|(y, a)| *y += a);
            } else {
                y.copy_from_slice(&room.input);
            }
            Ok(())
        });
        *if accumulate { &mut self.x } else { &mut self.added } = y;
        done
    }

    /// Appends the keys and values of every part to those of its own.
    fn hold(&mut self, rows: &ActivationRows) -> Result<()> {
        let width = self.config.kv_width();
        let parts: Vec<_> = rows.parts().map(|(_, r)| r).collect();
        if self.own.is_empty() {
            let (heads, dim) = (self.config.kv_heads, self.config.head_dim);
            let start = |part: &Range<usize>| self.positions[part.start];
            self.own = parts.iter().map(|p| Kv::from(heads, dim, start(p), p.len())).collect();
        }
        let (k, v) = (&self.k, &self.v);
        let one = |(kv, part): (&mut Kv, &Range<usize>)| {
            let here = part.start * width..part.end * width;
            kv.truncate(0);
            kv.append(&k[here.clone()], &v[here])
        };
        if self.rows < SERIAL {
            self.own.iter_mut().zip(&parts).try_for_each(one)
        } else {
            self.own.par_iter_mut().zip(&parts).try_for_each(one)
        }
        .map_err(Error::wrap)
    }
}

impl ResidualStream for HostStream<'_> {
    fn place(&mut self, rows: &ActivationRows) -> Result<()> {
        self.rows = rows.len();
        self.positions = rows.all().iter().map(|r| r.position).collect();
        self.angles = self.frequencies.iter().map(|f| f.table(rows.all().iter())).collect();
        Ok(())
    }

    fn keys_values(
        &mut self,
        layer: usize,
        rows: &ActivationRows,
        queries: bool,
        cache: Option<&mut KvCache>,
    ) -> std::result::Result<(), EngineError> {
        let failed = || backend(format!("keys of block {layer}"));
        if self.config.parallel {
            self.entered.clone_from(&self.x);
        }
        self.project(layer, queries, true).map_err(failed())?;
        self.asked = queries;
        let Some(cache) = cache else { return self.hold(rows).map_err(failed()) };
        let width = self.config.kv_width();
        for (seq, part) in rows.parts() {
            let here = part.start * width..part.end * width;
            cache.append(layer, seq, &self.k[here.clone()], &self.v[here])?;
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        layer: usize,
        fork: &Fork<'_>,
        cache: &mut KvCache,
    ) -> std::result::Result<(), EngineError> {
        let width = self.config.kv_width();
        for (seq, part) in fork.rows.parts() {
            let from = &fork.shared.from[part];
            cache.append(layer, seq, &gather(&self.k, from, width), &gather(&self.v, from, width))?;
        }
        Ok(())
    }

    fn part(&mut self, fork: &Fork<'_>) -> Result<()> {
        self.x = gather(&self.x, &fork.shared.from, self.config.hidden);
        self.own.clear();
        self.place(&fork.rows)
    }

    fn keep(&mut self, kept: &[usize], rows: &ActivationRows) -> Result<()> {
        let width = self.config.hidden;
        for all in [&mut self.x, &mut self.entered] {
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

    fn attention(&mut self, layer: usize, rows: &ActivationRows, cache: Option<&KvCache>) -> Result<()> {
        if !self.asked {
            self.project(layer, true, false)?;
        }
        let Some(here) = self.config.blocks.get(layer) else { candle_core::bail!("no block {layer}") };
        let held = match cache {
            Some(cache) => rows.parts().map(|(seq, _)| cache.kv(layer, seq)).collect::<Option<Vec<_>>>(),
            None => Some(self.own.iter().collect()),
        };
        let Some(held) = held else { candle_core::bail!("a sequence has no keys at block {layer}") };
        let mut spans: Vec<Vec<&Kv>> = Vec::with_capacity(held.len());
        for (kv, parent) in held.iter().zip(rows.parents()) {
            let mut chain = parent.map(|p| spans[p].clone()).unwrap_or_default();
            chain.push(kv);
            spans.push(chain);
        }
        let parts: Vec<SequenceQueries> = rows
            .parts()
            .zip(&spans)
            .filter(|((_, part), _)| !part.is_empty())
            .map(|((_, part), spans)| SequenceQueries { positions: &self.positions[part], spans })
            .collect();
        #[allow(clippy::cast_possible_truncation)]
        let how = AttentionShape {
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
        self.pending = Some(PendingOutput::Attention(layer));
        Ok(())
    }

    fn mlp(&mut self, layer: usize) -> Result<()> {
        self.pending = Some(PendingOutput::Mlp(layer));
        Ok(())
    }

    fn add(&mut self) -> Result<()> {
        if self.pending.is_some() {
            return self.compute_pending(true);
        }
        self.x.iter_mut().zip(&self.added).for_each(|(x, a)| *x += a);
        Ok(())
    }

    fn final_norm(&mut self) -> Result<()> {
        let mut normed = Vec::new();
        self.net.norm.forward(&self.x, &mut normed)?;
        self.x = normed;
        Ok(())
    }

    fn logits(&mut self) -> Result<()> {
        let head = self.net.head()?;
        self.logits.resize(self.rows * head.outputs(), 0.0);
        head.forward(&self.x, self.rows, &mut self.logits, false)?;
        #[allow(clippy::cast_possible_truncation)]
        if let Some(c) = self.config.logit_softcap {
            softcap(&mut self.logits, c as f32);
        }
        Ok(())
    }

    fn take(&mut self, slot: HookSlot) -> Result<SiteValue> {
        if slot == HookSlot::Added {
            self.compute_pending(false)?;
        }
        let (values, width) = match slot {
            HookSlot::Stream => (&mut self.x, self.config.hidden),
            HookSlot::Added => (&mut self.added, self.config.hidden),
            HookSlot::Logits => (&mut self.logits, self.config.vocab),
        };
        Ok(SiteValue::Host { values: std::mem::take(values), width })
    }

    fn put(&mut self, slot: HookSlot, value: SiteValue) -> Result<()> {
        let values = match value {
            SiteValue::Host { values, .. } => values,
            SiteValue::Device(tensor) => tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?,
        };
        match slot {
            HookSlot::Stream => self.x = values,
            HookSlot::Added => self.added = values,
            HookSlot::Logits => self.logits = values,
        }
        Ok(())
    }
}

/// Some rows of a matrix.
fn part<'a>(all: &'a [f32], rows: &Range<usize>, width: usize) -> &'a [f32] {
    &all[rows.start * width..rows.end * width]
}

/// Rows after a norm, if there is one.
fn normed<'a>(norm: Option<&HostNorm>, x: &'a [f32], room: &'a mut Vec<f32>) -> Result<&'a [f32]> {
    let Some(norm) = norm else { return Ok(x) };
    norm.forward(x, room)?;
    Ok(room)
}
