//! A baked model against its origin, on a page.

use super::{AuditedBake, SeparationAtSite};
use truenorth_report::{
    Axis, Block, Cell, Column, Figure, Finding, FindingStatus, Forest, ForestRow, Mark, Measure,
    ReportedInterval, ReportedNull, Sample, Section, Table,
};

const NOT_SHOWN: &str = "That the model no longer knows what the direction was of, or that it acts otherwise: what is read at one token \
    along one direction is little of a model.";

/// What is left of the direction, whether it is found anew, and what neutral texts say.
pub(super) fn findings(found: &AuditedBake) -> Vec<Finding> {
    let mut all: Vec<Finding> = found.sites.iter().map(anew).collect();
    let kl = &found.neutral.kl;
    let worse = found.neutral.surprise_less.interval.is_some_and(|i| !i.contains(0.0));
    all.push(Finding {
        status: if worse { FindingStatus::Caution } else { FindingStatus::Unclear },
        statement: format!(
            "On {} neutral texts the next token of {} is {:.3} nats from that of {}, and perplexity goes from {:.2} to {:.2}",
            found.neutral.texts, found.baked, kl.value, found.origin, found.neutral.perplexity[0], found.neutral.perplexity[1]
        ),
        measure: Measure::of("divergence, nats a token", kl, 4),
        n: Sample::of(kl, "texts"),
        interval: ReportedInterval::of(kl),
        null: ReportedNull::of(kl),
        see: Some("baked-neutral".into()),
    });
    all
}

fn anew(at: &SeparationAtSite) -> Finding {
    let less = &at.anew_less;
    let apart = less.interval.filter(|i| !i.contains(0.0));
    let statement = match apart {
        None => format!(
            "Fitted anew at {}, a direction is not seen to separate the texts more or less than before",
            at.site
        ),
        Some(_) => format!(
            "Fitted anew at {}, a direction separates the texts {} than before",
            at.site,
            if less.value > 0.0 { "better" } else { "worse" }
        ),
    };
    Finding {
        status: if apart.is_some() { FindingStatus::Caution } else { FindingStatus::Unclear },
        statement,
        measure: Measure::of("held-out AUROC, baked less origin", less, 3),
        n: Sample::of(less, "units held out"),
        interval: ReportedInterval::of(less),
        null: ReportedNull::of(less),
        see: Some("baked-sites".into()),
    }
}

pub(super) fn section(found: &AuditedBake) -> Section {
    let lead = format!(
        "{} against {}, from which it was made: the same texts are read in both at the {} token, and directions are fitted \
         anew in each on the same splits.",
        found.baked, found.origin, found.positions
    );
    let rows = |name: &str, of: fn(&SeparationAtSite) -> Option<&truenorth_reading::stat::Number>| {
        let rows = found.sites.iter().filter_map(|at| Some(ForestRow::of(Some(name), &at.site, of(at)?)));
        rows.collect::<Vec<_>>()
    };
    let mut forest = rows("the direction itself", |at| at.given_less.as_ref());
    forest.extend(rows("fitted anew", |at| Some(&at.anew_less)));
    let figure = Figure::new(
        "baked-figure",
        "How much better or worse the texts are told apart after the edit",
        Forest {
            x: Axis::new("AUROC, baked less origin"),
            reference: Some(Mark::at(0.0, "no change")),
            digits: 3,
            rows: forest,
        },
        "Differences on the same texts with their 95 % intervals. A direction along which nothing is left is not drawn.",
        NOT_SHOWN,
    );
    Section::new("baked", "A model with an edit in its weights against its origin", lead)
        .with(figure)
        .with(sites(found))
        .with(neutral(found))
        .with(Block::limits(&found.not_shown))
}

fn sites(found: &AuditedBake) -> Table {
    let columns = [
        "site",
        "mean projection, origin",
        "mean projection, baked",
        "spread, origin",
        "spread, baked",
        "AUROC of the direction, origin",
        "AUROC of the direction, baked",
        "baked less origin",
        "AUROC anew, origin",
        "AUROC anew, baked",
        "baked less origin, anew",
    ];
    let mut table = Table::new(
        "baked-sites",
        format!(
            "Projections in units of the residual stream; AUROC of the direction as its file has it, and held out of \
             directions fitted anew ({}).",
            found.estimator
        ),
        NOT_SHOWN,
        columns.map(Column::new).to_vec(),
    );
    for at in &found.sites {
        let gone = "no more than a thousandth of the spread is left along the direction";
        let mut row = vec![Cell::code(&at.site)];
        row.extend([at.mean[0], at.mean[1], at.spread[0], at.spread[1]].map(|v| Cell::number(v, 3)));
        row.extend([
            Cell::maybe(at.given[0].as_ref(), 3, gone),
            Cell::maybe(at.given[1].as_ref(), 3, gone),
            Cell::maybe(at.given_less.as_ref(), 3, gone),
            Cell::of(&at.anew[0], 3),
            Cell::of(&at.anew[1], 3),
            Cell::of(&at.anew_less, 3),
        ]);
        table.push(row);
    }
    table
}

fn neutral(found: &AuditedBake) -> Table {
    let n = &found.neutral;
    let mut table = Table::new(
        "baked-neutral",
        format!(
            "The next token at {} places of {} neutral texts, from the logits of both models.",
            n.tokens, n.texts
        ),
        "That other texts changed as little, or that a change is for the worse.",
        ["what", "value"].map(Column::new).to_vec(),
    );
    for (what, cell) in [
        ("mean divergence of the baked model from the origin, nats a token", Cell::of(&n.kl, 4)),
        ("share of places with the same most likely token", Cell::of(&n.same, 3)),
        ("surprise of the texts, origin, nats a token", Cell::of(&n.surprise[0], 4)),
        ("surprise of the texts, baked, nats a token", Cell::of(&n.surprise[1], 4)),
        ("surprise, baked less origin", Cell::of(&n.surprise_less, 4)),
        ("perplexity, origin", Cell::number(n.perplexity[0], 2)),
        ("perplexity, baked", Cell::number(n.perplexity[1], 2)),
    ] {
        table.push(vec![what.into(), cell]);
    }
    table
}
