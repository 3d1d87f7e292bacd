//! What can be chosen of an experiment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_reading::analysis::few;
use truenorth_reading::{AnalysisError, Parameters};

use super::arm_params::ArmParams;

/// The fewest placebos with which an edit can be said to steer: p is then 1/20 at the least.
pub const LEAST_PLACEBOS: usize = 19;

/// The arms, what is generated, how it is judged, which rows are looked at, and what decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The arms beside base, a table each.
    pub arms: Vec<ArmParams>,
    /// How many of the pairs have their log-odds under every arm; 0 leaves the outcome out.
    pub log_odds: usize,
    /// Files of directions that what was written is projected on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub project: Vec<PathBuf>,
    /// Word lists counted in what was written, by name: a phrase a line.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lexicons: BTreeMap<String, PathBuf>,
    /// Phrases with which a text takes no stance; default the program's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_stance: Option<PathBuf>,
    /// Models that judge, each as `--model`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<String>,
    /// Pairs whose first text is the better one by the criterion, for judges: `id`, `prompt`, `first`, `second`; default
    /// base's texts beside their own words shuffled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planted: Option<PathBuf>,
    /// What was written elsewhere: `arm`, `prompt` (its id) and `text`, a row each; the arms do not write then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<PathBuf>,
    /// What people, or judges elsewhere, said: `rater`, `kind`, `arm`, `prompt`, `first`, `choice`, `arm_score`,
    /// `base_score`, `rubric`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<PathBuf>,
    /// How many tokens to generate behind each prompt at most.
    pub max_new_tokens: u32,
    /// 0 is greedy.
    pub temperature: f64,
    /// The outcome that decides, by its name on the page; default what a judge chooses, else what people do, else the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Covariance-matched directions that stand in for each edit's, at the same size: at least 19 for a verdict.
    pub placebos: usize,
    /// Directions of exchanged labels that stand in for each edit's.
    pub flips: usize,
    /// Rows that results are told on beside all rows: `unflagged`, `no-echo`, `no-loop`, `stance`, `whole` (not broken
    /// off), `rated` (by people), or FIELD=VALUE of the prompts' rows.
    pub scopes: Vec<String>,
    /// What a judge compares two texts by.
    pub criterion: String,
    /// Questions on which a judge and people give each text 1 to 5, such as `How kind is the reply?`.
    pub rubrics: Vec<String>,
    /// The most that a judge may be asked, each order of two texts counted; placebos are left out first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge_budget: Option<usize>,
    /// The least share of planted pairs that a judge must get right, beside being better than a coin.
    pub least_right: f64,
    /// Shuffles behind nulls that are drawn.
    pub permutations: usize,
    /// What is expected, sealed before anything is generated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<ArmPrediction>,
}

/// What is expected of an arm: where the mean difference of the primary outcome from base lies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Prediction")]
pub struct ArmPrediction {
    /// Name of the prediction.
    pub id: String,
    /// What is expected, in words.
    pub claim: String,
    /// Name of the arm.
    pub arm: String,
    /// The difference is expected above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The difference is expected below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

/// Where an arm should move the outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedSign {
    /// Either.
    #[default]
    Either,
    /// Above base.
    Up,
    /// Below base.
    Down,
}

impl ExpectedSign {
    /// Whether a difference has this sign.
    #[must_use]
    pub fn fits(self, difference: f64) -> bool {
        match self {
            Self::Either => difference != 0.0,
            Self::Up => difference > 0.0,
            Self::Down => difference < 0.0,
        }
    }
}

impl Default for Params {
    /// 48 tokens, greedy; 19 placebos, no flips; all rows and those without flags; three quarters of planted pairs; 1999
    /// shuffles.
    fn default() -> Self {
        Self {
            arms: vec![],
            log_odds: 0,
            project: vec![],
            lexicons: BTreeMap::new(),
            no_stance: None,
            judges: vec![],
            planted: None,
            texts: None,
            ratings: vec![],
            max_new_tokens: 48,
            temperature: 0.0,
            primary: None,
            placebos: LEAST_PLACEBOS,
            flips: 0,
            scopes: vec!["unflagged".into()],
            criterion: truenorth_boards::judge::JudgeTemplate::CRITERION.into(),
            rubrics: vec![],
            judge_budget: None,
            least_right: 0.75,
            permutations: 1999,
            predictions: vec![],
        }
    }
}

impl Params {
    /// The paths of the files that it names.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let arms = self.arms.iter_mut().flat_map(|a| a.direction.iter_mut().chain(&mut a.when));
        let texts = self.no_stance.iter_mut().chain(&mut self.planted).chain(&mut self.texts);
        arms.chain(&mut self.project).chain(self.lexicons.values_mut()).chain(texts).chain(&mut self.ratings)
    }

    /// Its files, by what each is for; of directions with the site behind the name, where one is named.
    #[must_use]
    pub fn roles(&self) -> Vec<(String, &Path)> {
        let mut out: Vec<(String, &Path)> = Vec::new();
        for a in &self.arms {
            let own = a.direction.iter().enumerate();
            out.extend(own.map(|(i, p)| (format!("direction {} of arm {}", i + 1, a.name), p.as_path())));
            out.extend(a.when.iter().map(|p| (format!("condition of arm {}", a.name), p.as_path())));
        }
        let numbered = |role: &'static str, all: &'_ [PathBuf]| -> Vec<(String, usize)> {
            (0..all.len()).map(|i| (format!("{role} {}", i + 1), i)).collect()
        };
        out.extend(
            numbered("projected on", &self.project).into_iter().map(|(r, i)| (r, self.project[i].as_path())),
        );
        out.extend(self.lexicons.iter().map(|(name, p)| (format!("lexicon {name}"), p.as_path())));
        let single = [
            ("no-stance phrases", &self.no_stance),
            ("planted pairs", &self.planted),
            ("texts of arms", &self.texts),
        ];
        out.extend(single.into_iter().filter_map(|(role, p)| Some((role.to_owned(), p.as_deref()?))));
        out.extend(
            numbered("ratings", &self.ratings).into_iter().map(|(r, i)| (r, self.ratings[i].as_path())),
        );
        out
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        few(&mut self.permutations);
    }

    fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |what: String| Err(AnalysisError::Input(what));
        if self.max_new_tokens == 0 {
            return refuse("--max-new-tokens 0 generates nothing; give at least 1".into());
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse(format!(
                "--temperature {}; expected 0 for greedy, or a number above 0",
                self.temperature
            ));
        }
        if !(0.5..=1.0).contains(&self.least_right) {
            return refuse(format!("--least-right {}; expected a share from 0.5 to 1", self.least_right));
        }
        if self.criterion.trim().is_empty() {
            return refuse("--criterion is empty; say what two texts are compared by".into());
        }
        if let Some(twice) = (1..self.rubrics.len()).find(|i| self.rubrics[..*i].contains(&self.rubrics[*i]))
        {
            return refuse(format!("--rubrics names `{}` twice", self.rubrics[twice]));
        }
        for (i, arm) in self.arms.iter().enumerate() {
            arm.check()?;
            if self.arms[..i].iter().any(|a| a.name == arm.name) {
                return refuse(format!("two arms are called `{}`", arm.name));
            }
        }
        for scope in &self.scopes {
            super::scope::Scope::named(scope)?;
        }
        for (i, p) in self.predictions.iter().enumerate() {
            let bounds: Vec<f64> = p.above.into_iter().chain(p.below).collect();
            if bounds.is_empty() || bounds.iter().any(|b| !b.is_finite()) {
                return refuse(format!("prediction `{}` needs above or below, a finite number", p.id));
            }
            if let Some((above, below)) = p.above.zip(p.below)
                && above >= below
            {
                return refuse(format!(
                    "prediction `{}` can't come true: no difference is above {above} and below {below}",
                    p.id
                ));
            }
            if self.predictions[..i].iter().any(|q| q.id == p.id) {
                return refuse(format!("prediction `{}` is there twice; give each an id of its own", p.id));
            }
        }
        Ok(())
    }
}
