use std::sync::Mutex;

use truenorth_protocol::{ReadAt, Site};

use super::*;
use crate::fixture::{Tiny, loaded_pairs};
use truenorth_data::{Distinct, Extra, Loaded, NearCopies, Pair, Template};
use truenorth_protocol::run::{RunError, Runner, Unwatched, Watch};
use truenorth_reading::extract::ProjectOut;
use truenorth_reading::{ActivationMemory, Reader};
use truenorth_stats::estimate::Estimator;
use truenorth_stats::estimate::audit::ConfoundVerdict;
use truenorth_stats::math::Seeds;

const AT: ReadAt = ReadAt::Last;

fn question(count: usize, from: usize) -> LabelledTexts {
    let mut found = loaded_pairs(count + from);
    found.rows.drain(..from);
    of(found)
}

fn of(found: Loaded<Pair>) -> LabelledTexts {
    let found = Distinct::pairs(found, &Template::default(), NearCopies::default()).unwrap();
    LabelledTexts::pairs(&found, &Template::default())
}

/// Pairs of which the chosen text ends in another word than the rejected one.
fn ends(count: usize, chosen: &str, rejected: &str) -> LabelledTexts {
    let words = ["hat", "tin", "cup", "old", "new", "red", "the", "an"];
    let rows = (0..count)
        .map(|i| Pair {
            id: format!("{chosen}{i}"),
            axis: "x".into(),
            prompt: format!("{i} {} {} {}", words[i % 8], words[(i / 8 + i) % 8], words[(3 * i + 1) % 8]),
            chosen: chosen.into(),
            rejected: rejected.into(),
            turns: vec![],
            rejected_turns: vec![],
            extra: Extra::new(),
        })
        .collect();
    of(Loaded::new(rows, "1".repeat(64)))
}

fn confound(name: &str, question: LabelledTexts) -> Confound {
    Confound { name: name.into(), question, circular: None }
}

fn recipe(estimator: Estimator) -> DirectionRecipe {
    let mut recipe = DirectionRecipe::new(Site::ResidPost(1), AT, estimator.check().unwrap());
    recipe.held_out.permutations = 19;
    recipe.held_out.repeats = 2;
    recipe
}

fn params() -> Params {
    Params { random_directions: 399, permutations: 49, ..Params::default() }
}

fn run(data: &AuditData<'_>, params: &Params) -> Result<Audited, AnalysisError> {
    let tiny = Tiny::open();
    // As a command without a cache asks.
    let memory = ActivationMemory::default();
    let reader = Reader::new(&tiny, None).remembering(&memory);
    let asked = AnalysisContext { reader, seeds: &Seeds::new(3), watch: &Unwatched };
    let found = Audit::run(data, params, &asked);
    assert_eq!(tiny.read_again(), [], "texts were read twice");
    found
}

fn data<'a>(
    train: &'a LabelledTexts,
    confounds: &'a [Confound],
    recipe: &'a DirectionRecipe,
) -> AuditData<'a> {
    AuditData { train, direction: None, confounds, flips: &[], sentiment: None, recipe }
}

/// The chosen response is a letter longer than the rejected one in every pair: nothing is left beyond that.
#[test]
fn characters_of_the_response_stand_beside_tokens_and_are_given_too() {
    use truenorth_stats::estimate::{HeldOutParams, Nuisances, Pipeline};

    let tiny = Tiny::open();
    let samples =
        ends(24, "yes", "no").samples(&Reader::new(&tiny, None), Site::ResidPost(1), AT, &Unwatched).unwrap();
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances: Nuisances::none() };
    let params = HeldOutParams { permutations: 39, repeats: 2, ..HeldOutParams::by_pair() };
    let found = pipeline.held_out(&samples, &params, &Seeds::new(3)).unwrap();
    let said: Vec<_> = found.alone.iter().map(|a| (a.name.as_str(), a.of.as_deref())).collect();
    assert_eq!(said[0], ("length", Some("tokens of prompt and response")));
    assert_eq!(said[1], ("second-length", Some("characters of the response")));
    assert!(found.alone[1].auroc.value > 0.99, "{:?}", found.alone[1]);
    assert!(found.null.unwrap().p <= 0.05, "{:?}", found.null);
    assert!(found.given_length.unwrap().p > 0.5, "{:?}", found.given_length);
}

/// The training pairs end in `yes` and `no`; so does one confound set, and the other in words that the
/// training pairs have nothing to do with.
#[test]
fn a_planted_confound_is_found_and_named() {
    let train = ends(24, "yes", "no");
    let sets = [
        confound("planted", ends(40, "a yes", "a no")),
        Confound { circular: Some("told so".into()), ..confound("told", ends(20, "is yes", "is no")) },
        confound("few", ends(6, "cup", "tin")),
    ];
    let flips = [confound("turned", ends(12, "so no", "so yes"))];
    let recipe = recipe(Estimator::MeanDiff);
    let found = run(&AuditData { flips: &flips, ..data(&train, &sets, &recipe) }, &params()).unwrap();
    let verdicts: Vec<ConfoundVerdict> = found.rows.iter().map(|r| r.row.verdict).collect();
    assert_eq!(
        verdicts,
        [ConfoundVerdict::Confounded, ConfoundVerdict::Circular, ConfoundVerdict::TooLittleData],
        "{found:#?}"
    );
    let planted = &found.rows[0];
    assert!(planted.says.starts_with("Not ruled out, found") && planted.says.contains("planted"));
    assert!(planted.row.separation.auroc > 0.9 && planted.row.cosine > 0.7, "{planted:?}");
    assert!(planted.null_interval[1] < planted.row.separation.auroc && planted.p <= 0.05);
    assert_eq!((planted.p_bh, planted.row.p_adjusted), (Some(planted.p), Some(planted.p)));
    // What the set found is taken out, so little of the contrast is left along that direction.
    assert!(planted.without.as_ref().unwrap().cosine < 0.8, "{:?}", planted.without);
    assert!(found.rows[1].says.contains("told so") && found.rows[1].p_bh.is_none());
    assert!(found.rows[2].says.contains("6 groups"));
    assert!((found.family.size, found.permutations) == (1, 49) && !found.given);
    let turned = &found.flips[0];
    assert_eq!(turned.ranking.right.successes, 0);
    assert!(turned.says.contains("fewer than chance") && turned.pairs.len() == 12);
    assert!(turned.pairs[0].0 == "so no0" && turned.pairs.iter().all(|p| p.1 < 0.0), "{:?}", turned.pairs);
    let agreement = found.agreement.unwrap();
    assert_eq!(agreement.names, ["mean-diff", "logistic", "lda", "pca", "audited"]);
    assert!((agreement.cosines[0][4].value - 1.0).abs() < 1e-9);
    assert!(agreement.held_out.iter().all(|h| h.found.auroc.value > 0.9) && agreement.absent.is_empty());
    assert!(found.held_out.found.null.is_some() && !found.not_shown.is_empty());
}

/// Projected out, its own direction leaves nothing of the contrast, which ends no audit.
#[test]
fn the_training_texts_themselves_are_a_circular_row() {
    let train = ends(24, "yes", "no");
    let sets = [confound("self", ends(24, "yes", "no")), confound("other", ends(40, "cup", "tin"))];
    let recipe = recipe(Estimator::MeanDiff);
    let found = run(&data(&train, &sets, &recipe), &params()).unwrap();
    assert_eq!((found.rows[0].row.verdict, &found.rows[0].without), (ConfoundVerdict::Circular, &None));
    assert!(found.rows[0].says.contains("Circular") && found.rows[1].without.is_some());
    Audit::page(&found);
    Audit::table(&found);
}

#[test]
fn a_set_that_was_projected_out_with_is_circular_without_being_told() {
    let rows: Vec<SentimentRow> = (0..24)
        .map(|i| SentimentRow {
            id: format!("s{i}"),
            text: format!(
                "the {} is {}",
                ["hat", "tin", "cup"][i / 2 % 3],
                if i % 2 == 0 { "new" } else { "old" }
            ) + &" a".repeat(i / 6),
            positive: i % 2 == 0,
            turns: vec![],
            extra: Extra::new(),
        })
        .collect();
    let texts = Loaded::new(rows.clone(), "2".repeat(64));
    let texts = Distinct::sentiment(texts, NearCopies::default()).unwrap();
    let sets = [confound("sentiment", LabelledTexts::sentiment(&texts).unwrap())];
    let train = question(24, 0);
    let p = Params { no_agreement: true, ..params() };
    let mut recipe = recipe(Estimator::MeanDiff);
    let apart = run(&AuditData { sentiment: Some(&rows), ..data(&train, &sets, &recipe) }, &p).unwrap();
    assert_ne!(apart.rows[0].row.verdict, ConfoundVerdict::Circular);
    recipe.project_out = vec![ProjectOut::Sentiment];
    let found = run(&AuditData { sentiment: Some(&rows), ..data(&train, &sets, &recipe) }, &p).unwrap();
    assert_eq!((found.rows[0].row.verdict, found.family.size), (ConfoundVerdict::Circular, 0));
    assert!(found.rows[0].says.contains("24 of these very texts"), "{}", found.rows[0].says);
    assert!(found.rows[0].row.cosine.abs() < found.rows[0].row.cosine_unprojected.abs() + 1e-9);
}

#[test]
fn a_given_direction_is_the_one_that_is_audited() {
    let train = question(16, 0);
    let sets = [confound("other", question(12, 30))];
    let p = Params { no_agreement: true, ..params() };
    let recipe = recipe(Estimator::Lda { shrinkage: None });
    let own = run(&data(&train, &sets, &recipe), &p).unwrap();
    let width = Tiny::open().info().hidden as usize;
    let given = ndarray::Array1::from_shape_fn(width, |i| if i == 0 { 2.0 } else { 0.0 });
    let found =
        run(&AuditData { direction: Some(given.view()), ..data(&train, &sets, &recipe) }, &p).unwrap();
    assert!(
        found.given && found.cosine_to_pipeline.abs() < 0.9 && (own.cosine_to_pipeline - 1.0).abs() < 1e-9
    );
    let narrow = ndarray::Array1::ones(3);
    let e =
        run(&AuditData { direction: Some(narrow.view()), ..data(&train, &sets, &recipe) }, &p).unwrap_err();
    assert!(e.is_request() && e.hint().is_some(), "{e}");
}

#[test]
fn sets_that_can_not_be_audited_are_refused_by_name() {
    let train = question(16, 0);
    let (p, recipe) = (params(), recipe(Estimator::MeanDiff));
    assert!(run(&data(&train, &[], &recipe), &p).unwrap_err().to_string().contains("no confound"));
    let twice = [confound("a", question(12, 30)), confound("a", question(12, 50))];
    assert!(run(&data(&train, &twice, &recipe), &p).unwrap_err().to_string().contains("`a`"));
    let few = [confound("tiny", question(3, 30))];
    let e = run(&data(&train, &few, &recipe), &p).unwrap_err();
    let cause = std::error::Error::source(&e).unwrap().to_string();
    assert!(e.is_request() && cause.contains("`tiny` has 3 pairs"), "{e}: {cause}");
}

/// Stops after so many looks.
struct Impatient(Mutex<usize>);

impl Watch for Impatient {
    fn interrupted(&self) -> bool {
        let mut left = self.0.lock().unwrap();
        *left = left.saturating_sub(1);
        *left == 0
    }
}

#[test]
fn an_audit_stops_when_asked_to() {
    let (train, sets) = (question(16, 0), [confound("other", question(12, 30))]);
    let tiny = Tiny::open();
    let (p, recipe) = (params(), recipe(Estimator::MeanDiff));
    for looks in [1, 4] {
        let watch = Impatient(Mutex::new(looks));
        let asked =
            AnalysisContext { reader: Reader::new(&tiny, None), seeds: &Seeds::new(0), watch: &watch };
        let e = Audit::run(&data(&train, &sets, &recipe), &p, &asked).unwrap_err();
        assert!(matches!(e, AnalysisError::Run(RunError::Interrupted)), "{looks}: {e}");
    }
}
