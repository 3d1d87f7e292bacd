//! The numbers of a judgement.

use rand::Rng as _;

use super::ask::Asked;
use super::{Band, Judged, Judgement, Verdict};
use crate::analyses::stat::{self, Number, Test, drawn_null, of};
use crate::analyses::{AnalysisError, Reader};
use truenorth_data::Firsts;
use truenorth_stats::math::Seeds;

/// Sums up what was answered; of copies the first counts.
pub(super) fn summary(
    reader: &Reader<'_>,
    (ids, firsts): (&[&str], Firsts),
    asked: &[[Asked; 2]],
    question: String,
    band: Band,
    seeds: &Seeds,
) -> Result<Judgement, AnalysisError> {
    let row = |(i, asked): (usize, &[Asked; 2])| Judged {
        counted_with: (firsts.of[i] != i).then(|| ids[firsts.of[i]].to_owned()),
        ..judged(ids[i], asked, band)
    };
    let all: Vec<Judged> = asked.iter().enumerate().map(row).collect();
    let rows: Vec<&Judged> = all.iter().filter(|r| r.counted_with.is_none()).collect();
    let named = |e| of(&question, &e);
    let n = rows.len();
    let count = |v: Verdict| rows.iter().filter(|r| r.verdict == v).count();
    let (first, second) = (count(Verdict::First), count(Verdict::Second));
    let reasons = ["no answer", "contradicts itself", "too close"];
    let answered: Vec<&Judged> = rows.iter().copied().filter(|r| r.why != Some("no answer")).collect();
    let consistency = if answered.is_empty() {
        None
    } else {
        let agree = answered.iter().filter(|r| contradicts(r.log_odds).is_none()).count();
        // The first answer in p of all askings, without reading: both askings agree in 2p(1 - p).
        let firsts = answered.iter().flat_map(|r| r.log_odds).filter(|l| *l > 0.0).count();
        let p = firsts as f64 / (2 * answered.len()) as f64;
        let what = "answers given without reading, as often as this judge gives them";
        Some(stat::share_against(agree, answered.len(), 2.0 * p * (1.0 - p), (Test::JudgeConsistent, what))?)
    };
    let seeds = seeds.child("judge").child(&question);
    let mean = |label: &str, values: Vec<f64>| -> Result<Number, AnalysisError> {
        let found = stat::mean(&values, &mut seeds.stream(label)).map_err(named)?;
        let mut rng = seeds.stream(&format!("{label} signs"));
        let draws: Vec<f64> = (0..2000)
            .map(|_| {
                let turned = values.iter().map(|v| if rng.random::<bool>() { *v } else { -v });
                turned.sum::<f64>() / values.len() as f64
            })
            .collect();
        let null = drawn_null((Test::JudgeMean, "signs turned at random"), found.value, 0.0, &draws)
            .map_err(named)?;
        Ok(found.against(null))
    };
    Ok(Judgement {
        judge: reader.runner().info().name.clone(),
        revision: reader.runner().info().revision.clone(),
        band,
        first: if first + second == 0 {
            None
        } else {
            Some(stat::share(first, first + second).map_err(named)?)
        },
        abstained: stat::share(count(Verdict::Abstain), n).map_err(named)?,
        reasons: reasons
            .iter()
            .map(|why| ((*why).to_owned(), rows.iter().filter(|r| r.why == Some(*why)).count()))
            .collect(),
        consistency,
        bias: mean("bias", rows.iter().map(|r| r.bias).collect())?,
        preference: mean("preference", rows.iter().map(|r| r.preference).collect())?,
        rows: all,
        copies: firsts.copies,
        not_shown: vec![
            "That the judge is right: consistency is not truth. Set it beside blind human ratings.".into(),
            "Independence: a judge that shares training data with the judged model may share its faults."
                .into(),
            "Verdicts given are those the judge is sure of; what it abstains from may differ in kind.".into(),
        ],
        question,
    })
}

fn judged(id: &str, asked: &[Asked; 2], band: Band) -> Judged {
    let log_odds = [asked[0].log_odds, asked[1].log_odds];
    let mass = [asked[0].mass, asked[1].mass];
    let preference = (log_odds[0] - log_odds[1]) / 2.0;
    let why = if mass.iter().any(|m| *m < band.least_mass) {
        Some("no answer")
    } else {
        contradicts(log_odds).or((preference.abs() < band.least_preference).then_some("too close"))
    };
    let verdict = match why {
        Some(_) => Verdict::Abstain,
        None if preference > 0.0 => Verdict::First,
        None => Verdict::Second,
    };
    Judged {
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
