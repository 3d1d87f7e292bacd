//! Asking a model about rows that are each pushed their own way: log-probabilities, generations, and
//! how far the next token's distribution moves.

use truenorth_protocol::graph::{
    AlphaUnit, Binary, Builder, Edit, GroupId, Op, Sampling, Steps, Turns, Unary,
};
use truenorth_protocol::{Answer, Graph, Prompt, ReadAt, Site, Tensor, Value, WriteAt};

use truenorth_protocol::run::Watch;
use truenorth_reading::{AnalysisError, Reader};

/// The most bytes of logits that one graph may hold at once.
const LOGIT_BYTES: usize = 128 << 20;
/// Pushes beside one baseline in a graph.
const PUSHES: usize = 48;

/// A direction times a dose.
#[derive(Clone, Copy, Debug)]
pub(super) struct SweepPush<'a> {
    pub direction: &'a [f32],
    /// In mean residual norms.
    pub alpha: f64,
}

/// A prompt, pushed or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct SteeredPrompt<'a> {
    pub prompt: &'a [u32],
    /// Its turns, where they may be pushed.
    pub turns: Option<&'a Turns>,
    pub push: Option<SweepPush<'a>>,
}

/// Where the pushes happen, and their unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct SteeringSite {
    pub site: Site,
    pub positions: WriteAt,
    /// The mean residual norm that α multiplies.
    pub norm: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Output {
    /// The tokens, the one that stopped it left out.
    pub tokens: Vec<u32>,
    pub text: String,
}

/// The log-probability of every token of every row; the first token's is 0.
pub(super) fn log_probs(
    reader: &Reader<'_>,
    place: SteeringSite,
    rows: &[SteeredPrompt<'_>],
    watch: &dyn Watch,
) -> Result<Vec<Vec<f64>>, AnalysisError> {
    let (order, rows) = sorted(rows);
    let batch = reader.runner().batch();
    let most = batch.tokens.min(LOGIT_BYTES / logit_bytes(reader)).max(1);
    let packs = packs(&rows, most, usize::MAX);
    let graphs = packs
        .iter()
        .map(|pack| {
            let mut b = Builder::new();
            let group = group(&mut b, pack);
            push(&mut b, group, place, pack)?;
            let logits = b.read(group, Site::Logits, ReadAt::All);
            let log_probs = b.node(Op::PromptLogProb { logits });
            b.save("logprobs", log_probs);
            Ok(b.finish())
        })
        .collect::<Result<Vec<Graph>, AnalysisError>>()?;
    let answers = reader.ask_each(graphs, watch)?;
    let mut out = Vec::with_capacity(rows.len());
    for (pack, answer) in packs.iter().zip(&answers) {
        let values = numbers(answer, "logprobs", pack.len())?;
        let mut rest = &values[..];
        for row in *pack {
            let Some((head, tail)) = rest.split_at_checked(row.prompt.len()) else {
                return Err(lost("logprobs", pack.len()));
            };
            out.push(head.to_vec());
            rest = tail;
        }
        if !rest.is_empty() {
            return Err(lost("logprobs", pack.len()));
        }
    }
    Ok(restored(&order, out))
}

pub(super) fn generate(
    reader: &Reader<'_>,
    place: SteeringSite,
    rows: &[SteeredPrompt<'_>],
    sampling: &Sampling,
    watch: &dyn Watch,
) -> Result<Vec<Output>, AnalysisError> {
    let (order, rows) = sorted(rows);
    let packs = packs(&rows, usize::MAX, reader.runner().batch().sequences.max(1));
    let mut first = 0;
    let graphs = packs
        .iter()
        .map(|pack| {
            let mut b = Builder::new();
            let group = group(&mut b, pack);
            push(&mut b, group, place, pack)?;
            let generate = b.generate(group, sampling.from_row(first));
            first += pack.len();
            b.save("tokens", generate);
            let text = b.node(Op::Decode { generate });
            b.save("text", text);
            Ok(b.finish())
        })
        .collect::<Result<Vec<Graph>, AnalysisError>>()?;
    let answers = reader.ask_each(graphs, watch)?;
    let steps = sampling.max_new_tokens as usize;
    let mut out = Vec::with_capacity(rows.len());
    for (pack, answer) in packs.iter().zip(&answers) {
        let n = pack.len();
        let tokens =
            answer.tensor("tokens").and_then(|t| t.to_i64().ok()).ok_or_else(|| lost("tokens", n))?;
        let text = answer.values.get("text").and_then(Value::text).ok_or_else(|| lost("text", n))?;
        if tokens.len() != n * steps || text.len() != n {
            return Err(lost("tokens", n));
        }
        for (tokens, text) in tokens.chunks(steps.max(1)).zip(text) {
            let tokens = tokens
                .iter()
                .map_while(|t| u32::try_from(*t).ok())
                .take_while(|t| !sampling.stop.contains(t))
                .collect();
            out.push(Output { tokens, text: text.clone() });
        }
    }
    Ok(restored(&order, out))
}

/// `KL(unsteered ‖ pushed)` of the next token in nats: a row a push, a column a prompt.
///
/// With logits `l` and `m`, `KL = softmax(l)·(l - m) - (logsumexp(l) - logsumexp(m))`. The dot product
/// is taken where the model runs, so that no logits travel; the difference of the log-sum-exps is that
/// of the first logit less that of its log-probability.
pub(super) fn divergence(
    reader: &Reader<'_>,
    place: SteeringSite,
    prompts: &[Vec<u32>],
    pushes: &[SweepPush<'_>],
    watch: &dyn Watch,
) -> Result<Vec<Vec<f64>>, AnalysisError> {
    let batch = reader.runner().batch();
    let mut jobs = Vec::new();
    for (first, some) in pushes.chunks(PUSHES).enumerate().map(|(i, c)| (i * PUSHES, c)) {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let rows = (batch.tokens / longest).min(LOGIT_BYTES / logit_bytes(reader));
        let at_once = (rows / (1 + some.len())).max(1);
        for (start, chunk) in prompts.chunks(at_once).enumerate().map(|(i, c)| (i * at_once, c)) {
            jobs.push((first, some, start, chunk));
        }
    }
    let graphs = jobs
        .iter()
        .map(|(_, pushes, _, prompts)| divergence_graph(place, prompts, pushes))
        .collect::<Result<_, _>>()?;
    let answers = reader.ask_each(graphs, watch)?;
    let mut out = vec![vec![0.0; prompts.len()]; pushes.len()];
    for ((first, some, start, chunk), answer) in jobs.iter().zip(&answers) {
        let n = chunk.len();
        let whole = |name: &str, len: usize| match numbers(answer, name, n) {
            Ok(values) if values.len() == len => Ok(values),
            _ => Err(lost(name, n)),
        };
        let first_logit = whole("first_logit", n * (1 + some.len()))?;
        let first_log_prob = whole("first_log_prob", n * (1 + some.len()))?;
        // logsumexp of row i.
        let total = |i: usize| first_logit[i] - first_log_prob[i];
        for k in 0..some.len() {
            let dots = whole(&format!("dot.{k}"), n)?;
            for (p, dot) in dots.iter().enumerate() {
                let kl = dot - (total(p) - total((1 + k) * n + p));
                // Rounding can take a divergence of nothing below 0.
                out[first + k][start + p] = kl.max(0.0);
            }
        }
    }
    Ok(out)
}

fn divergence_graph(
    place: SteeringSite,
    prompts: &[Vec<u32>],
    pushes: &[SweepPush<'_>],
) -> Result<Graph, AnalysisError> {
    let rows: Vec<SteeredPrompt<'_>> = std::iter::once(None)
        .chain(pushes.iter().map(|p| Some(*p)))
        .flat_map(|push| prompts.iter().map(move |prompt| SteeredPrompt { prompt, turns: None, push }))
        .collect();
    let mut b = Builder::new();
    let group = group(&mut b, &rows);
    push(&mut b, group, place, &rows)?;
    let logits = b.read(group, Site::Logits, ReadAt::Last);
    let first = b.slice(logits, 1, 0..1);
    b.save("first_logit", first);
    let first = b.log_prob(logits, &[0]);
    b.save("first_log_prob", first);
    #[allow(clippy::cast_possible_truncation, reason = "rows of a batch are few")]
    let block = |k: usize| (k * prompts.len()) as u32..((k + 1) * prompts.len()) as u32;
    let plain = b.slice(logits, 0, block(0));
    let chances = b.unary(Unary::Softmax, plain);
    for k in 0..pushes.len() {
        let pushed = b.slice(logits, 0, block(1 + k));
        let difference = b.binary(Binary::Sub, plain, pushed);
        let dot = b.dot(difference, chances);
        b.save(format!("dot.{k}"), dot);
    }
    Ok(b.finish())
}

fn group(b: &mut Builder, rows: &[SteeredPrompt<'_>]) -> GroupId {
    b.group(rows.iter().map(|r| Prompt::Tokens(r.prompt.to_vec())).collect())
}

/// Adds to each row its own direction times its own dose.
fn push(
    b: &mut Builder,
    group: GroupId,
    place: SteeringSite,
    rows: &[SteeredPrompt<'_>],
) -> Result<(), AnalysisError> {
    let pushes: Vec<SweepPush<'_>> = rows.iter().filter_map(|r| r.push).collect();
    let Some(first) = pushes.first().map(|p| p.direction) else { return Ok(()) };
    if let Some(other) = pushes.iter().find(|p| p.direction.len() != first.len()) {
        return Err(AnalysisError::Input(format!(
            "directions of {} and {} numbers can't push the same model",
            first.len(),
            other.direction.len()
        )));
    }
    let direction = if pushes.iter().all(|p| p.direction == first) {
        Tensor::vector(first)
    } else {
        let zero = vec![0.0; first.len()];
        let all: Vec<f32> =
            rows.iter().flat_map(|r| r.push.map_or(&zero[..], |p| p.direction)).copied().collect();
        Tensor::from_f32(vec![rows.len(), first.len()], &all)
            .map_err(|e| AnalysisError::Input(format!("directions of a batch: {e}")))?
    };
    let direction = b.constant(direction);
    if place.positions.part().is_some() {
        b.turns(group, rows.iter().map(|r| r.turns.cloned().unwrap_or_default()).collect());
    }
    #[allow(clippy::cast_possible_truncation)]
    let norm = b.constant(Tensor::scalar(place.norm as f32));
    let alpha = rows.iter().map(|r| r.push.map_or(0.0, |p| p.alpha)).collect();
    let edit = Edit::Add { direction, alpha, unit: AlphaUnit::Norm(norm) };
    b.write(group, place.site, place.positions, Steps::ALL, edit);
    Ok(())
}

/// The rows with like prompts side by side, whose first blocks a model computes once up to where they
/// are pushed; and where each was.
fn sorted<'a>(rows: &[SteeredPrompt<'a>]) -> (Vec<usize>, Vec<SteeredPrompt<'a>>) {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|i| rows[*i].prompt);
    let rows = order.iter().map(|i| rows[*i]).collect();
    (order, rows)
}

/// What was found of sorted rows, where each was.
fn restored<T>(order: &[usize], found: Vec<T>) -> Vec<T> {
    let mut placed: Vec<(usize, T)> = order.iter().copied().zip(found).collect();
    placed.sort_by_key(|(i, _)| *i);
    placed.into_iter().map(|(_, found)| found).collect()
}

/// Consecutive rows that stay within a number of tokens and of rows; at least one each.
fn packs<'r, 'a>(rows: &'r [SteeredPrompt<'a>], tokens: usize, count: usize) -> Vec<&'r [SteeredPrompt<'a>]> {
    let mut out = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (i, row) in rows.iter().enumerate() {
        if i > start && (size + row.prompt.len() > tokens || i - start == count) {
            out.push(&rows[start..i]);
            (start, size) = (i, 0);
        }
        size += row.prompt.len();
    }
    if start < rows.len() {
        out.push(&rows[start..]);
    }
    out
}

fn logit_bytes(reader: &Reader<'_>) -> usize {
    (reader.runner().info().vocab as usize * size_of::<f32>()).max(1)
}

fn numbers(answer: &Answer, name: &str, prompts: usize) -> Result<Vec<f64>, AnalysisError> {
    let values = answer.tensor(name).and_then(|t| t.to_f32().ok()).ok_or_else(|| lost(name, prompts))?;
    match values.iter().position(|v| !v.is_finite()) {
        Some(_) => Err(AnalysisError::NotFinite { name: name.to_owned(), id: None }),
        None => Ok(values.into_iter().map(f64::from).collect()),
    }
}

fn lost(name: &str, prompts: usize) -> AnalysisError {
    AnalysisError::Answer { name: name.to_owned(), prompts }
}
