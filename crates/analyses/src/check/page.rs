//! A look at texts, on a page.

use super::{CheckedTexts, SplitKind};
use truenorth_reading::stat::{Number, p_cell};
use truenorth_report::{
    Axis, Block, Cell, Column, Figure, Finding, FindingStatus, Forest, ForestRow, Mark, Measure, NoteKind,
    Num, ReportedInterval, ReportedNull, Sample, Section, Table,
};

const WORDS_NOT_SHOWN: &str = "That what words can't tell apart a model can't either, or that a direction which does better \
    reads what was meant: words are the cheapest of what comes along with a contrast.";
const LEAK_NOT_SHOWN: &str =
    "Leaks of what is alike in other words: near copies are found by the words they share.";
const LENGTH_NOT_SHOWN: &str =
    "That texts of even length are alike in style; length is the easiest habit to count.";
const BALANCE_NOT_SHOWN: &str = "That axes of even size are of even weight to a model, or that names keep apart what is \
    different.";
const POWER_NOT_SHOWN: &str = "The power on activations: texts that go together within pairs need fewer, clusters of many \
    texts more. An effect that is found with this power is not thereby what was meant.";

/// What words reach, with clusters and with axes held out.
pub(super) fn findings(found: &CheckedTexts) -> Vec<Finding> {
    let [up, down] = found.ends();
    let of = |kind: SplitKind, what: &str| {
        let words = found.split(kind)?.words.as_ref()?;
        let apart = words.above(0.5);
        Some(Finding {
            status: if apart { FindingStatus::Caution } else { FindingStatus::Unclear },
            statement: format!(
                "A bag of words {} {up} from {down} with {what} held out",
                if apart { "tells" } else { "is not seen to tell" }
            ),
            measure: Measure::of("AUROC of the words alone", words, 3),
            n: Sample::of(words, what),
            interval: ReportedInterval::of(words),
            null: ReportedNull::of(words),
            see: Some("check-splits".into()),
        })
    };
    [of(SplitKind::Clusters, "clusters"), of(SplitKind::WholeAxes, found.axes_word())]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn section(found: &CheckedTexts) -> Section {
    let unit = &found.unit;
    let lead = format!(
        "Before any separation: {} {unit} were read, {} stay without copies and make {} clusters that share no near copy, no \
         prompt and no group. No model is asked here{}.",
        found.rows,
        found.rows - found.copies.exact,
        found.clusters,
        if found.lengths.iter().any(|l| l.measure == "tokens") { " but for its tokenizer" } else { "" }
    );
    let mut section = Section::new("check", "The texts, before any separation", lead);
    let said = found.sentences();
    if !said.is_empty() {
        section =
            section.with(Block::List { ordered: false, items: said.into_iter().map(Into::into).collect() });
    }
    section = section
        .with(reached(found))
        .with(splits(found))
        .with(lengths(found))
        .with(balance(found))
        .with(power(found));
    for split in found.splits.iter().filter(|s| s.missing.is_some()) {
        let why = split.missing.as_deref().unwrap_or_default();
        section = section.with(Block::note(NoteKind::Method, format!("{}: {why}.", found.named(split.kind))));
    }
    section.with(Block::limits(&found.not_shown))
}

fn reached(found: &CheckedTexts) -> Figure {
    let rows = found
        .splits
        .iter()
        .flat_map(|s| {
            let row = |group: &str, n: &Number| ForestRow::of(Some(group), &found.named(s.kind), n);
            let words = s.words.as_ref().map(|n| row("bag of words", n));
            words.into_iter().chain(s.length.as_ref().map(|n| row("length in characters", n)))
        })
        .collect::<Vec<_>>();
    let mut rows = rows;
    rows.sort_by_key(|r| r.group.clone());
    Figure::new(
        "check-figure",
        "What texts give away without a model",
        Forest {
            x: Axis::new("AUROC").range(0.0, 1.0),
            reference: Some(Mark::at(0.5, "chance")),
            digits: 2,
            rows,
        },
        format!(
            "Held-out AUROC of a bag of words (naive Bayes over which words are there) and of the length of the {} in \
             characters, under each way to split; 95 % intervals. A direction is worth its activations where it is ahead \
             of both.",
            found.measured()
        ),
        WORDS_NOT_SHOWN,
    )
}

fn splits(found: &CheckedTexts) -> Table {
    let mut table = Table::new(
        "check-splits",
        "Ways to split. Leaked: share of held-out texts with a text of their cluster, or of their pair, among those fitted on. \
         Gained: the words' AUROC less that where clusters stay whole, paired by cluster. By chance: means over all ways to \
         deal.",
        LEAK_NOT_SHOWN,
        [
            "split",
            "folds",
            "leaked",
            "bag of words, AUROC",
            "pairs in order",
            "length in characters, AUROC",
            "gained",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for s in &found.splits {
        let why = s.missing.as_deref().unwrap_or("not by this split");
        let cell = |n: &Option<Number>, why: &str| Cell::maybe(n.as_ref(), 3, why);
        table.push(vec![
            found.named(s.kind).into(),
            s.folds.into(),
            cell(&s.leaked, why),
            cell(&s.words, why),
            cell(&s.words_in_order, if found.unit == "pairs" { why } else { "not pairs" }),
            cell(&s.length, why),
            cell(&s.gained, if s.missing.is_some() { why } else { "clusters are whole" }),
        ]);
    }
    table
}

fn lengths(found: &CheckedTexts) -> Table {
    let [up, down] = found.ends();
    let mut columns = vec![Column::new("length in")];
    columns.extend([up, down].map(|end| Column::new(format!("median, {end}"))));
    columns.extend([
        Column::new("median gap"),
        Column::new(format!("pairs above {:.0} %", 100.0 * found.length_gap)),
        Column::new("share of pairs"),
        Column::new("chosen longer"),
        Column::new("alone, AUROC"),
        Column::new("widest"),
    ]);
    let of = found.measured();
    let mut table = Table::new(
        "check-lengths",
        format!(
            "Lengths of the {of}. Gap: the difference within a pair as a share of the longer one. Alone: held-out AUROC of this \
             length, clusters kept whole."
        ),
        LENGTH_NOT_SHOWN,
        columns,
    );
    let not = || Cell::empty("not pairs");
    for l in &found.lengths {
        table.push(vec![
            l.measure.as_str().into(),
            Cell::number(l.medians[0], 0),
            Cell::number(l.medians[1], 0),
            l.median_gap.map_or_else(not, |g| Cell::number(g, 3)),
            l.beyond_count.map_or_else(not, Cell::from),
            Cell::maybe(l.beyond.as_ref(), 3, "not pairs"),
            Cell::maybe(l.chosen_longer.as_ref(), 3, "not pairs, or one cluster"),
            Cell::maybe(l.alone.as_ref(), 3, "too few clusters"),
            if l.widest.is_empty() { Cell::empty("none above") } else { Cell::code(l.widest.join(", ")) },
        ]);
    }
    table
}

fn balance(found: &CheckedTexts) -> Table {
    let b = &found.balance;
    let one = if found.unit == "pairs" { "axis" } else { "category" };
    let mut table = Table::new(
        "check-balance",
        format!(
            "The {}: as many as {:.1} even ones; the largest is {:.1} times the smallest; {} where those with a cluster in \
             common are one.",
            found.axes_word(),
            b.effective,
            b.ratio,
            b.whole
        ),
        BALANCE_NOT_SHOWN,
        [one, found.unit.as_str(), "share", "clusters", "positive", "clusters shared with"]
            .map(Column::new)
            .to_vec(),
    );
    for a in &b.axes {
        table.push(vec![
            if a.name.is_empty() { Cell::empty("rows have none") } else { Cell::code(&a.name) },
            a.rows.into(),
            Cell::number(a.share, 3),
            a.clusters.into(),
            a.positive.into(),
            if a.joined.is_empty() { Cell::empty("none") } else { Cell::code(a.joined.join(", ")) },
        ]);
    }
    table
}

fn power(found: &CheckedTexts) -> Table {
    let claim = found.claim;
    let mut columns = ["what can be found", "measure", "n", "least chance found"].map(Column::new).to_vec();
    columns.extend([
        Column::new(format!("power at {claim}")),
        Column::new(format!("needed for {claim}")),
        Column::new("needed to rule it out"),
        Column::new("least p"),
    ]);
    let mut table = Table::new(
        "check-power",
        format!(
            "What so many clusters can find, two-sided at 5 %: the least AUROC, or share of pairs in order, that is told from \
             1/2 with 80 % power; the power at {claim}, and how many it takes; how many rule it out if there is nothing. As \
             of independent texts; fitted in folds: the variance as in held-out intervals (Nadeau and Bengio 2003). Least p: \
             of the exact test that exchanges the labels of whole units, each way as likely; a p given length weighs the ways."
        ),
        POWER_NOT_SHOWN,
        columns,
    );
    let why = "the least p alone";
    let count = |n: Option<usize>, why: &str| n.map_or_else(|| Cell::empty(why), Cell::from);
    for p in &found.power {
        let known = p.measure.is_some();
        let not = if known { "not even a chance of 1" } else { why };
        let number = |x: Option<f64>, digits: usize| {
            x.map_or_else(|| Cell::empty(not), |x| Cell::number(Num::new(x), digits))
        };
        table.push(vec![
            p.of.as_str().into(),
            p.measure.as_deref().map_or_else(|| Cell::empty(why), Cell::from),
            p.n.into(),
            number(p.least, 3),
            number(p.power, 2),
            count(p.needed, not),
            count(p.needed_to_rule_out, not),
            p.least_p
                .map_or_else(|| Cell::empty("of the exchange of labels alone"), |x| p_cell(x, None).into()),
        ]);
    }
    table
}
