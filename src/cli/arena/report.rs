//! `arena report`: a season's board as the analyses of boards see it.

use std::path::PathBuf;

use clap::Args;
use ndarray::Array1;
use serde::Serialize;
use truenorth::analyses::board::saved::{self, BESIDE, SavedBoard, SavedSummary};
use truenorth::analyses::board::{
    Beside, Board, BoardData, BoardSummary, Other, Params, ScoreRow, Scorer, Sequence,
};
use truenorth::analyses::transfer::{
    OwnBoard, Params as TransferParams, SequenceGroups, Transfer, Transferred,
};
use truenorth::analyses::{Analysis as _, AnalysisContext};
use truenorth::arena::{ScoringModel as _, Season, out, season};
use truenorth::data::Firsts;
use truenorth::math::Seeds;
use truenorth_protocol::Site;

use super::model::Asks;
use super::{Dir, done};
use crate::cli::output::{self, wrong_hint};
use crate::cli::progress::Bar;
use crate::cli::record::{OutArgs, ResultRecord};
use crate::cli::texts::CopiesArgs;
use crate::cli::{dry, saved as boards};

#[derive(Args, Debug)]
pub struct Report {
    #[command(flatten)]
    dir: Dir,
    #[command(flatten)]
    asks: Asks,
    /// The season; default the open one, else the one that was closed last.
    #[arg(long, value_name = "NAME")]
    season: Option<String>,
    /// Leaves out what asks the model: directions drawn like the readings, and probes held out.
    #[arg(long, conflicts_with = "held_out")]
    no_model: bool,
    /// Other neutral probes: how far ranks are the same on them.
    #[arg(long, value_name = "F")]
    held_out: Option<PathBuf>,
    /// Boards of other models over the same texts, in any form that `transfer --board` reads; repeatable.
    #[arg(long, value_name = "[NAME=]F")]
    board: Vec<String>,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    params: Params,
    /// Seeds whatever is random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Serialize)]
struct SeasonResults {
    /// As the model says it; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<BoardSummary>,
    /// As the scores alone say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<SavedSummary>,
    /// Beside boards of other models.
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<Transferred>,
}

impl Report {
    pub fn run(&self) -> anyhow::Result<()> {
        self.out.check()?;
        self.params.check()?;
        dry::refuse("the arena")?;
        let season = self.dir.season(self.season.as_deref())?;
        let own = done(out::saved_board(&season))?;
        if own.rows.len() < 8 {
            return Err(wrong_hint(
                format!("season `{}` has {} entries with a score", season.name(), own.rows.len()),
                "a board as a whole is told from 8; wait for more",
            ));
        }
        let (others, files) = match self.board.is_empty() {
            true => (vec![], vec![]),
            false => boards::boards(&self.board, &[])?,
        };
        let sealed = season.sealed.seal();
        let mut record = ResultRecord::new("arena report", self.seed, ()).params(&self.params)?;
        let (mut board, mut kept) = (None, None);
        if self.no_model {
            let aligned = boards::aligned(std::slice::from_ref(&own), &self.copies)?;
            let found = saved::summarise(&aligned, &self.params, &Seeds::new(self.seed))?;
            output::listing(&saved::table(&found));
            kept = Some(found);
        } else {
            let backend = self.asks.open(&season.sealed.file)?;
            let found = self.asked(&season, &own, &backend)?;
            output::listing(&Board::table(&found));
            record = record.model(backend.session().record());
            board = Some(found);
        }
        let transfer = if others.is_empty() { None } else { Some(self.transfer(own.clone(), others)?) };
        if let Some(found) = &transfer {
            output::listing(&Transfer::table(found));
        }
        let found = SeasonResults { board, kept, transfer };
        let mut record = ResultRecord {
            verb: record.verb,
            truenorth: record.truenorth,
            models: record.models,
            seed: record.seed,
            data: record.data,
            choices: record.choices,
            result: found,
        }
        .choice("season", season.name())
        .choice("seal", done(sealed)?)
        .choice("entries", own.rows.len())
        .choice("site", season.sealed.sites_of_board().join(","))
        .choice("near-copies", self.copies.near_copies.threshold());
        if season.sealed.sites_of_board().len() > 1 {
            record = record.choice("over", season.sealed.file.scoring.over.to_string());
        }
        for (name, sha256) in &season.sealed.files {
            record = record.file(name.as_str(), 1, sha256);
        }
        for (role, rows, sha256) in files {
            record = record.file(role, rows, &sha256);
        }
        self.out.write(&record, season.sealed.file.title.clone(), |found| {
            let (mut front, mut sections) = (vec![], vec![]);
            if let Some(found) = &found.board {
                let page = Board::page(found);
                front.extend(page.all_findings());
                sections.extend(page.sections);
            }
            if let Some(found) = &found.kept {
                front.extend(saved::page::findings(found));
                sections.push(saved::page::section(found));
            }
            if let Some(found) = &found.transfer {
                let page = Transfer::page(found);
                front.extend(page.all_findings());
                sections.extend(page.sections);
            }
            (front, sections)
        })
    }

    /// The board with directions drawn like the readings, and beside other probes.
    fn asked(
        &self,
        season: &Season,
        own: &SavedBoard,
        backend: &super::model::Behind,
    ) -> anyhow::Result<BoardSummary> {
        let marks = done(season::marks(season, backend))?;
        let aligned = boards::aligned(std::slice::from_ref(own), &self.copies)?;
        // The rows are by score: looked for anew, the highest of each cluster would stand for it.
        let firsts = Firsts { of: aligned.firsts.clone(), copies: aligned.copies.clone() };
        let sequences = Sequence::all(&aligned.rows, &firsts);
        let (_, kinds) = out::sequences(&aligned.boards[0]);
        let lane = &marks.directions[0];
        let sites: Vec<Site> = lane.iter().map(|(site, _)| *site).collect();
        // One behind the other, in the order of the sites.
        let direction: Array1<f64> = lane.iter().flat_map(|(_, vector)| vector.iter().copied()).collect();
        let bar = Bar::new("scoring", 0, "tokens", self.asks.quiet());
        let file = &season.sealed.file.scoring;
        let held_out: Option<Vec<ScoreRow>> = match &self.held_out {
            None => None,
            Some(path) => {
                let probes = self.copies.texts().distinct_prompts(path)?.named;
                let lanes = [lane.iter().map(|(site, vector)| (*site, vector.view())).collect()];
                let how = (file.over, file.join.as_str());
                let scorer = Scorer::open(&backend.reader(), &probes, &lanes, how, &bar)?;
                let lined = scorer.score(&backend.reader(), &sequences, &bar)?;
                Some(lined.into_iter().flatten().map(|l| l.line.row.into()).collect())
            }
        };
        let beside = held_out.as_deref().map(|rows| Beside {
            own: "the season's probes",
            name: "probes held out",
            other: Other::Board(rows),
        });
        let data = BoardData {
            probes: &marks.probes,
            sequences: &sequences,
            kinds: &kinds,
            direction: direction.view(),
            sites: &sites,
            over: file.over,
            relabelled: None,
            beside,
        };
        let params = Params { join: file.join.clone(), ..self.params.clone() };
        let asked = AnalysisContext { reader: backend.reader(), seeds: &Seeds::new(self.seed), watch: &bar };
        Ok(Board::run(&data, &params, &asked)?)
    }

    fn transfer(&self, own: SavedBoard, others: Vec<SavedBoard>) -> anyhow::Result<Transferred> {
        let mut all: Vec<SavedBoard> = std::iter::once(own).chain(others).collect();
        boards::apart(&mut all);
        let mut aligned = boards::aligned(&all, &self.copies)?;
        for row in &mut aligned.rows {
            row.extra.retain(|field, _| !BESIDE.contains(&field.as_str()));
        }
        let of = |b: SavedBoard| OwnBoard { model: b.name, site: b.site, board: b.rows };
        let params = TransferParams { permutations: self.params.permutations, ..TransferParams::default() };
        SequenceGroups::new(&aligned.rows, &params)?;
        let boards = aligned.boards.into_iter().map(of).collect();
        Ok(Transfer::of(boards, &aligned.rows, &params, &Seeds::new(self.seed))?)
    }
}
