//! Graphs without regard to sense: every operation, with operands, axes and groups that mostly fit and
//! sometimes are anything, so that the check finds fault early and late, and now and then none.

#![allow(clippy::unwrap_used, reason = "only sizes that fit are made")]

use std::ops::Range;

use proptest::prelude::*;
use truenorth_protocol::graph::{
    AlphaUnit, Binary, CheckError, CheckLimits, Decides, Edit, Group, NodeId, Op, Reduce, Sampling, Steps,
    Unary,
};
use truenorth_protocol::{DType, Graph, ModelInfo, Prompt, ReadAt, Site, Tensor, WriteAt};

/// The most nodes of a graph, but for what is saved last.
const NODES: u32 = 9;

/// One of the nodes before `at`, or any.
fn node(at: u32) -> impl Strategy<Value = NodeId> {
    prop_oneof![30 => 0..at.max(1), 1 => 0..NODES].prop_map(NodeId)
}

fn group() -> impl Strategy<Value = u32> {
    prop_oneof![24 => Just(0), 6 => Just(1), 1 => any::<u32>()]
}

/// A number that mostly fits, and sometimes is anything.
fn number(fits: Range<u32>) -> impl Strategy<Value = u32> {
    prop_oneof![30 => fits, 1 => any::<u32>()]
}

fn index() -> impl Strategy<Value = i32> {
    prop_oneof![9 => -2..2_i32, 1 => any::<i32>(), 1 => Just(i32::MIN)]
}

fn site(info: &ModelInfo) -> impl Strategy<Value = Site> + use<> {
    let block = |of: fn(u32) -> Site| number(0..info.layers).prop_map(of);
    prop_oneof![
        1 => Just(Site::Embed),
        1 => Just(Site::FinalNorm),
        4 => Just(Site::Logits),
        1 => block(Site::ResidPre),
        1 => block(Site::AttnOut),
        1 => block(Site::ResidMid),
        1 => block(Site::MlpOut),
        3 => block(Site::ResidPost),
    ]
}

fn dtype() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::F64), Just(DType::F32), Just(DType::F16), Just(DType::Bf16), Just(DType::I64)]
}

fn read(info: &ModelInfo) -> impl Strategy<Value = Op> + use<> {
    let at = prop_oneof![
        3 => Just(ReadAt::Last),
        3 => Just(ReadAt::All),
        1 => Just(ReadAt::Mean),
        1 => Just(ReadAt::MeanSink),
        1 => Just(ReadAt::Sinks),
        1 => index().prop_map(ReadAt::Index),
    ];
    (group(), site(info), at, prop_oneof![9 => Just(0), 1 => number(0..3)])
        .prop_map(|(group, site, positions, step)| Op::Read { group, site, positions, step })
}

fn constant(info: &ModelInfo) -> impl Strategy<Value = Op> + use<> {
    let size = prop_oneof![9 => 1..4_usize, 1 => Just(0)];
    prop_oneof![
        4 => prop::collection::vec(-1.0..1.0_f32, info.hidden as usize).prop_map(|v| Tensor::vector(&v)),
        1 => prop::collection::vec(any::<f32>(), 0..9).prop_map(|v| Tensor::vector(&v)),
        2 => (dtype(), prop::collection::vec(size, 0..4)).prop_map(|(dtype, shape)| {
            let bytes = shape.iter().product::<usize>() * dtype.size();
            Tensor::from_bytes(dtype, shape, vec![0; bytes]).unwrap()
        }),
    ]
    .prop_map(Op::Const)
}

fn edit(at: u32) -> impl Strategy<Value = Edit> {
    let alpha = prop::collection::vec(prop_oneof![30 => -8.0..8.0_f64, 1 => any::<f64>()], 1..3);
    let unit = prop_oneof![Just(AlphaUnit::Absolute), node(at).prop_map(AlphaUnit::Norm)];
    prop_oneof![
        (node(at), alpha, unit).prop_map(|(direction, alpha, unit)| Edit::Add { direction, alpha, unit }),
        node(at).prop_map(|direction| Edit::Ablate { direction }),
        node(at).prop_map(|value| Edit::Set { value }),
        prop_oneof![30 => -2.0..2.0_f64, 1 => any::<f64>()].prop_map(|factor| Edit::Scale { factor }),
        (node(at), any::<f64>(), 0.0..2.0_f64).prop_map(|(direction, min, more)| Edit::Clamp {
            direction,
            min,
            max: min + more
        }),
    ]
}

fn write(info: &ModelInfo, at: u32) -> impl Strategy<Value = Op> + use<> {
    let positions = prop_oneof![
        Just(WriteAt::All),
        Just(WriteAt::Prompt),
        Just(WriteAt::Generated),
        Just(WriteAt::Last),
        index().prop_map(WriteAt::Index)
    ];
    let steps = prop_oneof![
        3 => Just(Steps::ALL),
        1 => (number(0..3), prop::option::of(number(0..4))).prop_map(|(start, end)| Steps { start, end }),
    ];
    (group(), site(info), positions, steps, edit(at))
        .prop_map(|(group, site, positions, steps, edit)| Op::Write { group, site, positions, steps, edit })
}

fn when(info: &ModelInfo, at: u32) -> impl Strategy<Value = Op> + use<> {
    let of = prop_oneof![
        3 => Just(Decides::Token),
        1 => Just(Decides::Prompt(ReadAt::Last)),
        1 => Just(Decides::Prompt(ReadAt::Mean)),
        1 => index().prop_map(|i| Decides::Prompt(ReadAt::Index(i))),
        1 => Just(Decides::Prompt(ReadAt::All)),
    ];
    let above = prop_oneof![30 => -2.0..2.0_f64, 1 => any::<f64>()];
    (group(), site(info), node(at), above, of, prop::collection::vec(node(at), 0..3)).prop_map(
        |(group, site, direction, above, of, writes)| Op::When { group, site, direction, above, of, writes },
    )
}

fn generate(info: &ModelInfo) -> impl Strategy<Value = Op> + use<> {
    let sampling = (
        number(1..5),
        0.0..2.0_f64,
        prop_oneof![30 => 0.1..1.0_f64, 1 => any::<f64>()],
        any::<u64>(),
        prop_oneof![3 => Just(0), 1 => any::<u64>()],
    );
    (group(), sampling, prop::collection::vec(number(0..info.vocab), 0..2)).prop_map(
        |(group, (max_new_tokens, temperature, top_p, seed, first_row), stop)| {
            let params = Sampling { max_new_tokens, temperature, top_p, seed, stop, first_row };
            Op::Generate { group, params }
        },
    )
}

fn arithmetic(at: u32) -> impl Strategy<Value = Op> {
    let unary = prop_oneof![Just(Unary::Unit), Just(Unary::Softmax), Just(Unary::Log)];
    prop_oneof![
        (node(at), node(at)).prop_map(|(a, b)| Op::Binary { f: Binary::Div, a, b }),
        (unary, node(at)).prop_map(|(f, a)| Op::Unary { f, a }),
        (node(at), node(at)).prop_map(|(a, b)| Op::Dot { a, b }),
        (node(at), node(at)).prop_map(|(a, b)| Op::Cosine { a, b }),
        node(at).prop_map(|a| Op::Norm { a }),
        (node(at), number(0..3)).prop_map(|(a, axis)| Op::Reduce { f: Reduce::Mean, a, axis }),
        (node(at), number(0..3), number(0..4), number(0..9)).prop_map(|(a, axis, start, end)| Op::Slice {
            a,
            axis,
            start,
            end
        }),
        prop::collection::vec(node(at), 0..3).prop_map(Op::Stack),
        (node(at), dtype()).prop_map(|(a, dtype)| Op::Cast { a, dtype }),
        (node(at), number(1..9)).prop_map(|(a, k)| Op::TopKValues { a, k }),
        (node(at), number(1..9)).prop_map(|(a, k)| Op::TopKIndices { a, k }),
    ]
}

fn any_op(info: &ModelInfo, at: u32) -> impl Strategy<Value = Op> + use<> {
    prop_oneof![
        3 => read(info),
        2 => constant(info),
        5 => arithmetic(at),
        2 => write(info, at),
        1 => when(info, at),
        1 => generate(info),
        1 => (node(at), prop::collection::vec(number(0..info.vocab), 0..3))
            .prop_map(|(logits, tokens)| Op::LogProb { logits, tokens }),
        1 => node(at).prop_map(|logits| Op::PromptLogProb { logits }),
        1 => node(at).prop_map(|generate| Op::GeneratedLogProb { generate }),
        1 => node(at).prop_map(|generate| Op::Decode { generate }),
        2 => ("[a-c]{0,2}", node(at)).prop_map(|(name, value)| Op::Save { name, value }),
    ]
}

fn any_group(info: &ModelInfo) -> impl Strategy<Value = Group> + use<> {
    let prompt = prop_oneof![
        9 => prop::collection::vec(0..info.vocab, 1..5).prop_map(Prompt::Tokens),
        1 => prop::collection::vec(number(0..info.vocab), 0..3).prop_map(Prompt::Tokens),
        1 => ".{0,3}".prop_map(Prompt::Text),
    ];
    (prop::collection::vec(prompt, 0..3), any::<bool>())
        .prop_map(|(prompts, special_tokens)| Group { prompts, special_tokens })
}

/// Puts a plain read in the place of every node that the check finds fault with.
fn mend(mut graph: Graph, info: &ModelInfo) -> Graph {
    let read = Op::Read { group: 0, site: Site::ResidPost(0), positions: ReadAt::Last, step: 0 };
    for _ in 0..=graph.nodes.len() {
        let Err(CheckError { node: Some(at), .. }) = graph.clone().check(info, &CheckLimits::default())
        else {
            break;
        };
        graph.nodes[at as usize] = read.clone();
    }
    graph
}

/// A graph of up to two groups and ten nodes. A good part of them fits the model.
pub fn any_graph(info: &ModelInfo) -> impl Strategy<Value = Graph> + use<> {
    let groups = prop::collection::vec(any_group(info), 0..3);
    let ops: Vec<_> = (0..NODES).map(|at| any_op(info, at).boxed()).collect();
    let nodes = (0..=ops.len()).prop_flat_map(move |n| ops[..n].to_vec());
    let saved = prop::option::weighted(0.8, (0..NODES).prop_map(NodeId));
    let info = info.clone();
    (groups, nodes, saved, any::<bool>()).prop_map(move |(groups, mut nodes, saved, mended)| {
        nodes.extend(saved.map(|value| Op::Save { name: "last".into(), value }));
        let graph = Graph { groups, nodes };
        if mended { mend(graph, &info) } else { graph }
    })
}
