//! Where sites are in a model's modules, and how a program reads and edits them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edit::{self, Touch};
use super::moment::{Moment, Stop, stops};
use super::rows::condition;
use super::text::{IndentedLines, float};
use crate::graph::{Decides, Op, SINK_MULTIPLE, Take, WriteAt};
use crate::nnsight::Modules;
use crate::plan::{Action, GroupPlan};
use crate::{CheckedGraph, ReadAt, Site};

/// The modules that a program names, by path.
#[derive(Debug, Default)]
pub(super) struct ModulePaths(BTreeMap<String, usize>);

impl ModulePaths {
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

/// How the prompts of a batch lie in `x`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PromptLayout {
    /// Whether all prompts have one length.
    pub even: bool,
    /// Padding is on the left, as it is where tokens are generated.
    pub left: bool,
    /// Logits are computed after each prompt's last token only.
    pub last_logits: bool,
    /// The batch is part of a group, so values by prompt have to be cut.
    pub cut: bool,
}

impl PromptLayout {
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

    /// The mean, or what else is made, of the tokens that a mask marks: `z` those, `l` the sinks among them where that
    /// leaves any.
    fn part(self, mask: &str, of: &str) -> String {
        let inner = format!("(lambda z,l:{of})(z,l&z&(z&~l).any(1,keepdim=True))");
        format!("(lambda z:{})({mask}.to(x.device))", self.apart(&inner))
    }

    fn read(self, at: ReadAt, logits: bool, node: usize) -> String {
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
            ReadAt::In(_, Take::Mean) => {
                let of = "y.masked_fill((l|~z)[...,None],0).sum(1)/(z&~l).sum(1,keepdim=True)";
                (self.part(&format!("z{node}"), of), false)
            }
            ReadAt::In(_, Take::Sinks) => (self.part(&format!("z{node}"), "l.sum(1,keepdim=True)"), false),
            ReadAt::In(_, Take::MeanSink) => (
                format!(
                    "(lambda z:x.double().masked_fill(~z[...,None],0).sum(1)/z.sum(1,keepdim=True))(z{node}.to(x.device))"
                ),
                false,
            ),
            // One token a prompt is marked.
            ReadAt::In(..) => (format!("x[z{node}]"), false),
            ReadAt::MeanSink if self.even => ("x.double().mean(1)".into(), false),
            ReadAt::MeanSink => (
                "(x.double().masked_fill(~k[...,None].to(x.device),0).sum(1)/n[:,None].to(x.device))".into(),
                false,
            ),
        };
        match (logits, fresh) {
            (true, _) if is_mean(at) => {
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
///
/// What a service hands to a program crosses a socket, and goes back over it once the program moves
/// on, changed or not. So edits are made in place, and what nothing takes any more is emptied: shaped
/// as it was, with one number in store.
pub(super) struct Sites<'a, 'p> {
    pub checked: &'a CheckedGraph,
    pub modules: &'a Modules,
    pub plan: &'a GroupPlan<'a>,
    pub layout: PromptLayout,
    pub named: &'p mut ModulePaths,
    /// Makes the inputs of an edit or a condition that depend on reads of the same group.
    pub inputs: &'p dyn Fn(usize, &Op, &mut IndentedLines),
}

impl Sites<'_, '_> {
    /// One pass over the prompts, of which nothing comes back but what is read. `inputs` are the
    /// arguments that hold the prompts.
    pub fn forward(&mut self, inputs: &str, out: &mut IndentedLines) {
        let stops = stops(self.plan, self.modules);
        out.open(format!("with model.trace(fn=\"forward\",{inputs},use_cache=False):"));
        for (i, stop) in stops.iter().enumerate() {
            let last = i + 1 == stops.len();
            if stop.moment.is_head() {
                self.logits(&stop.actions, out);
            } else {
                self.stop(stop, last, out);
                if last {
                    self.end(stop.moment, out);
                }
            }
        }
        out.close();
    }

    /// The stops of a generation but that at the logits, each at its steps.
    pub fn steps(&mut self, stops: &[Stop<'_>], out: &mut IndentedLines) {
        for stop in stops.iter().filter(|s| !s.moment.is_head()) {
            let when = condition(&stop.during, self.plan.steps);
            out.under(when.as_deref(), |out| self.stop(stop, false, out));
        }
    }

    fn block(&mut self, layer: u32, part: Option<&str>) -> String {
        let blocks = &self.modules.blocks;
        let path = part.map_or_else(|| format!("{blocks}.{layer}"), |p| format!("{blocks}.{layer}.{p}"));
        self.named.module(path)
    }

    /// The module whose output, or for [`Moment::Mid`] whose input, is what a moment looks at.
    fn module(&mut self, moment: Moment) -> String {
        let modules = self.modules;
        match moment {
            Moment::Stream(0) => self.named.module(modules.embed.clone()),
            Moment::Stream(k) => self.block(k - 1, None),
            Moment::Attn(l) => self.block(l, Some(modules.attn_post.as_deref().unwrap_or(&modules.attn))),
            Moment::Mid(l) => self.block(l, modules.mlp_norm.as_deref()),
            Moment::Mlp(l) => self.block(l, Some(modules.mlp_post.as_deref().unwrap_or(&modules.mlp))),
            Moment::Norm => self.named.module(modules.norm.clone()),
            Moment::Head => self.named.module(modules.head.clone()),
        }
    }

    /// What happens at a stop, on `x`. `last` if nothing after it is asked for.
    fn stop(&mut self, stop: &Stop<'_>, last: bool, out: &mut IndentedLines) {
        let m = self.module(stop.moment);
        if matches!(stop.moment, Moment::Mid(_)) {
            out.line(format!("x={m}.input"));
        } else {
            // Some modules hand out a tuple whose first element it is.
            out.line(format!("x={m}.output"));
            out.line("if not torch.is_tensor(x): x=x[0]");
        }
        // Where all that happens here, keeping the stream included, happens at the same steps, the
        // condition around the stop has said at which.
        let said = stop.during.windows(2).all(|w| matches!(w, [a, b] if a == b));
        let (mid, at): (Vec<Action<'_>>, Vec<Action<'_>>) =
            stop.actions.iter().cloned().partition(|a| matches!(a.site, Site::ResidMid(_)));
        if mid.is_empty() || matches!(stop.moment, Moment::Mid(_)) {
            self.actions(&stop.actions, said, out);
        } else {
            self.actions(&at, said, out);
            // What entered the block and what attention adds are summed in between, so an edit of the
            // sum moves what attention adds. Blocks may lie on different devices.
            out.line("o,p=x,p.to(x.device)");
            out.line("x=(p+o).float()");
            self.actions(&mid, said, out);
            let edits: Vec<Range<u32>> =
                mid.iter().filter(|a| a.is_edit()).map(|a| a.passes.clone()).collect();
            if !last && !edits.is_empty() {
                // At no other step: a sum taken apart again is a rounding away from what it was.
                let when = if said { None } else { condition(&edits, self.plan.steps) };
                out.under(when.as_deref(), |out| out.line("o.copy_(x-p.float())"));
            }
            out.line("x=o");
        }
        if stop.keep {
            out.line("p=x");
        }
    }

    /// Ends a pass early: no block after this moment is computed, nor are the logits.
    fn end(&mut self, moment: Moment, out: &mut IndentedLines) {
        empty("x", out);
        let left: Vec<String> =
            moment.blocks_left(self.modules.layers).map(|l| self.block(l, None)).collect();
        if !left.is_empty() {
            out.line(format!("for b in [{}]: b.skip(x)", left.join(",")));
        }
        let head = self.named.module(self.modules.head.clone());
        out.line(format!("{head}.skip(x[...,:1])"));
    }

    /// The logits of a pass over the prompts.
    fn logits(&mut self, actions: &[Action<'_>], out: &mut IndentedLines) {
        let m = self.module(Moment::Head);
        if self.layout.last_logits {
            out.line(format!("x={m}.input"));
            out.line(format!("y={}[:,None].clone()", self.layout.row(-1)));
            empty("x", out);
            out.line(format!("{m}.inputs=((y,),{{}})"));
        }
        out.line(format!("o={m}.output"));
        self.read_logits("o", actions, out);
        if self.modules.logit_softcap.is_some() {
            // A soft-cap behind the head would make whole again what keeps its shape, and return it.
            out.line("o.set_(o.new_zeros(1,1,1))");
        } else {
            empty("o", out);
        }
    }

    /// Reads and edits of logits, `[prompts, tokens, vocab]`, as `x` in f32 after any soft-cap.
    pub fn read_logits(&self, from: &str, actions: &[Action<'_>], out: &mut IndentedLines) {
        out.line(format!("x={from}.float()"));
        if let Some(cap) = self.modules.logit_softcap {
            let cap = float(cap);
            out.line(format!("x=(x/{cap}).tanh()*{cap}"));
        }
        self.actions(actions, false, out);
    }

    /// The variable of the output matrix.
    pub fn head(&mut self) -> String {
        self.module(Moment::Head)
    }

    /// Reads and edits at one place. `said` if a condition around them holds for each of them.
    fn actions(&self, here: &[Action<'_>], said: bool, out: &mut IndentedLines) {
        for Action { site, node, op, passes, when: conditions } in here {
            let when = if said { None } else { condition(std::slice::from_ref(passes), self.plan.steps) };
            out.under(when.as_deref(), |out| match op {
                Op::Read { positions, .. } => {
                    let logits = *site == Site::Logits;
                    let host = if logits && self.plan.whole { ".cpu()" } else { "" };
                    out.line(format!("v{node}={}{host}", self.layout.read(*positions, logits, *node)));
                }
                Op::Write { positions, edit, .. } => {
                    (self.inputs)(*node, op, out);
                    let part = if self.layout.cut { "[q]" } else { "" };
                    let fresh = *site == Site::Logits;
                    let go = |touch: &Touch, out: &mut IndentedLines| {
                        edit::apply(self.checked, *node, edit, (touch, fresh), part, out);
                    };
                    let go_where = |touch, out: &mut IndentedLines| {
                        let touch = self.under(touch, *site, conditions, out);
                        go(&touch, out);
                    };
                    match self.touch(*positions, *site, *node) {
                        EditReach::Touch(touch) => go_where(touch, out),
                        EditReach::Never => out.line("pass"),
                        EditReach::If(condition) => {
                            out.under(Some(&condition), |out| go_where(Touch::Full, out));
                        }
                    }
                }
                Op::When { above, of, .. } => {
                    (self.inputs)(*node, op, out);
                    let rows = match of {
                        Decides::Token => "x".into(),
                        Decides::Prompt(positions) => self.layout.read(*positions, false, *node),
                    };
                    edit::look(*node, &rows, *above, out);
                }
                _ => {}
            });
        }
    }

    /// What is left of a touch under conditions.
    fn under(&self, touch: Touch, site: Site, conditions: &[usize], out: &mut IndentedLines) -> Touch {
        let of = |node: usize| {
            let op = self.checked.graph().nodes.get(node);
            let by_prompt = matches!(op, Some(Op::When { of: Decides::Prompt(_), .. }));
            (format!("h{node}"), by_prompt)
        };
        let (layout, all): (_, Vec<_>) = (self.layout, conditions.iter().map(|node| of(*node)).collect());
        if all.is_empty() {
            return touch;
        }
        if site == Site::Logits && layout.last_logits {
            // Only each prompt's last row is there.
            let last = if layout.even || layout.left { ":,-1" } else { "r,n-1" };
            let rows =
                all.iter().map(|(h, by_prompt)| if *by_prompt { h.clone() } else { format!("{h}[{last}]") });
            let marked = match touch {
                Touch::Prompts(marked) => Some(format!("({marked})")),
                Touch::Full | Touch::Rows(_) | Touch::Marked(_) => None,
            };
            let all: Vec<String> = rows.chain(marked).collect();
            out.line(format!("w={}", all.join("&")));
            return Touch::Prompts("w".into());
        }
        if touch == Touch::Full && all.iter().all(|(_, by_prompt)| *by_prompt) {
            let all: Vec<String> = all.into_iter().map(|(h, _)| h).collect();
            out.line(format!("w={}", all.join("&")));
            return Touch::Prompts("w".into());
        }
        match touch {
            Touch::Rows(rows) => {
                let which = rows.trim_start_matches('x');
                out.line("w=torch.zeros(x.shape[:2],dtype=torch.bool)");
                out.line(format!("w{which}=True"));
            }
            Touch::Marked(marked) => out.line(format!("w={marked}")),
            Touch::Full | Touch::Prompts(_) => out.line("w=torch.ones(x.shape[:2],dtype=torch.bool)"),
        }
        for (h, by_prompt) in all {
            out.line(format!("w=w&{h}{}", if by_prompt { "[:,None]" } else { "" }));
        }
        Touch::Marked("w".into())
    }

    fn touch(&self, positions: WriteAt, site: Site, node: usize) -> EditReach {
        let layout = self.layout;
        let index = match positions {
            WriteAt::In(..) if site == Site::Logits && layout.last_logits => {
                // Only each prompt's last row is there.
                let last = if layout.even || layout.left { ":,-1" } else { "r,n-1" };
                return EditReach::Touch(Touch::Prompts(format!("z{node}[{last}]")));
            }
            WriteAt::In(..) => return EditReach::Touch(Touch::Marked(format!("z{node}"))),
            WriteAt::All | WriteAt::Prompt | WriteAt::Generated => return EditReach::Touch(Touch::Full),
            WriteAt::Last => -1,
            WriteAt::Index(i) => i,
        };
        if site == Site::Logits && layout.last_logits {
            // Only the last row is there; an index may or may not mean it.
            return match (index, layout.even) {
                (-1, _) => EditReach::Touch(Touch::Full),
                (i, _) if i < 0 => EditReach::Never,
                (i, true) => EditReach::If(format!("len(t[0])=={}", i64::from(i) + 1)),
                (i, false) => EditReach::Touch(Touch::Prompts(format!("n=={}", i64::from(i) + 1))),
            };
        }
        EditReach::Touch(Touch::Rows(layout.row(index)))
    }
}

/// Whether it is computed in f64, as means are.
fn is_mean(at: ReadAt) -> bool {
    let part = |take| matches!(take, Take::Mean | Take::MeanSink | Take::Sinks);
    matches!(at, ReadAt::Mean | ReadAt::MeanSink | ReadAt::Sinks)
        || at.part().is_some_and(|(_, take)| part(take))
}

/// Which rows an edit touches: some, none, or those where a condition holds.
enum EditReach {
    Touch(Touch),
    Never,
    If(String),
}

/// Empties a tensor that nothing takes any more: shaped as before, one number in store, so that next
/// to nothing crosses to the model, and what the model still does with it fits.
pub(super) fn empty(x: &str, out: &mut IndentedLines) {
    out.line(format!("{x}.set_({x}.new_zeros(1).expand({x}.shape))"));
}
