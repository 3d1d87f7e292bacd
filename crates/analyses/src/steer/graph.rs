//! Edits of a group of prompts, one dose a row.

use ndarray::{Array1, ArrayView1};
use truenorth_protocol::graph::{AlphaUnit, Builder, Decides, Edit, GroupId, NodeId, Op, Sampling, Steps};
use truenorth_protocol::{ReadAt, Site, Tensor};

use super::dose::{Dose, Push};
use truenorth_reading::EncodedPrompt;

/// What of a vector lies outside of those before it, as a share of its norm, to count as a direction of its own.
const OWN: f64 = 1e-4;

/// A group that generates under a dose; the text of what it generates is asked for if that can be told.
pub(super) fn generating(
    prompts: &[&EncodedPrompt],
    dose: &Dose,
    alphas: &[f64],
    sampling: Sampling,
    decodes: bool,
) -> truenorth_protocol::Graph {
    let mut b = Builder::new();
    let group = group(&mut b, prompts, dose);
    edit(&mut b, group, dose, alphas, sampling.max_new_tokens, &mut |_, _, _| {});
    let generate = b.generate(group, sampling);
    b.save("tokens", generate);
    let logprobs = b.node(Op::GeneratedLogProb { generate });
    b.save("logprobs", logprobs);
    if decodes {
        let text = b.node(Op::Decode { generate });
        b.save("text", text);
    }
    b.finish()
}

/// A group of prompts, with their turns where these are steered or decide.
pub(super) fn group(b: &mut Builder, prompts: &[&EncodedPrompt], dose: &Dose) -> GroupId {
    let group = b.group(prompts.iter().map(|e| e.prompt.clone()).collect());
    let decides = match dose.when.as_ref().map(|w| w.of) {
        Some(Decides::Prompt(at)) => at.part(),
        _ => None,
    };
    if dose.positions.part().or(decides).is_some() {
        b.turns(group, prompts.iter().map(|e| e.turns.clone()).collect());
    }
    group
}

/// When in the edits of a site something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    Before,
    After,
}

/// Ablates, adds and clamps, one dose a row. `around` is called before the edits of each site and after them.
pub(super) fn edit(
    b: &mut Builder,
    group: GroupId,
    dose: &Dose,
    alphas: &[f64],
    steps: u32,
    around: &mut dyn FnMut(&mut Builder, Site, Around),
) {
    let mut writes = Vec::new();
    for site in dose.sites() {
        around(b, site, Around::Before);
        let mut write = |b: &mut Builder, steps, edit| {
            writes.push(b.write(group, site, dose.positions, steps, edit));
        };
        if dose.ablate {
            for direction in span(dose.at(site)) {
                let direction = b.constant(Tensor::vector(&direction));
                write(b, Steps::ALL, Edit::Ablate { direction });
            }
        }
        if alphas.iter().any(|a| *a != 0.0) {
            for push in dose.at(site).filter(|p| p.coefficient != 0.0) {
                let direction = b.constant(Tensor::vector(&push.direction));
                let unit = unit(b, push);
                for (start, end, factor) in dose.schedule.runs(dose.positions, steps) {
                    let alpha = alphas.iter().map(|a| a * push.coefficient * factor).collect();
                    write(b, Steps { start, end }, Edit::Add { direction, alpha, unit });
                }
            }
        }
        for push in dose.at(site) {
            if let Some([min, max]) = push.clamp {
                let direction = b.constant(Tensor::vector(&push.direction));
                for positions in push.clamped(dose.positions, steps) {
                    let edit = Edit::Clamp { direction, min, max };
                    writes.push(b.write(group, site, positions, Steps::ALL, edit));
                }
            }
        }
        around(b, site, Around::After);
    }
    if let (Some(when), false) = (&dose.when, writes.is_empty()) {
        let direction = b.constant(Tensor::vector(&when.direction));
        b.when(group, when.site, direction, (when.of, when.above), &writes);
    }
}

fn unit(b: &mut Builder, push: &Push) -> AlphaUnit {
    match push.norm {
        #[allow(clippy::cast_possible_truncation)]
        Some(norm) => AlphaUnit::Norm(b.constant(Tensor::scalar(norm as f32))),
        None => AlphaUnit::Absolute,
    }
}

/// Directions at right angles that span what these do, so that ablating one after the other ablates all of it.
fn span<'a>(pushes: impl Iterator<Item = &'a Push>) -> Vec<Vec<f32>> {
    let mut basis: Vec<Array1<f64>> = Vec::new();
    for push in pushes {
        let mut left = wide(&push.direction);
        let whole = left.dot(&left).sqrt();
        // Twice, as rounding leaves some of what was taken out.
        for along in basis.iter().chain(&basis) {
            left = &left - &(along * left.dot(along));
        }
        let norm = left.dot(&left).sqrt();
        if norm > OWN * whole {
            basis.push(left / norm);
        }
    }
    #[allow(clippy::cast_possible_truncation)]
    let narrow = |v: &Array1<f64>| v.iter().map(|x| *x as f32).collect();
    basis.iter().map(narrow).collect()
}

fn wide(v: &[f32]) -> Array1<f64> {
    v.iter().map(|x| f64::from(*x)).collect()
}

/// What a dose pushes along at a site: the sum of its pushes, or where they add nothing the first of them.
pub(super) fn along(dose: &Dose, site: Site) -> Vec<f32> {
    let each = |p: &Push| wide(&p.direction) * (p.coefficient * p.norm.unwrap_or(1.0));
    let sum = dose.at(site).map(each).reduce(|a, b| a + b).unwrap_or_default();
    let norm = |v: ArrayView1<'_, f64>| v.dot(&v).sqrt();
    let first = dose.at(site).next().map(|p| wide(&p.direction)).unwrap_or_default();
    let chosen = if norm(sum.view()) > 0.0 { sum } else { first };
    let size = norm(chosen.view()).max(f64::MIN_POSITIVE);
    #[allow(clippy::cast_possible_truncation)]
    chosen.iter().map(|v| (v / size) as f32).collect()
}

/// Reads a site of a group whole.
pub(super) fn rows(b: &mut Builder, group: GroupId, site: Site) -> NodeId {
    b.read(group, site, ReadAt::All)
}
