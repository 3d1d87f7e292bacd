//! How long the two ends are.

use std::cmp::Ordering;

use super::found::{Length, SplitKind};
use super::splits::DealtTexts;
use super::texts::TextTable;
use truenorth_protocol::run::Runner;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{LEVEL, Number};
use truenorth_stats::estimate::{Clue, Estimate, EstimateError};
use truenorth_stats::math::{Placement, quantile};
use truenorth_stats::words::words;

/// How many ids are named.
const NAMED: usize = 4;

pub(super) fn lengths(
    sheet: &TextTable,
    dealt: &DealtTexts<'_>,
    gap: f64,
    tokens: Option<&dyn Runner>,
) -> Result<Vec<Length>, AnalysisError> {
    let each = |f: &dyn Fn(&str) -> usize| sheet.measured.iter().map(|t| f(t) as f64).collect::<Vec<f64>>();
    let mut out = vec![
        length(sheet, dealt, gap, "characters", &each(&|t| t.chars().count()))?,
        length(sheet, dealt, gap, "words", &each(&|t| words(t).count()))?,
    ];
    if let Some(runner) = tokens {
        let texts: Vec<&str> = sheet.measured.iter().map(String::as_str).collect();
        // Where the tokenizer is elsewhere there is nothing to count.
        if let Some(ids) = runner.encode_many(&texts, false)? {
            let counts: Vec<f64> = ids.iter().map(|ids| ids.len() as f64).collect();
            out.push(length(sheet, dealt, gap, "tokens", &counts)?);
        }
    }
    Ok(out)
}

fn length(
    sheet: &TextTable,
    dealt: &DealtTexts<'_>,
    gap: f64,
    measure: &str,
    values: &[f64],
) -> Result<Length, AnalysisError> {
    let median = |positive: bool| {
        let of: Vec<f64> =
            values.iter().zip(&sheet.positive).filter(|(_, p)| **p == positive).map(|(v, _)| *v).collect();
        quantile(&of, 0.5).map_err(EstimateError::from)
    };
    let alone = dealt.reaches(Clue::Value(values), SplitKind::Clusters)?;
    let mut found = Length {
        measure: measure.to_owned(),
        of: if sheet.is_paired() { "responses" } else { "texts" }.to_owned(),
        medians: [median(true)?, median(false)?],
        median_gap: None,
        beyond: None,
        beyond_count: None,
        chosen_longer: None,
        alone: alone.map(|r| r.auroc.number("clusters", None)),
        widest: vec![],
    };
    if !sheet.is_paired() {
        return Ok(found);
    }
    let gaps: Vec<f64> = sheet
        .pairs
        .iter()
        .map(|(c, r)| (values[*c] - values[*r]).abs() / values[*c].max(values[*r]).max(1.0))
        .collect();
    let n = gaps.len();
    let beyond = gaps.iter().filter(|g| **g > gap).count();
    let wins: Vec<f64> = sheet
        .pairs
        .iter()
        .map(|(c, r)| match values[*c].total_cmp(&values[*r]) {
            Ordering::Greater => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Less => 0.0,
        })
        .collect();
    found.median_gap = Some(quantile(&gaps, 0.5).map_err(EstimateError::from)?);
    found.beyond = Some(Number::bare(beyond as f64 / n as f64, n, "none: counted"));
    found.beyond_count = Some(beyond);
    found.chosen_longer = match Placement::share(&wins, &sheet.cluster[..n]) {
        Ok(placed) => {
            let estimate = Estimate::from(placed.estimate(LEVEL, 1.0).map_err(EstimateError::from)?);
            Some(Number {
                method: "score interval over clusters".into(),
                ..estimate.number("clusters", None)
            })
        }
        // One cluster has no spread.
        Err(_) => None,
    };
    let mut order: Vec<usize> = (0..n).filter(|i| gaps[*i] > gap).collect();
    order.sort_by(|a, b| gaps[*b].total_cmp(&gaps[*a]));
    found.widest = order.into_iter().take(NAMED).map(|i| sheet.ids[i].clone()).collect();
    Ok(found)
}
