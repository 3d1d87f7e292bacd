//! Boards that were kept: summed up and set beside each other, with no model.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use truenorth::analyses::board::Params;
use truenorth::analyses::board::saved::{self, Aligned, SavedBoard};
use truenorth::data::read_table;
use truenorth::math::Seeds;

use super::made;
use super::output::{self, RequestContext as _, wrong, wrong_hint};
use super::record::{OutArgs, ResultRecord};
use super::session;
use super::texts::CopiesArgs;

/// The share of the standard deviation of expected scores that counts as no gap.
pub const WITHIN: f64 = 0.01;

#[derive(Subcommand, Debug)]
pub enum Saved {
    Summary(Summary),
}

impl Saved {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Summary(v) => v.run(),
        }
    }
}

/// Sums up a board that was kept, with no model.
///
/// Read are what `score` writes, a JSON list or an object with `entries` (`rank, handle, sequence, score, score_alt,
/// specificity, at`), exports as JSON lines, CSV or Parquet (`sequence_text, score, specificity, …`), and tables with a
/// score a model.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth score summary board.json --against other.jsonl --out summary.json\n  \
    truenorth score summary new.jsonl --expect board.jsonl"
)]
pub struct Summary {
    /// The file of the board, in any form named above.
    #[arg(value_name = "BOARD")]
    board: PathBuf,
    /// Another board over the same sequences, to see how ranks change.
    #[arg(long, value_name = "BOARD", conflicts_with = "expect")]
    against: Option<PathBuf>,
    /// A board that this one should be: the comparison goes to stdout as JSON, and the exit code is 1 unless every
    /// sequence is there and no score is further than --within.
    #[arg(long, value_name = "BOARD", conflicts_with_all = ["out", "report", "tables"])]
    expect: Option<PathBuf>,
    /// The largest gap to the expected board that counts as none, as a share of the standard deviation of its scores.
    #[arg(long, value_name = "SHARE", default_value_t = WITHIN, requires = "expect")]
    within: f64,
    /// The column that is the score, where there are several; `outer.inner` of a nested object.
    #[arg(long, value_name = "NAME")]
    score: Option<String>,
    /// Two kinds of the sequences, the first expected to score higher.
    #[arg(long, value_name = "HIGH,LOW", value_delimiter = ',', num_args = 1)]
    contrast: Vec<String>,
    /// Sequences at each end; default a tenth of the board, at least three.
    #[arg(long, value_name = "N")]
    ends: Option<usize>,
    /// Shuffles behind p values that are not exact.
    #[arg(long, value_name = "N", default_value_t = Params::default().permutations)]
    permutations: usize,
    /// Seeds whatever is random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: OutArgs,
}

impl Summary {
    fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let columns: Vec<String> = self.score.iter().cloned().collect();
        let (own, sha256) = first(&self.board, &columns)?;
        if let Some(expected) = &self.expect {
            return hold(&own, &first(expected, &columns)?.0, self.within);
        }
        let other = self.against.as_deref().map(|path| first(path, &columns)).transpose()?;
        let files: Vec<(usize, String)> = [(own.rows.len(), sha256)]
            .into_iter()
            .chain(other.as_ref().map(|(board, sha256)| (board.rows.len(), sha256.clone())))
            .collect();
        let mut boards: Vec<SavedBoard> = [own].into_iter().chain(other.map(|(board, _)| board)).collect();
        apart(&mut boards);
        let aligned = aligned(&boards, &self.copies)?;
        let params = Params {
            contrast: self.contrast.clone(),
            ends: self.ends,
            permutations: self.permutations,
            ..Params::default()
        };
        let found = saved::summarise(&aligned, &params, &Seeds::new(self.seed))?;
        output::listing(&saved::table(&found));
        let mut record = ResultRecord::new("score summary", self.seed, found)
            .choice("contrast", self.contrast.clone())
            .choice("ends", self.ends)
            .choice("permutations", self.permutations)
            .choice("score", self.score.clone())
            .choice("near-copies", self.copies.near_copies.threshold());
        for ((rows, sha256), role) in files.iter().zip(["board", "against"]) {
            record = record.file(role, *rows, sha256);
        }
        self.out.write(&record, "A board that was kept", |found| {
            (saved::page::findings(found), vec![saved::page::section(found)])
        })
    }
}

/// Every board of a file: one a column of scores.
pub fn all(path: &Path, columns: &[String]) -> anyhow::Result<(Vec<SavedBoard>, String)> {
    let (reader, name) = session::open_input(path)?;
    let file = read_table(reader, &name).request(format!("can't read a board from {name}"))?;
    session::say(&file.notes);
    let stem = path.file_stem().map_or_else(|| name.clone(), |s| s.to_string_lossy().into_owned());
    let boards = saved::read(&file, (&stem, &name), columns)?;
    if columns.is_empty() {
        for (column, place) in saved::partial(&file) {
            eprintln!(
                "note: `{column}` of {name} has no number in {place}, and is no board; --score NAME reads it"
            );
        }
    }
    for board in &boards {
        if let Some((better, worse)) = saved::against_rank(board) {
            eprintln!(
                "note: {name} ranks `{}` at {} and `{}` at {}, against their scores of {} and {}; the scores are taken, and \
                 ranks are made of them anew",
                better.id, better.rank, worse.id, worse.rank, better.score, worse.score
            );
        }
    }
    let marks = boards.iter().take(1).flat_map(|b| &b.rows).map(|r| r.extra.get("fallback"));
    if let Some(fallen) = made::of_rows(&name, marks)? {
        eprintln!("warning: {name} was made by {} in place of {} (--fallback)", fallen.model, fallen.wanted);
    }
    Ok((boards, file.sha256))
}

/// The first column of scores of a file, with the file's SHA-256; that there are others is said.
fn first(path: &Path, columns: &[String]) -> anyhow::Result<(SavedBoard, String)> {
    let (mut boards, sha256) = all(path, columns)?;
    if boards.len() > 1 {
        let names: Vec<String> = boards.iter().map(|b| format!("`{}`", b.score)).collect();
        if boards[0].score != "score" {
            return Err(wrong_hint(
                format!("{} has several columns of scores: {}", path.display(), names.join(", ")),
                "choose one with --score NAME",
            ));
        }
        eprintln!("note: of {} in {}, `score` is read", names.join(", "), path.display());
    } else if columns.is_empty() && boards[0].score != "score" {
        eprintln!(
            "note: the scores of {} are its `{}`, as it has no column `score`",
            path.display(),
            boards[0].score
        );
    }
    Ok((boards.swap_remove(0), sha256))
}

pub fn one(path: &Path) -> anyhow::Result<SavedBoard> {
    Ok(first(path, &[])?.0)
}

/// Gives boards of one name the number of their place too.
pub fn apart(boards: &mut [SavedBoard]) {
    for i in 1..boards.len() {
        if boards[..i].iter().any(|b| b.name == boards[i].name) {
            boards[i].name = format!("{} ({})", boards[i].name, i + 1);
        }
    }
}

/// Boards in one order, with what is left out and what are copies said.
pub fn aligned(boards: &[SavedBoard], copies: &CopiesArgs) -> anyhow::Result<Aligned> {
    let found = saved::align(boards, copies.near_copies)?;
    if !found.left_out.is_empty() {
        let named: Vec<String> = found.left_out.iter().take(4).map(|id| format!("`{id}`")).collect();
        eprintln!(
            "note: {} sequences are not on every board and are left out: {}{}",
            found.left_out.len(),
            named.join(", "),
            if found.left_out.len() > 4 { " and others" } else { "" }
        );
    }
    copies.texts().say_copies("the boards", &found.copies);
    Ok(found)
}

/// Holds a board against the expected one: JSON to stdout, and an error unless it is the same.
pub fn hold(new: &SavedBoard, expected: &SavedBoard, within: f64) -> anyhow::Result<()> {
    if !(within.is_finite() && within >= 0.0) {
        return Err(wrong(format!("--within is {within}; expected a share from 0 on")));
    }
    let found = saved::expect(new, expected, within)?;
    output::json(&found)?;
    if found.agrees {
        return Ok(());
    }
    let l = &found.largest;
    match found.not_on_both.first() {
        Some(id) => anyhow::bail!(
            "{} sequences are not on both boards, the first `{id}`; the largest gap of the others is {:.3e} at `{}`",
            found.not_on_both.len(),
            l.gap.abs(),
            l.id
        ),
        None => anyhow::bail!(
            "`{}` scores {:.6} where {:.6} is expected: {:.3e} apart, and {:.3e} counts as none (--within)",
            l.id,
            l.score,
            l.expected,
            l.gap.abs(),
            found.within
        ),
    }
}

/// A board that a flag names: `F`, or `NAME=F` for a name of its own.
pub fn named(spec: &str) -> (Option<String>, PathBuf) {
    match spec.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() && !Path::new(spec).exists() => {
            (Some(name.to_owned()), file.into())
        }
        _ => (None, spec.into()),
    }
}

/// A file as a record notes it: its role, its rows, its SHA-256.
pub type FileNote = (String, usize, String);

/// Boards that flags name.
pub fn boards(specs: &[String], columns: &[String]) -> anyhow::Result<(Vec<SavedBoard>, Vec<FileNote>)> {
    let (mut found, mut files) = (Vec::new(), Vec::new());
    for spec in specs {
        let (name, path) = named(spec);
        let (mut of, sha256) = all(&path, columns)?;
        // Beside a `score`, others are more of the same model, not of another.
        if columns.is_empty() && of.len() > 1 && of.iter().any(|b| b.score == "score") {
            let others: Vec<String> =
                of.iter().filter(|b| b.score != "score").map(|b| format!("`{}`", b.score)).collect();
            eprintln!(
                "note: of {} `score` is read and {} left out, as beside it they are no other model's; --score takes columns by name",
                path.display(),
                others.join(", ")
            );
            of.retain(|b| b.score == "score");
        }
        if let Some(name) = name {
            let many = of.len() > 1;
            for board in &mut of {
                board.name = if many { format!("{name} ({})", board.score) } else { name.clone() };
            }
        }
        files.push((format!("board {}", path.display()), of[0].rows.len(), sha256));
        found.extend(of);
    }
    apart(&mut found);
    Ok((found, files))
}
