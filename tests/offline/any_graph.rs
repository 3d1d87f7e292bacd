//! Whatever a graph says, it is refused by name or answered in the shapes that were promised, and both
//! executors do the same for it.

#[path = "../../protocol/tests/support/any_graph.rs"]
mod drawn;

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{RunError, Runner as _, Unwatched, Watch};
use truenorth_protocol::graph::{CheckLimits, Decides, Dim, NodeId, Op, ValueKind};
use truenorth_protocol::nnsight::{LowerError, ModelKey, Modules, PayloadInput};
use truenorth_protocol::plan::GroupPlan;
use truenorth_protocol::{CheckedGraph, DType, Prompt, ReadAt, Site, Value, WriteAt};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| open("fixtures/families/llama"));
/// A model with a tokenizer.
static READER: LazyLock<Engine> = LazyLock::new(|| open("fixtures/cases/_models/llama"));

fn open(folder: &str) -> Engine {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let options =
        EngineOptions { name: "llama".into(), revision: "fixture".into(), ..EngineOptions::default() };
    Engine::open(&folder, &options).unwrap()
}

/// Whether a value is of the type and sizes that the check promised.
fn promised(checked: &CheckedGraph, kind: &ValueKind, value: &Value) -> bool {
    let tokens = |group: u32| -> usize {
        let of = |p: &Prompt| match p {
            Prompt::Tokens(t) => t.len(),
            Prompt::Text(_) => 0,
        };
        checked.graph().groups[group as usize].prompts.iter().map(of).sum()
    };
    match (kind, value) {
        (ValueKind::Text(group), Value::Text(texts)) => {
            texts.len() == checked.graph().groups[*group as usize].prompts.len()
        }
        (ValueKind::Tensor { dtype, shape }, Value::Tensor { tensor, .. }) => {
            let sizes = shape.0.iter().map(|d| match d {
                Dim::Fixed(n) => *n,
                Dim::Tokens(group) => tokens(*group),
            });
            tensor.dtype() == *dtype && sizes.eq(tensor.shape().iter().copied())
        }
        _ => false,
    }
}

/// Counts passes and the tokens that go through them.
#[derive(Default)]
struct Passes(AtomicU64, AtomicU64);

impl Watch for Passes {
    fn tokens(&self, more: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.fetch_add(more, Ordering::Relaxed);
    }
}

/// Token ids by group and prompt; none if a text has none here.
fn tokens(checked: &CheckedGraph) -> Option<Vec<Vec<Vec<u32>>>> {
    let ids = |special: bool, prompt: &Prompt| match prompt {
        Prompt::Tokens(tokens) => Some(tokens.clone()),
        Prompt::Text(text) => READER.encode(text, special).ok()?,
    };
    let groups = checked.graph().groups.iter();
    groups.map(|g| g.prompts.iter().map(|p| ids(g.special_tokens, p)).collect()).collect()
}

fn modules() -> Modules {
    let info = READER.info();
    Modules {
        embed: "embed".into(),
        blocks: "layers".into(),
        attn: "attn".into(),
        attn_post: None,
        mlp_norm: Some("norm".into()),
        mlp: "mlp".into(),
        mlp_post: None,
        norm: "norm".into(),
        head: "head".into(),
        parallel: false,
        layers: info.layers,
        hidden: info.hidden,
        vocab: info.vocab,
        attention: "sdpa".into(),
        logit_softcap: None,
    }
}

/// Whether a read or an edit happens in a pass, by the words of the graph's own documentation.
fn happens(op: &Op, step: u32) -> bool {
    match op {
        Op::Read { step: at, .. } => *at == step,
        Op::Write { positions, steps, .. } => {
            step >= steps.start
                && steps.end.is_none_or(|end| step < end)
                && match positions {
                    WriteAt::All => true,
                    WriteAt::Prompt | WriteAt::Last | WriteAt::Index(_) | WriteAt::In(..) => step == 0,
                    WriteAt::Generated => step > 0,
                }
        }
        Op::When { of, .. } => *of == Decides::Token || step == 0,
        _ => false,
    }
}

/// The site of a read, an edit or a condition of a group.
fn placed(op: &Op, of: u32) -> Option<Site> {
    match op {
        Op::Read { group, site, .. } | Op::Write { group, site, .. } | Op::When { group, site, .. } => {
            (*group == of).then_some(*site)
        }
        _ => None,
    }
}

/// Holds a plan to the plain meaning of its graph: walks every pass site by site and node by node.
fn holds_plan(checked: &CheckedGraph, plan: &GroupPlan<'_>) -> Result<(), TestCaseError> {
    let graph = checked.graph();
    let is_read = |n: &usize| matches!(graph.nodes[*n], Op::Read { .. });
    let is_condition = |n: &usize| matches!(graph.nodes[*n], Op::When { .. });
    for step in 0..plan.steps {
        let mut met = vec![];
        for site in Site::all(READER.info().layers) {
            // A condition sees what comes to its site, so it is met first.
            for conditions in [true, false] {
                for (node, op) in (0_u32..).zip(&graph.nodes) {
                    let here =
                        placed(op, plan.group) == Some(site) && conditions == is_condition(&(node as usize));
                    if here && checked.live(node) && happens(op, step) {
                        met.push((site, node as usize));
                    }
                }
            }
        }
        let asked = |at: &dyn Fn(ReadAt) -> bool| {
            met.iter().rfind(|(_, n)| matches!(graph.nodes[*n], Op::Read { positions, .. } if at(positions)))
        };
        let reach = plan.reach(step);
        // A condition on all of a prompt needs all of it, as a read does.
        let full = plan.actions.iter().filter(|a| a.passes.contains(&step)).rfind(|a| match a.op {
            Op::Read { positions, .. } | Op::When { of: Decides::Prompt(positions), .. } => {
                *positions != ReadAt::Last
            }
            _ => false,
        });
        prop_assert_eq!(reach.full, full.map(|a| a.site));
        if plan.generate.is_none() {
            prop_assert_eq!(Some(reach.last), asked(&|_| true).map(|(site, _)| *site));
            // What comes after the last read changes nothing.
            met.truncate(met.iter().rposition(|(_, n)| is_read(n)).map_or(0, |i| i + 1));
        } else {
            prop_assert_eq!(reach.last, Site::Logits);
        }
        let due = |site| plan.due(step, site).map(move |a| (site, a));
        let planned: Vec<(Site, usize)> =
            Site::all(READER.info().layers).flat_map(due).map(|(site, a)| (site, a.node)).collect();
        // Of conditions those are left that an edit of the plan asks for, in the passes that it may happen in.
        let held = |n: &usize| plan.actions.iter().any(|a| a.node == *n && a.passes.contains(&step));
        met.retain(|(_, n)| !is_condition(n) || held(n));
        for edit in plan.actions.iter().filter(|a| a.is_edit() && a.passes.contains(&step)) {
            let all: Vec<usize> = (0_u32..)
                .zip(&graph.nodes)
                .filter(|(node, op)| {
                    let guards = |w: &NodeId| w.0 as usize == edit.node;
                    checked.live(*node) && matches!(op, Op::When { writes, .. } if writes.iter().any(guards))
                })
                .map(|(node, _)| node as usize)
                .collect();
            let mut when = edit.when.clone();
            when.sort_unstable();
            prop_assert_eq!(&when, &all);
            let on_tokens = |n: &&usize| matches!(graph.nodes[**n], Op::When { of: Decides::Token, .. });
            prop_assert!(all.iter().filter(on_tokens).all(held));
        }
        prop_assert_eq!(planned, met, "step {}", step);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_graph_is_refused_by_name_or_answered_as_promised(graph in drawn::any_graph(ENGINE.info())) {
        let Ok(checked) = graph.check(ENGINE.info(), &CheckLimits::default()) else { return Ok(()) };
        let answer = match ENGINE.run(&checked, &Unwatched) {
            Ok(answer) => answer,
            Err(refused) => {
                prop_assert!(!refused.to_string().is_empty());
                return Ok(());
            }
        };
        let mut saved = 0;
        for op in &checked.graph().nodes {
            let Op::Save { name, value } = op else { continue };
            let (kind, got) = (&checked.kinds()[value.0 as usize], &answer.values[name]);
            prop_assert!(promised(&checked, kind, got), "{name}: {kind:?} was promised, {got:?} came");
            saved += 1;
        }
        prop_assert_eq!(saved, answer.values.len());
    }

    #[test]
    fn both_executors_refuse_the_same_prompts_and_run_the_same_passes(graph in drawn::any_graph(READER.info())) {
        let Ok(checked) = graph.check(READER.info(), &CheckLimits::default()) else { return Ok(()) };
        let plans: Vec<_> =
            (0_u32..).zip(&checked.graph().groups).filter_map(|(g, _)| GroupPlan::new(&checked, g)).collect();
        for plan in &plans {
            holds_plan(&checked, plan)?;
        }
        let Some(tokens) = tokens(&checked) else { return Ok(()) };
        let (modules, key) = (modules(), ModelKey { repo_id: "a/b".into(), revision: None });
        let request = PayloadInput {
            checked: &checked,
            tokens: &tokens,
            modules: &modules,
            key: &key,
            reply: DType::F32,
            job: "any",
        };
        let passes = Passes::default();
        let (ran, sent) = (READER.run(&checked, &passes), request.cost(DType::F32));
        let cost = match (ran, sent) {
            (Err(RunError::Prompt { problem, refused: true, hint, .. }), sent) => {
                let Err(LowerError::Prompt(fault)) = sent else {
                    return Err(TestCaseError::fail(format!("`{problem}` is refused here, and sent: {sent:?}")));
                };
                prop_assert_eq!((problem, hint), (fault.problem.to_string(), Some(fault.problem.hint())));
                prop_assert_eq!(passes.0.into_inner(), 0, "refused after a pass");
                return Ok(());
            }
            (ran, Err(LowerError::Prompt(fault))) => {
                return Err(TestCaseError::fail(format!("`{fault}` is not sent, and run here: {ran:?}")));
            }
            // Numbers that are not finite show only where there are numbers.
            (Err(_), _) | (_, Err(_)) => return Ok(()),
            (Ok(_), Ok(cost)) => cost,
        };
        // Prompts may stop early here, which a cost does not know.
        if plans.iter().any(|p| p.generate.is_some_and(|(_, params)| !params.stop.is_empty())) {
            return Ok(());
        }
        let (passes, through) = (passes.0.into_inner(), passes.1.into_inner());
        prop_assert_eq!(passes, plans.len() as u64 + cost.decode_passes);
        prop_assert_eq!(through, cost.prompt_tokens + cost.decode_tokens);
        prop_assert_eq!(cost.prompts, plans.iter().map(|p| tokens[p.group as usize].len() as u64).sum::<u64>());
    }
}
