//! The tests that a document's p values are of, in one table.
use super::document::{Block, Document, NoteKind, Section};
use super::table::{Adjustment, Cell, Column, Table};
use std::collections::{BTreeMap, HashSet};
use truenorth_stats::test::Test;

/// What a document prints of one test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrintedTest {
    /// How many p values, corrected or not: each is printed in one way at most once.
    pub count: usize,
    /// How many are printed as they are, and how many corrected in each way.
    printed: BTreeMap<Option<Adjustment>, usize>,
    /// The fewest and the most random draws behind one; none where all are exact.
    pub draws: Option<[u64; 2]>,
    /// Whether one of them decides a question of a study.
    pub primary: bool,
}

impl PrintedTest {
    fn add(&mut self, adjusted: Option<Adjustment>, draws: Option<u64>) {
        let printed = self.printed.entry(adjusted).or_default();
        *printed += 1;
        self.count = self.count.max(*printed);
        if let Some(d) = draws {
            let [low, high] = self.draws.unwrap_or([d, d]);
            self.draws = Some([low.min(d), high.max(d)]);
        }
    }
}

impl Document {
    /// Every test that a p value of the findings or tables is of.
    #[must_use]
    pub fn tested(&self) -> BTreeMap<Test, PrintedTest> {
        let mut found: BTreeMap<Test, PrintedTest> = BTreeMap::new();
        let questions = self.answer.iter().flat_map(|a| &a.questions);
        let primary: HashSet<usize> = questions.filter_map(|q| q.primary).collect();
        for (i, finding) in self.front.iter().enumerate() {
            let Some(test) = finding.null.test.filter(|_| finding.null.p.get().is_some()) else { continue };
            let entry = found.entry(test).or_default();
            if primary.contains(&i) {
                entry.primary = true;
                entry.add(Some(Adjustment::Holm), None);
            }
            entry.add(None, finding.null.draws);
        }
        let mut add = |cell: &Cell| {
            if let Cell::P { test, adjusted, value, draws } = cell
                && value.get().is_some()
            {
                found.entry(*test).or_default().add(*adjusted, *draws);
            }
        };
        self.sections.iter().for_each(|section| each_cell(&section.blocks, &mut add));
        found
    }

    /// Every p value of the findings and tables that is not corrected, in the order of the page.
    #[must_use]
    pub fn p_values(&self) -> Vec<(Test, f64)> {
        let findings = self.front.iter().filter_map(|f| Some((f.null.test?, f.null.p.get()?)));
        let mut found: Vec<(Test, f64)> = findings.collect();
        let mut add = |cell: &Cell| {
            if let Cell::P { test, adjusted: None, value, .. } = cell {
                found.extend(value.get().map(|p| (*test, p)));
            }
        };
        self.sections.iter().for_each(|section| each_cell(&section.blocks, &mut add));
        found
    }

    /// Adds the table of all tests on the page, where there are any; `rules` say what was left out of every
    /// test, and how what is random is drawn again.
    #[must_use]
    pub fn with_tests(mut self, rules: &[String]) -> Self {
        let tested = self.tested();
        if !tested.is_empty() {
            self.sections.push(section(&tested, rules));
        }
        self
    }
}

fn each_cell<'a>(blocks: &'a [Block], of: &mut impl FnMut(&'a Cell)) {
    for block in blocks {
        match block {
            Block::Table(table) => table.rows.iter().flatten().for_each(&mut *of),
            Block::Details { blocks, .. } => each_cell(blocks, of),
            _ => {}
        }
    }
}

fn section(tested: &BTreeMap<Test, PrintedTest>, rules: &[String]) -> Section {
    let mut table = Table::new(
        "tests-table",
        "Every test behind a p value of this page. At 5 %: a test that is as stated alarms in 5 % of cases where its \
         null holds, a conservative one less often; a descriptive one answers a narrower question than a reader has, \
         and no verdict rests on it. The rates are measured by the program's calibration suite.",
        "Whether a null is the right one for your question. A small p says that this null alone does not make such \
         a number.",
        [
            "test",
            "asks",
            "null",
            "exchanged or drawn as a whole",
            "sides",
            "at 5 %",
            "p values here",
            "draws",
            "corrected by",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for (test, of) in tested {
        let card = test.card();
        let name = if of.primary { format!("{} (primary)", test.id()) } else { test.id().to_owned() };
        let how: Vec<&str> = of.printed.keys().flatten().map(|a| a.word()).collect();
        table.push(vec![
            Cell::code(name),
            card.asks.into(),
            card.null.into(),
            card.unit.into(),
            card.sides.word().into(),
            card.standing.word().into(),
            of.count.into(),
            match of.draws {
                None => Cell::empty("exact"),
                Some([low, high]) if low == high => low.into(),
                Some([low, high]) => format!("{low} to {high}").into(),
            },
            if how.is_empty() { Cell::empty("not corrected") } else { how.join("; ").into() },
        ]);
    }
    let section = Section::new("tests", "All tests of this page", "").with(table);
    rules.iter().fold(section, |s, rule| s.with(Block::note(NoteKind::Method, rule.as_str())))
}
