//! Whatever a graph says, it is refused by name or answered in the shapes that were promised.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

#[path = "../protocol/tests/support/any_graph.rs"]
mod any_graph;

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{CheckLimits, Dim, Op, ValueKind};
use truenorth_protocol::{Checked, Prompt, Value};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families/llama");
    let options =
        EngineOptions { name: "llama".into(), revision: "fixture".into(), ..EngineOptions::default() };
    Engine::open(&folder, &options).unwrap()
});

/// Whether a value is of the type and sizes that the check promised.
fn promised(checked: &Checked, kind: &ValueKind, value: &Value) -> bool {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_graph_is_refused_by_name_or_answered_as_promised(graph in any_graph::any_graph(ENGINE.info())) {
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
}
