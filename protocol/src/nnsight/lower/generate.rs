//! Generation as Python: one `generate` of the model's own, during which the program looks in at the
//! steps at which something is asked. Only where the graph has a say in what is chosen (draws, or
//! edits of logits), or asks how probable it was, do logits cross to the program; it then chooses, and
//! writes its choice in place of the logits.

use super::moment::stops;
use super::rows::condition;
use super::site::{Sites, empty};
use super::text::{IndentedLines, float};
use crate::draws::Draws;
use crate::graph::{Op, Sampling};
use crate::plan::{Action, live};

/// Arguments that make transformers choose the likeliest token of the model's own logits, whatever
/// the model's `generation_config.json` says. Each name is there in transformers 4.57 to 5.24.
pub(super) const GREEDY: &str = "do_sample=False,num_beams=1,num_return_sequences=1,repetition_penalty=1.0,\
encoder_repetition_penalty=1.0,no_repeat_ngram_size=0,encoder_no_repeat_ngram_size=0,bad_words_ids=None,\
sequence_bias=None,forced_bos_token_id=None,forced_eos_token_id=None,suppress_tokens=None,\
begin_suppress_tokens=None,exponential_decay_length_penalty=None,guidance_scale=None,\
watermarking_config=None,renormalize_logits=False,remove_invalid_values=False,min_length=0,\
min_new_tokens=None,max_time=None,stop_strings=None,prompt_lookup_num_tokens=None,\
cache_implementation=None,use_cache=True,return_dict_in_generate=False,output_scores=False,\
output_logits=False,output_attentions=False,output_hidden_states=False";

/// The generation of a batch. `needed` says which nodes the batch has to leave behind.
pub(super) fn steps(
    sites: &mut Sites<'_, '_>,
    node: usize,
    params: &Sampling,
    needed: &[bool],
    out: &mut IndentedLines,
) {
    let steps = sites.plan.steps;
    let probabilities: Vec<usize> = live(sites.checked)
        .filter(|(id, op)| {
            needed[*id] && matches!(op, Op::GeneratedLogProb { generate } if generate.0 as usize == node)
        })
        .map(|(id, _)| id)
        .collect();
    let stops = stops(sites.plan, sites.modules);
    let head = stops.iter().find(|s| s.moment.is_head());
    let chooses = chooses(params, !probabilities.is_empty(), head.is_some_and(|s| s.edits));

    if !probabilities.is_empty() {
        out.line(format!("l=torch.zeros(len(t),{steps})"));
    }
    out.open("with model.trace(fn=\"generate\") as tracer:");
    // Prompts that have all stopped end the generation; the check refuses reads at later steps then.
    let ids: Vec<String> = params.stop.iter().map(ToString::to_string).collect();
    let ids = ids.join(",");
    let end = if params.stop.is_empty() { "None".into() } else { format!("[{ids}]") };
    let mask = if sites.layout.even { "torch.ones_like(torch.tensor(t))" } else { "k.long()" };
    out.open(format!(
        "with tracer.invoke(input_ids=torch.tensor(t),attention_mask={mask},max_new_tokens={steps},\
         eos_token_id={end},pad_token_id=0,{GREEDY}):"
    ));
    let until =
        if chooses { steps } else { stops.iter().flat_map(|s| &s.during).map(|d| d.end).max().unwrap_or(0) };
    if until == 0 {
        out.line("pass");
    } else {
        out.open(format!("for s in tracer.iter[:{until}]:"));
        sites.steps(&stops, out);
        let actions = head.map_or(&[][..], |s| &s.actions);
        if chooses {
            choose(sites, actions, params, !probabilities.is_empty(), out);
        } else if let Some(head) = head {
            let m = sites.head();
            let when = condition(&head.during, steps);
            out.under(when.as_deref(), |out| sites.read_logits(&format!("{m}.output[:,-1:]"), actions, out));
        }
        out.close();
    }
    out.close();
    out.open("with tracer.invoke():");
    out.line("z=tracer.result.cpu()");
    out.close();
    out.close();
    tokens(node, steps, &ids, !probabilities.is_empty(), out);
    for id in probabilities {
        out.line(format!("v{id}=l"));
    }
}

/// Whether the program, and not the model, chooses the tokens.
pub(super) fn chooses(params: &Sampling, probable: bool, logits_are_edited: bool) -> bool {
    params.temperature > 0.0 || probable || logits_are_edited
}

/// The program's choice at each step, and its log-probability.
fn choose(
    sites: &mut Sites<'_, '_>,
    actions: &[Action<'_>],
    params: &Sampling,
    probable: bool,
    out: &mut IndentedLines,
) {
    let m = sites.head();
    out.line(format!("o={m}.output"));
    sites.read_logits("o[:,-1:]", actions, out);
    out.line("x=x[:,-1].double()");
    out.line("if not x.isfinite().all(): raise ValueError(\"a logit is not finite\")");
    pick(sites, params, out);
    if probable {
        out.line("l[:,s]=(x.gather(1,c[:,None])[:,0]-x.logsumexp(1)).float().cpu()");
    }
    empty("o", out);
    // A byte a token of the vocabulary, 1 at the one that is chosen.
    out.line(format!(
        "{m}.output=torch.zeros(x.shape[0],1,x.shape[1],dtype=torch.uint8,device=x.device).scatter_(2,c[:,None,None],1)"
    ));
}

/// The tokens chosen, `c`, from logits `x` in f64.
fn pick(sites: &Sites<'_, '_>, params: &Sampling, out: &mut IndentedLines) {
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

/// Generated tokens out of whole sequences `z`, -1 after a stop.
fn tokens(node: usize, steps: u32, stop: &str, probable: bool, out: &mut IndentedLines) {
    out.line("z=z[:,len(t[0]):]");
    out.line(format!("v{node}=torch.full((len(t),{steps}),-1)"));
    out.line(format!("v{node}[:,:z.shape[1]]=z"));
    if !stop.is_empty() {
        out.line(format!("d=torch.isin(v{node},torch.tensor([{stop}])).long()"));
        out.line("d=d.cumsum(1)>d");
        out.line(format!("v{node}[d]=-1"));
        if probable {
            out.line("l[d]=0");
        }
    }
}

/// The uniform numbers of a group, `[prompts, steps]` in f64: the ones that every runner draws.
pub(super) fn uniforms(params: &Sampling, prompts: usize, steps: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(prompts * steps as usize * 8);
    for prompt in 0..prompts {
        let mut draws = Draws::new(params.seed, params.row(prompt));
        for _ in 0..steps {
            out.extend(draws.draw().to_le_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_request_carries_the_draws_of_its_rows() {
        let whole = Sampling { temperature: 1.0, seed: 11, ..Sampling::greedy(8) };
        let all = uniforms(&whole, 70, 8);
        let part = uniforms(&whole.from_row(32), 38, 8);
        assert_eq!(part, all[32 * 8 * 8..]);
        assert_ne!(part[..64], all[..64]);
    }
}
