//! Where sites are in a model's modules, and how a program reads and edits them.

use std::collections::BTreeMap;

use super::edit::{self, Touch};
use super::plan::{Action, Plan, when};
use super::text::{Text, float};
use crate::graph::{Op, SINK_MULTIPLE, WriteAt};
use crate::nnsight::Modules;
use crate::{Checked, ReadAt, Site};

/// The modules that a program names, by path.
#[derive(Debug, Default)]
pub(super) struct Named(BTreeMap<String, usize>);

impl Named {
    /// The variable that holds a module.
    pub fn module(&mut self, path: String) -> String {
        let next = self.0.len();
        format!("m{}", self.0.entry(path).or_insert(next))
    }

    /// Variables and the paths they stand for.
    pub fn all(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(path, i)| (format!("m{i}"), path.as_str()))
    }
}

/// A moment of a pass at which the program stops to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Entry(u32),
    Attn(u32),
    Mlp(u32),
    Exit(u32),
    Norm,
    Head,
}

impl Moment {
    fn of(site: Site) -> Self {
        match site {
            Site::Embed => Self::Entry(0),
            Site::ResidPre(l) => Self::Entry(l),
            Site::AttnOut(l) | Site::ResidMid(l) => Self::Attn(l),
            Site::MlpOut(l) => Self::Mlp(l),
            Site::ResidPost(l) => Self::Exit(l),
            Site::FinalNorm => Self::Norm,
            Site::Logits => Self::Head,
        }
    }
}

/// How the prompts of a batch lie in `x`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// All prompts have one length.
    pub even: bool,
    /// Padding is on the left, as it is where tokens are generated.
    pub left: bool,
    /// Logits are computed after each prompt's last token only.
    pub last_logits: bool,
    /// The batch is part of a group, so values by prompt have to be cut.
    pub cut: bool,
}

impl Layout {
    /// The row of each prompt at an index.
    fn row(self, index: i32) -> String {
        let back = index.unsigned_abs();
        match (self.even, self.left, index < 0) {
            (true, ..) | (_, true, true) | (_, false, false) => format!("x[:,{index}]"),
            (false, false, true) => format!("x[r,n-{back}]"),
            (false, true, false) => format!("x[r,x.shape[1]-n+{back}]"),
        }
    }

    /// An expression over `y`, the values in f64, `k`, which of them are tokens of a prompt, and `l`,
    /// which of those are sinks. What is not finite is none, so that it shows in the mean.
    fn apart(self, of: &str) -> String {
        let k = if self.even {
            "torch.ones(x.shape[:2],dtype=torch.bool,device=x.device)"
        } else {
            "k.to(x.device)"
        };
        format!(
            "(lambda y,k:(lambda l:{of})((lambda s:(s>{SINK_MULTIPLE:?}*s.nanmedian(1,keepdim=True).values)&s.isfinite())\
             (y.norm(dim=-1).masked_fill(~k,torch.nan))))(x.double(),{k})"
        )
    }

    fn read(self, at: ReadAt, logits: bool) -> String {
        let host = "\"cpu\",torch.float32";
        let (rows, fresh) = match at {
            ReadAt::Last if logits && self.last_logits => ("x[:,-1]".into(), false),
            ReadAt::Last => (self.row(-1), self.even || self.left),
            ReadAt::Index(i) => (self.row(i), self.row(i).starts_with("x[:,")),
            ReadAt::All if self.even => ("x.flatten(0,1)".into(), true),
            ReadAt::All => ("x[k]".into(), false),
            ReadAt::Mean => {
                (self.apart("y.masked_fill((l|~k)[...,None],0).sum(1)/(k&~l).sum(1,keepdim=True)"), false)
            }
            ReadAt::Sinks => (self.apart("l.sum(1,keepdim=True)"), false),
            ReadAt::MeanSink if self.even => ("x.double().mean(1)".into(), false),
            ReadAt::MeanSink => (
                "(x.double().masked_fill(~k[...,None].to(x.device),0).sum(1)/n[:,None].to(x.device))".into(),
                false,
            ),
        };
        match (logits, fresh) {
            (true, _) if matches!(at, ReadAt::Mean | ReadAt::MeanSink | ReadAt::Sinks) => {
                format!("{rows}.float()")
            }
            (true, _) => rows,
            // A view would keep, and send, all that it is a view of.
            (false, true) => format!("{rows}.to({host},copy=True)"),
            (false, false) => format!("{rows}.to({host})"),
        }
    }
}

/// Writes what a pass does at the sites that the plan names.
pub(super) struct Sites<'a, 'p> {
    pub checked: &'a Checked,
    pub modules: &'a Modules,
    pub plan: &'a Plan<'a>,
    pub layout: Layout,
    pub named: &'p mut Named,
    /// Makes the inputs of an edit that depend on reads of the same group.
    pub inputs: &'p dyn Fn(usize, &mut Text),
}

impl Sites<'_, '_> {
    /// All moments but that of the logits.
    pub fn body(&mut self, out: &mut Text) {
        let mut rest: &[Action] = &self.plan.actions;
        while let Some(first) = rest.first() {
            let moment = Moment::of(first.site);
            let n = rest.iter().take_while(|a| Moment::of(a.site) == moment).count();
            let (here, later) = rest.split_at(n);
            rest = later;
            if moment != Moment::Head {
                self.moment(moment, here, self.plan.generate.is_none() && later.is_empty(), out);
            }
        }
    }

    fn block(&mut self, layer: u32, part: Option<&str>) -> String {
        let blocks = &self.modules.blocks;
        let path = part.map_or_else(|| format!("{blocks}.{layer}"), |p| format!("{blocks}.{layer}.{p}"));
        self.named.module(path)
    }

    /// Values of the moment into `x`, reads and edits, and back unless nothing comes after it.
    fn moment(&mut self, moment: Moment, here: &[Action], last: bool, out: &mut Text) {
        let modules = self.modules;
        let edits = !last && here.iter().any(|a| self.is_edit(a));
        match moment {
            Moment::Entry(l) => {
                let m = self.block(l, None);
                out.line(format!("x={m}.input"));
                self.actions(here, out);
                if edits {
                    out.line(format!("{m}.input=x"));
                }
            }
            Moment::Attn(l) => {
                let mid: Vec<Action> = here.iter().filter(|a| a.site == Site::ResidMid(l)).copied().collect();
                let added: Vec<Action> =
                    here.iter().filter(|a| a.site == Site::AttnOut(l)).copied().collect();
                if !mid.is_empty() {
                    // The stream after attention is never one module's output: what entered the block
                    // and what attention adds are summed in between, so an edit moves the latter.
                    let block = self.block(l, None);
                    if !self.plan.actions.iter().any(|a| Moment::of(a.site) == Moment::Entry(l)) {
                        out.line(format!("x={block}.input"));
                    }
                    out.line("p=x");
                }
                let m = self.block(l, Some(modules.attn_post.as_deref().unwrap_or(&modules.attn)));
                unpack(&m, out);
                self.actions(&added, out);
                if !mid.is_empty() {
                    let changed = !last && mid.iter().any(|a| self.is_edit(a));
                    // Blocks may lie on different devices.
                    out.line("z,p=x,p.to(x.device)");
                    out.line("x=(p+z).float()");
                    self.actions(&mid, out);
                    out.line(if changed { "x=(x-p.float()).to(z.dtype)" } else { "x=z" });
                }
                if edits {
                    pack(&m, out);
                }
            }
            Moment::Mlp(l) => {
                let m = self.block(l, Some(modules.mlp_post.as_deref().unwrap_or(&modules.mlp)));
                self.output(&m, here, edits, out);
            }
            Moment::Exit(l) => {
                let m = self.block(l, None);
                self.output(&m, here, edits, out);
            }
            Moment::Norm => {
                let m = self.named.module(modules.norm.clone());
                self.output(&m, here, edits, out);
            }
            Moment::Head => {}
        }
    }

    fn output(&mut self, m: &str, here: &[Action], edits: bool, out: &mut Text) {
        unpack(m, out);
        self.actions(here, out);
        if edits {
            pack(m, out);
        }
    }

    /// The logits into `x`, `[prompts, tokens, vocab]` in f32, with reads and edits.
    pub fn logits(&mut self, out: &mut Text) {
        let m = self.named.module(self.modules.head.clone());
        if self.layout.last_logits {
            out.line(format!("x={m}.input"));
            out.line(format!("{m}.input={}[:,None]", self.layout.row(-1)));
        }
        out.line(format!("x={m}.output.float()"));
        if let Some(cap) = self.modules.logit_softcap {
            let cap = float(cap);
            out.line(format!("x=(x/{cap}).tanh()*{cap}"));
        }
        let here: Vec<Action> =
            self.plan.actions.iter().filter(|a| a.site == Site::Logits).copied().collect();
        self.actions(&here, out);
    }

    fn is_edit(&self, action: &Action) -> bool {
        matches!(self.checked.graph().nodes.get(action.node), Some(Op::Write { .. }))
    }

    fn actions(&self, here: &[Action], out: &mut Text) {
        let generating = self.plan.generate.is_some();
        for Action { site, node } in here {
            let Some(op) = self.checked.graph().nodes.get(*node) else { continue };
            let Ok(condition) = when(op, generating) else { continue };
            out.under(condition.as_deref(), |out| match op {
                Op::Read { positions, .. } => {
                    let logits = *site == Site::Logits;
                    let host = if logits && self.plan.whole { ".cpu()" } else { "" };
                    out.line(format!("v{node}={}{host}", self.layout.read(*positions, logits)));
                }
                Op::Write { positions, edit, .. } => {
                    (self.inputs)(*node, out);
                    let part = if self.layout.cut { "[q]" } else { "" };
                    let go = |touch: &Touch, out: &mut Text| {
                        edit::apply(self.checked, *node, edit, touch, part, out);
                    };
                    match self.touch(*positions, *site) {
                        Reach::Touch(touch) => go(&touch, out),
                        Reach::Never => out.line("pass"),
                        Reach::If(condition) => out.under(Some(&condition), |out| go(&Touch::Full, out)),
                    }
                }
                _ => {}
            });
        }
    }

    fn touch(&self, positions: WriteAt, site: Site) -> Reach {
        let layout = self.layout;
        let index = match positions {
            WriteAt::All | WriteAt::Prompt | WriteAt::Generated => return Reach::Touch(Touch::Full),
            WriteAt::Last => -1,
            WriteAt::Index(i) => i,
        };
        if site == Site::Logits && layout.last_logits {
            // Only the last row is there; an index may or may not mean it.
            return match (index, layout.even) {
                (-1, _) => Reach::Touch(Touch::Full),
                (i, _) if i < 0 => Reach::Never,
                (i, true) => Reach::If(format!("len(t[0])=={}", i64::from(i) + 1)),
                (i, false) => Reach::Touch(Touch::Prompts(format!("n=={}", i64::from(i) + 1))),
            };
        }
        Reach::Touch(Touch::Rows(layout.row(index)))
    }
}

/// What an edit comes to at a site.
enum Reach {
    Touch(Touch),
    Never,
    If(String),
}

/// A module's output into `x`; some are tuples whose first element it is.
fn unpack(m: &str, out: &mut Text) {
    out.line(format!("o={m}.output"));
    out.line("x=o if torch.is_tensor(o) else o[0]");
}

fn pack(m: &str, out: &mut Text) {
    out.line(format!("{m}.output=x if torch.is_tensor(o) else (x,*o[1:])"));
}
