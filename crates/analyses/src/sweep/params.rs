//! What can be chosen in a sweep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::{Site, WriteAt};

use super::damage::Bounds;
use truenorth_reading::{AnalysisContext, AnalysisError, Parameters, SiteRange, as_text, site_range};

/// Sites, doses, what is generated, nulls and bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Sites, as `resid_post.12` or `resid_post.4..28:4`; several with commas, or repeated.
    #[serde(rename = "site", alias = "sites", deserialize_with = "site_range::list")]
    #[cfg_attr(feature = "cli", arg(long = "site", value_name = "S", required = true))]
    #[schemars(with = "Vec<String>", extend("x-alias" = "sites"))]
    pub sites: Vec<SiteRange>,
    /// Doses α of both signs, in mean residual norms; 0 is added where it is missing.
    #[serde(rename = "alpha", alias = "alphas")]
    #[schemars(extend("x-alias" = "alphas"))]
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "alpha",
            value_name = "A,..",
            value_delimiter = ',',
            allow_hyphen_values = true,
            default_values_t = Self::default().alphas
        )
    )]
    pub alphas: Vec<f64>,
    /// Which tokens are pushed while generating: all, prompt, generated, last, or an index. Given text is
    /// pushed at all of its tokens.
    #[serde(with = "as_text")]
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "P", allow_hyphen_values = true, default_value_t = Self::default().push)
    )]
    #[schemars(with = "String")]
    pub push: WriteAt,
    /// Label flips behind each slope's p: each fits the direction anew and steers with it, at all doses on all
    /// steered pairs. 0 leaves them out, and no p is printed.
    #[serde(alias = "flips")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().null_draws))]
    pub null_draws: usize,
    /// Random directions with the covariance of the activations and the same norm, at the same doses; p against
    /// them is printed from 19 on.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().random_directions))]
    pub random_directions: usize,
    /// How many of the random directions are also followed through damage and generations.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().damage_directions))]
    pub damage_directions: usize,
    /// How many pairs are steered, taken evenly through the file; default all. Every pair is read.
    #[serde(alias = "pairs")]
    #[schemars(extend("x-alias" = "pairs"))]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub steered_pairs: Option<usize>,
    /// How many prompts are generated from, the first of their file; default all. A study, whose prompts
    /// serve other tables too, generates from none unless this says so.
    #[serde(alias = "prompts")]
    #[schemars(extend("x-alias" = "prompts"))]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub steered_prompts: Option<usize>,
    /// How many tokens to generate at most.
    #[cfg_attr(
        feature = "cli",
        arg(
            long,
            value_name = "N",
            value_parser = clap::value_parser!(u32).range(1..),
            default_value_t = Self::default().max_new_tokens
        )
    )]
    pub max_new_tokens: u32,
    /// 0 is greedy.
    #[cfg_attr(feature = "cli", arg(long, value_name = "T", default_value_t = Self::default().temperature))]
    pub temperature: f64,
    /// The largest perplexity of neutral text within the working range, as a multiple of the unsteered.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Self::default().max_perplexity))]
    pub max_perplexity: f64,
    /// The largest mean divergence of the next token within the working range, in nats.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Self::default().max_kl))]
    pub max_kl: f64,
    /// The least distinct-2 within the working range, as a share of the unsteered.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Self::default().min_distinct_2))]
    pub min_distinct_2: f64,
}

impl Default for Params {
    /// No sites; doses of ±0.05, ±0.1 and ±0.2, 39 label flips, 19 random directions of which three are followed
    /// through damage and generations, all pairs and prompts, 32 greedy tokens.
    fn default() -> Self {
        let bounds = Bounds::default();
        Self {
            sites: vec![],
            alphas: vec![-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2],
            push: WriteAt::All,
            null_draws: 39,
            random_directions: 19,
            damage_directions: 3,
            steered_pairs: None,
            steered_prompts: None,
            max_new_tokens: 32,
            temperature: 0.0,
            max_perplexity: bounds.perplexity_ratio,
            max_kl: bounds.kl,
            min_distinct_2: bounds.distinct_2_ratio,
        }
    }
}

impl Params {
    /// The sites, each once, in the order of the curves.
    #[must_use]
    pub fn flat_sites(&self) -> Vec<Site> {
        SiteRange::all(&self.sites)
    }

    /// The doses in ascending order with 0 among them.
    pub(super) fn doses(&self) -> Result<Vec<f64>, AnalysisError> {
        let mut alphas = self.alphas.clone();
        if let Some(bad) = alphas.iter().find(|a| !a.is_finite()) {
            return Err(AnalysisError::Input(format!("dose {bad} is no finite number")));
        }
        alphas.push(0.0);
        alphas.sort_by(f64::total_cmp);
        // -0 and 0 are one dose.
        alphas.iter_mut().for_each(|a| *a += 0.0);
        alphas.dedup();
        let sides = [alphas.iter().any(|a| *a < 0.0), alphas.iter().any(|a| *a > 0.0)];
        if sides != [true, true] {
            return Err(AnalysisError::Input(format!(
                "doses {:?} (--alpha) have one sign; a steering curve needs doses on both sides of 0",
                self.alphas
            )));
        }
        Ok(alphas)
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            perplexity_ratio: self.max_perplexity,
            kl: self.max_kl,
            distinct_2_ratio: self.min_distinct_2,
        }
    }

    /// How tokens are chosen. Greedy choice draws nothing, and is the same question under every seed.
    pub(super) fn sampling(&self, asked: &AnalysisContext<'_>) -> Sampling {
        Sampling {
            temperature: self.temperature,
            seed: if self.temperature == 0.0 { 0 } else { asked.seeds.number() },
            stop: asked.reader.runner().stop_tokens(),
            ..Sampling::greedy(self.max_new_tokens)
        }
    }
}

impl Parameters for Params {
    /// Every draw of a sweep asks the model, so none is left out.
    fn rehearse(&mut self) {}
}
