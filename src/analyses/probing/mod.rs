//! What can be read off a model's activations about labelled texts, and how much of it is news.
//!
//! Every category is probed against negatives, and all together; groups are never split; the layer (here
//! a site) and the penalty are chosen inside the training folds, and the whole procedure is repeated on
//! permuted labels. Beside it stand controls: the words and the length of the text alone, a direction of
//! truth, and an untrained model.

mod controls;
mod outcome;
pub mod page;
mod source;

#[cfg(test)]
mod tests;

use truenorth_protocol::{ReadAt, Site};

pub use controls::{Baseline, Difference, Truth};
pub use outcome::{ContrastProbe, Family, Probed, Refused, SetSize, SiteRow, Tested};

use super::{AnalysisError, Labelled, LeftOutTexts, Reader};
use source::{Picked, Rows};
use truenorth_data::NearCopies;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_stats::estimate::probing::{
    BagOfWords, Layers, Lengths, Probe, ProbeError, Probing, TestSet, TrainSet,
};
use truenorth_stats::math::Seeds;
use truenorth_stats::words::folded;

/// The name of the contrast of all texts.
pub const ALL: &str = "all";

/// A test set: none of its groups may be among those of the training texts.
#[derive(Clone, Debug)]
pub struct TestTexts {
    /// Its name.
    pub name: String,
    /// The texts.
    pub texts: Labelled,
    /// What was left out of it since a training text says the same; none where nobody looked.
    pub apart: Option<LeftOutTexts>,
}

impl TestTexts {
    /// The texts of a set that are no copies of training texts, nor near copies with their label.
    ///
    /// # Errors
    /// As [`Labelled::apart_from`].
    pub fn apart(
        name: &str,
        texts: Labelled,
        train: &Labelled,
        near: NearCopies,
    ) -> Result<Self, AnalysisError> {
        let (texts, apart) = texts.apart_from(train, name, near)?;
        Ok(Self { name: name.to_owned(), texts, apart: Some(apart) })
    }
}

/// What is probed.
#[derive(Clone, Copy)]
pub struct ProbeData<'a> {
    /// Texts to fit on, and to hold out from.
    pub train: &'a Labelled,
    /// Texts to test on.
    pub tests: &'a [TestTexts],
    /// True and false statements, for the control of that name.
    pub truth: Option<&'a Labelled>,
    /// An untrained model of the same architecture, for the control of that name.
    pub untrained: Option<Reader<'a>>,
}

/// How it is probed.
#[derive(Clone, Debug)]
pub struct ProbeParams {
    /// The sites to choose from, in the order of the curves.
    pub sites: Vec<Site>,
    /// Which token is read.
    pub at: ReadAt,
    /// Estimator, folds, resamples, permutations and their time, of each contrast.
    pub probe: Probe,
    /// Whether every category is probed beside all together.
    pub categories: bool,
    /// Whether the words of the texts are probed.
    pub bag_of_words: bool,
    /// Whether the lengths of the texts are probed.
    pub length: bool,
}

/// Permutations behind the nulls of the controls.
const CONTROL_PERMUTATIONS: usize = 99;

/// A contrast: the places of its rows in the training texts and in each test set that has some.
struct Contrast<'a> {
    name: String,
    rows: Vec<usize>,
    shared: bool,
    tests: Vec<(usize, Vec<usize>, bool)>,
    untested: Vec<String>,
    data: &'a ProbeData<'a>,
}

/// Layers of the training texts and of every test set, from one source.
pub(super) struct Material<'a> {
    train: &'a dyn Layers,
    tests: Vec<&'a dyn Layers>,
}

/// Labels and groups of some rows.
struct Marks {
    labels: Vec<bool>,
    groups: Vec<String>,
}

impl Marks {
    fn of(texts: &Labelled, rows: &[usize]) -> Self {
        Self {
            labels: rows.iter().map(|i| texts.positive[*i]).collect(),
            groups: rows.iter().map(|i| texts.groups[*i].clone()).collect(),
        }
    }
}

impl<'a> Contrast<'a> {
    fn new(name: &str, data: &'a ProbeData<'a>) -> Option<Self> {
        let category = (name != ALL).then_some(name);
        let (rows, shared) = data.train.of(category)?;
        let (mut tests, mut untested) = (vec![], vec![]);
        for (i, test) in data.tests.iter().enumerate() {
            match test.texts.of(category) {
                Some((rows, shared)) => tests.push((i, rows, shared)),
                None => untested.push(test.name.clone()),
            }
        }
        Some(Self { name: name.to_owned(), rows, shared, tests, untested, data })
    }

    /// The whole procedure on some layers.
    fn run(&self, on: &Material<'_>, probe: &Probe, seeds: &Seeds) -> Result<Probing, ProbeError> {
        let marks = Marks::of(self.data.train, &self.rows);
        let layers = Picked { all: on.train, rows: &self.rows };
        let train = TrainSet { layers: &layers, labels: &marks.labels, groups: &marks.groups };
        let parts: Vec<(Picked<'_>, Marks)> = self
            .tests
            .iter()
            .map(|(i, rows, _)| {
                (Picked { all: on.tests[*i], rows }, Marks::of(&self.data.tests[*i].texts, rows))
            })
            .collect();
        let tests: Vec<TestSet<'_>> = self
            .tests
            .iter()
            .zip(&parts)
            .map(|((i, ..), (layers, marks))| TestSet {
                name: &self.data.tests[*i].name,
                layers,
                labels: &marks.labels,
                groups: &marks.groups,
            })
            .collect();
        probe.run(&train, &tests, seeds)
    }
}

/// Reads the texts and probes them.
///
/// # Errors
/// When a reading fails or is interrupted; when the texts of all categories together have too few groups
/// for the folds, one class, groups in common with a test set, or a site where all are equal: the set and
/// the site are named. A category of which this is true is reported as refused.
pub fn probe(
    reader: &Reader<'_>,
    data: &ProbeData<'_>,
    params: &ProbeParams,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<Probed, AnalysisError> {
    check(data, params)?;
    let sites = &params.sites;
    watch.say("reading the training and test texts");
    let trained = Sets::read(*reader, data, sites, params.at, watch)?;
    let untrained = match data.untrained {
        Some(other) => {
            watch.say("reading them with the untrained model");
            Some(Sets::read(other, data, sites, params.at, watch)?)
        }
        None => None,
    };
    let truth = match data.truth {
        Some(texts) => {
            watch.say("reading the statements");
            Some((texts, Rows::read(*reader, &texts.prompts, sites, params.at, watch)?))
        }
        None => None,
    };
    let truth_directions = match &truth {
        Some((texts, rows)) => {
            controls::directions(rows, &(0..texts.len()).collect::<Vec<_>>(), texts, sites)?
        }
        None => vec![],
    };
    let lengths = Lengthy::new(reader, data)?;
    let mut names = vec![ALL.to_owned()];
    if params.categories {
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
        let Some(contrast) = Contrast::new(name, data) else { continue };
        let seeds = seeds.child(name);
        let found = contrast.run(&trained.material(), &params.probe, &seeds);
        let probing = match found.map_err(|e| named(e, name, sites)) {
            Ok(probing) => probing,
            Err(e) if name != ALL && e.is_request() => {
                refused.push(Refused { category: name.clone(), why: chain(&e) });
                continue;
            }
            Err(e) => return Err(e),
        };
        let mut out = ContrastProbe::new(&contrast, probing);
        let mut control = |name: &str, what: &str, found: Result<Probing, ProbeError>| match found {
            Ok(found) => {
                let baseline = Baseline::new(name, what, &contrast, &out.probing, found, params, &seeds);
                baseline.map(|b| out.baselines.push(b))
            }
            Err(e) => {
                out.absent.push((name.to_owned(), chain(&named(e, name, sites))));
                Ok(())
            }
        };
        let quick = Probe {
            permutations: params.probe.permutations.min(CONTROL_PERMUTATIONS),
            ..params.probe.clone()
        };
        if params.bag_of_words {
            watch.say(&format!("probing the words of {name}"));
            control(
                "bag-of-words",
                "the words of the text, without a model",
                words(&contrast, &quick, &seeds),
            )?;
        }
        if params.length {
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
    Probed::new(data, params, contrasts, refused)
}

/// Everything read of one model.
struct Sets<'a> {
    train: Rows<'a>,
    tests: Vec<Rows<'a>>,
}

impl<'a> Sets<'a> {
    fn read(
        reader: Reader<'a>,
        data: &ProbeData<'a>,
        sites: &'a [Site],
        at: ReadAt,
        watch: &'a dyn Watch,
    ) -> Result<Self, AnalysisError> {
        let rows = |texts: &'a Labelled| Rows::read(reader, &texts.prompts, sites, at, watch);
        Ok(Self {
            train: rows(data.train)?,
            tests: data.tests.iter().map(|t| rows(&t.texts)).collect::<Result<_, _>>()?,
        })
    }

    fn material(&self) -> Material<'_> {
        Material { train: &self.train, tests: self.tests.iter().map(|t| t as &dyn Layers).collect() }
    }
}

/// Words as layers; the vocabulary is that of the contrast's training texts.
fn words(contrast: &Contrast<'_>, probe: &Probe, seeds: &Seeds) -> Result<Probing, ProbeError> {
    let train = contrast.data.train.texts();
    let known: Vec<&str> = contrast.rows.iter().map(|i| train[*i]).collect();
    let bag = BagOfWords::new(&known)?;
    let own = bag.layers(&train);
    let others: Vec<_> = contrast.data.tests.iter().map(|t| bag.layers(&t.texts.texts())).collect();
    let tests = others.iter().map(|t| t as &dyn Layers).collect();
    contrast.run(&Material { train: &own, tests }, probe, seeds)
}

/// The length of every text.
struct Lengthy {
    train: Vec<f64>,
    tests: Vec<Vec<f64>>,
    tokens: bool,
}

impl Lengthy {
    fn new(reader: &Reader<'_>, data: &ProbeData<'_>) -> Result<Self, AnalysisError> {
        let of = |texts: &Labelled| -> Result<Vec<f64>, AnalysisError> {
            Ok(reader.encode(&texts.prompts)?.iter().map(super::extract::length).collect())
        };
        Ok(Self {
            train: of(data.train)?,
            tests: data.tests.iter().map(|t| of(&t.texts)).collect::<Result<_, _>>()?,
            tokens: reader.runner().encode("a", true)?.is_some(),
        })
    }

    fn run(&self, contrast: &Contrast<'_>, probe: &Probe, seeds: &Seeds) -> Result<Probing, ProbeError> {
        let train = Lengths::layers(&self.train)?;
        let tests = self.tests.iter().map(|t| Lengths::layers(t)).collect::<Result<Vec<_>, _>>()?;
        let tests = tests.iter().map(|t| t as &dyn Layers).collect();
        contrast.run(&Material { train: &train, tests }, probe, seeds)
    }
}

fn check(data: &ProbeData<'_>, params: &ProbeParams) -> Result<(), AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if params.sites.is_empty() {
        return refuse("no site to probe".into());
    }
    if params.at == ReadAt::All {
        return refuse(
            "positions `all` give a row a token, a probe needs a row a text; use last, mean, mean+sink or an index"
                .into(),
        );
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

/// The name under which held-out training texts go.
pub const HELD_OUT: &str = "held-out";

/// An error with the contrast and, where one is to blame, the site.
fn named(source: ProbeError, contrast: &str, sites: &[Site]) -> AnalysisError {
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
fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        out = format!("{out}: {e}");
        cause = e.source();
    }
    out
}
