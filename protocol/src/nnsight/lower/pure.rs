//! The pure operations of a graph as Python. Sums are taken in f64, as the engine takes them.

use super::text::IndentedLines;
use crate::graph::{Binary, NodeId, Op, Reduce, Unary, ValueKind};
use crate::{CheckedGraph, DType};

/// Name of an element type.
pub(super) fn torch(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "torch.float64",
        DType::F32 => "torch.float32",
        DType::F16 => "torch.float16",
        DType::Bf16 => "torch.bfloat16",
        DType::I64 => "torch.int64",
    }
}

/// The variable of a node, in f32 if it is a float.
pub(super) fn operand(checked: &CheckedGraph, id: NodeId) -> String {
    let v = format!("v{}", id.0);
    match checked.kinds().get(id.0 as usize) {
        Some(ValueKind::Tensor { dtype, .. }) if dtype.is_float() && *dtype != DType::F32 => v + ".float()",
        _ => v,
    }
}

/// Computes `v{id}` from its inputs. `tokens` is the name of the batch's prompts and, where they
/// differ in length, `k` marks their tokens.
pub(super) fn statement(
    checked: &CheckedGraph,
    id: usize,
    op: &Op,
    batch: &InBatch<'_>,
    out: &mut IndentedLines,
) {
    let x = |n: &NodeId| operand(checked, *n);
    // The other operand may be on another device.
    let beside = |a: &NodeId, b: &NodeId| {
        if batch.device { format!("{}.to(v{}.device)", x(b), a.0) } else { x(b) }
    };
    let value = match op {
        Op::Binary { f, a, b } => {
            let sign = match f {
                Binary::Add => '+',
                Binary::Sub => '-',
                Binary::Mul => '*',
                Binary::Div => '/',
            };
            format!("{}{sign}{}", x(a), beside(a, b))
        }
        Op::Unary { f, a } => match f {
            Unary::Neg => format!("-{}", x(a)),
            Unary::Exp => format!("{}.exp()", x(a)),
            Unary::Log => format!("{}.log()", x(a)),
            Unary::Softmax => format!("{}.double().softmax(-1).float()", x(a)),
            Unary::Unit => {
                out.line(format!("y={}.double()", x(a)));
                "(y/y.norm(dim=-1,keepdim=True)).float()".into()
            }
        },
        Op::Dot { a, b } => format!("({}.double()*{}.double()).sum(-1).float()", x(a), beside(a, b)),
        Op::Cosine { a, b } => {
            out.line(format!("y={}.double()", x(a)));
            out.line(format!("z={}.double()", beside(a, b)));
            out.line("w=((y*y).sum(-1)*(z*z).sum(-1)).sqrt()");
            // Nothing of norm 0 has an angle.
            "torch.where(w>0,(y*z).sum(-1)/w,0*w).float()".into()
        }
        Op::Norm { a } => format!("{}.double().norm(dim=-1).float()", x(a)),
        Op::Reduce { f: Reduce::Mean, a, axis } => {
            out.line(format!("y={}.double()", x(a)));
            format!("(y.sum({axis})/max(y.shape[{axis}],1)).float()")
        }
        Op::Reduce { f: Reduce::Sum, a, axis } => format!("{}.double().sum({axis}).float()", x(a)),
        Op::Slice { a, axis, start, end } => format!("v{}.narrow({axis},{start},{})", a.0, end - start),
        Op::Stack(all) => {
            let all: Vec<String> = all.iter().map(|n| format!("v{}", n.0)).collect();
            format!("torch.stack([{}])", all.join(","))
        }
        Op::Cast { a, dtype } => format!("{}.to({})", x(a), torch(*dtype)),
        Op::LogProb { logits, .. } => {
            out.line(format!("y={}.double()", x(logits)));
            format!("(y[...,i{id}]-y.logsumexp(-1,True)).float()")
        }
        Op::PromptLogProb { logits } => {
            let tokens = batch.tokens;
            let packed = if batch.even { ".flatten()" } else { "[k]" };
            out.line(format!("y=v{}[:-1].double()", logits.0));
            out.line(format!("i=torch.tensor({tokens}){packed}[1:,None].to(y.device)"));
            out.line("y=y.gather(1,i)[:,0]-y.logsumexp(1)");
            out.line(format!("v{id}=torch.nn.functional.pad(y.float(),(1,0))"));
            // The first token of a prompt has nothing before it.
            let first = if batch.even { format!("::len({tokens}[0])") } else { "n.cumsum(0)-n".into() };
            out.line(format!("v{id}[{first}]=0"));
            return;
        }
        Op::TopKValues { a, k } => format!("{}.narrow(-1,0,{k})", sorted(&x(a), 0)),
        Op::TopKIndices { a, k } => format!("{}.narrow(-1,0,{k})", sorted(&x(a), 1)),
        _ => return,
    };
    out.line(format!("v{id}={value}"));
}

/// Values or indices in falling order, ties by index.
fn sorted(a: &str, which: u8) -> String {
    format!("{a}.sort(dim=-1,descending=True,stable=True)[{which}]")
}

/// What a statement in a batch knows of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct InBatch<'a> {
    /// Name of the batch's padded prompts.
    pub tokens: &'a str,
    /// Whether all prompts have one length.
    pub even: bool,
    /// Whether values may lie on an accelerator.
    pub device: bool,
}
