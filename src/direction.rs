//! How a direction becomes an artifact.

use truenorth_data::artifact::{Direction, DirectionError, DirectionMetadata, HeldOutRecord, NuisanceTexts};
use truenorth_protocol::{ModelInfo, ReadAt, Site};
use truenorth_stats::estimate::{CheckedEstimator, Estimator, Extraction, HeldOut};

use crate::analyses::extract::LabelledTexts;
use crate::analyses::{LeftOut, SentimentTexts, SpeechRecord};
use crate::error::Error;
use crate::host::Fallen;

/// An estimator by its name, with its usual hyperparameters.
///
/// # Errors
/// When there is none of that name.
pub fn estimator(name: &str) -> Result<CheckedEstimator, Error> {
    let estimator: Estimator = name.parse()?;
    Ok(estimator.check()?)
}

/// The name that sentiment is projected out under.
const SENTIMENT: &str = "sentiment";

/// What a direction was estimated with, beside the extraction itself.
pub struct ExtractionContext<'a> {
    /// The texts that it was estimated from.
    pub question: &'a LabelledTexts,
    /// The model that read them.
    pub info: &'a ModelInfo,
    /// The site at which they were read.
    pub site: Site,
    /// The tokens of each text that were read.
    pub positions: ReadAt,
    /// What means over tokens left out at the site.
    pub left_out: Vec<LeftOut>,
    /// How prompt and response became one text.
    pub template: Option<String>,
    /// How texts were put before the model, where not as they are.
    pub speech: Option<SpeechRecord>,
    /// The texts that sentiment was projected out with, where it was asked for.
    pub sentiment: Option<&'a SentimentTexts>,
    /// The mean residual norm at the site, and what it was measured on.
    pub residual_norm: (f64, &'static str),
    /// How well it separates rows it was not fitted on, once for each way to hold out.
    pub held_out: &'a [&'a HeldOut],
    /// What ran in place of the model that was asked for.
    pub fallen: Option<Fallen>,
}

/// The artifact of an extraction.
///
/// # Errors
/// When the direction is zero or not finite.
pub fn artifact(
    extraction: &Extraction,
    estimator: &CheckedEstimator,
    made: &ExtractionContext<'_>,
) -> Result<Direction, DirectionError> {
    let question = made.question;
    let mut metadata =
        DirectionMetadata::new(question.operation, made.site, &question.positive_end, &question.data_sha256);
    metadata.estimator = Some(estimator.params().clone());
    metadata.model = Some(made.info.name.clone());
    metadata.revision = Some(made.info.revision.clone());
    metadata.path = Some(made.info.path.clone());
    metadata.residual_norm = Some(made.residual_norm.0);
    metadata.extra.insert("residual_norm_of".into(), made.residual_norm.1.into());
    let copies = &question.copies;
    metadata.extra.insert("near_copies".into(), copies.threshold.to_string());
    if copies.exact > 0 || copies.clusters < question.examples() {
        let copies = serde_json::to_string(copies).expect("counts and names are JSON");
        metadata.extra.insert("copies".into(), copies);
    }
    let fallen = made.fallen.as_ref().and_then(|fallen| serde_json::to_string(fallen).ok());
    metadata.extra.extend(fallen.map(|text| ("fallback".into(), text)));
    metadata.template.clone_from(&made.template);
    let speech = made.speech.as_ref().and_then(|speech| serde_json::to_string(speech).ok());
    metadata.extra.extend(speech.map(|text| ("speech".into(), text)));
    metadata.positions = Some(made.positions.to_string());
    if let Some(left_out) = made.left_out.iter().find(|l| l.site == made.site) {
        metadata.extra.insert("left_out".into(), left_out.to_string());
    }
    metadata.projected_out.clone_from(&extraction.projected_out);
    if let Some(texts) = made.sentiment
        && metadata.projected_out.iter().any(|p| p.name == SENTIMENT)
    {
        if let Some(shared) = texts.shared() {
            let shared = serde_json::to_string(shared).expect("counts and names are JSON");
            metadata.extra.insert("sentiment_apart".into(), shared);
        }
        let texts = NuisanceTexts::of(texts.rows.iter().map(|r| r.text.as_str()));
        metadata.projected_with.insert(SENTIMENT.into(), texts);
    }
    metadata.n = Some(question.examples());
    metadata.held_out = made.held_out.iter().map(|h| HeldOutRecord::from(*h)).collect();
    Direction::new(extraction.fit.direction.view(), metadata)
}
