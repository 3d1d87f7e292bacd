//! What a model answered at one site, as measures and as damage.

use super::damage::{DamagePoint, Harm, point};
use super::trend::Responses;
use super::words::Lexicon;
use truenorth_reading::AnalysisError;
use truenorth_stats::math::Seeds;

/// `[arms][doses other than 0][units]`.
pub(super) type ByArm = Vec<Vec<Vec<f64>>>;

/// The answers of one site: `[arms][doses other than 0]`, the first arm the direction.
pub(super) struct Answers {
    /// Log-odds and log-odds per token of each pair.
    pub odds: [ByArm; 2],
    /// The same under the directions of flipped labels, with the odds of flipped pairs turned round.
    pub flips: [ByArm; 2],
    pub plain_odds: [Vec<f64>; 2],
    /// Of the first arms alone, as all that is generated.
    pub harm: Vec<Vec<Harm>>,
    pub plain_harm: Harm,
    pub texts: Vec<Vec<Vec<String>>>,
    pub plain_texts: Vec<String>,
    /// Projections of the generations on the direction, in mean residual norms.
    pub projections: ByArm,
    pub plain_projections: Vec<f64>,
    /// Predicted tokens of each neutral text.
    pub predicted: Vec<usize>,
}

impl Answers {
    /// Every measure at every dose. `flipped` says which of the steered pairs have their labels flipped.
    pub fn responses(
        &self,
        alphas: &[f64],
        (clusters, cluster_name): (&[usize], &'static str),
        flipped: &[Vec<bool>],
        keywords: &[(Lexicon, i8)],
    ) -> Vec<Responses> {
        let make = |measure: &str, expected, plain: &[f64], values: &[Vec<Vec<f64>>]| {
            let full = |arm: &Vec<Vec<f64>>| with_zero(alphas, plain, arm);
            Responses {
                measure: measure.to_owned(),
                expected,
                alphas: alphas.to_vec(),
                direction: full(values.first().expect("the first arm is the direction")),
                controls: values.iter().skip(1).map(full).collect(),
                flips: vec![],
                clusters: clusters.to_vec(),
                units: ["pairs", cluster_name],
            }
        };
        let of_flip = |k: usize, draw: usize| {
            let turned = |(v, f): (&f64, &bool)| if *f { -v } else { *v };
            let plain: Vec<f64> = self.plain_odds[k].iter().zip(&flipped[draw]).map(turned).collect();
            with_zero(alphas, &plain, &self.flips[k][draw])
        };
        let mut out: Vec<Responses> = ["log_odds", "log_odds_per_token"]
            .iter()
            .enumerate()
            .map(|(k, measure)| Responses {
                flips: (0..flipped.len()).map(|draw| of_flip(k, draw)).collect(),
                ..make(measure, 1, &self.plain_odds[k], &self.odds[k])
            })
            .collect();
        let prompts = self.plain_texts.len();
        if prompts == 0 {
            return out;
        }
        let mut generated = |measure: &str, expected, plain: &[f64], values: &[Vec<Vec<f64>>]| {
            out.push(Responses {
                clusters: (0..prompts).collect(),
                units: ["prompts", "prompts"],
                ..make(measure, expected, plain, values)
            });
        };
        generated("projection", 1, &self.plain_projections, &self.projections);
        let refusal = (Lexicon::refusal(), 0);
        for (lexicon, expected) in std::iter::once(&refusal).chain(keywords) {
            let count = |texts: &[String]| -> Vec<f64> {
                texts.iter().map(|t| f64::from(u8::from(lexicon.found_in(t)))).collect()
            };
            let counted: ByArm =
                self.texts.iter().map(|arm| arm.iter().map(|t| count(t)).collect()).collect();
            generated(&lexicon.name, *expected, &count(&self.plain_texts), &counted);
        }
        out
    }

    pub fn damage(&self, alphas: &[f64], seeds: &Seeds) -> Result<Vec<DamagePoint>, AnalysisError> {
        let mut doses = 0..;
        alphas
            .iter()
            .map(|alpha| {
                if *alpha == 0.0 {
                    return point(0.0, &self.plain_harm, &self.plain_harm, &[], &self.predicted, seeds);
                }
                let k = doses.next().expect("numbers do not run out");
                let controls: Vec<&Harm> = self.harm.iter().skip(1).map(|arm| &arm[k]).collect();
                point(*alpha, &self.harm[0][k], &self.plain_harm, &controls, &self.predicted, seeds)
            })
            .collect()
    }
}

/// The values of every dose, those of dose 0 put in their place.
fn with_zero(alphas: &[f64], plain: &[f64], pushed: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut pushed = pushed.iter();
    let mut next = || pushed.next().expect("every dose but 0 was pushed");
    alphas.iter().map(|a| if *a == 0.0 { plain.to_vec() } else { next().clone() }).collect()
}
