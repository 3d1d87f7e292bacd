//! What is said beside every separation: what length, sentiment and words reach alone, and whether what was projected
//! out is gone.

use truenorth_report::{Cell, Column, Table, Test};
use truenorth_stats::estimate::{Alone, Erased, HeldOut, ProjectMethod};

use super::stat::p_said;

/// A separation with what it is held beside.
#[derive(Clone, Copy, Debug)]
pub struct SeparationBeside<'a>(pub &'a HeldOut);

/// What can come along with a contrast, in the order of the columns. A second length stands where there is one.
const NAMES: [&str; 4] = ["length", SECOND, "sentiment", "words"];
/// Another count of the same lengths: characters of the response beside tokens of the whole.
const SECOND: &str = "second-length";

const NOT_SHOWN: &str = "That what beats length, sentiment and a bag of words is what the texts were chosen for: other \
    things come along with a contrast too, and more of each than one number a text can say.";

impl<'a> SeparationBeside<'a> {
    fn alone(self, name: &str) -> Option<&'a Alone> {
        self.0.alone.iter().find(|a| a.name == name)
    }

    fn stands(self, name: &str) -> bool {
        name != SECOND || self.alone(name).is_some()
    }

    /// What reaches as much alone as far as these texts tell: the interval of the direction's AUROC less its own does
    /// not lie above 0.
    #[must_use]
    pub fn not_beaten(self) -> Vec<&'a Alone> {
        self.0.alone.iter().filter(|a| a.less.interval.low <= 0.0).collect()
    }

    /// What the direction is by these, put after "is": `no better than words alone`. None where it is ahead of each that is
    /// at hand.
    #[must_use]
    pub fn reservation(self) -> Option<String> {
        // A direction that is ahead by a little is not shown to be no better: its interval holds both.
        let (ahead, behind): (Vec<&Alone>, Vec<&Alone>) =
            self.not_beaten().into_iter().partition(|a| a.less.value > 0.0);
        let said = |start: &str, of: &[&Alone]| {
            let names: Vec<String> = of.iter().map(|a| called(a)).collect();
            (!names.is_empty()).then(|| format!("{start} better than {} alone", names.join(" or ")))
        };
        let parts = [said("no", &behind), said("not shown to be", &ahead)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" and "))
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

    /// What each thing reaches alone and by how much the direction is ahead, in one sentence, with what it is not ahead of;
    /// what is not at hand with the reason.
    pub fn says(&self) -> String {
        let named = NAMES.iter().filter(|name| self.stands(name));
        let alone = named.map(|name| match self.alone(name) {
            Some(a) => {
                let less = a.less.interval;
                format!(
                    "{} alone {:.3} (direction less it {:+.3}, {:+.3} to {:+.3})",
                    called(a),
                    a.auroc.value,
                    a.less.value,
                    less.low,
                    less.high
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
                "; p {} with labels exchanged as {} ({} draws)",
                p_said(null.p, Some(null.permutations)),
                if self.alone(SECOND).is_some() { "both lengths have it" } else { "length has it" },
                null.permutations
            ));
        }
        if let Some(reservation) = self.reservation() {
            said.push_str(&format!("; the direction is {reservation}"));
        }
        said
    }
}

/// A thing alone as a sentence names it: a length with what it counts.
#[must_use]
pub fn called(alone: &Alone) -> String {
    alone.of.as_ref().map_or_else(|| alone.name.clone(), |of| format!("length in {of}"))
}

fn erased(e: &Erased) -> String {
    let name = e.of.as_ref().map_or_else(|| e.name.clone(), |of| format!("{} in {of}", e.name));
    let (method, ci) = (method(e.method), e.interval);
    let of =
        if e.name == "length" { "longer texts from shorter ones" } else { "its own held-out texts apart" };
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
    let names: Vec<&str> =
        NAMES.into_iter().filter(|name| rows.iter().any(|(_, beside)| beside.stands(name))).collect();
    let given = if names.contains(&SECOND) { "p given both lengths" } else { "p given length" };
    // A length says what it counts, or is taken for the other.
    let counts = |name: &str| rows.iter().find_map(|(_, beside)| beside.alone(name)?.of.as_deref());
    let mut columns = ["direction", "held out", "AUROC", "splits"].map(Column::new).to_vec();
    for name in &names {
        columns.push(Column::new(match counts(name) {
            Some(of) => format!("length alone, in {of}"),
            None => format!("{name} alone"),
        }));
        columns.push(Column::new("less"));
    }
    columns.push(Column::new(given));
    let lengths: Vec<&str> = names.iter().filter_map(|name| counts(name)).collect();
    let lengths = if lengths.is_empty() { String::new() } else { format!(" (in {})", lengths.join("; in ")) };
    let mut table = Table::new(
        id,
        format!(
            "What comes along, alone, on the same splits as the direction: the length of the texts{lengths}, a direction \
             of sentiment from texts labelled for it, and a bag of words (naive Bayes). Less: the direction's AUROC less \
             that one, paired by unit, with an interval of the two put together (Zou and Donner 2008). {given}: labels \
             exchanged as often as the lengths beside have it, everything fitted again (Berrett and others 2020). \
             Splits: the least and the largest AUROC over the ways to deal units to folds."
        ),
        NOT_SHOWN,
        columns,
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
        cells.extend(names.iter().flat_map(|name| beside.cells(name)));
        cells.push(found.given_length.map_or_else(
            || Cell::empty("not run"),
            |n| Cell::p(Test::LengthGiven, n.p, Some(n.permutations as u64)),
        ));
        table.push(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use truenorth_stats::estimate::{Estimate, NullTest, SplitBy};
    use truenorth_stats::math::{ClusteredStatistic, Interval};

    use super::*;

    /// A direction of AUROC 0.9 beside things whose paired differences are given with the lower end of their interval.
    fn beside(of: &[(&str, f64, f64)]) -> HeldOut {
        let interval = |low: f64, high: f64| Interval { low, high, level: 0.95 };
        let estimate = |value: f64| Estimate {
            value,
            interval: interval(value - 0.1, 1.0),
            clusters: 20,
            design: 1.0,
            repeats: None,
        };
        let alone = of.iter().map(|(name, less, low)| Alone {
            name: (*name).to_owned(),
            of: (*name == "second-length").then(|| "characters of the response".to_owned()),
            auroc: estimate(0.9 - less),
            less: ClusteredStatistic {
                value: *less,
                interval: interval(*low, less + (less - low)),
                clusters: 20,
                design: 1.0,
            },
        });
        HeldOut {
            by: SplitBy::Pair,
            folds: 5,
            rows: 40,
            units: 20,
            auroc: estimate(0.9),
            paired_accuracy: None,
            null: None,
            given_length: None,
            alone: alone.collect(),
            not_beside: vec![],
            erased: vec![],
            alphas: vec![],
            scores: vec![],
        }
    }

    #[test]
    fn a_length_says_what_it_counts_and_a_second_one_stands_beside_it() {
        let mut one = beside(&[("length", 0.4, 0.2), ("words", 0.3, 0.1)]);
        one.given_length =
            Some(NullTest { permutations: 39, p: 0.2, mean: 0.5, low: 0.4, high: 0.6, fixed: None });
        one.alone[0].of = Some("tokens of prompt and response".into());
        let heads = |of: &HeldOut| {
            let columns = table("t", &[(["a".into(), "b".into()], SeparationBeside(of))]).columns;
            columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(heads(&one)[4..6], ["length alone, in tokens of prompt and response", "less"]);
        assert_eq!((heads(&one).len(), heads(&one)[10].as_str()), (11, "p given length"));
        let mut two = beside(&[("length", 0.4, 0.2), ("second-length", -0.1, -0.2)]);
        (two.given_length, two.alone[0].of) = (one.given_length, one.alone[0].of.clone());
        let said = SeparationBeside(&two).says();
        assert!(
            said.starts_with("length in tokens of prompt and response alone 0.500 (direction less it +0.400")
        );
        assert!(
            said.contains("; length in characters of the response alone 1.000 (direction less it -0.100")
        );
        assert!(
            said.contains("p = 0.200 with labels exchanged as both lengths have it (39 draws)"),
            "{said}"
        );
        assert_eq!(heads(&two)[6], "length alone, in characters of the response");
        assert_eq!((heads(&two).len(), heads(&two)[12].as_str()), (13, "p given both lengths"));
    }

    #[test]
    fn what_the_direction_is_not_ahead_of_is_named() {
        let said = |of: &[(&str, f64, f64)]| SeparationBeside(&beside(of)).reservation();
        assert_eq!(said(&[("length", 0.4, 0.2), ("words", 0.3, 0.1)]), None);
        // As of the texts where words reach 0.992 and the direction 0.975.
        let words = ("words", -0.017, -0.169);
        assert_eq!(said(&[("length", 0.4, 0.2), words]).as_deref(), Some("no better than words alone"));
        let near = ("length", 0.1, -0.02);
        assert_eq!(said(&[near]).as_deref(), Some("not shown to be better than length alone"));
        assert_eq!(
            said(&[near, ("sentiment", 0.0, -0.1), words]).as_deref(),
            Some("no better than sentiment or words alone and not shown to be better than length alone")
        );
        assert_eq!(
            said(&[("second-length", -0.02, -0.2)]).as_deref(),
            Some("no better than length in characters of the response alone")
        );
        let line = SeparationBeside(&beside(&[words])).says();
        assert!(line.ends_with("; the direction is no better than words alone"), "{line}");
    }
}
