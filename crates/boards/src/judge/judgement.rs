//! The numbers of a judgement.

use rand::Rng as _;

use super::ask::JudgeAnswer;
use super::{JudgeVerdict, JudgedItem, Judgement, NoOpinionBand};
use truenorth_data::Firsts;
use truenorth_reading::stat::{self, Number, Test, drawn_null, of};
use truenorth_reading::{AnalysisError, Reader};
use truenorth_stats::math::{self, Deal, Seeds};

/// What was judged: names, copies, and which things are no observations of their own.
pub(super) struct Things<'a> {
    pub ids: &'a [&'a str],
    pub firsts: Firsts,
    /// The cluster of each thing.
    pub clusters: Vec<usize>,
    /// What a cluster is, in words: what is resampled, within what signs are turned alike, and what has no spread.
    pub over: [&'static str; 3],
}

/// Sums up what was answered; of copies the first counts. Things of one cluster, such as the doses of one prompt,
/// stay together in every interval and in every null.
pub(super) fn summary(
    reader: &Reader<'_>,
    things: &Things<'_>,
    asked: &[[JudgeAnswer; 2]],
    question: String,
    band: NoOpinionBand,
    seeds: &Seeds,
) -> Result<Judgement, AnalysisError> {
    let Things { ids, firsts, over: [over, alike, one], .. } = things;
    let row = |(i, asked): (usize, &[JudgeAnswer; 2])| JudgedItem {
        counted_with: (firsts.of[i] != i).then(|| ids[firsts.of[i]].to_owned()),
        ..judged(ids[i], asked, band)
    };
    let seeds = seeds.child("judge").child(&question);
    let all: Vec<JudgedItem> = asked.iter().enumerate().map(row).collect();
    let kept: Vec<usize> = (0..all.len()).filter(|i| all[*i].counted_with.is_none()).collect();
    let rows: Vec<&JudgedItem> = kept.iter().map(|i| &all[*i]).collect();
    let clusters = math::numbered(kept.iter().map(|i| things.clusters[*i]));
    let count = math::dense_count(&clusters);
    let alone = count == rows.len();
    // A share of some of the rows.
    let share = |of: &dyn Fn(&JudgedItem) -> Option<bool>| -> Result<Option<Number>, AnalysisError> {
        let found: Vec<(bool, usize)> =
            rows.iter().zip(&clusters).filter_map(|(r, c)| Some((of(r)?, *c))).collect();
        let (counts, clusters): (Vec<bool>, Vec<usize>) = found.into_iter().unzip();
        let yes = counts.iter().filter(|c| **c).count();
        if counts.is_empty() {
            return Ok(None);
        }
        let many = clusters.iter().any(|c| *c != clusters[0]);
        let number = match (alone, many) {
            (true, _) => stat::share(yes, counts.len()),
            (false, true) => stat::share_in_clusters(&counts, &clusters, over),
            (false, false) => Ok(Number::bare(
                yes as f64 / counts.len() as f64,
                counts.len(),
                &format!("none: {one} has no spread"),
            )),
        };
        Ok(Some(number.map_err(|e| stat::of(&question, &e))?))
    };
    let named = |e| of(&question, &e);
    let reasons = ["no answer", "contradicts itself", "too close"];
    let answered: Vec<&JudgedItem> = rows.iter().copied().filter(|r| r.why != Some("no answer")).collect();
    let consistency = if answered.is_empty() {
        None
    } else {
        let agree = answered.iter().filter(|r| contradicts(r.log_odds).is_none()).count();
        // The first answer in p of all askings, without reading: both askings agree in 2p(1 - p).
        let firsts = answered.iter().flat_map(|r| r.log_odds).filter(|l| *l > 0.0).count();
        let p = firsts as f64 / (2 * answered.len()) as f64;
        let what = "answers given without reading, as often as this judge gives them";
        if alone {
            Some(stat::share_against(
                agree,
                answered.len(),
                2.0 * p * (1.0 - p),
                (Test::JudgeConsistent, what),
            )?)
        } else {
            let found = share(&|r| (r.why != Some("no answer")).then(|| contradicts(r.log_odds).is_none()))?;
            let answers: Vec<([f64; 2], usize)> = rows
                .iter()
                .zip(&clusters)
                .filter(|(r, _)| r.why != Some("no answer"))
                .map(|(r, c)| (r.log_odds, *c))
                .collect();
            found.map(|f| dealt(f, &answers, &seeds)).transpose()?
        }
    };
    let mean = |label: &str, values: Vec<f64>| -> Result<Number, AnalysisError> {
        let found = match alone {
            true => stat::mean(&values, &mut seeds.stream(label)),
            false => stat::mean_in_clusters(&values, &clusters, over, &mut seeds.stream(label)),
        }
        .map_err(named)?;
        // One cluster turned either way is as far from 0: p would be 1 whatever was said.
        if count < 2 && !alone {
            return Ok(found);
        }
        let mut rng = seeds.stream(&format!("{label} signs"));
        let draws: Vec<f64> = (0..2000)
            .map(|_| {
                // What is of one cluster is turned together.
                let turn: Vec<bool> = (0..count).map(|_| rng.random()).collect();
                let turned = values.iter().zip(&clusters).map(|(v, c)| if turn[*c] { *v } else { -v });
                turned.sum::<f64>() / values.len() as f64
            })
            .collect();
        let what = match alone {
            true => "signs turned at random".to_owned(),
            false => format!("signs turned at random, alike in {alike}"),
        };
        let null = drawn_null((Test::JudgeMean, &what), found.value, 0.0, &draws).map_err(named)?;
        Ok(found.against(null))
    };
    Ok(Judgement {
        judge: reader.runner().info().name.clone(),
        revision: reader.runner().info().revision.clone(),
        band,
        first: share(&|r| (r.verdict != JudgeVerdict::Abstain).then_some(r.verdict == JudgeVerdict::First))?,
        abstained: share(&|r| Some(r.verdict == JudgeVerdict::Abstain))?
            .expect("something was judged, or the check would have refused"),
        reasons: reasons
            .iter()
            .map(|why| ((*why).to_owned(), rows.iter().filter(|r| r.why == Some(*why)).count()))
            .collect(),
        consistency,
        bias: mean("bias", rows.iter().map(|r| r.bias).collect())?,
        preference: mean("preference", rows.iter().map(|r| r.preference).collect())?,
        rows: all,
        copies: firsts.copies.clone(),
        same_texts: vec![],
        clusters: None,
        not_shown: vec![
            "That the judge is right: consistency is not truth. Set it beside blind human ratings.".into(),
            "Independence: a judge that shares training data with the judged model may share its faults."
                .into(),
            "Verdicts given are those the judge is sure of; what it abstains from may differ in kind.".into(),
        ],
        question,
    })
}

/// Consistency of things in clusters: second askings dealt in whole clusters, among those of one size.
fn dealt(found: Number, answers: &[([f64; 2], usize)], seeds: &Seeds) -> Result<Number, AnalysisError> {
    let deal = Deal::new(&answers.iter().map(|(_, c)| *c).collect::<Vec<_>>());
    if !deal.exchanges() {
        return Ok(found);
    }
    let mut rng = seeds.stream("consistency dealt");
    let draws: Vec<f64> = (0..2000)
        .map(|_| {
            let from = deal.draw(&mut rng);
            let agree = (0..answers.len())
                .filter(|i| contradicts([answers[*i].0[0], answers[from[*i]].0[1]]).is_none())
                .count();
            agree as f64 / answers.len() as f64
        })
        .collect();
    let named = |e| of("consistency", &e);
    let centre = math::mean(&draws).map_err(named)?;
    let what = "second askings dealt to other prompts, those with as many things";
    Ok(found
        .clone()
        .against(drawn_null((Test::JudgeConsistent, what), found.value, centre, &draws).map_err(named)?))
}

/// What is resampled where several replies answer one prompt.
pub(super) const OF_PROMPTS: &str = "prompts, all things that answer one together";

fn judged(id: &str, asked: &[JudgeAnswer; 2], band: NoOpinionBand) -> JudgedItem {
    let log_odds = [asked[0].log_odds, asked[1].log_odds];
    let mass = [asked[0].mass, asked[1].mass];
    let preference = (log_odds[0] - log_odds[1]) / 2.0;
    let why = if mass.iter().any(|m| *m < band.least_mass) {
        Some("no answer")
    } else {
        contradicts(log_odds).or((preference.abs() < band.least_preference).then_some("too close"))
    };
    let verdict = match why {
        Some(_) => JudgeVerdict::Abstain,
        None if preference > 0.0 => JudgeVerdict::First,
        None => JudgeVerdict::Second,
    };
    JudgedItem {
        id: id.to_owned(),
        log_odds,
        mass,
        preference,
        bias: f64::midpoint(log_odds[0], log_odds[1]),
        verdict,
        why,
        counted_with: None,
    }
}

/// Whether both askings call for the same answer, which can't be right both times.
fn contradicts([a, b]: [f64; 2]) -> Option<&'static str> {
    if a * b >= 0.0 { Some("contradicts itself") } else { None }
}
