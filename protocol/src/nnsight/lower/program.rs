//! The whole program: groups in order, then what is saved.

use std::collections::BTreeMap;

use super::batch::{BatchBounds, Batches};
use super::pure::{self, InBatch, torch};
use super::rows::{RowKind, at, local};
use super::site::{ModulePaths, PromptLayout, Sites};
use super::text::{IndentedLines, quoted};
use super::{PayloadInput, edit, generate};
use crate::graph::{Decides, Dim, Edit, NodeId, Op, ValueKind};
use crate::pickle::PickleValue;
use crate::plan::{Action, GroupPlan, depends, live};
use crate::{DType, Site};

/// A program and what it starts from.
pub(super) struct Program {
    pub source: String,
    pub locals: Vec<(String, PickleValue)>,
    pub named: ModulePaths,
}

/// A program in the making.
struct Maker<'a> {
    request: &'a PayloadInput<'a>,
    out: IndentedLines,
    locals: Vec<(String, PickleValue)>,
    named: ModulePaths,
    /// By node, whether its variable is there.
    ready: Vec<bool>,
}

/// Lowers a request whose parts were checked.
pub(super) fn program(request: &PayloadInput<'_>) -> Program {
    let nodes = request.checked.graph().nodes.len();
    let mut maker = Maker {
        request,
        out: IndentedLines::default(),
        locals: Vec::new(),
        named: ModulePaths::default(),
        ready: vec![false; nodes],
    };
    maker.out.line("import torch");
    maker.out.open("with torch.no_grad():");
    maker.constants();
    for (group, prompts) in (0_u32..).zip(request.tokens) {
        if let Some(plan) = GroupPlan::new(request.checked, group) {
            maker.group(plan, prompts);
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
                op.inputs().iter().for_each(|input| used[input.0 as usize] = true);
            }
        }
        for (id, op) in live(checked) {
            let Op::Const(tensor) = op else { continue };
            if !used[id] {
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
                self.locals.push((format!("b{id}"), PickleValue::Bytes(sent.bytes().to_vec())));
            }
            if tensor.dtype() == DType::F64 {
                self.out.line(format!("v{id}=v{id}.double()"));
            }
            self.ready[id] = true;
        }
        // Lists of ids and doses are sent beside the text, so that its lines stay short.
        for (id, op) in live(checked) {
            match op {
                Op::LogProb { tokens, .. } => {
                    let ids = tokens.iter().map(|t| PickleValue::Int(i64::from(*t))).collect();
                    self.locals.push((format!("i{id}"), PickleValue::List(ids)));
                }
                Op::Write { edit: Edit::Add { alpha, .. }, .. } if alpha.len() > 1 => {
                    let doses = alpha.iter().map(|a| PickleValue::Float(*a)).collect();
                    self.locals.push((format!("a{id}"), PickleValue::List(doses)));
                }
                _ => {}
            }
        }
    }

    /// Computes pure nodes and what they are made of, as far as that is not there.
    fn force(&self, wanted: &[NodeId], ready: &mut [bool], batch: &InBatch<'_>, out: &mut IndentedLines) {
        let checked = self.request.checked;
        let nodes = &checked.graph().nodes;
        let mut stack: Vec<usize> = wanted.iter().map(|n| n.0 as usize).collect();
        let mut order = Vec::new();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut ready[id], true) {
                order.push(id);
                stack.extend(nodes[id].inputs().iter().map(|n| n.0 as usize));
            }
        }
        // Inputs come before what takes them.
        order.sort_unstable();
        for id in order {
            pure::statement(checked, id, &nodes[id], batch, out);
        }
    }

    fn group(&mut self, plan: GroupPlan<'_>, prompts: &[Vec<u32>]) {
        let checked = self.request.checked;
        let graph = checked.graph();
        let g = plan.group;
        let batches = batches(self.request, &plan);
        let wide = plan.wide();
        let (first, plan) = plan.parted();
        let plan = &plan;
        let many = batches.parts.len() > 1;
        let left = plan.generate.is_some();
        // A generation computes the logits of the last token alone.
        let layout = PromptLayout { even: batches.even, left, last_logits: left || !wide, cut: many };
        let outside = InBatch { tokens: "t", even: batches.even, device: false };

        // What edits are made of, as far as that is known before the group runs.
        let own = depends(graph, g);
        let local = local(checked, g, plan.whole, &own);
        let edits: BTreeMap<usize, &Op> = plans(first.as_ref(), plan)
            .filter(|a| a.is_edit() || a.is_condition())
            .map(|a| (a.node, a.op))
            .collect();
        let inside = |op: &Op| made_of(op).iter().any(|n| at(&own, *n));
        let mut ready = std::mem::take(&mut self.ready);
        let mut prelude = IndentedLines::default();
        for (id, op) in edits.into_iter().filter(|(_, op)| !inside(op)) {
            self.force(&made_of(op), &mut ready, &outside, &mut prelude);
            edit::prepare(checked, id, op, &mut prelude);
        }
        let kept = self.kept(&local);
        let needed = self.needed(&local, &kept);
        // So is what stands beside rows of the group.
        for (id, op) in graph.nodes.iter().enumerate() {
            if needed[id] {
                let beside: Vec<NodeId> = op.inputs().into_iter().filter(|n| !at(&own, *n)).collect();
                self.force(&beside, &mut ready, &outside, &mut prelude);
            }
        }

        // One batch.
        let mut body = IndentedLines::default();
        self.marks(g, prompts, (&batches, &layout), &mut body);
        let mut named = std::mem::take(&mut self.named);
        {
            let inputs = |id: usize, op: &Op, out: &mut IndentedLines| {
                if inside(op) {
                    // Reads of this group are there by now; what is made of them is made here, as
                    // often as the edit happens.
                    let mut here = ready.clone();
                    for (op, ready) in graph.nodes.iter().zip(&mut here) {
                        *ready |= matches!(op, Op::Read { group, .. } if *group == g);
                    }
                    self.force(&made_of(op), &mut here, &outside, out);
                    edit::prepare(checked, id, op, out);
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
        let mut device: Vec<bool> = Vec::with_capacity(graph.nodes.len());
        for (id, op) in graph.nodes.iter().enumerate() {
            let logits = matches!(op, Op::Read { site: Site::Logits, .. }) && !plan.whole;
            let from = op.inputs().iter().any(|n| at(&device, *n));
            device.push(needed[id] && (logits || from));
            if needed[id] {
                let batch = InBatch { tokens: "t", even: batches.even, device: device[id] };
                pure::statement(checked, id, op, &batch, &mut body);
            }
        }
        for (id, rows) in &kept {
            let host = if device[*id] { ".cpu()" } else { "" };
            match (many, rows) {
                (false, _) if host.is_empty() => {}
                (false, _) => body.line(format!("v{id}=v{id}{host}")),
                (true, RowKind::Prompts) => body.line(format!("g{id}.append(v{id}{host})")),
                (true, RowKind::Tokens) => {
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
            self.locals.push((format!("u{g}"), PickleValue::Bytes(generate::uniforms(params, count, steps))));
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
                    (false, RowKind::Prompts) => format!("torch.cat(g{id})[o]"),
                    (false, RowKind::Tokens) => format!("torch.cat([g{id}[i] for i in o])"),
                };
                self.out.line(format!("v{id}={value}"));
                self.out.line(format!("del g{id}"));
            }
        }
        kept.iter().for_each(|(id, _)| ready[*id] = true);
        self.ready = ready;
    }

    /// Masks of the parts of prompts that are read or edited, `[prompts, tokens]`, padding as in the prompts: `z` and the
    /// node, made of the runs of tokens of each prompt.
    fn marks(
        &mut self,
        group: u32,
        prompts: &[Vec<u32>],
        (batches, layout): (&Batches, &PromptLayout),
        out: &mut IndentedLines,
    ) {
        let graph = self.request.checked.graph();
        for (id, op) in live(self.request.checked) {
            let (of, part) = match op {
                Op::Read { group, positions, .. } => (*group, positions.part()),
                Op::Write { group, positions, .. } => (*group, positions.part()),
                Op::When { group, of: Decides::Prompt(positions), .. } => (*group, positions.part()),
                _ => continue,
            };
            let (true, Some((part, take))) = (of == group, part) else { continue };
            let int = |i: usize| PickleValue::Int(i64::try_from(i).unwrap_or(i64::MAX));
            let of_prompt = |(p, ids): (usize, &Vec<u32>)| {
                let tokens = part.tokens(take, graph.turns_of(group, p), ids.len()).unwrap_or_default();
                PickleValue::List(tokens.into_iter().map(int).collect())
            };
            self.locals.push((
                format!("w{id}"),
                PickleValue::List(prompts.iter().enumerate().map(of_prompt).collect()),
            ));
            let which = if layout.cut { "q" } else { "range(len(t))" };
            let pad = if layout.left && !batches.even { "len(t[0])-int(n[i])+" } else { "" };
            out.line(format!("z{id}=torch.zeros(len(t),len(t[0]),dtype=torch.bool)"));
            out.open(format!("for i,j in enumerate({which}):"));
            out.line(format!("for a in w{id}[j]: z{id}[i,{pad}a]=True"));
            out.close();
        }
    }

    /// The nodes of a group that something outside its batches takes.
    fn kept(&self, local: &[Option<RowKind>]) -> Vec<(usize, RowKind)> {
        let mut kept: Vec<bool> = vec![false; local.len()];
        for (id, op) in live(self.request.checked) {
            if local[id].is_none() {
                op.inputs().iter().for_each(|input| kept[input.0 as usize] = true);
            }
        }
        let rows = local.iter().zip(kept).enumerate();
        rows.filter_map(|(i, (rows, kept))| Some((i, rows.filter(|_| kept)?))).collect()
    }

    /// The nodes of a group that are computed in its batches.
    fn needed(&self, local: &[Option<RowKind>], kept: &[(usize, RowKind)]) -> Vec<bool> {
        let nodes = &self.request.checked.graph().nodes;
        let mut needed = vec![false; nodes.len()];
        let mut stack: Vec<usize> = kept.iter().map(|(i, _)| *i).collect();
        while let Some(id) = stack.pop() {
            if local[id].is_some() && !std::mem::replace(&mut needed[id], true) {
                stack.extend(nodes[id].inputs().iter().map(|n| n.0 as usize));
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
            let value = match &graph.nodes[value.0 as usize] {
                Op::Const(_) => continue,
                Op::Decode { generate } => *generate,
                _ => *value,
            };
            let mut lines = IndentedLines::default();
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
pub(super) fn batches(request: &PayloadInput<'_>, plan: &GroupPlan<'_>) -> Batches {
    let prompts = &request.tokens[plan.group as usize];
    let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
    let load = BatchBounds {
        steps: plan.steps as usize,
        generates: plan.generate.is_some(),
        hidden: request.modules.hidden as usize,
        vocab: vocab(request, plan),
        wide: plan.wide(),
        whole: plan.whole,
    };
    Batches::new(&lengths, load)
}

/// The values that an edit or a condition is made of.
fn made_of(op: &Op) -> Vec<NodeId> {
    match op {
        Op::When { direction, .. } => vec![*direction],
        _ => op.inputs(),
    }
}

/// The reads and edits of both parts of a plan.
fn plans<'a>(
    first: Option<&'a GroupPlan<'a>>,
    plan: &'a GroupPlan<'a>,
) -> impl Iterator<Item = &'a Action<'a>> {
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
fn vocab(request: &PayloadInput<'_>, plan: &GroupPlan<'_>) -> Option<usize> {
    plan.actions.iter().find_map(|a| {
        let ValueKind::Tensor { shape, .. } = &request.checked.kinds()[a.node] else { return None };
        match (a.site, shape.0.last()) {
            (Site::Logits, Some(Dim::Fixed(n))) => Some(*n),
            _ => None,
        }
    })
}

/// Prompts, padded, with their lengths where those differ and their places where there are several
/// batches.
fn fields(
    group: u32,
    prompts: &[Vec<u32>],
    batches: &Batches,
    layout: &PromptLayout,
) -> Vec<(String, PickleValue)> {
    let int = |i: usize| PickleValue::Int(i64::try_from(i).unwrap_or(i64::MAX));
    let lengths = |part: &[usize]| PickleValue::List(part.iter().map(|p| int(prompts[*p].len())).collect());
    let padded = |part: &[usize]| {
        let rows = || part.iter().map(|p| &prompts[*p]);
        let width = rows().map(Vec::len).max().unwrap_or(0);
        let row = |tokens: &Vec<u32>| {
            let pad = std::iter::repeat_n(PickleValue::Int(0), width - tokens.len());
            let ids = tokens.iter().map(|t| PickleValue::Int(i64::from(*t)));
            PickleValue::List(if layout.left { pad.chain(ids).collect() } else { ids.chain(pad).collect() })
        };
        PickleValue::List(rows().map(row).collect())
    };
    if let [part] = batches.parts.as_slice() {
        let mut fields = vec![(format!("t{group}"), padded(part))];
        if !batches.even {
            fields.push((format!("n{group}"), lengths(part)));
        }
        return fields;
    }
    let one = |part: &Vec<usize>| {
        let places = PickleValue::List(part.iter().map(|p| int(*p)).collect());
        PickleValue::Tuple(if batches.even {
            vec![padded(part), places]
        } else {
            vec![padded(part), lengths(part), places]
        })
    };
    vec![(format!("t{group}"), PickleValue::List(batches.parts.iter().map(one).collect()))]
}
