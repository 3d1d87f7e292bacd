//! The front page: what the study shows, in a few lines drawn from its numbers.

use truenorth_report::{Finding, Interval, Measure, Null, Rich, Sample, Span, Status};
use truenorth_stats::estimate::HeldOut;

use crate::study::stages::{Results, Run};

/// A side of the question whether a direction is true, and what was found on it.
pub struct Aspect {
    question: &'static str,
    pub findings: Vec<Finding>,
}

/// The sides, most important first. One that nothing was asked of has no findings.
pub fn aspects(run: &Run<'_>, results: &Results) -> Vec<Aspect> {
    let words = run.data.words();
    let pages = |names: &[&str]| {
        let wanted = results.pages.iter().filter(|(name, _)| names.contains(name));
        wanted.flat_map(|(_, page)| page.findings.clone()).collect::<Vec<_>>()
    };
    let mut reads = Vec::new();
    if let Some(first) = results.directions.estimated.first() {
        let (high, low) = (&words.high, &words.low);
        reads.push(separation(
            &format!(
                "The {} direction separates {high} from {low} in texts it was not fitted on.",
                first.name
            ),
            &first.by_pair,
            &format!("held-out {}", words.units),
            words.null,
        ));
        reads.push(separation(
            &format!("It also separates them on {} that it has never seen.", words.axes),
            &first.by_axis,
            &format!("held-out {}", words.axes),
            &format!("labels exchanged by whole {}", words.axes),
        ));
    }
    reads.extend(pages(&["probing"]));
    reads.extend(results.pages.iter().flat_map(|(_, page)| page.reading.clone()));
    let mut means = Vec::new();
    means.extend(agreement(results));
    means.extend(pages(&["audit", "score"]));
    vec![
        Aspect { question: "Does it read?", findings: reads },
        Aspect { question: "Is it what it says, and not something else?", findings: means },
        Aspect { question: "Does it steer?", findings: pages(&["sweep", "judge"]) },
        Aspect { question: "Does it hold elsewhere?", findings: pages(&["transfer", "geometry"]) },
    ]
}

/// What it all comes to, a line a side.
pub fn answer(run: &Run<'_>, aspects: &[Aspect]) -> Vec<Rich> {
    let mut lines: Vec<Rich> = aspects.iter().map(Aspect::rich).collect();
    lines.push(Rich::from(format!(
        "All of this is of {} at {}; the limits at the end say what no number here can show.",
        run.reader.runner().info().name,
        run.study.site
    )));
    lines
}

impl Aspect {
    /// The side in one line.
    pub fn line(&self) -> String {
        format!("{} {}", self.question, self.verdict())
    }

    fn rich(&self) -> Rich {
        Rich::default().with(Span::Strong(self.question.into())).plain(format!(" {}", self.verdict()))
    }

    fn verdict(&self) -> String {
        let n = self.findings.len();
        let count = |status| self.findings.iter().filter(|f| f.status == status).count();
        let holds = count(Status::Supported);
        let word = match (n, holds) {
            (0, _) => return "Not asked.".into(),
            (n, holds) if n == holds => "Yes",
            (_, 0) if count(Status::NotSupported) == n => "No",
            (_, 0) => "Not shown",
            _ => "In part",
        };
        let parts = [
            (holds, "supported"),
            (count(Status::NotSupported), "not supported"),
            (count(Status::Unclear), "unclear"),
            (count(Status::Caution), "calling for caution"),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(k, _)| *k > 0).map(|(k, what)| format!("{k} {what}")).collect();
        let worst = [Status::NotSupported, Status::Caution, Status::Unclear];
        let worst = worst.iter().find_map(|s| self.findings.iter().find(|f| f.status == *s));
        let aside = worst.map_or_else(String::new, |f| {
            format!(" First among what does not hold plainly ({}): {}", f.status.word(), f.statement)
        });
        format!("{word}: of {n} checks {}.{aside}", parts.join(", "))
    }
}

fn separation(statement: &str, held_out: &HeldOut, of: &str, shuffled: &str) -> Finding {
    let auroc = held_out.auroc.number(of, held_out.null.as_ref().map(|n| (n, shuffled)));
    let status = match &auroc.null {
        Some(n) if n.p < 0.05 && auroc.above(0.5) => Status::Supported,
        Some(n) if n.p >= 0.05 && !auroc.above(0.5) => Status::NotSupported,
        _ => Status::Unclear,
    };
    Finding {
        status,
        statement: statement.into(),
        measure: Measure::of("AUROC", &auroc, 3),
        n: Sample::of(&auroc, of),
        interval: Interval::of(&auroc),
        null: Null::of(&auroc),
        see: Some("separation".into()),
    }
}

/// The least cosine between two estimators, against the same two on exchanged labels.
fn agreement(results: &Results) -> Option<Finding> {
    let n = results.directions.estimated.len();
    let cosines = &results.directions.cosines;
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let (i, j) = pairs.min_by(|a, b| cosines[a.0][a.1].value.total_cmp(&cosines[b.0][b.1].value))?;
    let least = &cosines[i][j];
    let names = [i, j].map(|k| &results.directions.estimated[k].name);
    Some(Finding {
        status: match least.above_nulls() {
            Some(true) => Status::Supported,
            Some(false) => Status::NotSupported,
            None => Status::Unclear,
        },
        statement: format!(
            "The estimators agree more than they do on exchanged labels, or directions like the activations do: {} and \
             {}, the least alike.",
            names[0], names[1]
        ),
        measure: Measure { name: "least cosine".into(), value: least.value.into(), digits: 2 },
        n: Sample::new(n as u64, "estimators"),
        interval: Interval::none("one set of pairs; the estimators share their noise"),
        null: least.harder().map_or_else(
            || Null::none(least.no_p.as_deref().unwrap_or("no null was run")),
            |null| Null::of(&least.number.clone().against(null.clone())),
        ),
        see: Some("agreement".into()),
    })
}
