//! The payload around a program: the few objects that the service's library expects.

use super::program::Program;
use crate::pickle::{Call, Global, PickleValue};

const TRACER: (&str, &str) = ("nnsight.tracing.tracer", "Tracer");
const INFO: (&str, &str) = ("nnsight.tracing.tracer", "Tracer.Info");
const SAVE: (&str, &str) = ("nnsight.tracing.tracer", "save");
const FRAME: (&str, &str) = ("nnsight.tracing.util", "SerializedFrame");
const NAMESPACE: (&str, &str) = ("types", "SimpleNamespace");
const ENVOY: (&str, &str) = ("nnsight.intervention.envoy", "Envoy");

/// Whether a payload may name a global.
pub(super) fn allowed(module: &str, name: &str) -> bool {
    [TRACER, INFO, SAVE, FRAME, NAMESPACE, ENVOY].contains(&(module, name))
}

/// `(tracer, (source, globals, locals))`.
pub(super) fn payload(program: Program, job: &str) -> PickleValue {
    let code = object(
        NAMESPACE,
        vec![
            ("co_filename", text(&format!("<truenorth {job}>"))),
            ("co_firstlineno", PickleValue::Int(1)),
            ("co_name", text("<module>")),
        ],
    );
    let nothing = || PickleValue::Dict(vec![]);
    let frame = object(FRAME, vec![("f_locals", nothing()), ("f_globals", nothing()), ("f_code", code)]);
    let tracer = object(TRACER, vec![("info", object(INFO, vec![("frame", frame)]))]);
    let mut locals = vec![(text("save"), global(SAVE)), (text("model"), envoy("model"))];
    locals.extend(
        program.named.all().map(|(name, path)| (PickleValue::Str(name), envoy(&format!("model.{path}")))),
    );
    locals.extend(program.locals.into_iter().map(|(name, value)| (PickleValue::Str(name), value)));
    let block =
        PickleValue::Tuple(vec![PickleValue::Str(program.source), nothing(), PickleValue::Dict(locals)]);
    PickleValue::Tuple(vec![tracer, block])
}

/// A module of the service's model, without the modules below it.
fn envoy(path: &str) -> PickleValue {
    let persistent = |id: &str| PickleValue::Persistent(Box::new(text(id)));
    object(
        ENVOY,
        vec![
            ("_module", persistent(&format!("Module:{path}"))),
            ("path", text(path)),
            ("interleaver", persistent("Interleaver")),
            ("_edits", PickleValue::List(vec![])),
            ("_children", PickleValue::List(vec![])),
        ],
    )
}

fn object(class: (&str, &str), state: Vec<(&str, PickleValue)>) -> PickleValue {
    let state = PickleValue::Dict(state.into_iter().map(|(k, v)| (text(k), v)).collect());
    PickleValue::Call(Box::new(Call {
        global: named(class),
        bare: true,
        args: vec![],
        items: vec![],
        appended: vec![],
        state: Some(state),
    }))
}

fn named((module, name): (&str, &str)) -> Global {
    Global { module: module.into(), name: name.into() }
}

fn global(name: (&str, &str)) -> PickleValue {
    PickleValue::Global(named(name))
}

fn text(s: &str) -> PickleValue {
    PickleValue::Str(s.to_owned())
}
