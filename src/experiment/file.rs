//! The file of an experiment.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use truenorth_data::NearCopies;
use truenorth_protocol::ReadAt;

use crate::analyses::experiment::Params;
use crate::analyses::{ChatChoice, Parameters as _, SpecialTokens, Speech, as_text};
use crate::error::{Error, ErrorContext as _};
use crate::host::Desk;
use crate::inputs::text;

/// An experiment as written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentFile {
    /// Name of the experiment in results.
    pub name: String,
    /// Title of the page; empty for the name.
    #[serde(default)]
    pub title: String,
    /// As `--model`; none where everything was written and rated elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Seeds whatever is random.
    #[serde(default)]
    pub seed: u64,
    /// Which tokens are read of the texts that placebos are drawn like, and of what was written.
    #[serde(default = "last", with = "as_text")]
    pub positions: ReadAt,
    /// Puts texts as conversations: `true` for the model's own chat template, or the name of one.
    #[serde(default, skip_serializing_if = "ChatChoice::is_raw")]
    pub chat: ChatChoice,
    /// The tokens around a text: `auto` or `none`.
    #[serde(default, skip_serializing_if = "SpecialTokens::is_auto")]
    pub special_tokens: SpecialTokens,
    /// How prompt and response of pairs become one text.
    #[serde(default = "template")]
    pub template: String,
    /// From which similarity on two prompts are near copies.
    #[serde(default = "near_copies")]
    pub near_copies: f64,
    /// The estimator of directions of exchanged labels.
    #[serde(default = "estimator")]
    pub estimator: String,
    /// The files of prompts, pairs and texts.
    pub data: DataFiles,
    /// Arms, outcomes, judges and nulls.
    pub experiment: Params,
    /// What is expected, sealed before anything is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<RegisterTable>,
}

/// The data of an experiment, relative to its file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataFiles {
    /// File of the prompts that every arm is given.
    pub prompts: PathBuf,
    /// Pairs that placebos are drawn like, and whose log-odds are an outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PathBuf>,
    /// Neutral texts, on which norms and neutral ranges are measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neutral: Option<PathBuf>,
}

/// The hypothesis behind the predictions.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterTable {
    /// What is expected and why, in words.
    pub hypothesis: String,
}

fn last() -> ReadAt {
    ReadAt::Last
}

fn template() -> String {
    truenorth_data::Template::default().to_string()
}

fn near_copies() -> f64 {
    NearCopies::default().threshold()
}

fn estimator() -> String {
    "mean-diff".into()
}

impl ExperimentFile {
    /// Reads and checks an experiment; paths become relative to the working folder.
    ///
    /// # Errors
    /// When it can't be read, has a key that there is not, or asks what can't be.
    pub fn read(path: &Path, desk: &dyn Desk) -> Result<Self, Error> {
        let text = text(desk, path, "the experiment")?;
        let cant = || format!("can't read the experiment {}", path.display());
        let mut file: Self = toml::from_str(&text).map_err(|e| {
            Error::request(format!("{}: {}", cant(), e.to_string().trim_end())).with_hint(
                "`truenorth study reference` lists the keys of [experiment]; examples/experiment/experiment.toml is a whole file",
            )
        })?;
        file.experiment.check().request(format!("can't run the experiment {}", path.display()))?;
        file.speech().check().request(format!("can't run the experiment {}", path.display()))?;
        if file.experiment.predictions.is_empty() != file.register.is_none() {
            return Err(Error::request(match file.register {
                Some(_) => {
                    "[register] says a hypothesis, and [experiment] predictions say nothing of any arm"
                }
                None => "[experiment] predictions are there, and no [register] hypothesis that they are of",
            })
            .with_hint("give both: a sentence in [register] hypothesis, and a table a prediction"));
        }
        if file.experiment.arms.is_empty()
            && file.experiment.texts.is_none()
            && file.experiment.ratings.is_empty()
        {
            return Err(Error::request(format!("{} has no arms beside base", path.display()))
                .with_hint("give a table [[experiment.arms]] each, with a name and what is done"));
        }
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let data = &mut file.data;
        let own = std::iter::once(&mut data.prompts).chain(&mut data.pairs).chain(&mut data.neutral);
        for place in own.chain(file.experiment.files()) {
            *place = base.join(&*place);
        }
        Ok(file)
    }

    /// How texts are put before the model.
    #[must_use]
    pub fn speech(&self) -> Speech {
        Speech { chat: self.chat.clone(), system: None, special_tokens: self.special_tokens }
    }

    /// What are near copies.
    ///
    /// # Errors
    /// When the threshold is none.
    pub fn near(&self) -> Result<NearCopies, Error> {
        NearCopies::new(self.near_copies).request("can't use near_copies of the experiment")
    }

    /// Title of the page: the title, or the name where that is empty.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.title.trim().is_empty() { &self.name } else { &self.title }
    }
}
