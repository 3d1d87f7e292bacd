//! `tokens`: what a tokenizer and a chat template make of texts, before anything is asked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use truenorth::analyses::{EncodedPrompt, NamedPrompt, Said, Spelled, Spoken};
use truenorth::data::NearCopies;
use truenorth::engine::NO_TOKENIZER;
use truenorth::run::Runner;
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::graph::{Role, Take, position};
use truenorth_protocol::{Prompt, ReadAt, WriteAt};

use super::args::{InputArgs, ModelArgs, On};
use super::output::wrong_hint;
use super::session::{self, Session};
use super::{dry, hosted, texts};

/// Shows what a tokenizer, and a chat template, make of texts: ids, pieces, roles, and which tokens a position means.
///
/// Writes one JSON line per prompt: id, text (as it goes in), ids, pieces (the text of each token), offsets (of its
/// characters, [start, end); null for tokens that stand around the text), roles (of conversations; null for markup),
/// positions (token indices by name; null where the name means none for certain), `round_trip` (whether the text of the
/// ids makes the ids again), warnings. No weights are read.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth tokens --model smollm2-135m --chat --input prompts.txt \
    --positions last,user,mean:user")]
pub struct Tokens {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    /// Positions, as `read` and `steer` take them, whose tokens are named. `generated` means none yet: those are behind a
    /// text.
    #[arg(long, value_name = "P,..", value_delimiter = ',', allow_hyphen_values = true)]
    positions: Vec<PositionsArg>,
    /// Sequences put before each prompt, as `score` does with probes.
    #[arg(long, value_name = "F")]
    sequences: Option<PathBuf>,
    /// What stands between sequence and prompt.
    #[arg(long, value_name = "STR", default_value = " ", requires = "sequences")]
    join: String,
    /// The file to write; default stdout.
    #[arg(long, value_name = "F.jsonl")]
    out: Option<PathBuf>,
}

/// Positions as they are read, or the one name that only steering has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PositionsArg {
    Read(ReadAt),
    Generated,
}

impl std::str::FromStr for PositionsArg {
    type Err = <ReadAt as std::str::FromStr>::Err;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s == WriteAt::Generated.to_string() { Ok(Self::Generated) } else { s.parse().map(Self::Read) }
    }
}

impl std::fmt::Display for PositionsArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(at) => at.fmt(f),
            Self::Generated => WriteAt::Generated.fmt(f),
        }
    }
}

#[derive(Serialize)]
struct TokensRow {
    id: String,
    text: Option<String>,
    ids: Vec<u32>,
    pieces: Vec<Option<String>>,
    offsets: Vec<Option<[usize; 2]>>,
    roles: Vec<Option<Role>>,
    positions: BTreeMap<String, Option<Vec<usize>>>,
    round_trip: Option<bool>,
    warnings: Vec<String>,
}

/// A prompt, and where in its text a sequence ends that stands before it.
struct JoinedPrompt {
    named: NamedPrompt,
    joint: Option<String>,
}

impl Tokens {
    pub fn run(self) -> anyhow::Result<()> {
        dry::refuse("tokens, which asks nothing,")?;
        if let Some(out) = &self.out {
            session::writes_rows(out)?;
        }
        let (prompts, _) = session::prompts(&self.input.input)?;
        let asked = self.joined(prompts)?;
        let runner: Box<dyn Runner> = match &self.model.place.on {
            On::Url(_) => Box::new(hosted::open(&self.model.place.on, &self.model, None)?),
            On::Local | On::Ndif => {
                let (part, rehearsal) = dry::rehearsal(&self.model)?;
                if let Some(lack) = part.lack {
                    return Err(wrong_hint(lack, NO_TOKENIZER));
                }
                session::warn(&part.notes);
                Box::new(rehearsal)
            }
        };
        let session = Session::over(runner, &self.model)?;
        let reader = session.reader();
        let named: Vec<NamedPrompt> = asked.iter().map(|a| a.named.clone()).collect();
        let encoded = reader.encode_turns(&named, false)?;
        let mut rows = Vec::with_capacity(asked.len());
        for (asked, encoded) in asked.iter().zip(&encoded) {
            rows.push(self.row(reader.runner(), asked, reader.spell(&asked.named)?, encoded)?);
        }
        for (row, warning) in rows.iter().flat_map(|r| r.warnings.iter().map(move |w| (r, w))) {
            eprintln!("warning: `{}` {warning}", row.id);
        }
        if !session.reader().spoken().is_some_and(Spoken::is_chat)
            && self.positions.iter().any(|p| needs_chat(*p))
        {
            session::once("turns have names in conversations alone; --chat makes conversations of texts");
        }
        if self.positions.contains(&PositionsArg::Generated) {
            session::once(
                "`generated` means no token of these texts: it is what `steer` writes behind them, from the token after the \
                 last on; what was generated before is read as the last turn of messages (`response`)",
            );
        }
        session::write_rows(self.out.as_deref(), &rows, "Token ids of prompts")
    }

    /// The prompts, or each behind every sequence.
    fn joined(&self, prompts: Vec<NamedPrompt>) -> anyhow::Result<Vec<JoinedPrompt>> {
        let Some(path) = &self.sequences else {
            return Ok(prompts.into_iter().map(|named| JoinedPrompt { named, joint: None }).collect());
        };
        let sequences = texts::at(NearCopies::default()).sequences(path)?;
        let mut all = Vec::new();
        for sequence in &sequences.loaded.rows {
            for probe in &prompts {
                if matches!(probe.said, Said::Conversation(_)) {
                    return Err(wrong_hint(
                        format!("probe `{}` has messages; a sequence can only be put before text", probe.id),
                        "give its text, which is the user's turn with --chat",
                    ));
                }
                let Prompt::Text(text) = &probe.prompt else {
                    return Err(wrong_hint(
                        format!(
                            "probe `{}` is given as tokens; a sequence can only be put before text",
                            probe.id
                        ),
                        "give its text",
                    ));
                };
                let id = format!("{} + {}", sequence.id, probe.id);
                let named = NamedPrompt::text(id, format!("{}{}{text}", sequence.text, self.join));
                all.push(JoinedPrompt { named, joint: Some(sequence.text.clone()) });
            }
        }
        Ok(all)
    }

    fn row(
        &self,
        runner: &dyn Runner,
        asked: &JoinedPrompt,
        spelled: Option<Spelled>,
        encoded: &EncodedPrompt,
    ) -> anyhow::Result<TokensRow> {
        let Prompt::Tokens(ids) = &encoded.prompt else {
            return Err(wrong_hint(
                format!("`{}` has no token ids: the tokenizer is not at hand", asked.named.id),
                NO_TOKENIZER,
            ));
        };
        let text = spelled.as_ref().map(|s| s.text.as_str());
        let own = match text {
            Some(text) => runner.pieces(&[text])?.and_then(|mut all| all.pop()),
            None => None,
        };
        let before = own.as_ref().map_or(ids.len(), |own| ids.len().saturating_sub(own.ids.len()));
        let own = own.filter(|own| ids.get(before..) == Some(&own.ids));
        let place = |i: usize| {
            let [start, end] = *own.as_ref().and_then(|own| own.bytes.get(i.checked_sub(before)?))?;
            Some(start as usize..end as usize)
        };
        let pieces = pieces(runner, text, ids, place)?;
        let mut offsets = Vec::with_capacity(ids.len());
        for i in 0..ids.len() {
            let bytes = place(i);
            let chars = |end: usize| text.and_then(|t| t.get(..end)).map(|t| t.chars().count());
            offsets.push(bytes.and_then(|b| Some([chars(b.start)?, chars(b.end)?])));
        }
        let role = |i: usize| {
            let turn = encoded.turns.0.iter().find(|t| (t.start as usize..t.end as usize).contains(&i));
            turn.map(|t| t.role)
        };
        let mut warnings = warnings(asked, own.as_ref(), spelled.as_ref());
        let mut positions = BTreeMap::new();
        for at in &self.positions {
            let found = match at {
                PositionsArg::Read(at) => tokens_of(*at, encoded, ids.len()),
                PositionsArg::Generated => Some(vec![]),
            };
            if found.is_none() {
                warnings.push(format!("has no tokens that `{at}` means for certain"));
            }
            positions.insert(at.to_string(), found);
        }
        let round_trip = round_trip(runner, ids)?;
        if round_trip == Some(false) {
            warnings.push("does not come back: the text of its ids makes other ids".into());
        }
        Ok(TokensRow {
            id: asked.named.id.clone(),
            text: text.map(str::to_owned),
            ids: ids.clone(),
            pieces,
            offsets,
            roles: (0..ids.len()).map(role).collect(),
            positions,
            round_trip,
            warnings,
        })
    }
}

fn needs_chat(at: PositionsArg) -> bool {
    let PositionsArg::Read(at) = at else { return false };
    at.part().is_some_and(|(part, _)| part.needs_turns())
}

/// The text of each token: its slice of the text where that is certain, else what its id alone is.
pub fn pieces(
    runner: &dyn Runner,
    text: Option<&str>,
    ids: &[u32],
    place: impl Fn(usize) -> Option<Range<usize>>,
) -> anyhow::Result<Vec<Option<String>>> {
    let piece = |(i, id): (usize, &u32)| {
        let slice = text.zip(place(i)).and_then(|(text, bytes)| text.get(bytes));
        Ok(match slice {
            Some(slice) => Some(slice.to_owned()),
            None => runner.spell(&[&[*id]])?.and_then(|mut all| all.pop()),
        })
    };
    ids.iter().enumerate().map(piece).collect()
}

/// The tokens that a name means.
pub fn tokens_of(at: ReadAt, encoded: &EncodedPrompt, tokens: usize) -> Option<Vec<usize>> {
    match at {
        ReadAt::Last => Some(vec![tokens.checked_sub(1)?]),
        ReadAt::Index(index) => position(index, tokens).map(|at| vec![at]),
        ReadAt::All | ReadAt::Mean | ReadAt::MeanSink | ReadAt::Sinks => Some((0..tokens).collect()),
        ReadAt::In(part, take) => {
            let take = if take == Take::Sinks { Take::Mean } else { take };
            part.tokens(take, &encoded.turns.0, tokens)
        }
    }
}

/// Whether the text of the ids makes the ids again; none where the tokenizer is elsewhere.
fn round_trip(runner: &dyn Runner, ids: &[u32]) -> anyhow::Result<Option<bool>> {
    let Some(text) = runner.spell(&[ids])?.and_then(|mut all| all.pop()) else { return Ok(None) };
    let again = runner.encode(&text, false)?;
    Ok(again.map(|again| again == ids))
}

/// What its writer may not have meant.
fn warnings(asked: &JoinedPrompt, pieces: Option<&Pieces>, spelled: Option<&Spelled>) -> Vec<String> {
    let mut out = Vec::new();
    let Prompt::Text(own) = &asked.named.prompt else { return out };
    for written in ["\\n", "\\t"] {
        if own.contains(written) {
            out.push(format!(
                "has a literal {written}, a backslash and a letter, and no such character there"
            ));
        }
    }
    let (Some(pieces), Some(Spelled { text, turns, .. })) = (pieces, spelled) else { return out };
    // What is around the turns of a conversation is the template's.
    let inside = |bytes: &Range<usize>| {
        let mut written = turns.iter().filter_map(|turn| turn.bytes.as_ref());
        turns.is_empty() || written.any(|turn| turn.start <= bytes.start && bytes.end <= turn.end)
    };
    for [from, to] in &pieces.bytes {
        let bytes = *from as usize..*to as usize;
        let marked = text.get(bytes.clone()).filter(|t| t.len() > 3);
        let marked = marked
            .filter(|t| (t.starts_with('<') && t.ends_with('>')) || (t.starts_with('[') && t.ends_with(']')));
        if let Some(mark) = marked.filter(|_| inside(&bytes)) {
            out.push(format!("has {mark} in its text, which is one token of its own to the model"));
        }
    }
    if let Some(sequence) = &asked.joint {
        let at = text.find(own.as_str()).map(|start| start + sequence.len());
        let merged = at.and_then(|at| {
            let across = |[from, to]: &&[u32; 2]| (*from as usize) < at && (*to as usize) > at;
            pieces.bytes.iter().find(across).and_then(|[from, to]| text.get(*from as usize..*to as usize))
        });
        if let Some(piece) = merged {
            out.push(format!("merges at the joint: {piece:?} is one token of sequence and what follows it"));
        }
    }
    out
}
