//! The whole program: groups in order, then what is saved.

use super::batch::{Batches, Load};
use super::plan::{Action, Plan, Rows, at, depends, live};
use super::pure::{self, InBatch, torch};
use super::site::{Layout, Named, Sites};
use super::text::{Text, quoted};
use super::{Request, edit, generate};
use crate::graph::{Dim, Edit, NodeId, Op, ValueKind};
use crate::pickle::Value;
use crate::{DType, Site};

/// A program and what it starts from.
pub(super) struct Program {
    pub source: String,
    pub locals: Vec<(String, Value)>,
    pub named: Named,
}

/// A program in the making.
struct Maker<'a> {
    request: &'a Request<'a>,
    out: Text,
    locals: Vec<(String, Value)>,
    named: Named,
    /// By node, whether its variable is there.
    ready: Vec<bool>,
}

/// Lowers a request whose parts were checked.
pub(super) fn program(request: &Request<'_>) -> Program {
    let nodes = request.checked.graph().nodes.len();
    let mut maker = Maker {
        request,
        out: Text::default(),
        locals: Vec::new(),
        named: Named::default(),
        ready: vec![false; nodes],
    };
    maker.out.line("import torch");
    maker.out.open("with torch.no_grad():");
    maker.constants();
    for group in 0..request.tokens.len() {
        if let Some(plan) = u32::try_from(group).ok().and_then(|g| Plan::new(request.checked, g)) {
            maker.group(plan);
        }
    }
    maker.saves();
    Program { source: maker.out.source(), locals: maker.locals, named: maker.named }
}

impl Maker<'_> {
    /// Constants that something computes with; those only saved are not sent at all.
    fn constants(&mut self) {
        let checked = self.request.checked;
        let mut used = vec![false; self.ready.len()];
        for (_, op) in live(checked) {
            if !matches!(op, Op::Save { .. }) {
                for input in op.inputs() {
                    if let Some(flag) = used.get_mut(input.0 as usize) {
                        *flag = true;
                    }
                }
            }
        }
        for (id, op) in live(checked) {
            let Op::Const(tensor) = op else { continue };
            if !used.get(id).copied().unwrap_or(false) {
                continue;
            }
            // The engine computes with constants in f32.
            let narrowed = if tensor.dtype() == DType::F64 { tensor.cast(DType::F32).ok() } else { None };
            let sent = narrowed.as_ref().unwrap_or(tensor);
            let kind = torch(sent.dtype());
            let shape: Vec<String> = sent.shape().iter().map(ToString::to_string).collect();
            let shape = shape.join(",");
            if sent.is_empty() {
                self.out.line(format!("v{id}=torch.zeros([{shape}],dtype={kind})"));
            } else {
                self.out.line(format!(
                    "v{id}=torch.frombuffer(bytearray(b{id}),dtype={kind}).reshape([{shape}])"
                ));
                self.locals.push((format!("b{id}"), Value::Bytes(sent.bytes().to_vec())));
            }
            if tensor.dtype() == DType::F64 {
                self.out.line(format!("v{id}=v{id}.double()"));
            }
            if let Some(flag) = self.ready.get_mut(id) {
                *flag = true;
            }
        }
        // Lists of ids and doses are sent beside the text, so that its lines stay short.
        for (id, op) in live(checked) {
            match op {
                Op::LogProb { tokens, .. } => {
                    let ids = tokens.iter().map(|t| Value::Int(i64::from(*t))).collect();
                    self.locals.push((format!("i{id}"), Value::List(ids)));
                }
                Op::Write { edit: Edit::Add { alpha, .. }, .. } if alpha.len() > 1 => {
                    let doses = alpha.iter().map(|a| Value::Float(*a)).collect();
                    self.locals.push((format!("a{id}"), Value::List(doses)));
                }
                _ => {}
            }
        }
    }

    /// Computes pure nodes and what they are made of, as far as that is not there.
    fn force(&self, wanted: &[NodeId], ready: &mut [bool], batch: &InBatch<'_>, out: &mut Text) {
        let checked = self.request.checked;
        let nodes = &checked.graph().nodes;
        let mut stack: Vec<usize> = wanted.iter().map(|n| n.0 as usize).collect();
        let mut order = Vec::new();
        while let Some(id) = stack.pop() {
            if let (Some(op), Some(flag)) = (nodes.get(id), ready.get_mut(id))
                && !*flag
            {
                *flag = true;
                order.push(id);
                stack.extend(op.inputs().iter().map(|n| n.0 as usize));
            }
        }
        // Inputs come before what takes them.
        order.sort_unstable();
        for id in order {
            if let Some(op) = nodes.get(id) {
                pure::statement(checked, id, op, batch, out);
            }
        }
    }

    fn group(&mut self, plan: Plan<'_>) {
        let checked = self.request.checked;
        let graph = checked.graph();
        let g = plan.group;
        let Some(prompts) = self.request.tokens.get(g as usize) else { return };
        let batches = batches(self.request, &plan);
        let wide = plan.wide(graph);
        let (first, plan) = plan.parted(graph);
        let plan = &plan;
        let many = batches.parts.len() > 1;
        let left = plan.generate.is_some();
        // A generation computes the logits of the last token alone.
        let layout = Layout { even: batches.even, left, last_logits: left || !wide, cut: many };
        let outside = InBatch { tokens: "t", even: batches.even, device: false };

        // What edits are made of, as far as that is known before the group runs.
        let own = depends(graph, g);
        let edits: Vec<(usize, &Edit)> = graph
            .nodes
            .iter()
            .enumerate()
            .filter(|(id, _)| plans(first.as_ref(), plan).any(|a| a.node == *id))
            .filter_map(|(id, op)| match op {
                Op::Write { edit, .. } => Some((id, edit)),
                _ => None,
            })
            .collect();
        let inside = |edit: &Edit| edit.inputs().iter().any(|n| at(&own, *n));
        let mut ready = std::mem::take(&mut self.ready);
        let mut prelude = Text::default();
        for (id, edit) in edits.iter().filter(|(_, e)| !inside(e)) {
            self.force(&edit.inputs(), &mut ready, &outside, &mut prelude);
            edit::prepare(checked, *id, edit, &mut prelude);
        }
        let kept = self.kept(plan);
        let needed = self.needed(plan, &kept);
        // So is what stands beside rows of the group.
        for (id, op) in graph.nodes.iter().enumerate() {
            if needed.get(id).copied().unwrap_or(false) {
                let beside: Vec<NodeId> = op.inputs().into_iter().filter(|n| !at(&own, *n)).collect();
                self.force(&beside, &mut ready, &outside, &mut prelude);
            }
        }

        // One batch.
        let mut body = Text::default();
        let mut named = std::mem::take(&mut self.named);
        {
            let inputs = |id: usize, out: &mut Text| {
                let Some(Op::Write { edit, .. }) = graph.nodes.get(id) else { return };
                if inside(edit) {
                    // Reads of this group are there by now; what is made of them is made here, as
                    // often as the edit happens.
                    let mut here = ready.clone();
                    for (i, op) in graph.nodes.iter().enumerate() {
                        if let (Op::Read { group, .. }, Some(flag)) = (op, here.get_mut(i)) {
                            *flag |= *group == g;
                        }
                    }
                    self.force(&edit.inputs(), &mut here, &outside, out);
                    edit::prepare(checked, id, edit, out);
                }
            };
            let modules = self.request.modules;
            let mut sites = Sites { checked, modules, plan, layout, named: &mut named, inputs: &inputs };
            if let Some(first) = &first {
                (sites.plan, sites.layout.last_logits) = (first, false);
                sites.forward(&padded_inputs(batches.even), &mut body);
                (sites.plan, sites.layout) = (plan, layout);
            }
            match plan.generate {
                Some((node, params)) => generate::steps(&mut sites, node, params, &needed, &mut body),
                None => sites.forward("input_ids=torch.tensor(t)", &mut body),
            }
        }
        self.named = named;

        // What is computed of a batch's values batch by batch.
        let mut device = vec![false; graph.nodes.len()];
        for (id, op) in graph.nodes.iter().enumerate() {
            let logits = matches!(op, Op::Read { site: Site::Logits, .. }) && !plan.whole;
            let from = op.inputs().iter().any(|n| at(&device, *n));
            let here = needed.get(id).copied().unwrap_or(false);
            if let Some(flag) = device.get_mut(id) {
                *flag = here && (logits || from);
            }
            if here {
                let batch = InBatch {
                    tokens: "t",
                    even: batches.even,
                    device: device.get(id).copied().unwrap_or(false),
                };
                pure::statement(checked, id, op, &batch, &mut body);
            }
        }
        for (id, rows) in &kept {
            let host = if device.get(*id).copied().unwrap_or(false) { ".cpu()" } else { "" };
            match (many, rows) {
                (false, _) if host.is_empty() => {}
                (false, _) => body.line(format!("v{id}=v{id}{host}")),
                (true, Rows::Prompts) => body.line(format!("g{id}.append(v{id}{host})")),
                (true, Rows::Tokens) => {
                    let lengths = if batches.even { "len(t[0])" } else { "n.tolist()" };
                    body.line(format!("g{id}+=v{id}{host}.split({lengths})"));
                }
            }
        }

        self.locals.extend(fields(g, prompts, &batches, &layout));
        self.out.append(prelude);
        if let Some((_, params)) = plan.generate.filter(|(_, params)| params.temperature > 0.0) {
            let steps = plan.steps;
            let count = prompts.len();
            self.locals.push((format!("u{g}"), Value::Bytes(generate::uniforms(params, count, steps))));
            self.out.line(format!(
                "u{g}=torch.frombuffer(bytearray(u{g}),dtype=torch.float64).reshape([{count},{steps}])"
            ));
        }
        if many {
            for (id, _) in &kept {
                self.out.line(format!("g{id}=[]"));
            }
            let n = if batches.even { "" } else { "n," };
            self.out.open(format!("for t,{n}q in t{g}:"));
        } else {
            self.out.line(format!("t=t{g}"));
            if !batches.even {
                self.out.line(format!("n=n{g}"));
            }
        }
        if !batches.even {
            self.out.line("n=torch.tensor(n)");
            self.out.line("r=torch.arange(len(t))");
            self.out.line(if layout.left {
                "k=torch.arange(-len(t[0]),0)>=-n[:,None]"
            } else {
                "k=torch.arange(len(t[0]))<n[:,None]"
            });
        }
        self.out.append(body);
        if many {
            self.out.close();
            if !batches.in_order() {
                self.out.line(format!("o=torch.tensor([i for b in t{g} for i in b[-1]]).argsort()"));
            }
            for (id, rows) in &kept {
                let value = match (batches.in_order(), rows) {
                    (true, _) => format!("torch.cat(g{id})"),
                    (false, Rows::Prompts) => format!("torch.cat(g{id})[o]"),
                    (false, Rows::Tokens) => format!("torch.cat([g{id}[i] for i in o])"),
                };
                self.out.line(format!("v{id}={value}"));
                self.out.line(format!("del g{id}"));
            }
        }
        for (id, _) in &kept {
            if let Some(flag) = ready.get_mut(*id) {
                *flag = true;
            }
        }
        self.ready = ready;
    }

    /// The nodes of a group that something outside its batches takes.
    fn kept(&self, plan: &Plan<'_>) -> Vec<(usize, Rows)> {
        let checked = self.request.checked;
        let mut kept: Vec<bool> = vec![false; plan.local.len()];
        for (id, op) in live(checked) {
            let takes_here = plan.local.get(id).copied().flatten().is_some();
            for input in op.inputs() {
                if !takes_here
                    && at(&plan.local, input).is_some()
                    && let Some(flag) = kept.get_mut(input.0 as usize)
                {
                    *flag = true;
                }
            }
        }
        kept.iter()
            .zip(&plan.local)
            .enumerate()
            .filter(|(_, (k, _))| **k)
            .filter_map(|(i, (_, r))| r.map(|r| (i, r)))
            .collect()
    }

    /// The nodes of a group that are computed in its batches.
    fn needed(&self, plan: &Plan<'_>, kept: &[(usize, Rows)]) -> Vec<bool> {
        let nodes = &self.request.checked.graph().nodes;
        let mut needed = vec![false; nodes.len()];
        let mut stack: Vec<usize> = kept.iter().map(|(i, _)| *i).collect();
        while let Some(id) = stack.pop() {
            if plan.local.get(id).copied().flatten().is_some()
                && let (Some(op), Some(flag)) = (nodes.get(id), needed.get_mut(id))
                && !*flag
            {
                *flag = true;
                stack.extend(op.inputs().iter().map(|n| n.0 as usize));
            }
        }
        needed
    }

    /// What the graph saves, narrowed, under its names.
    fn saves(&mut self) {
        let checked = self.request.checked;
        let graph = checked.graph();
        let mut ready = std::mem::take(&mut self.ready);
        let mut saved = Vec::new();
        for op in &graph.nodes {
            let Op::Save { name, value } = op else { continue };
            let Some(source) = graph.nodes.get(value.0 as usize) else { continue };
            let value = match source {
                Op::Const(_) => continue,
                Op::Decode { generate } => *generate,
                _ => *value,
            };
            let mut lines = Text::default();
            let outside = InBatch { tokens: "t", even: false, device: false };
            self.force(&[value], &mut ready, &outside, &mut lines);
            self.out.append(lines);
            let kind = torch(self.request.wire(value));
            saved.push(format!("{}:v{}.to({kind},copy=True)", quoted(name), value.0));
        }
        self.out.line(format!("saved=save({{{}}})", saved.join(",")));
        self.ready = ready;
    }
}

/// The batches in which the prompts of a group run.
pub(super) fn batches(request: &Request<'_>, plan: &Plan<'_>) -> Batches {
    let prompts = request.tokens.get(plan.group as usize).map_or(&[][..], Vec::as_slice);
    let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
    let load = Load {
        steps: plan.steps as usize,
        generates: plan.generate.is_some(),
        hidden: request.modules.hidden as usize,
        vocab: vocab(request, plan),
        wide: plan.wide(request.checked.graph()),
        whole: plan.whole,
    };
    Batches::new(&lengths, load)
}

/// The reads and edits of both parts of a plan.
fn plans<'a>(first: Option<&'a Plan<'_>>, plan: &'a Plan<'_>) -> impl Iterator<Item = &'a Action> {
    first.into_iter().chain(std::iter::once(plan)).flat_map(|p| &p.actions)
}

/// Arguments of a pass over prompts that are padded on the left, as a generation wants them.
fn padded_inputs(even: bool) -> String {
    if even {
        return "input_ids=torch.tensor(t)".into();
    }
    "input_ids=torch.tensor(t),attention_mask=k.long(),position_ids=(k.cumsum(1)-1).clamp(min=0)".into()
}

/// The width of logits that a group reads, if it reads them.
fn vocab(request: &Request<'_>, plan: &Plan<'_>) -> Option<usize> {
    plan.actions.iter().find_map(|a| {
        let Some(ValueKind::Tensor { shape, .. }) = request.checked.kinds().get(a.node) else { return None };
        match (a.site, shape.0.last()) {
            (Site::Logits, Some(Dim::Fixed(n))) => Some(*n),
            _ => None,
        }
    })
}

/// Prompts, padded, with their lengths where those differ and their places where there are several
/// batches.
fn fields(group: u32, prompts: &[Vec<u32>], batches: &Batches, layout: &Layout) -> Vec<(String, Value)> {
    let int = |i: usize| Value::Int(i64::try_from(i).unwrap_or(i64::MAX));
    let lengths = |part: &[usize]| {
        Value::List(part.iter().filter_map(|p| prompts.get(*p)).map(|t| int(t.len())).collect())
    };
    let padded = |part: &[usize]| {
        let rows = || part.iter().filter_map(|p| prompts.get(*p));
        let width = rows().map(Vec::len).max().unwrap_or(0);
        let row = |tokens: &Vec<u32>| {
            let pad = std::iter::repeat_n(Value::Int(0), width - tokens.len());
            let ids = tokens.iter().map(|t| Value::Int(i64::from(*t)));
            Value::List(if layout.left { pad.chain(ids).collect() } else { ids.chain(pad).collect() })
        };
        Value::List(rows().map(row).collect())
    };
    if let [part] = batches.parts.as_slice() {
        let mut fields = vec![(format!("t{group}"), padded(part))];
        if !batches.even {
            fields.push((format!("n{group}"), lengths(part)));
        }
        return fields;
    }
    let one = |part: &Vec<usize>| {
        let places = Value::List(part.iter().map(|p| int(*p)).collect());
        Value::Tuple(if batches.even {
            vec![padded(part), places]
        } else {
            vec![padded(part), lengths(part), places]
        })
    };
    vec![(format!("t{group}"), Value::List(batches.parts.iter().map(one).collect()))]
}
