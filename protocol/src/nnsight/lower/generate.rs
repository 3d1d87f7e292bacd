//! Generation as Python: a loop of forward passes over a cache, so that what is chosen, and from
//! what, is the program's to say.

use super::plan::live;
use super::site::Sites;
use super::text::{Text, float};
use crate::draws::Draws;
use crate::graph::{Op, Sampling};

/// The steps of a batch. `needed` says which nodes the batch has to leave behind.
pub(super) fn steps(
    sites: &mut Sites<'_, '_>,
    node: usize,
    params: &Sampling,
    needed: &[bool],
    out: &mut Text,
) {
    let steps = sites.plan.steps;
    let wanted = |id: usize| needed.get(id).copied().unwrap_or(false);
    let probabilities: Vec<usize> = live(sites.checked)
        .filter(|(id, op)| {
            wanted(*id) && matches!(op, Op::GeneratedLogProb { generate } if generate.0 as usize == node)
        })
        .map(|(id, _)| id)
        .collect();
    let stops = !params.stop.is_empty();
    out.line(format!("v{node}=torch.full((len(t),{steps}),-1)"));
    if !probabilities.is_empty() {
        out.line(format!("l=torch.zeros(len(t),{steps})"));
    }
    if stops {
        out.line("d=torch.zeros(len(t),dtype=torch.bool)");
    }
    out.line("c=torch.tensor(t)");
    out.line(if sites.layout.even { "a=torch.ones_like(c)" } else { "a=k.long()" });
    out.line("j=(a.cumsum(-1)-1).clamp(min=0)");
    out.line("h=None");
    out.open(format!("for s in range({steps}):"));
    out.open("with model.trace(input_ids=c,attention_mask=a,position_ids=j,past_key_values=h,use_cache=True) as tracer:");
    sites.body(out);
    sites.logits(out);
    out.line("x=x[:,-1].double()");
    out.line("h=model.output.past_key_values");
    out.close();
    out.line("if not x.isfinite().all(): raise ValueError(\"a logit is not finite\")");
    pick(sites, params, out);
    if !probabilities.is_empty() {
        out.line("y=(x.gather(1,c[:,None])[:,0]-x.logsumexp(1)).float().cpu()");
        out.line(if stops { "l[:,s]=torch.where(d,0,y)" } else { "l[:,s]=y" });
    }
    out.line("c=c.cpu()");
    out.line(if stops { format!("v{node}[:,s]=torch.where(d,-1,c)") } else { format!("v{node}[:,s]=c") });
    if stops {
        let ids: Vec<String> = params.stop.iter().map(ToString::to_string).collect();
        out.line(format!("d|=torch.isin(c,torch.tensor([{}]))", ids.join(",")));
        out.line("if d.all(): break");
    }
    out.line("c=c[:,None]");
    out.line("a=torch.nn.functional.pad(a,(0,1),value=1)");
    out.line("j=j[:,-1:]+1");
    out.close();
    out.line("del h");
    for id in probabilities {
        out.line(format!("v{id}=l"));
    }
}

/// The tokens chosen, `c`, from logits `x` in f64.
fn pick(sites: &Sites<'_, '_>, params: &Sampling, out: &mut Text) {
    if params.temperature == 0.0 {
        // The first of equal ones.
        out.line("c=x.argmax(1)");
        return;
    }
    let u = format!("u{}", sites.plan.group);
    let rows = if sites.layout.cut { "q" } else { ":" };
    out.line(format!("w=((x-x.amax(1,True))/{}).exp()", float(params.temperature)));
    out.line("y=w.sum(1,True)");
    if params.top_p < 1.0 {
        out.line("w,z=w.sort(dim=1,descending=True,stable=True)");
        // A token is in the nucleus if those before it do not fill it yet.
        out.line("f=torch.nn.functional.pad(w.cumsum(1),(1,-1))");
        out.line(format!("w=w*(f<{}*y)", float(params.top_p)));
        out.line("y=w.sum(1,True)");
    }
    out.line(format!("c=(w.cumsum(1)<={u}[{rows},s,None].to(x.device)*y).sum(1)"));
    // Rounding can leave a crumb; it belongs to the last token that has any weight.
    out.line("c=torch.minimum(c,w.shape[1]-1-(w>0).long().flip(1).argmax(1))");
    if params.top_p < 1.0 {
        out.line("c=z.gather(1,c[:,None])[:,0]");
    }
}

/// The uniform numbers of a group, `[prompts, steps]` in f64: the ones that every runner draws.
pub(super) fn uniforms(seed: u64, prompts: usize, steps: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(prompts * steps as usize * 8);
    for prompt in 0..prompts {
        let mut draws = Draws::new(seed, prompt as u64);
        for _ in 0..steps {
            out.extend(draws.draw().to_le_bytes());
        }
    }
    out
}
