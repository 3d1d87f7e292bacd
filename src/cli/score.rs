//! `score`: sequences by how they move neutral probes along a direction.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::Array1;
use truenorth::analyses::board::{
    Beside, Board, BoardData, BoardSummary, Other, Over, Params, ScanData, ScanParams, ScoreAtSite, ScoreRow,
    ScoredSequence, Sequence, over_sites, saved::SavedBoard, scan,
};
use truenorth::analyses::{Analysis as _, AnalysisContext, Parameters as _};
use truenorth::math::Seeds;
use truenorth_protocol::{ModelInfo, Site};

use super::args::ModelArgs;
use super::direction::{chosen, load_all, load_all_for};
use super::fallback::Fallen;
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::record::{OutArgs, ResultRecord, write_json};
use super::session::{self, Session};
use super::texts::{CopiesArgs, Prompts, Sequences};
use super::unless::Unless;
use super::{dry, made, saved, target};

// Told by the docs of its flags.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Score {
    // Before the subcommand, which is taken out of what was typed.
    #[command(flatten)]
    scan: Unless<Scan>,
    #[command(subcommand)]
    saved: Option<saved::Saved>,
}

impl Score {
    pub fn run(self) -> anyhow::Result<()> {
        match (self.saved, self.scan.0) {
            (Some(saved), _) => saved.run(),
            (None, Some(scan)) => scan.run(),
            (None, None) => Ok(()),
        }
    }
}

/// Scores sequences by how they move neutral probes along a direction.
///
/// With r the normalised residual at the last token, a sequence s moves probe p by
/// r(s + p) - r(p). `score` is the mean move along the direction; `z` and `p_random` say whether
/// a random direction would have done as well. --summary says what the board shows as a whole: the
/// closed form of `p_random` checked by drawing, p values corrected over the board, the two ends, score
/// against z, and rank changes to another board.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth score --model smollm2-135m --direction values.safetensors \
    --probes probes.txt --sequences sequences.txt --out board.jsonl\n  truenorth score --model smollm2-135m \
    --direction values.safetensors --probes probes.txt --sequences sequences.jsonl --out board.jsonl \
    --against raw.jsonl --summary board.json --report board/")]
pub struct Scan {
    #[command(flatten)]
    model: ModelArgs,
    /// The direction; its site is where the residual is read. Of a file with several sites all are read in one pass, and a
    /// score is made of theirs as --over says; F.safetensors@SITE is one of them.
    #[arg(long, value_name = "F.safetensors")]
    direction: PathBuf,
    /// How the scores of several sites become one: mean, or worst (the least for the positive end; `high_score` and
    /// `low_rank` have the greatest, for the negative end).
    #[arg(long, value_name = "W", default_value_t = Over::Mean)]
    over: Over,
    /// Neutral probes, one text per line, or JSONL, a JSON list or CSV with `id` and `text`. Copies and near copies of
    /// earlier ones are left out.
    #[arg(long, value_name = "F")]
    probes: PathBuf,
    /// Sequences, one text per line, or JSONL, a JSON list or CSV with `id`, `text` and, where there are any, `kind` and `pair`. Copies
    /// and near copies of earlier ones are scored, and take no rank from others.
    #[arg(long, value_name = "F")]
    sequences: PathBuf,
    /// The file to write, also .csv or .parquet, or a folder for a data set with a card; default stdout.
    #[arg(long, value_name = "F.jsonl")]
    out: Option<PathBuf>,
    /// A JSON file for what the board shows as a whole.
    #[arg(long, value_name = "F.json")]
    summary: Option<PathBuf>,
    /// A folder for a page with plots and tables of the same numbers, `report.html`.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// A folder for the tables of that page as CSV and Parquet, a file each, numbers as numbers.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Another board over the same sequences, in any form that `score summary` reads, to see how ranks change.
    #[arg(long, value_name = "BOARD")]
    against: Option<PathBuf>,
    /// A board that was kept, in any form that `score summary` reads: how far the new one is from it goes to stdout as
    /// JSON, and the exit code is 1 unless every sequence is there and no score is further than --within.
    #[arg(long, value_name = "BOARD")]
    expect: Option<PathBuf>,
    /// The largest gap to the expected board that counts as none, as a share of the standard deviation of its scores.
    #[arg(long, value_name = "SHARE", default_value_t = saved::WITHIN, requires = "expect")]
    within: f64,
    #[command(flatten)]
    params: Params,
    #[command(flatten)]
    copies: CopiesArgs,
}

/// The files, read before a model is opened.
struct ScoreInput {
    probes: Prompts,
    sequences: Sequences,
    kinds: Vec<Option<String>>,
    against: Option<(String, Vec<ScoreRow>, Option<Fallen>)>,
    expected: Option<SavedBoard>,
}

impl ScoreInput {
    fn hashes(&self) -> [(&'static str, &str); 2] {
        [("probes", self.probes.loaded.sha256.as_str()), ("sequences", &self.sequences.loaded.sha256)]
    }
}

impl Scan {
    fn run(mut self) -> anyhow::Result<()> {
        let page = OutArgs { out: None, report: self.report.clone(), tables: self.tables.clone() };
        page.check()?;
        self.out.as_deref().map_or(Ok(()), session::writes_rows)?;
        self.summary.as_deref().map_or(Ok(()), target::writes)?;
        let pages = page.pages();
        target::no_table(self.out.iter().chain(&self.summary), self.tables.as_ref())?;
        let folders = self.report.iter().chain(&self.tables).map(PathBuf::as_path);
        let files = self.out.iter().chain(&self.summary).chain(&pages).map(PathBuf::as_path);
        // Rows without a file, and how far they are from a board that was expected, go there.
        let stdout = (self.out.is_none() || self.expect.is_some()).then_some(Path::new("-"));
        target::distinct(stdout.into_iter().chain(files), folders)?;
        if dry::on() {
            self.params.rehearse();
        }
        let whole = self.summary.is_some() || self.report.is_some() || self.tables.is_some();
        self.check(whole)?;
        self.check_over(load_all(&self.direction)?.members().len())?;
        let files = self.read()?;
        let session = Session::open(&self.model)?;
        if let (Some(path), Some((_, _, theirs))) = (&self.against, &files.against) {
            made::check_beside(path, theirs.as_ref(), &self.model)?;
        }
        let info = session.runner().info();
        let directions = load_all_for(&self.direction, info)?;
        if let Some(first) = directions.members().first() {
            for (role, sha256) in files.hashes() {
                self.copies.texts().say_fitted_on(first, role, sha256);
            }
        }
        let sites = directions.sites();
        // One behind the other, in the order of the sites.
        let direction: Array1<f64> =
            directions.members().iter().flat_map(|d| d.vector().mapv(f64::from)).collect();
        let (probes, sequences) = (&files.probes.named[..], &files.sequences.all[..]);
        let bar = Bar::new("scoring", 0, "tokens", self.model.common.quiet);
        let asked =
            AnalysisContext { reader: session.reader(), seeds: &Seeds::new(self.model.seed), watch: &bar };
        if !whole {
            // The rows alone: as few sequences as there are, and nothing drawn.
            let data = ScanData { probes, sequences, direction: direction.view() };
            let (join, over) = (self.params.join.clone(), self.over);
            let how = ScanParams { sites, over, join, draws: 0, matched: 0, at_once: None, ends: None };
            let found = scan(&asked.reader, &data, &how, asked.seeds, asked.watch)?;
            drop(bar);
            self.write(&found.board, &found.at_sites)?;
            return self.hold(found.board, &files);
        }
        let beside = files.against.as_ref().map(|(name, rows, _)| Beside {
            own: "this board",
            name,
            other: Other::Board(rows),
        });
        let kinds = &files.kinds[..];
        let (direction, over) = (direction.view(), self.over);
        let data =
            BoardData { probes, sequences, kinds, direction, sites: &sites, over, relabelled: None, beside };
        let mut found = Board::run(&data, &self.params, &asked)?;
        drop(bar);
        let board = std::mem::take(&mut found.board);
        self.write(&board, &found.at_sites)?;
        output::listing(&Board::table(&found));
        let record = self.record(found, &files, info, &sites)?;
        if let Some(file) = &self.summary {
            write_json(file, &record)?;
        }
        page.page(&record, Board::TITLE, |found| {
            let page = Board::page(found);
            (page.all_findings(), page.sections)
        })?;
        self.hold(board, &files)
    }

    /// Refuses a way to go over sites where there is one.
    fn check_over(&self, sites: usize) -> anyhow::Result<()> {
        if sites > 1 || self.over == Over::Mean {
            return Ok(());
        }
        Err(wrong_hint(
            format!(
                "--over {} goes over the sites of a direction, and {} has one",
                self.over,
                self.direction.display()
            ),
            "extract a band, as in direction extract --site resid_post.4..28:4, or leave --over out",
        ))
    }

    fn hold(&self, board: Vec<ScoredSequence>, files: &ScoreInput) -> anyhow::Result<()> {
        let Some(expected) = &files.expected else { return Ok(()) };
        let rows = board.into_iter().map(Into::into).collect();
        let new = SavedBoard { name: "this board".into(), site: None, rows, score: "score".into() };
        saved::hold(&new, expected, self.within)
    }

    fn check(&self, whole: bool) -> anyhow::Result<()> {
        let asks = [
            (self.against.is_some(), "--against"),
            (!self.params.contrast.is_empty(), "--contrast"),
            (self.params.ends.is_some(), "--ends"),
        ];
        if let Some((_, flag)) = asks.into_iter().find(|(given, _)| *given && !whole) {
            return Err(wrong_hint(
                format!("{flag} is part of the summary, and none was asked for"),
                "add --summary F.json, --report DIR or --tables DIR",
            ));
        }
        if whole { Ok(self.params.check()?) } else { Ok(()) }
    }

    fn read(&self) -> anyhow::Result<ScoreInput> {
        let sequences = self.copies.texts().sequences(&self.sequences)?;
        let not_carried = Sequence::not_carried(&sequences.loaded.rows);
        if !not_carried.is_empty() {
            eprintln!(
                "note: the new board has a {} of its own; what {} says under that name is not on it",
                not_carried.join(", "),
                self.sequences.display()
            );
        }
        Ok(ScoreInput {
            probes: self.copies.texts().distinct_prompts(&self.probes)?,
            kinds: sequences.loaded.rows.iter().map(|s| s.kind.clone()).collect(),
            sequences,
            against: self.against.as_deref().map(other_board).transpose()?,
            expected: self.expect.as_deref().map(saved::one).transpose()?,
        })
    }

    /// Writes the rows by rank, of several sites with what each gives.
    fn write(&self, board: &[ScoredSequence], at_sites: &[Vec<ScoreAtSite>]) -> anyhow::Result<()> {
        // Stdout has the comparison where one is asked for.
        if self.expect.is_some() && self.out.is_none() {
            return Ok(());
        }
        let place = |row: &ScoredSequence| (row.rank, row.counted_with.is_some());
        if at_sites.iter().all(Vec::is_empty) {
            let mut board = board.to_vec();
            board.sort_by_key(place);
            return self.put(&board, "A board of sequences");
        }
        let mut board = over_sites(board, at_sites, self.over);
        board.sort_by_key(|line| place(&line.row));
        self.put(&board, "A board of sequences over several sites")
    }

    fn put<T: serde::Serialize>(&self, board: &[T], what: &str) -> anyhow::Result<()> {
        // With --expect the answer is the comparison.
        match self.expect {
            Some(_) => session::keep_rows(self.out.as_deref(), board, what),
            None => session::write_rows(self.out.as_deref(), board, what),
        }
    }

    fn record(
        &self,
        found: BoardSummary,
        files: &ScoreInput,
        info: &ModelInfo,
        sites: &[Site],
    ) -> anyhow::Result<ResultRecord<BoardSummary>> {
        let several = sites.len() > 1;
        let sites = sites.iter().map(Site::to_string).collect::<Vec<_>>().join(",");
        let hash = |path: &Path| Ok::<_, std::io::Error>(truenorth::files::sha256_hex(&std::fs::read(path)?));
        let mut record = ResultRecord::new(Board::NAME, self.model.seed, found)
            .model(info)
            .params(&self.params)?
            .file("probes", files.probes.named.len(), &files.probes.loaded.sha256)
            .file("sequences", files.sequences.all.len(), &files.sequences.loaded.sha256)
            .file("direction", 1, &hash(&chosen(&self.direction).0)?)
            .choice("site", sites)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value([&files.probes.copies, &files.sequences.copies])?);
        if several {
            record = record.choice("over", self.over.to_string());
        }
        if let (Some(path), Some((_, rows, theirs))) = (&self.against, &files.against) {
            record = record.file("against", rows.len(), &hash(path)?);
            if let Some(theirs) = theirs {
                record = record.choice("against, by --fallback", serde_json::to_value(theirs)?);
            }
        }
        Ok(record)
    }
}

/// Another board, as its path names it.
fn other_board(path: &Path) -> anyhow::Result<(String, Vec<ScoreRow>, Option<Fallen>)> {
    let board = saved::one(path)?;
    let marks = board.rows.iter().map(|row| row.extra.get("fallback"));
    Ok((path.display().to_string(), board.rows.clone(), made::of_rows(&board.name, marks)?))
}
