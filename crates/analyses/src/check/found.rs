//! What a look at texts finds.

use serde::{Deserialize, Serialize};
use truenorth_data::Copies;

use truenorth_reading::Chain;
use truenorth_reading::stat::Number;

/// Labelled texts before any separation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckedTexts {
    /// `pairs` or `texts`.
    pub unit: String,
    /// Pairs, or texts, as read.
    pub rows: usize,
    /// Texts that stay once copies are left out, two a pair.
    pub texts: usize,
    /// Pairs, or groups as the file names them, that stay.
    pub units: usize,
    /// Clusters that share no near copy, no prompt and no group: what is held out, relabelled and resampled as one.
    pub clusters: usize,
    /// Pairs, or texts, of the largest cluster.
    pub largest_cluster: usize,
    /// Copies and near copies.
    pub copies: Copies,
    /// Prompts that pairs share; none for classes and where the template shows no prompt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompts: Option<PairPrompts>,
    /// What each way to split would leak, and what words and length reach alone under it.
    pub splits: Vec<SplitCheck>,
    /// Lengths in characters, words and, with a model, tokens.
    pub lengths: Vec<Length>,
    /// Axes or categories.
    pub balance: Balance,
    /// What as many clusters can find, for each test that is planned.
    pub power: Vec<PlannedPower>,
    /// The AUROC that power is given for.
    pub claim: f64,
    /// The difference of lengths from which a pair is counted.
    pub length_gap: f64,
    /// What the look does not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// Prompts of pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairPrompts {
    /// Different prompts.
    pub different: usize,
    /// Of these, such that several pairs have.
    pub shared: usize,
    /// Pairs that have one of them.
    pub pairs: usize,
    /// Of the different ones, such that have a near twin among the others, by their words alone.
    pub near: usize,
    /// The first ids of some pairs with near prompts.
    pub near_ids: Vec<Vec<String>>,
    /// Whether all pairs have one prompt, which then joins nothing.
    pub common: bool,
}

/// A way to split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// Every text by itself, a pair's two parted.
    Texts,
    /// Pairs, or groups as the file names them, by chance.
    Units,
    /// An axis or category at a time, as the file names them.
    Axes,
    /// Clusters by chance, as this program splits.
    Clusters,
    /// An axis or category at a time, those with a cluster in common made one, as this program splits.
    WholeAxes,
}

/// What a way to split would leak, and what words and length reach alone under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitCheck {
    /// What is held out together.
    pub kind: SplitKind,
    /// Folds that the texts are dealt to.
    pub folds: usize,
    /// Ways to deal that the numbers are means over.
    pub deals: usize,
    /// Share of held-out texts with a text of their cluster, or of their pair, among those fitted on.
    pub leaked: Option<Number>,
    /// What a bag of words reaches: AUROC on held-out texts.
    pub words: Option<Number>,
    /// Share of held-out pairs that it puts in order.
    pub words_in_order: Option<Number>,
    /// What the length in characters reaches.
    pub length: Option<Number>,
    /// The words' AUROC less that where clusters stay whole: what the leak is worth to them.
    pub gained: Option<Number>,
    /// Why numbers are missing; none where they are all there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missing: Option<String>,
}

/// Lengths in one measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Length {
    /// `characters`, `words` or `tokens`.
    pub measure: String,
    /// `responses` or `texts`.
    pub of: String,
    /// The median of the positive and of the negative class.
    pub medians: [f64; 2],
    /// The median difference within pairs, as a share of the longer one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub median_gap: Option<f64>,
    /// Pairs that differ by more than the threshold, as a share of all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub beyond: Option<Number>,
    /// The pairs behind `beyond`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub beyond_count: Option<usize>,
    /// Share of pairs whose chosen response is the longer one, ties half.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chosen_longer: Option<Number>,
    /// What this length reaches alone with clusters kept whole: AUROC on held-out texts.
    pub alone: Option<Number>,
    /// The ids of the pairs that differ most.
    pub widest: Vec<String>,
}

/// How evenly pairs or texts spread over axes or categories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// A row an axis, in the order of the file.
    pub axes: Vec<AxisCounts>,
    /// So many even ones would be as many (1 over the sum of squared shares).
    pub effective: f64,
    /// Rows of the largest over rows of the smallest.
    pub ratio: f64,
    /// How many are left once those with a cluster in common are one.
    pub whole: usize,
    /// The axes that share clusters, and the rows that join them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<Chain>,
}

/// An axis or category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisCounts {
    /// Its name; empty where rows have none.
    pub name: String,
    /// Pairs or texts.
    pub rows: usize,
    /// Share of all rows, in [0, 1].
    pub share: f64,
    /// Clusters with a row of it.
    pub clusters: usize,
    /// Texts of the positive class.
    pub positive: usize,
    /// Other axes that it has a cluster in common with.
    pub joined: Vec<String>,
}

/// What so many clusters can find, two-sided at 5 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedPower {
    /// What is counted: `pairs`, `groups`, `axes` or `categories`.
    pub of: String,
    /// `AUROC`, `AUROC, fitted in folds` or `pairs in order`; none where only the least p is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measure: Option<String>,
    /// Clusters there are.
    pub n: usize,
    /// The least chance above 1/2 that is found with 80 % power; none where not even 1 is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub least: Option<f64>,
    /// The power at [`CheckedTexts::claim`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub power: Option<f64>,
    /// Clusters that would find the claimed chance with 80 % power.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needed: Option<usize>,
    /// Clusters that would rule as much out with 80 % power, if there is nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needed_to_rule_out: Option<usize>,
    /// The least p of the exact test that exchanges the labels of whole units, each way as likely.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub least_p: Option<f64>,
}

pub(super) const NOT_SHOWN: [&str; 3] = [
    "That texts without these faults measure what they are meant to: topic, style and whoever wrote them are in no count \
     here.",
    "What a model makes of them: near copies are found by their words, so a paraphrase in other words is none.",
    "The power of a test on activations: it is that of clusters like independent texts, and what a direction reaches there \
     decides.",
];

impl CheckedTexts {
    /// A split by its kind.
    #[must_use]
    pub fn split(&self, kind: SplitKind) -> Option<&SplitCheck> {
        self.splits.iter().find(|s| s.kind == kind)
    }

    /// `axes` for pairs, `categories` for texts.
    #[must_use]
    pub fn axes_word(&self) -> &'static str {
        if self.unit == "pairs" { "axes" } else { "categories" }
    }

    /// What lengths are of: `responses` of pairs, else `texts`.
    pub(super) fn measured(&self) -> &str {
        self.lengths.first().map_or("texts", |l| l.of.as_str())
    }

    pub(super) fn ends(&self) -> [&'static str; 2] {
        if self.unit == "pairs" { ["chosen", "rejected"] } else { ["positive", "negative"] }
    }

    /// A way to split in words.
    pub(super) fn named(&self, kind: SplitKind) -> String {
        let (units, axes) = if self.unit == "pairs" { ("pairs", "axes") } else { ("groups", "categories") };
        match kind {
            SplitKind::Texts => "texts by chance".into(),
            SplitKind::Units => format!("{units} by chance"),
            SplitKind::Axes => format!("{axes} held out, as named"),
            SplitKind::Clusters => "clusters by chance (used here)".into(),
            SplitKind::WholeAxes => format!("{axes} held out, clusters whole (used here)"),
        }
    }

    /// What a reader must know before any separation, a sentence each.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut out = self.copies.sentences();
        out.extend(self.prompts.iter().flat_map(PairPrompts::sentences));
        out.extend([SplitKind::Units, SplitKind::Axes].into_iter().filter_map(|kind| self.leak(kind)));
        out.extend(self.turned());
        out.extend(self.words());
        out.extend(self.lengths.iter().flat_map(|l| l.sentence(self.length_gap)));
        out.extend(self.balance.sentences(self.axes_word()));
        out.extend(self.power.iter().filter_map(|p| p.sentence(self.claim)));
        out
    }

    fn leak(&self, kind: SplitKind) -> Option<String> {
        let split = self.split(kind)?;
        let leaked = split.leaked.as_ref()?;
        let gained = split.gained.as_ref().and_then(|g| {
            let i = g.interval?;
            Some(format!("; it gives a bag of words {:+.3} AUROC ({:+.3} to {:+.3})", g.value, i.low, i.high))
        });
        (leaked.value > 0.0).then(|| {
            format!(
                "split by {}, {:.0} % of held-out texts would have a text of their cluster among those fitted on{}",
                self.named(kind).replace(" held out", ""),
                100.0 * leaked.value,
                gained.unwrap_or_default()
            )
        })
    }

    /// What parting pairs does to words, where it is seen.
    fn turned(&self) -> Option<String> {
        let words = self.split(SplitKind::Texts)?.words.as_ref()?;
        words.interval.filter(|i| self.unit == "pairs" && i.high < 0.5).map(|_| {
            format!(
                "texts dealt by chance part pairs, so that a prompt is learnt under the other label: words reach {:.3}, far below \
                 1/2, which is a leak too",
                words.value
            )
        })
    }

    fn words(&self) -> Option<String> {
        let said = |kind: SplitKind| {
            let split = self.split(kind)?;
            let (n, order) = (split.words.as_ref()?, split.words_in_order.as_ref());
            let i = n.interval?;
            let order =
                order.map(|o| format!(", {:.0} % of pairs in order", 100.0 * o.value)).unwrap_or_default();
            let of = if kind == SplitKind::Clusters { "clusters" } else { self.axes_word() };
            Some(format!("{:.3} ({:.3} to {:.3}{order}) with {of} held out", n.value, i.low, i.high))
        };
        let both: Vec<String> =
            [SplitKind::Clusters, SplitKind::WholeAxes].into_iter().filter_map(said).collect();
        let [up, down] = self.ends();
        (!both.is_empty())
            .then(|| format!("a bag of words tells {up} from {down} with an AUROC of {}", both.join(" and ")))
    }
}

impl PairPrompts {
    fn sentences(&self) -> Vec<String> {
        let Self { different, shared, pairs, near, common, .. } = self;
        let mut out = Vec::new();
        if *shared > 0 && !common {
            out.push(format!(
                "{pairs} pairs share {shared} of {different} prompts; they are one cluster each"
            ));
        }
        if *near > 0 {
            let ids: Vec<String> = self.near_ids.iter().map(|c| format!("`{}`", c.join("`, `"))).collect();
            out.push(format!(
                "{near} of {different} prompts have a near twin by their words alone, whatever the responses say ({}{})",
                if ids.len() > 1 { "first " } else { "" },
                ids.join("; ")
            ));
        }
        out
    }
}

impl Length {
    fn sentence(&self, gap: f64) -> Option<String> {
        let alone = self.alone.as_ref()?;
        let i = alone.interval?;
        let reached = format!(
            "length in {} of the {} alone reaches {:.3} ({:.3} to {:.3})",
            self.measure, self.of, alone.value, i.low, i.high
        );
        let Some((beyond, count)) = self.beyond.as_ref().zip(self.beyond_count) else {
            return Some(format!(
                "{reached}; the medians are {:.0} and {:.0}",
                self.medians[0], self.medians[1]
            ));
        };
        let longer = self.chosen_longer.as_ref().map_or_else(String::new, |l| {
            format!("; the chosen response is the longer one in {:.0} %", 100.0 * l.value)
        });
        Some(format!(
            "{count} of {} pairs differ by more than {:.0} % in {}{longer}; {reached}",
            beyond.n,
            100.0 * gap,
            self.measure
        ))
    }
}

impl Balance {
    fn sentences(&self, word: &str) -> Vec<String> {
        let Self { axes, effective, ratio, whole, chains } = self;
        let (Some(most), Some(least)) =
            (axes.iter().max_by_key(|a| a.rows), axes.iter().min_by_key(|a| a.rows))
        else {
            return vec![];
        };
        let mut out = Vec::new();
        if axes.len() < 2 {
            return out;
        }
        if *ratio >= 2.0 {
            out.push(format!(
                "{word} are uneven: `{}` has {}, `{}` {}; they weigh as {effective:.1} even ones of {}",
                most.name,
                most.rows,
                least.name,
                least.rows,
                axes.len()
            ));
        }
        if *whole < axes.len() {
            let unit = if word == "axes" { "pairs" } else { "texts" };
            out.extend(chains.iter().map(|chain| chain.sentence(unit)));
            out.push(format!("{} {word} are {whole} where one is held out at a time", axes.len()));
        }
        let single: Vec<&str> = axes
            .iter()
            .filter(|a| word == "categories" && (a.positive == 0 || a.positive == a.rows))
            .map(|a| a.name.as_str())
            .collect();
        if !single.is_empty() {
            out.push(format!(
                "of {} {word} {} have one class alone (`{}`): what tells them apart tells the classes apart too",
                axes.len(),
                single.len(),
                single.join("`, `")
            ));
        }
        out
    }
}

impl PlannedPower {
    fn sentence(&self, claim: f64) -> Option<String> {
        let Self { of, n, .. } = self;
        let Some(measure) = &self.measure else {
            let p = self.least_p.filter(|p| *p > 0.01)?;
            let of = match (n, of.as_str()) {
                (1, "axes") => "axis",
                (1, "categories") => "category",
                (_, of) => of,
            };
            // Exchanges weighed by length are not each as likely, and have no such floor.
            return Some(format!(
                "with {n} {of} exchanged whole, each way as likely, no held-out p can be below {p:.3}"
            ));
        };
        let least = self.least.map_or_else(
            || "nothing, not even a chance of 1,".into(),
            |least| format!("a chance of {least:.2} or more"),
        );
        let needed = self.needed.map_or_else(String::new, |needed| format!("; {claim} takes {needed}"));
        Some(format!(
            "{n} {of} find {least} with 80 % power ({measure}); at {claim} the power is {:.0} %{needed}",
            100.0 * self.power.unwrap_or(0.0)
        ))
    }
}
