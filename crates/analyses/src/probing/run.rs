//! The run: texts read at every site, then every contrast probed beside its controls.

use ndarray::Array2;
use rand::Rng as _;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_protocol::{ReadAt, Site};
use truenorth_stats::estimate::probing::{Layers, ProbeError, ProbeSettings, ProbingResult};
use truenorth_stats::math::Seeds;
use truenorth_stats::words::folded;

use super::contrast::{ContrastRows, Material};
use super::params::ProbingPlan;
use super::source::SiteRows;
use super::texts::{Lengthy, words};
use super::{
    ALL, Baseline, ContrastProbe, Control, HELD_OUT, Params, ProbeData, Probed, RefusedCategory, Truth,
    controls,
};
use truenorth_reading::{AnalysisContext, AnalysisError, ClassTexts, Parameters as _, Reader};

/// Permutations behind the nulls of the controls.
const CONTROL_PERMUTATIONS: usize = 99;

pub(super) fn probe(
    data: &ProbeData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<Probed, AnalysisError> {
    let AnalysisContext { reader, seeds, watch } = *asked;
    params.check()?;
    check(data, params)?;
    let plan = params.plan();
    let ProbingPlan { sites, at, probe } = &plan;
    enough(data, probe, seeds).map_err(|e| named(e, ALL, sites))?;
    watch.say("reading the training and test texts");
    let trained = ProbeRows::read(reader, data, sites, *at, watch)?;
    let untrained = match data.untrained.filter(|_| params.asks(Control::RandomInit)) {
        Some(other) => {
            watch.say("reading them with the untrained model");
            Some(ProbeRows::read(other, data, sites, *at, watch)?)
        }
        None => None,
    };
    let truth = match data.truth.filter(|_| params.asks(Control::Truth)) {
        Some(texts) => {
            watch.say("reading the statements");
            Some((texts, SiteRows::read(reader, &texts.prompts, sites, *at, watch)?))
        }
        None => None,
    };
    let truth_directions = match &truth {
        Some((texts, rows)) => {
            controls::directions(rows, &(0..texts.len()).collect::<Vec<_>>(), texts, sites)?
        }
        None => vec![],
    };
    let lengths = Lengthy::new(&reader, data)?;
    let mut names = vec![ALL.to_owned()];
    if !params.no_categories {
        names.extend(data.train.named());
    }
    // With one category, all together is that category.
    if names.len() == 2
        && data.train.of(Some(&names[1])).is_some_and(|(rows, _)| rows.len() == data.train.len())
    {
        names.truncate(1);
    }
    let (mut contrasts, mut refused) = (vec![], vec![]);
    for name in &names {
        if watch.interrupted() {
            return Err(RunError::Interrupted.into());
        }
        watch.say(&format!("probing {name}"));
        let Some(contrast) = ContrastRows::new(name, data) else { continue };
        let seeds = seeds.child(name);
        let found = contrast.run(&trained.material(), probe, &seeds);
        let probing = match found.map_err(|e| named(e, name, sites)) {
            Ok(probing) => probing,
            Err(e) if name != ALL && e.is_request() => {
                refused.push(RefusedCategory { category: name.clone(), why: chain(&e) });
                continue;
            }
            Err(e) => return Err(e),
        };
        let mut out = ContrastProbe::new(&contrast, probing)?;
        let mut control = |name: &str, what: &str, found: Result<ProbingResult, ProbeError>| match found {
            Ok(found) => {
                let baseline = Baseline::new(name, what, &contrast, &out.probing, found, probe);
                baseline.map(|b| out.baselines.push(b))
            }
            Err(e) => {
                out.absent.push((name.to_owned(), chain(&named(e, name, sites))));
                Ok(())
            }
        };
        let quick =
            ProbeSettings { permutations: probe.permutations.min(CONTROL_PERMUTATIONS), ..probe.clone() };
        if params.asks(Control::BagOfWords) {
            watch.say(&format!("probing the words of {name}"));
            control(
                "bag-of-words",
                "the words of the text, without a model",
                words(&contrast, &quick, &seeds),
            )?;
        }
        if params.asks(Control::Length) {
            let what = if lengths.tokens { "the number of tokens" } else { "the number of characters" };
            control("length", what, lengths.run(&contrast, &quick, &seeds))?;
        }
        if let Some(untrained) = &untrained {
            watch.say(&format!("probing {name} in the untrained model"));
            let found = contrast.run(&untrained.material(), &quick, &seeds);
            control("random-init", "an untrained model of the same architecture", found)?;
        }
        if let Some((texts, rows)) = &truth {
            watch.say(&format!("probing {name} with truth"));
            let own = controls::directions(&trained.train, &contrast.rows, data.train, sites)?;
            let found = Truth::run(&contrast, texts, rows, &trained.material(), &quick, &seeds);
            match found {
                Ok(found) => out.truth = Some(Truth::new(found, &truth_directions, &own)?),
                Err(e) => out.absent.push(("truth".into(), chain(&named(e, "truth", sites)))),
            }
        }
        contrasts.push(out);
    }
    Probed::new(data, &plan, contrasts, refused)
}

/// Refuses what there are too few groups for before a model reads anything: noise with the labels and groups of all
/// texts goes through the procedure, split by the seeds that split the texts.
fn enough(data: &ProbeData<'_>, probe: &ProbeSettings, seeds: &Seeds) -> Result<(), ProbeError> {
    let Some(contrast) = ContrastRows::new(ALL, data) else { return Ok(()) };
    let mut rng = Seeds::new(0).stream("stand-in");
    let mut noise = |texts: &ClassTexts| {
        vec![Array2::from_shape_simple_fn((texts.prompts.len(), 8), || rng.random_range(-1.0_f32..1.0))]
    };
    let train = noise(data.train);
    let tests: Vec<Vec<Array2<f32>>> = data.tests.iter().map(|t| noise(&t.texts)).collect();
    let on = Material { train: &train, tests: tests.iter().map(|t| t as &dyn Layers).collect() };
    let quick = ProbeSettings { permutations: probe.permutations.min(CONTROL_PERMUTATIONS), ..probe.clone() };
    contrast.run(&on, &quick, &seeds.child(ALL)).map(drop)
}

/// Everything read of one model.
struct ProbeRows<'a> {
    train: SiteRows<'a>,
    tests: Vec<SiteRows<'a>>,
}

impl<'a> ProbeRows<'a> {
    fn read(
        reader: Reader<'a>,
        data: &ProbeData<'a>,
        sites: &'a [Site],
        at: ReadAt,
        watch: &'a dyn Watch,
    ) -> Result<Self, AnalysisError> {
        let rows = |texts: &'a ClassTexts| SiteRows::read(reader, &texts.prompts, sites, at, watch);
        Ok(Self {
            train: rows(data.train)?,
            tests: data.tests.iter().map(|t| rows(&t.texts)).collect::<Result<_, _>>()?,
        })
    }

    fn material(&self) -> Material<'_> {
        Material { train: &self.train, tests: self.tests.iter().map(|t| t as &dyn Layers).collect() }
    }
}

fn check(data: &ProbeData<'_>, params: &Params) -> Result<(), AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if params.asks(Control::Truth) && data.truth.is_none() {
        return refuse("the control truth needs true and false statements, and none are given".into());
    }
    if params.asks(Control::RandomInit) && data.untrained.is_none() {
        return refuse("the control random-init needs an untrained model, and none is given".into());
    }
    for (i, test) in data.tests.iter().enumerate() {
        if test.name == HELD_OUT || data.tests[..i].iter().any(|t| t.name == test.name) {
            return refuse(format!("the test set name `{}` is taken", test.name));
        }
        let known: std::collections::HashSet<String> = data.train.texts().into_iter().map(folded).collect();
        let texts = test.texts.texts();
        let mut same = texts.iter().zip(&test.texts.prompts).filter(|(t, _)| known.contains(&folded(t)));
        if let Some((_, first)) = same.next() {
            return refuse(format!(
                "test set `{}` has {} texts of the training texts, the first of them `{}`; take them out of one \
                 of the two",
                test.name,
                1 + same.count(),
                first.id
            ));
        }
    }
    if data.train.categories.iter().flatten().any(|c| c == ALL) {
        return refuse(format!("a category is called `{ALL}`, which names all categories together"));
    }
    Ok(())
}

/// An error with the contrast and, where one is to blame, the site.
pub(super) fn named(source: ProbeError, contrast: &str, sites: &[Site]) -> AnalysisError {
    let layer = match &source {
        ProbeError::Source { layer, .. }
        | ProbeError::NotFinite { layer, .. }
        | ProbeError::Constant { layer, .. }
        | ProbeError::EqualScores { layer }
        | ProbeError::Fit { layer, .. } => sites.get(*layer),
        _ => None,
    };
    let what = match layer {
        Some(site) => format!("`{contrast}` at {site}"),
        None => format!("`{contrast}`"),
    };
    AnalysisError::Probe { what, source: Box::new(source) }
}

/// An error with its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        out = format!("{out}: {e}");
        cause = e.source();
    }
    out
}
