//! Models, directions and judges of an experiment opened, and the experiment run.

use std::path::Path;

use truenorth_data::{Distinct, Pair, SentimentRow, Template};
use truenorth_protocol::{ReadAt, Site};
use truenorth_stats::estimate::{CheckedEstimator, ProjectMethod};
use truenorth_stats::math::Seeds;

use super::ExperimentContents;
use crate::analyses::experiment::{
    ArmAsked, ArmParams, Chooser, Experiment, ExperimentData, Found, LogOdds, ModelJudge, Params,
    PlaceboContrast, given,
};
use crate::analyses::extract::{LabelledTexts, ProjectOut};
use crate::analyses::judge::{self, Duel, Reply};
use crate::analyses::monitor::Watched;
use crate::analyses::steer::{Clamp, Dose, Push, neutral_ranges};
use crate::analyses::{Analysis as _, AnalysisContext, NamedPrompt, Reader};
use crate::error::{Error, ErrorContext as _};
use crate::host::Host;
use crate::pushes::{LoadDirections, PushContext, PushSites};
use crate::session::Session;

/// A direction that arms use that name none.
pub struct OwnDirection {
    /// Name of the direction in results.
    pub name: String,
    /// The site at which it was found.
    pub site: Site,
    /// The direction, `[hidden]`.
    pub vector: Vec<f32>,
    /// The mean residual norm of the site, which α multiplies.
    pub norm: f64,
}

/// What an experiment stands on beside its own files.
pub struct ExperimentContext<'a> {
    /// The model that arms are asked of, unless they name another.
    pub reader: Reader<'a>,
    /// The texts that placebos are drawn like, their labels and how directions are fitted to them.
    pub question: Option<&'a LabelledTexts>,
    /// The same texts as pairs, for log-odds; none for classes.
    pub pairs: Option<(&'a Distinct<Pair>, &'a Template)>,
    /// What fits directions to the texts.
    pub estimator: CheckedEstimator,
    /// What is projected out of directions.
    pub project_out: &'a [ProjectOut],
    /// How it is projected out.
    pub project_method: ProjectMethod,
    /// Texts labelled for sentiment.
    pub sentiment: Option<&'a [SentimentRow]>,
    /// Neutral texts, with their names.
    pub neutral: &'a [NamedPrompt],
    /// At which token texts are read.
    pub at: ReadAt,
    /// A direction that arms use that name none.
    pub own: Option<&'a OwnDirection>,
    /// How files of directions are read.
    pub load: &'a LoadDirections<'a>,
    /// Judges beside those that the parameters name.
    pub judges: Vec<Box<dyn Chooser + 'a>>,
}

/// Asks a judge about texts of no account, as it will be asked about others.
fn try_out(judge: &ModelJudge<'_>, params: &Params, asked: &AnalysisContext<'_>) -> Result<(), Error> {
    let what = || format!("the judge {} can't be asked", judge.name);
    let [first, second] = ["A short text.", "Another one."].map(str::to_owned);
    let (id, prompt) = ("trial".to_owned(), "Say something.".to_owned());
    let reply = Reply { id: id.clone(), prompt: prompt.clone(), text: first.clone() };
    for rubric in &params.rubrics {
        judge.score(std::slice::from_ref(&reply), rubric, asked).context(what())?;
    }
    let duel = Duel { id, prompt, first, second };
    judge.choose(&[duel], &params.criterion, asked).context(what())?;
    Ok(())
}

/// Opens what an experiment names and runs it.
///
/// # Errors
/// When a model or a direction can't be opened, or the work fails.
pub fn run(
    params: &Params,
    read: &ExperimentContents,
    stands: ExperimentContext<'_>,
    host: &dyn Host,
    seeds: &Seeds,
) -> Result<Found, Error> {
    if params.texts.is_some() || (params.arms.is_empty() && !params.ratings.is_empty()) {
        let asks = params.log_odds > 0 || !params.project.is_empty() || !params.judges.is_empty();
        if asks || !stands.judges.is_empty() {
            return Err(Error::request(
                "texts that were written elsewhere are weighed with no model, and log_odds, project or judges ask one",
            )
            .with_hint("leave these out and give ratings, or take `texts` out and let the arms write"));
        }
        return weighed(params, read, seeds);
    }
    // Models that stay open while arms and judges ask them.
    let others = params
        .arms
        .iter()
        .map(|a| a.model.as_deref().filter(|_| a.withdrawn.is_none()).map(|m| host.model(m)).transpose())
        .collect::<Result<Vec<Option<Session>>, Error>>()?;
    let watch = host.watch("opening arms", "tokens");
    let mut arms = vec![plain(read.arms[0].clone())];
    for ((arm, described), other) in read.arms[1..].iter().zip(&params.arms).zip(&others) {
        let reader = other.as_ref().map(|o| match stands.reader.spoken() {
            Some(spoken) if !spoken.is_chat() => o.reader().speaking(spoken),
            _ => o.reader(),
        });
        let dose = match described.edits() && described.withdrawn.is_none() {
            true => Some(dose(described, &stands, &*watch)?),
            false => None,
        };
        arms.push(ArmAsked {
            arm: arm.clone(),
            prefix: described.prefix.clone(),
            system: described.system.clone(),
            dose,
            reader,
        });
    }
    let info = stands.reader.runner().info();
    let mut directions = Vec::new();
    for path in &params.project {
        for d in (stands.load)(path, info)?.members() {
            let name = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
            directions.push(Watched {
                name,
                site: d.metadata().site,
                direction: d.vector().to_vec(),
                norm: d.metadata().residual_norm,
            });
        }
    }
    let opened = params.judges.iter().map(|m| host.model(m)).collect::<Result<Vec<Session>, Error>>()?;
    let models: Vec<ModelJudge<'_>> = opened
        .iter()
        .map(|session| ModelJudge {
            name: session.runner().info().name.clone(),
            reader: session.reader(),
            params: judge::Params::default(),
        })
        .collect();
    let judges: Vec<&dyn Chooser> = models
        .iter()
        .map(|m| m as &dyn Chooser)
        .chain(stands.judges.iter().map(|j| &**j as &dyn Chooser))
        .collect();
    if let Some(i) = (1..judges.len()).find(|i| judges[..*i].iter().any(|j| j.name() == judges[*i].name())) {
        return Err(Error::request(format!("two judges are called `{}`", judges[i].name()))
            .with_hint("name each judge once"));
    }
    // That a judge can't answer in the words that it is asked for is known before anything is written.
    let trial = AnalysisContext { reader: stands.reader, seeds, watch: &*watch };
    for judge in &models {
        try_out(judge, params, &trial)?;
    }
    let contrast = stands.question.map(|question| PlaceboContrast {
        question,
        at: stands.at,
        estimator: stands.estimator.clone(),
        project_out: stands.project_out,
        project_method: stands.project_method,
        sentiment: stands.sentiment,
    });
    let log_odds = match (params.log_odds, stands.pairs) {
        (0, _) => None,
        (most, Some((pairs, template))) => Some(LogOdds { pairs, template, most }),
        (_, None) => {
            return Err(Error::request("log_odds asks for pairs, and there are none")
                .with_hint("name them with `pairs` under [data], or leave log_odds out"));
        }
    };
    drop(watch);
    let data = ExperimentData {
        prompts: &read.prompts,
        arms: &arms,
        given: None,
        contrast: contrast.as_ref(),
        neutral: stands.neutral,
        log_odds,
        directions: &directions,
        at: stands.at,
        lexicons: &read.lexicons,
        no_stance: read.no_stance.as_ref(),
        judges: &judges,
        planted: &read.planted,
        ratings: &read.ratings,
    };
    let bar = host.watch("experimenting", "tokens");
    let asked = AnalysisContext { reader: stands.reader, seeds, watch: &*bar };
    Ok(Experiment::run(&data, params, &asked)?)
}

/// An experiment whose texts and ratings were made elsewhere; no model is asked.
///
/// # Errors
/// When what was made does not fit together.
pub fn weighed(params: &Params, read: &ExperimentContents, seeds: &Seeds) -> Result<Found, Error> {
    let arms: Vec<ArmAsked<'_>> = read.arms.iter().cloned().map(plain).collect();
    let data = ExperimentData {
        prompts: &read.prompts,
        arms: &arms,
        given: read.texts.as_deref(),
        contrast: None,
        neutral: &[],
        log_odds: None,
        directions: &[],
        at: ReadAt::Last,
        lexicons: &read.lexicons,
        no_stance: read.no_stance.as_ref(),
        judges: &[],
        planted: &[],
        ratings: &read.ratings,
    };
    Ok(given(&data, params, seeds)?)
}

fn plain<'a>(arm: crate::analyses::experiment::Arm) -> ArmAsked<'a> {
    ArmAsked { arm, prefix: None, system: None, dose: None, reader: None }
}

/// What an arm does to the residual stream.
fn dose(
    arm: &ArmParams,
    stands: &ExperimentContext<'_>,
    watch: &dyn truenorth_protocol::run::Watch,
) -> Result<Dose, Error> {
    let what = || format!("can't open the arm `{}`", arm.name);
    let neutral = (!stands.neutral.is_empty()).then_some(stands.neutral);
    let opened =
        PushContext { reader: stands.reader, neutral, watch, unit: arm.alpha_unit, load: stands.load };
    let how = arm.how();
    let added = arm.alpha.is_some_and(|a| a != 0.0);
    let pushes = if arm.direction.is_empty() {
        let own = stands.own.ok_or_else(|| {
            Error::request(format!("the arm `{}` edits and names no direction", arm.name))
                .with_hint("name its file with direction = \"F.safetensors\"")
        })?;
        vec![along(own, &how.clamp, stands, watch)?]
    } else {
        let at = arm.at.as_deref().map(str::parse::<PushSites>).transpose();
        let at = at.map_err(|e| Error::request(format!("{}: {e}", what())))?;
        let coefficients = arm.coefficient.iter().copied().chain(std::iter::repeat(1.0));
        let files: Vec<_> = arm.direction.iter().cloned().zip(coefficients).collect();
        opened.pushes(&files, at.as_ref(), &how, added).context(what())?
    };
    let when = match &arm.when {
        None => None,
        Some(file) => Some(opened.when(file, &arm.threshold(), &pushes).context(what())?),
    };
    Ok(Dose {
        pushes,
        positions: arm.positions,
        alphas: vec![arm.alpha.unwrap_or(0.0)],
        unit: arm.alpha_unit.name(),
        ablate: how.ablate,
        schedule: how.to_schedule(),
        when,
    })
}

fn along(
    own: &OwnDirection,
    clamp: &Option<Clamp>,
    stands: &ExperimentContext<'_>,
    watch: &dyn truenorth_protocol::run::Watch,
) -> Result<Push, Error> {
    let spares_first = *clamp == Some(Clamp::Neutral);
    let clamp = match clamp {
        None => None,
        Some(Clamp::Between(low, high)) => Some([low * own.norm, high * own.norm]),
        Some(Clamp::Neutral) => {
            neutral_ranges(&stands.reader, &[(own.site, &own.vector)], stands.neutral, watch)?.pop()
        }
    };
    Ok(Push {
        direction: own.vector.clone(),
        site: own.site,
        coefficient: 1.0,
        norm: Some(own.norm),
        clamp,
        spares_first,
    })
}

/// Files of directions as they are, for a host that has no more to say of them.
///
/// # Errors
/// When the file is none of directions, or does not fit the model.
pub fn load(
    path: &Path,
    info: &truenorth_protocol::ModelInfo,
) -> Result<truenorth_data::artifact::Directions, Error> {
    let (file, site) = chosen(path);
    let what = || format!("can't use {} as a direction", path.display());
    let all = truenorth_data::artifact::Directions::load(&file).request(what())?;
    let all = match site {
        Some(site) => all.at(site).request(what())?.clone().into(),
        None => all,
    };
    for d in all.members() {
        d.check_width(info.hidden as usize).request(format!(
            "{} does not fit {}",
            path.display(),
            info.name
        ))?;
        if let Some(layer) = d.metadata().site.layer().filter(|l| *l >= info.layers) {
            return Err(Error::request(format!(
                "{} lives in block {layer}; {} has {} blocks",
                path.display(),
                info.name,
                info.layers
            ))
            .with_hint("use the model it was extracted from"));
        }
    }
    Ok(all)
}

/// A file, and the site that is named behind its name.
#[must_use]
pub fn chosen(path: &Path) -> (std::path::PathBuf, Option<Site>) {
    let named = path.to_str().and_then(|text| text.rsplit_once('@'));
    match named.and_then(|(file, site)| Some((file, site.parse::<Site>().ok()?))) {
        Some((file, site)) if !path.exists() => (file.into(), Some(site)),
        _ => (path.to_owned(), None),
    }
}
