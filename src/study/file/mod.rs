//! The study file: what is asked, of which model, with which data.

mod beside;
mod check;
mod parts;
mod shape;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::analyses::{ChatChoice, Parameters, SpecialTokens, Speech};
use crate::analyses::{as_text, audit, board, check as look, compare, experiment, probing};
use crate::error::{Error, ErrorContext as _};
use crate::host::Desk;
use crate::inputs::{file_and_label, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_data::NearCopies;
use truenorth_protocol::{ReadAt, Site};

pub use parts::{
    DataTable, DirectionTable, GeometryTable, HeldOutTable, JudgeTable, Keyword, MonitorTable, OtherModel,
    Primary, Reads, SteerTable, Steers, StudyRegisterTable, SweepTable, TransferTable, WhenTable,
};

/// A study as written. What has no table is left out, and the report says so.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudyFile {
    /// Names the folder of results, `runs/NAME`.
    pub name: String,
    /// Title of the report.
    pub title: String,
    /// As `--model`.
    pub model: String,
    /// Seeds splits, resampling and permutations.
    #[serde(default)]
    pub seed: u64,
    /// Where the direction lives.
    #[schemars(with = "String")]
    pub site: Site,
    /// Which tokens are read: `last` or `mean`, or an index.
    #[serde(default = "parts::last", with = "as_text")]
    #[schemars(with = "String")]
    pub positions: ReadAt,
    /// Puts texts as conversations: `true` for the model's own chat template, or the name of one.
    #[serde(default, skip_serializing_if = "ChatChoice::is_raw")]
    #[schemars(schema_with = "compare::truth_or_text")]
    pub chat: ChatChoice,
    /// A system turn before conversations that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The tokens around a text: `auto` or `none`.
    #[serde(default, skip_serializing_if = "SpecialTokens::is_auto")]
    pub special_tokens: SpecialTokens,
    /// How prompt and response become one text.
    #[serde(default = "parts::template")]
    pub template: String,
    /// The least Jaccard similarity of the words of near copies, which stay together.
    #[serde(default = "parts::near_copies")]
    pub near_copies: f64,
    /// The data files.
    pub data: DataTable,
    /// The estimators of the direction, and what is projected out.
    pub direction: DirectionTable,
    /// How separation is held out: folds, and label flips of the null.
    #[serde(default)]
    pub held_out: HeldOutTable,
    /// The look at the texts that comes first.
    #[serde(default)]
    pub check: look::Params,
    /// The same texts raw and as conversations, side by side.
    pub compare: Option<compare::Params>,
    /// Which test decides each question.
    #[serde(default)]
    pub primary: Primary,
    /// What is expected, sealed before the first activation is read.
    pub register: Option<StudyRegisterTable>,
    /// The board: how far sequences move neutral probes along the direction.
    pub score: Option<board::Params>,
    /// Texts that are written at several doses.
    pub steer: Option<SteerTable>,
    /// Projections token by token.
    pub monitor: Option<MonitorTable>,
    /// Sets of texts that differ in one other thing, which the direction may follow.
    pub audit: Option<audit::Params>,
    /// Reading against steering, site by site.
    pub sweep: Option<SweepTable>,
    /// The same question of other models.
    pub transfer: Option<TransferTable>,
    /// Probes of many sites, with test sets and controls.
    pub probing: Option<probing::Params>,
    /// Directions of categories, and over checkpoints.
    pub geometry: Option<GeometryTable>,
    /// A model's verdict on steered text.
    pub judge: Option<JudgeTable>,
    /// Arms beside base on the same prompts, judged, rated and held against placebos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<experiment::Params>,
}

impl StudyFile {
    /// Reads and checks a study file; data paths become relative to the working folder.
    pub fn read(path: &Path, desk: &dyn Desk) -> Result<Self, Error> {
        let text = text(desk, path, "the study")?;
        let mut study: Self =
            shape::read(&text).request(format!("can't read the study {}", path.display()))?;
        study.check().context(format!("can't run the study {}", path.display()))?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        for file in study.files() {
            *file = base.join(&*file);
        }
        Ok(study)
    }

    /// Cuts random draws down, for a rehearsal.
    pub fn rehearse(&mut self) {
        let few = |draws: usize| draws.min(19);
        self.held_out.permutations = Some(self.held_out.permutations.map_or(19, few));
        self.audit.iter_mut().for_each(Parameters::rehearse);
        self.probing.iter_mut().for_each(Parameters::rehearse);
        self.geometry.iter_mut().for_each(|g| g.params.rehearse());
        self.score.iter_mut().for_each(Parameters::rehearse);
        self.sweep.iter_mut().for_each(|s| s.params.rehearse());
        self.transfer.iter_mut().for_each(|t| t.params.rehearse());
        self.judge.iter_mut().for_each(|j| j.params.rehearse());
        self.experiment.iter_mut().for_each(Parameters::rehearse);
    }

    /// How texts are put before the model.
    pub fn speech(&self) -> Speech {
        Speech { chat: self.chat.clone(), system: self.system.clone(), special_tokens: self.special_tokens }
    }

    /// The threshold of near copies, refused where it is out of range.
    pub fn near(&self) -> Result<NearCopies, Error> {
        NearCopies::new(self.near_copies).request("can't use near_copies of the study")
    }

    /// How prompt and response become one text where texts go in in another way: the study's own template, unless it is
    /// that of conversations or conversations are asked for.
    pub fn template_beside(&self, other: &Speech) -> String {
        if other.chat.is_on() || self.chat.is_on() { parts::template() } else { self.template.clone() }
    }

    /// The folder of results, `runs/NAME`.
    pub fn folder(&self) -> PathBuf {
        Path::new("runs").join(&self.name)
    }

    /// The paths of all files that it names.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let data = &mut self.data;
        let optional = [
            &mut data.pairs,
            &mut data.classes,
            &mut data.sentiment,
            &mut data.prompts,
            &mut data.probes,
            &mut data.sequences,
            &mut data.truth,
        ];
        let keywords = self.sweep.iter_mut().flat_map(|s| s.keywords.values_mut().map(|k| &mut k.file));
        optional
            .into_iter()
            .flatten()
            .chain([&mut data.neutral])
            .chain(data.tests.values_mut())
            .chain(data.confounds.values_mut())
            .chain(keywords)
            .chain(self.experiment.iter_mut().flat_map(experiment::Params::files))
    }

    /// Its data files, by what each is for, in the words of [`super::data::StudyData::files`].
    pub fn roles(&self) -> Vec<(String, &Path)> {
        let data = &self.data;
        let single = [
            ("pairs", data.pairs.as_ref()),
            ("classes", data.classes.as_ref()),
            ("neutral prompts", Some(&data.neutral)),
            ("prompts", data.prompts.as_ref()),
            ("probes", data.probes.as_ref()),
            ("sentiment", data.sentiment.as_ref()),
            ("sequences", data.sequences.as_ref()),
        ];
        let single = single.into_iter().filter_map(|(role, path)| Some((role.to_owned(), path?.as_path())));
        let labelled = self.labelled().map(|(role, path)| (role, unlabelled(path)));
        let keywords = self.sweep.iter().flat_map(|s| &s.keywords);
        let keywords = keywords.map(|(name, k)| (format!("word list {name}"), k.file.as_path()));
        let experiment = self.experiment.iter().flat_map(experiment::Params::roles);
        single.chain(labelled).chain(keywords).chain(experiment).collect()
    }

    /// The files that may have a positive label behind them, by what each is for.
    fn labelled(&self) -> impl Iterator<Item = (String, &Path)> {
        let data = &self.data;
        let truth = data.truth.iter().map(|path| ("truth".to_owned(), path.as_path()));
        let confounds =
            data.confounds.iter().map(|(name, path)| (format!("confound {name}"), path.as_path()));
        let tests = data.tests.iter().map(|(name, path)| (format!("test {name}"), path.as_path()));
        truth.chain(confounds).chain(tests)
    }

    /// The positive labels that stand behind files, by what each file is for.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.labelled().filter_map(|(role, path)| Some((role, with_label(path).1?))).collect()
    }
}

/// A file, and the positive label that stands behind it as in `F:LABEL`.
pub fn with_label(path: &Path) -> (PathBuf, Option<String>) {
    path.to_str().map_or_else(|| (path.to_owned(), None), file_and_label)
}

/// The file alone of one that may have a label behind it.
fn unlabelled(path: &Path) -> &Path {
    let (file, _) = with_label(path);
    let alone = path.to_str().and_then(|text| text.get(..file.as_os_str().len()));
    alone.map_or(path, Path::new)
}
