//! `score`: sequences by how they move neutral probes along a direction.

use std::path::{Path, PathBuf};

use clap::Args;
use truenorth::analyses::board::{self, BoardSummary, SummaryParams};
use truenorth::analyses::scan::{ScanData, ScanParams, Scanned, scan};
use truenorth::analyses::score::{self, Scored};
use truenorth::math::Seeds;
use truenorth_protocol::{ModelInfo, Site};

use super::args::ModelArgs;
use super::direction::{load, load_for};
use super::fallback::Fallen;
use super::made;
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::record::{Out, Record, write_json};
use super::session::{self, Session};
use super::target;
use super::texts::{self, CopiesArgs, Prompts, Sequences};

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
pub struct Score {
    #[command(flatten)]
    model: ModelArgs,
    /// The direction; its site is where the residual is read.
    #[arg(long, value_name = "F.safetensors")]
    direction: PathBuf,
    /// Neutral probes, a text a line, or JSONL, a JSON list or CSV with `id` and `text`. Copies and near copies of
    /// earlier ones are left out.
    #[arg(long, value_name = "F")]
    probes: PathBuf,
    /// Sequences, a text a line, or JSONL, a JSON list or CSV with `id`, `text` and, where there is one, `kind`. Copies
    /// and near copies of earlier ones are scored, and take no rank from others.
    #[arg(long, value_name = "F")]
    sequences: PathBuf,
    /// What stands between sequence and probe.
    #[arg(long, value_name = "STR", default_value = " ")]
    join: String,
    /// The file to write; default stdout.
    #[arg(long, value_name = "F.jsonl")]
    out: Option<PathBuf>,
    /// A JSON file for what the board shows as a whole.
    #[arg(long, value_name = "F.json")]
    summary: Option<PathBuf>,
    /// A folder for a page with plots and tables of the same numbers, `report.html`.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Another board over the same sequences, as this verb writes it, to see how ranks change.
    #[arg(long, value_name = "F.jsonl")]
    against: Option<PathBuf>,
    /// Two kinds of the sequences, the first expected to score higher.
    #[arg(long, value_name = "HIGH,LOW", value_delimiter = ',', num_args = 1)]
    contrast: Vec<String>,
    /// Sequences at each end; default a tenth of the board, at least three.
    #[arg(long, value_name = "N")]
    ends: Option<usize>,
    /// Random directions drawn to check the closed form, 10 000 or more; 0 leaves the check out.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    draws: usize,
    /// Shuffles behind p values that are not exact.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    permutations: usize,
    #[command(flatten)]
    copies: CopiesArgs,
}

/// The files, read before a model is opened.
struct Files {
    probes: Prompts,
    sequences: Sequences,
    against: Option<(Vec<Scored>, Option<Fallen>)>,
}

impl Files {
    fn hashes(&self) -> [(&'static str, &str); 2] {
        [("probes", self.probes.loaded.sha256.as_str()), ("sequences", &self.sequences.loaded.sha256)]
    }
}

impl Score {
    pub fn run(self) -> anyhow::Result<()> {
        for file in [&self.out, &self.summary].into_iter().flatten() {
            target::writes(file)?;
        }
        let page = Out { out: None, report: self.report.clone() };
        page.check()?;
        let pages = page.pages();
        target::distinct(self.out.iter().chain(&self.summary).chain(&pages).map(PathBuf::as_path))?;
        let whole = self.summary.is_some() || self.report.is_some();
        self.check(whole)?;
        load(&self.direction)?;
        let files = Files {
            probes: texts::distinct_prompts(&self.probes, self.copies.near_copies)?,
            sequences: texts::sequences(&self.sequences, self.copies.near_copies)?,
            against: self.against.as_deref().map(read_board).transpose()?,
        };
        let session = Session::open(&self.model)?;
        if let (Some(path), Some((_, theirs))) = (&self.against, &files.against) {
            made::check_beside(path, theirs.as_ref(), &self.model)?;
        }
        let info = session.runner().info();
        let (direction, site) = load_for(&self.direction, info)?;
        for (role, sha256) in files.hashes() {
            texts::say_fitted_on(&direction, role, sha256);
        }
        let vector = direction.vector().mapv(f64::from);
        let data = ScanData {
            probes: &files.probes.named,
            sequences: &files.sequences.all,
            direction: vector.view(),
        };
        let params = ScanParams {
            join: self.join.clone(),
            draws: if whole { self.draws } else { 0 },
            ..ScanParams::new(site)
        };
        let seeds = Seeds::new(self.model.seed);
        let bar = Bar::new("scoring", 0, "tokens", self.model.common.quiet);
        let scanned = scan(&session.reader(), &data, &params, &seeds, &bar)?;
        drop(bar);
        let summary = if whole { Some(self.summarise(&scanned, &files, &seeds)?) } else { None };
        let mut board = scanned.board;
        board.sort_by_key(|row| (row.rank, row.counted_with.is_some()));
        session::write_jsonl(self.out.as_deref(), &board)?;
        let Some(summary) = summary else { return Ok(()) };
        say(&summary);
        let record = self.record(summary, &files, info, site)?;
        if let Some(file) = &self.summary {
            write_json(file, &record)?;
        }
        page.page(&record, "The board of sequences", |s| {
            (board::page::findings(s), vec![board::page::section(s)])
        })
    }

    fn check(&self, whole: bool) -> anyhow::Result<()> {
        let asks = [
            (self.against.is_some(), "--against"),
            (!self.contrast.is_empty(), "--contrast"),
            (self.ends.is_some(), "--ends"),
        ];
        if let Some((_, flag)) = asks.into_iter().find(|(given, _)| *given && !whole) {
            return Err(wrong_hint(
                format!("{flag} is part of the summary, and none was asked for"),
                "add --summary F.json or --report DIR",
            ));
        }
        match self.contrast.len() {
            0 | 2 => Ok(()),
            n => Err(wrong_hint(format!("--contrast names {n} kinds"), "name two, as in value,filler")),
        }
    }

    fn summarise(&self, scanned: &Scanned, files: &Files, seeds: &Seeds) -> anyhow::Result<BoardSummary> {
        let kinds: Vec<Option<String>> = files.sequences.loaded.rows.iter().map(|s| s.kind.clone()).collect();
        let other = self.against.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        let params = SummaryParams {
            ends: self.ends,
            kinds: kinds.iter().any(Option::is_some).then_some(&kinds[..]),
            contrast: self.contrast.first().cloned().zip(self.contrast.get(1).cloned()).map(Into::into),
            against: files.against.as_ref().map(|(rows, _)| (other.as_str(), &rows[..])),
            permutations: self.permutations,
            ..SummaryParams::default()
        };
        Ok(board::summarise(scanned, &params, seeds)?)
    }

    fn record(
        &self,
        summary: BoardSummary,
        files: &Files,
        info: &ModelInfo,
        site: Site,
    ) -> anyhow::Result<Record<BoardSummary>> {
        let hash = |path: &Path| Ok::<_, std::io::Error>(truenorth::files::sha256_hex(&std::fs::read(path)?));
        let mut record = Record::new("score", self.model.seed, summary)
            .model(info)
            .file("probes", files.probes.named.len(), &files.probes.loaded.sha256)
            .file("sequences", files.sequences.all.len(), &files.sequences.loaded.sha256)
            .file("direction", 1, &hash(&self.direction)?)
            .choice("site", site.to_string())
            .choice("join", self.join.as_str())
            .choice("draws", self.draws)
            .choice("permutations", self.permutations)
            .choice("contrast", self.contrast.clone())
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value([&files.probes.copies, &files.sequences.copies])?);
        if let (Some(path), Some((rows, theirs))) = (&self.against, &files.against) {
            record = record.file("against", rows.len(), &hash(path)?);
            if let Some(theirs) = theirs {
                record = record.choice("against, by --fallback", serde_json::to_value(theirs)?);
            }
        }
        Ok(record)
    }
}

fn read_board(path: &Path) -> anyhow::Result<(Vec<Scored>, Option<Fallen>)> {
    let (text, name, fallen) = made::read(path)?;
    Ok((score::read_board(text.as_bytes(), &name)?, fallen))
}

fn say(summary: &BoardSummary) {
    let head = ["", "value", "95 %", "p"];
    let mut rows = vec![head.map(String::from).to_vec()];
    let a = &summary.asymmetry;
    let mut lines = vec![
        ("asymmetry about zero", &a.about_zero),
        ("asymmetry about the median", &a.about_median),
        ("share of positive scores", &a.positive),
        ("mean coherence", &summary.coherence),
        ("rank correlation of score and z", &summary.score_and_z.correlation),
    ];
    if let Some(c) = &summary.rank_changes {
        lines.push(("rank correlation with the other board", &c.correlation));
    }
    for (what, m) in lines {
        rows.push(vec![
            what.to_owned(),
            format!("{:.3}", m.value),
            m.interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high)),
            m.null.as_ref().map_or_else(|| "-".into(), |n| format!("{:.4}", n.p)),
        ]);
    }
    output::table(&rows);
    let f = &summary.family;
    eprintln!(
        "{} of {} sequences stand after Holm at {}, {} after Benjamini and Hochberg ({})",
        f.holm, f.tests, f.level, f.benjamini_hochberg, f.name
    );
    if let Some(check) = &summary.monte_carlo {
        eprintln!("{}", check.statement);
    }
}
