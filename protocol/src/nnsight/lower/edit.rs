//! Edits as Python.

use super::pure::operand;
use super::text::{IndentedLines, float};
use crate::CheckedGraph;
use crate::graph::{AlphaUnit, Edit, Graph, NodeId, Op};

/// What an edit touches in `x`, which is `[prompts, tokens, width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// Every row of every prompt.
    Full,
    /// A row a prompt: this part of `x`, which is `[prompts, width]`.
    Rows(String),
    /// All rows of the prompts that this marks.
    Prompts(String),
    /// The rows that this marks, `[prompts, tokens]`.
    Marked(String),
}

/// Makes `e{id}` out of the inputs of edit or condition `id`: what is added, set, or the unit direction.
pub(super) fn prepare(checked: &CheckedGraph, id: usize, op: &Op, out: &mut IndentedLines) {
    let graph = checked.graph();
    let edit = match op {
        Op::Write { edit, .. } => edit,
        Op::When { direction, .. } => &Edit::Ablate { direction: *direction },
        _ => return,
    };
    match edit {
        Edit::Add { direction, alpha, unit } => {
            refuse(graph, *direction, "direction", out);
            let alpha = match alpha.as_slice() {
                [one] => float(*one),
                _ => format!("torch.tensor(a{id},dtype=torch.float64)[:,None]"),
            };
            let unit = match unit {
                AlphaUnit::Absolute => String::new(),
                AlphaUnit::Norm(n) => {
                    refuse(graph, *n, "norm unit", out);
                    format!("*{}.double()", operand(checked, *n))
                }
            };
            let d = operand(checked, *direction);
            out.line(format!("e{id}=({d}.double()*({alpha}{unit})).float()"));
        }
        Edit::Set { value } => {
            refuse(graph, *value, "value", out);
            out.line(format!("e{id}={}", operand(checked, *value)));
        }
        Edit::Ablate { direction } | Edit::Clamp { direction, .. } => {
            refuse(graph, *direction, "direction", out);
            out.line(format!("e{id}={}.double()", operand(checked, *direction)));
            if !is_const(graph, *direction) {
                out.line(format!("if not e{id}.any(): raise ValueError(\"the direction of an edit, computed in the graph, is zero\")"));
            }
            out.line(format!("e{id}=(e{id}/e{id}.norm()).float()"));
        }
        Edit::Scale { .. } => {}
    }
}

/// Makes `h{id}`, which prompts, or tokens of the pass `[prompts, tokens]`, a condition holds for. `rows` are what is
/// measured.
pub(super) fn look(id: usize, rows: &str, above: f64, out: &mut IndentedLines) {
    out.line(format!("h{id}={rows}.double()"));
    out.line(format!("h{id}=((h{id}*e{id}.double().to(h{id}.device)).sum(-1)>{}).cpu()", float(above)));
}

/// Whether an edit has a row a prompt.
pub(super) fn by_prompt(checked: &CheckedGraph, edit: &Edit) -> bool {
    let axes = |id: NodeId| match checked.kinds().get(id.0 as usize) {
        Some(crate::graph::ValueKind::Tensor { shape, .. }) => shape.0.len(),
        _ => 0,
    };
    match edit {
        Edit::Add { direction, alpha, .. } => alpha.len() > 1 || axes(*direction) > 1,
        Edit::Set { value } => axes(*value) > 1,
        _ => false,
    }
}

/// Edits `x`, in place unless it is to be `fresh`. `part` takes the batch's prompts out of a row a
/// prompt.
pub(super) fn apply(
    checked: &CheckedGraph,
    id: usize,
    edit: &Edit,
    (touch, fresh): (&Touch, bool),
    part: &str,
    out: &mut IndentedLines,
) {
    let x = match touch {
        Touch::Full => "x".to_owned(),
        Touch::Rows(rows) => rows.clone(),
        Touch::Prompts(marked) | Touch::Marked(marked) => format!("x[{marked}]"),
    };
    out.line(format!("f={x}.float()"));
    if !matches!(edit, Edit::Scale { .. }) {
        let rows = match touch {
            _ if !by_prompt(checked, edit) => String::new(),
            Touch::Full => format!("{part}[:,None]"),
            Touch::Rows(_) => part.to_owned(),
            Touch::Prompts(marked) => format!("{part}[{marked}][:,None]"),
            Touch::Marked(marked) => format!("{part}[{marked}.nonzero()[:,0]]"),
        };
        out.line(format!("e=e{id}{rows}.to(x.device)"));
    }
    let change = match edit {
        Edit::Add { .. } => "f=f+e".into(),
        Edit::Set { .. } => "f=e.expand_as(f)".into(),
        Edit::Scale { factor } => format!("f=f*{}", float(*factor)),
        Edit::Ablate { .. } => "f=f-(f*e).sum(-1,True)*e".into(),
        Edit::Clamp { min, max, .. } => {
            // Not `y`, which is what entered the block where the edit is of the sum with it.
            out.line("g=(f*e).sum(-1,True)");
            format!("f=f+(g.clamp({},{})-g)*e", float(*min), float(*max))
        }
    };
    out.line(change);
    match (touch, fresh) {
        // The service takes back the very tensor it handed out: changed in place, it goes back once.
        (Touch::Full, false) => out.line("x.copy_(f)"),
        (Touch::Full, true) => out.line("x=f"),
        (_, false) => out.line(format!("{x}=f.to(x.dtype)")),
        (_, true) => {
            out.line("x=x.clone()");
            out.line(format!("{x}=f"));
        }
    }
    if !matches!(edit, Edit::Ablate { .. } | Edit::Clamp { .. }) {
        // What overflows here would come back as tokens that mean nothing.
        out.line("if not x.isfinite().all(): raise ValueError(\"the edited stream is not finite\")");
    }
}

/// Fails the job if a computed input is not finite; constants were checked before.
fn refuse(graph: &Graph, id: NodeId, what: &str, out: &mut IndentedLines) {
    if !is_const(graph, id) {
        out.line(format!(
            "if not v{}.isfinite().all(): raise ValueError(\"the {what} of an edit, computed in the graph, is not finite\")",
            id.0
        ));
    }
}

fn is_const(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.nodes.get(id.0 as usize), Some(Op::Const(_)))
}
