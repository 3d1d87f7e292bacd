//! What is said beside every separation: what length, sentiment and words reach alone, and whether what was projected
//! out is gone.

use truenorth_report::{Cell, Column, Table, Test};
use truenorth_stats::estimate::{Alone, Erased, HeldOut, ProjectMethod};

use super::stat::p_said;

/// A separation with what it is held beside.
#[derive(Clone, Copy, Debug)]
pub struct SeparationBeside<'a>(pub &'a HeldOut);

/// What can come along with a contrast, in the order of the columns.
const NAMES: [&str; 3] = ["length", "sentiment", "words"];

const NOT_SHOWN: &str = "That what beats length, sentiment and a bag of words is what the texts were chosen for: other \
    things come along with a contrast too, and more of each than one number a text can say.";

impl SeparationBeside<'_> {
    fn alone(&self, name: &str) -> Option<&Alone> {
        self.0.alone.iter().find(|a| a.name == name)
    }

    /// Cells of one thing alone and of the difference.
    fn cells(&self, name: &str) -> [Cell; 2] {
        match self.alone(name) {
            Some(a) => {
                let (own, less) = (a.auroc.interval, a.less.interval);
                [
                    Cell::estimate(a.auroc.value, own.low, own.high, 3),
                    Cell::estimate(a.less.value, less.low, less.high, 3),
                ]
            }
            None => {
                let why = self.0.not_beside.iter().find(|(n, _)| n == name);
                let why = why.map_or("not looked at", |(_, why)| why.as_str());
                [Cell::empty(why), Cell::empty(why)]
            }
        }
    }

    /// Whether what was projected out is gone, a sentence each.
    pub fn erased(&self) -> Vec<String> {
        self.0.erased.iter().map(erased).collect()
    }

    /// What each thing reaches alone and by how much the direction is ahead, in one sentence; what is not at hand
    /// with the reason.
    pub fn says(&self) -> String {
        let alone = NAMES.iter().map(|name| match self.alone(name) {
            Some(a) => {
                let less = a.less.interval;
                format!(
                    "{name} alone {:.3} (direction less it {:+.3}, {:+.3} to {:+.3})",
                    a.auroc.value, a.less.value, less.low, less.high
                )
            }
            None => {
                let why = self.0.not_beside.iter().find(|(n, _)| n == name);
                format!("{name} alone not known: {}", why.map_or("not looked at", |(_, why)| why.as_str()))
            }
        });
        let mut said = alone.collect::<Vec<_>>().join("; ");
        if let Some(null) = self.0.given_length {
            said.push_str(&format!(
                "; p {} with labels exchanged as length has it ({} draws)",
                p_said(null.p, Some(null.permutations)),
                null.permutations
            ));
        }
        said
    }
}

fn erased(e: &Erased) -> String {
    let (name, method, ci) = (&e.name, method(e.method), e.interval);
    let of = if name == "length" { "longer texts from shorter ones" } else { "its own held-out texts apart" };
    if e.gone {
        format!(
            "{name} is projected out ({method}): the held-out direction is not seen to tell {of} (AUROC {:.2}, {:.2} \
             to {:.2}; a smaller difference was not looked for).",
            e.auroc, ci.low, ci.high
        )
    } else {
        format!(
            "{name} was taken out ({method}) and is not gone: the held-out direction still tells {of} (AUROC {:.2}, \
             {:.2} to {:.2}).",
            e.auroc, ci.low, ci.high
        )
    }
}

fn method(method: ProjectMethod) -> &'static str {
    match method {
        ProjectMethod::Pooled => "slope over all texts",
        ProjectMethod::WithinClass => "slope within classes",
        ProjectMethod::Leace => "LEACE",
    }
}

/// A row a separation: what it is of, how it was held out, and the numbers.
pub fn table(id: &str, rows: &[([String; 2], SeparationBeside<'_>)]) -> Table {
    let mut table = Table::new(
        id,
        "What comes along, alone, on the same splits as the direction: the length of the texts, a direction of sentiment \
         from texts labelled for it, and a bag of words (naive Bayes). Less: the direction's AUROC less that one, \
         paired by unit, with an interval of the two put together (Zou and Donner 2008). p given length: labels \
         exchanged as often as the lengths have it, everything fitted again (Berrett and others 2020). Splits: the \
         least and the largest AUROC over the ways to deal units to folds.",
        NOT_SHOWN,
        [
            "direction",
            "held out",
            "AUROC",
            "splits",
            "length alone",
            "less",
            "sentiment alone",
            "less",
            "words alone",
            "less",
            "p given length",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for ([direction, held_out], beside) in rows {
        let SeparationBeside(found) = beside;
        let ci = found.auroc.interval;
        let mut cells = vec![
            direction.as_str().into(),
            held_out.as_str().into(),
            Cell::estimate(found.auroc.value, ci.low, ci.high, 3),
            found.auroc.repeats.map_or_else(
                || Cell::empty("one way to split"),
                |r| format!("{:.3} to {:.3} ({})", r.least, r.most, r.splits).into(),
            ),
        ];
        cells.extend(NAMES.iter().flat_map(|name| beside.cells(name)));
        cells.push(found.given_length.map_or_else(
            || Cell::empty("not run"),
            |n| Cell::p(Test::LengthGiven, n.p, Some(n.permutations as u64)),
        ));
        table.push(cells);
    }
    table
}
