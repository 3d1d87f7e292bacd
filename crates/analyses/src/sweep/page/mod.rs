//! A sweep over sites: reading beside steering, dose and response, damage, and where the two part.

mod estimators;
mod plots;

use crate::sweep::{ReasonedVerdict, Steering, SteeringVerdict, Swept, SweptSite};
use truenorth_reading::beside::{self, SeparationBeside};
use truenorth_reading::sentence::capital;
use truenorth_reading::stat::{self, Number, p_said};
use truenorth_report::{
    Adjustment, Block, Cell, Column, Finding, FindingStatus, Measure, NoteKind, Num, ReportedInterval,
    ReportedNull, Sample, Section, Table, Test,
};
use truenorth_stats::math;

const NOT_SHOWN: &str = "That the model uses the direction by itself. A push along it is not what the model \
    would do unpushed, and a site that reads well need not be one where a push works.";

/// The p values of every site's held-out AUROC, corrected likewise.
fn adjusted_reading(result: &Swept) -> Vec<Option<f64>> {
    corrected(result, |s| s.reading.held_out.null.map(|n| n.p))
}

fn corrected(result: &Swept, of: impl Fn(&SweptSite) -> Option<f64>) -> Vec<Option<f64>> {
    let p: Vec<Option<f64>> = result.sites.iter().map(of).collect();
    // A site without a test still counts as one that was tried.
    let all: Vec<f64> = p.iter().map(|p| p.unwrap_or(1.0)).collect();
    let adjusted = math::holm_adjusted(&all).expect("a p value of a null lies between 0 and 1");
    p.iter().zip(adjusted).map(|(p, adjusted)| p.map(|_| adjusted)).collect()
}

fn site<'a>(result: &'a Swept, name: &str) -> Option<(usize, &'a SweptSite)> {
    result.sites.iter().enumerate().find(|(_, s)| s.site.to_string() == name)
}

/// The lines about steering: whether the direction steers, whether it also reads there, and what a dose may be.
#[must_use]
pub fn steering(result: &Swept) -> Vec<Finding> {
    [steers(result), parts(result), range(result)].into_iter().flatten().collect()
}

/// The place among them of the test that decides whether the direction steers.
#[must_use]
pub fn primary(result: &Swept) -> Option<usize> {
    steers(result).map(|_| 0)
}

/// The findings about reading.
#[must_use]
pub fn reading(result: &Swept) -> Vec<Finding> {
    reads(result).into_iter().collect()
}

fn steers(result: &Swept) -> Option<Finding> {
    let (_, best) = site(result, &result.parting.best_steering)?;
    let primary = best.steering.first()?;
    let sites = result.sites.len();
    let because = &best.steering_verdict.because;
    let over = if sites > 1 && because.contains("flips") {
        format!("; p of flips over all {sites} sites")
    } else {
        String::new()
    };
    Some(Finding {
        status: status(best.steering_verdict.verdict),
        statement: format!(
            "Pushing along the direction moves the model towards the chosen responses, more than flipped labels and \
             random directions do; most at {} ({because}{over}).",
            best.site
        ),
        measure: Measure::of("log-odds for each residual norm", &primary.slope, 2),
        n: sample(best, primary),
        interval: ReportedInterval::of(&primary.slope),
        null: both_nulls(best, &primary.slope, primary.against_controls.as_ref()),
        see: Some("sweep".into()),
    })
}

/// The pairs, and how many it would take where the flips decide: more pairs do not change how far a random direction moves.
fn sample(best: &SweptSite, steering: &Steering) -> Sample {
    let of = "pairs, each pushed by a direction fitted without it";
    let controls = steering.against_controls.as_ref().map(|n| n.p);
    match (best.p_over_sites, controls) {
        (Some(flips), Some(controls)) if controls > flips => Sample::new(steering.slope.n as u64, of),
        _ => Sample::of(&steering.slope, of),
    }
}

/// The null of a claim that holds against flipped labels and against random directions: p is the larger of the two
/// (intersection-union test, Berger 1982), that of the flips over all sites, as the site is the best of them.
fn both_nulls(best: &SweptSite, slope: &Number, controls: Option<&stat::Null>) -> ReportedNull {
    if slope.null.is_none() {
        return ReportedNull::none("no labels were flipped");
    }
    let flips = ReportedNull {
        p: best.p_over_sites.map_or_else(|| Num::missing("no labels were flipped"), Num::new),
        ..ReportedNull::of(slope)
    };
    match (best.p_over_sites, controls) {
        (Some(p), Some(c)) if c.p > p => {
            let of_size = Number { null: Some(c.clone()), ..slope.clone() };
            ReportedNull::of(&of_size)
        }
        (Some(_), Some(_)) => flips,
        _ => ReportedNull { p: Num::missing("fewer than 19 random directions were steered with"), ..flips },
    }
}

fn status(verdict: SteeringVerdict) -> FindingStatus {
    match verdict {
        SteeringVerdict::Steers => FindingStatus::Supported,
        SteeringVerdict::NotShown => FindingStatus::NotSupported,
        SteeringVerdict::Untested => FindingStatus::Unclear,
    }
}

fn reads(result: &Swept) -> Option<Finding> {
    let (i, best) = site(result, &result.parting.best_reading)?;
    let p = adjusted_reading(result)[i];
    let held_out = &best.reading.held_out;
    let null = held_out.null.as_ref().map(|n| (n, "labels flipped within pairs"));
    let auroc = held_out.auroc.number("held-out units", null);
    let status = match p {
        Some(p) if p < 0.05 && best.reads => FindingStatus::Supported,
        _ if best.reads => FindingStatus::Caution,
        Some(_) => FindingStatus::NotSupported,
        None => FindingStatus::Unclear,
    };
    Some(Finding {
        status,
        statement: format!(
            "{} at {}{}.",
            if result.sites.len() > 1 {
                "Over the sites swept, chosen and rejected answers are told apart best"
            } else {
                "Chosen and rejected answers are told apart"
            },
            best.site,
            p.map_or_else(String::new, |p| format!(" (p {} after Holm over the sites)", p_said(p, None)))
        ),
        measure: Measure::of("AUROC", &auroc, 3),
        n: Sample::of(&auroc, "held-out units"),
        interval: ReportedInterval::of(&auroc),
        null: ReportedNull::of(&auroc),
        see: Some("sweep-reading".into()),
    })
}

fn parts(result: &Swept) -> Option<Finding> {
    let c = result.parting.correlation.as_ref()?;
    let apart = !result.parting.reads_not_steers.is_empty() || !result.parting.steers_not_reads.is_empty();
    let above = result.parting.resampled.map(|[low, _]| low > 0.0);
    let status = match (above, apart) {
        (Some(true), false) => FindingStatus::Supported,
        (Some(true), true) => FindingStatus::Caution,
        _ if c.value <= 0.0 => FindingStatus::NotSupported,
        _ => FindingStatus::Unclear,
    };
    Some(Finding {
        status,
        statement: "Sites that read the contrast better also steer it further.".into(),
        measure: Measure::of("rank correlation over the sites", c, 2),
        n: Sample::of(c, "sites"),
        interval: ReportedInterval::of(c),
        null: ReportedNull::of(c),
        see: Some("sweep-reading".into()),
    })
}

fn range(result: &Swept) -> Option<Finding> {
    let (_, best) = site(result, &result.parting.best_steering)?;
    let r = &best.working_range;
    let dose = if r.high > 0.0 { r.high } else { r.low };
    let harm = best.damage.iter().find(|d| (d.alpha - dose).abs() < 1e-12)?;
    let mut of_ratio: Number = harm.perplexity_ratio.clone();
    of_ratio.null = None;
    let (status, statement) = if dose == 0.0 {
        let none = format!("At {} no dose that was tried stays within the bounds of damage.", best.site);
        // True as it stands, and no praise of the direction.
        (FindingStatus::Caution, none)
    } else {
        let within = best.within_verdict.as_ref();
        let why = |j: &ReasonedVerdict| format!(" {}.", capital(&j.because));
        (
            within.map_or(FindingStatus::Unclear, |j| status(j.verdict)),
            format!(
                "At {} the direction steers by doses that stay within the bounds of damage, from {} to {}.{}",
                best.site,
                r.low,
                r.high,
                within.map_or_else(|| " Fewer than three doses do.".into(), why)
            ),
        )
    };
    Some(Finding {
        status,
        statement,
        measure: Measure::of(format!("perplexity ratio at α {dose}"), &of_ratio, 2),
        n: Sample::of(&of_ratio, "neutral texts"),
        interval: ReportedInterval::of(&of_ratio),
        null: ReportedNull::none("the bounds are a convention; 1 is no damage"),
        see: Some("sweep".into()),
    })
}

/// The section: curves over the sites, doses of the sites chosen for them, a table of all sites.
#[must_use]
pub fn section(result: &Swept) -> Section {
    let chosen = chosen(result);
    let mut section = Section::new("sweep", "Reading and steering over the sites", &result.parting.statement)
        .with(Block::Row { figures: vec![plots::reading(result), plots::steering(result)] })
        .with(table(result));
    if let Some(beside) = &result.estimators {
        section = section.with(Block::text(capital(&beside.statement))).with(estimators::table(beside));
    }
    section =
        section.with(Block::Details { summary: "What comes along alone".into(), blocks: beside(result) });
    for s in &chosen {
        section = section.with(Block::Row { figures: plots::dose(s, result) });
        let rest: Vec<Block> = plots::other_measures(s).into_iter().map(Block::Figure).collect();
        if !rest.is_empty() {
            section = section.with(Block::Details {
                summary: format!("{}: other measures of what the model writes", s.site),
                blocks: rest,
            });
        }
    }
    section = section.with(Block::Details {
        summary: "Damage of every dose at every site".into(),
        blocks: vec![damage(result).into()],
    });
    section
        .with(Block::note(
            NoteKind::Method,
            format!(
                "α is in units of the {}. Every pair is pushed along a direction fitted without its fold. {} label \
                 flips, the same at every site, each fit the direction anew and steer with it; the {} random \
                 directions a site have the covariance of the activations, the same norm and the same doses, and {} \
                 of them are followed through damage and generations. Generations are pushed at positions `{}`, given \
                 text at all tokens. {}.",
                result.alpha_unit,
                result.null_draws,
                result.random_directions,
                result.damage_directions,
                result.positions,
                capital(&result.budget.sentence())
            ),
        ))
        .with(Block::limits(&result.not_shown))
}

/// The sites whose doses are drawn: those that read and steer best, and the first that does one without
/// the other.
fn chosen(result: &Swept) -> Vec<&SweptSite> {
    let p = &result.parting;
    let names = [Some(&p.best_steering), Some(&p.best_reading), p.reads_not_steers.first()];
    let mut out: Vec<&SweptSite> = Vec::new();
    for name in names.into_iter().flatten() {
        if let Some((_, s)) = site(result, name)
            && !out.iter().any(|o| o.site == s.site)
        {
            out.push(s);
        }
    }
    out
}

fn beside(result: &Swept) -> Vec<Block> {
    let rows: Vec<_> = result
        .sites
        .iter()
        .map(|s| ([s.site.to_string(), "units".into()], SeparationBeside(&s.reading.held_out)))
        .collect();
    let erased = rows.iter().flat_map(|([site, _], beside)| {
        beside.erased().into_iter().map(move |said| format!("{site}: {said}").as_str().into())
    });
    let erased = Block::List { ordered: false, items: erased.collect() };
    vec![beside::table("sweep-beside", &rows).into(), erased]
}

fn table(result: &Swept) -> Table {
    let reading = adjusted_reading(result);
    let mut table = Table::new(
        "sweep-table",
        format!(
            "All sites. Reading: AUROC of held-out pairs ({} pairs). Steering: slope of the log-odds of chosen \
             over rejected on α, beside the central 95 % of the slopes of {} label flips, each fitted and steered \
             with anew, and the range of those of {} random directions drawn like the activations. p: AUROC against \
             labels flipped within pairs, after Holm over the {} sites; the slope against the largest of all sites in \
             every flip, one-sided; its size against the random directions. Wrong way: share of pairs that move \
             against the direction.",
            result.pairs,
            result.null_draws,
            result.random_directions,
            result.sites.len()
        ),
        NOT_SHOWN,
        [
            "site",
            "AUROC",
            "p, reading",
            "slope",
            "label flips",
            "p, label flips",
            "matched directions",
            "p, matched directions",
            "wrong way",
            "working range of α",
            "reads",
            "steers",
        ]
        .map(Column::new)
        .to_vec(),
    );
    let verdict = |yes: bool| if yes { FindingStatus::Supported } else { FindingStatus::NotSupported };
    for (i, s) in result.sites.iter().enumerate() {
        let Some(primary) = s.steering.first() else { continue };
        let h = &s.reading.held_out;
        let ci = h.auroc.interval;
        let p_reading = reading[i].map_or_else(
            || Cell::empty("no label flips were asked for"),
            |p| Cell::adjusted(Test::HeldOut, Adjustment::Holm, p, None),
        );
        let p_flips = s.p_over_sites.map_or_else(
            || Cell::empty("no labels were flipped"),
            |p| Cell::p(Test::SteeringFlips, p, Some(result.null_draws as u64)),
        );
        let p_controls = primary.against_controls.as_ref().map_or_else(
            || Cell::empty("fewer than 19 random directions"),
            |n| Cell::p(n.test, n.p, n.draws.map(|d| d as u64)),
        );
        table.push(vec![
            Cell::code(s.site.to_string()),
            Cell::estimate(h.auroc.value, ci.low, ci.high, 3),
            p_reading,
            Cell::of(&primary.slope, 2),
            Cell::null_of(&primary.slope, 2),
            p_flips,
            several(&primary.control_slopes, 2),
            p_controls,
            Cell::maybe(primary.wrong_way.as_ref(), 2, "no way is expected"),
            Cell::interval(s.working_range.low, s.working_range.high, 2),
            verdict(s.reads).into(),
            status(s.steering_verdict.verdict).into(),
        ]);
    }
    table
}

fn damage(result: &Swept) -> Table {
    let mut table = Table::new(
        "sweep-damage",
        format!(
            "Perplexity of {} neutral texts over that of the unsteered model, divergence of the token after \
             each from the unsteered model (nats), distinct-2 of {} generations.",
            result.neutral, result.prompts
        ),
        "Damage to anything but fluency on these texts: knowledge, arithmetic or manners were not measured.",
        [
            "site",
            "α",
            "perplexity",
            "perplexity ratio",
            "KL",
            "distinct-2",
            "random: perplexity ratio",
            "random: KL",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for s in &result.sites {
        for d in &s.damage {
            table.push(vec![
                Cell::code(s.site.to_string()),
                Cell::number(d.alpha, 2),
                Cell::number(d.perplexity, 1),
                Cell::of(&d.perplexity_ratio, 2),
                Cell::of(&d.kl, 3),
                Cell::maybe(d.distinct_2.as_ref(), 2, "nothing was generated"),
                several(&d.control_perplexity_ratios, 2),
                several(&d.control_kls, 3),
            ]);
        }
    }
    table
}

/// The range of what random directions do, about its mean.
fn several(values: &[f64], digits: usize) -> Cell {
    match math::mean(values) {
        Err(_) => Cell::empty("no random directions, or no push"),
        Ok(mean) => {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if values.len() == 1 {
                Cell::number(mean, digits)
            } else {
                Cell::estimate(mean, low, high, digits)
            }
        }
    }
}
