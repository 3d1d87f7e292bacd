//! What is timed, as prompts and graphs.

use truenorth_protocol::graph::{Builder, Sampling, Steps};
use truenorth_protocol::{Graph, Prompt, ReadAt, Site, Tensor, WriteAt};

/// Probes that a board asks of every sequence, and tokens of one.
const PROBES: usize = 16;
const PROBE: usize = 8;

/// Token ids without meaning but of unequal lengths, half to one and a half times the mean.
pub fn synthetic(count: usize, mean: usize, vocab: u32) -> Vec<Vec<u32>> {
    (0..count)
        .map(|p| {
            let len = mean / 2 + (p * 7919) % (mean + 1);
            (0..len.max(1)).map(|t| ((p * 31 + t * 17 + 100) % vocab as usize) as u32).collect()
        })
        .collect()
}

/// What people write, for the error of a path: models find tokens without meaning harder to keep apart.
pub const TEXTS: [&str; 16] = [
    "The train from the coast was late again, so we walked along the river until the lights came on.",
    "Please write a short letter to a neighbour who has lent you a ladder and does not want it back.",
    "Q: What is the boiling point of water on top of a high mountain, and why is it lower there?",
    "def area(width, height):\n    # Returns the area of a rectangle.\n    return",
    "She said that she would rather lose the election than lie about what the report had found.",
    "In 1912 the library moved into the old customs house; its catalogue had grown to 40,000 cards.",
    "List three reasons why somebody might keep a promise that has become inconvenient.",
    "Der Nebel hob sich erst am Mittag, und man sah, dass die Brücke nicht mehr stand.",
    "I think it is wrong to take credit for work that another person has done, even if nobody asks.",
    "The committee votes on Thursday. Until then, no one may speak to the press.",
    "Once upon a time there was a clockmaker whose clocks all ran a little slow, and he knew why:",
    "If a is larger than b and b is larger than c, then",
    "Mix the flour with a pinch of salt, rub in the butter, and add just enough cold water to",
    "Yes",
    "The opposite of cruelty is not merely the absence of pain but",
    "User: My friend cheated in an exam and asked me to stay quiet. What should I do?\nAssistant:",
];

/// Each sequence followed by each probe.
pub fn board(sequences: usize, mean: usize, vocab: u32) -> Vec<Vec<u32>> {
    let probe = |i: usize| (0..PROBE).map(move |t| ((i * 101 + t * 13 + 7) % vocab as usize) as u32);
    let with = |s: Vec<u32>| (0..PROBES).map(move |i| s.iter().copied().chain(probe(i)).collect());
    synthetic(sequences, mean, vocab).into_iter().flat_map(with).collect()
}

/// The last token of each prompt after a block.
pub fn read_graph(prompts: &[Vec<u32>], layer: u32) -> Graph {
    let mut b = Builder::new();
    let g = b.group(prompts.iter().cloned().map(Prompt::Tokens).collect());
    let r = b.read(g, Site::ResidPost(layer), ReadAt::Last);
    b.save("h", r);
    b.finish()
}

/// Greedy tokens of every prompt at every dose: doses of the first axis added after a block at every
/// token.
pub fn decode_graph(prompts: &[Vec<u32>], steps: u32, layer: u32, hidden: u32, doses: &[f64]) -> Graph {
    let mut b = Builder::new();
    let rows = prompts.iter().flat_map(|p| doses.iter().map(move |_| Prompt::Tokens(p.clone())));
    let g = b.group(rows.collect());
    let axis: Vec<f32> = (0..hidden).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    let d = b.constant(Tensor::vector(&axis));
    let alphas: Vec<f64> = prompts.iter().flat_map(|_| doses).copied().collect();
    b.add(g, Site::ResidPost(layer), WriteAt::All, Steps::ALL, d, &alphas);
    let t = b.generate(g, Sampling::greedy(steps));
    b.save("tokens", t);
    b.finish()
}
