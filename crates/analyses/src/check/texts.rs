//! Labelled texts as rows of numbers: classes, pairs, clusters and axes.

use std::collections::HashMap;

use super::TextsToCheck;
use truenorth_data::{ClassRow, Copies, Distinct, Pair, Template};
use truenorth_reading::AnalysisError;
use truenorth_reading::categories::{LONE, dealt, positive_label};
use truenorth_reading::extract::{LabelledTexts, texts};
use truenorth_stats::estimate::whole_axes;

/// A row a text; of pairs all chosen ones come first.
pub(super) struct TextTable {
    /// `pairs` or `texts`.
    pub unit: &'static str,
    /// The texts as they go before a model.
    pub texts: Vec<String>,
    /// What lengths are of: the responses of pairs, which differ, else the texts.
    pub measured: Vec<String>,
    pub positive: Vec<bool>,
    /// The pair, or the group that the file names, of each row.
    pub item: Vec<usize>,
    /// What no split of this program cuts.
    pub cluster: Vec<usize>,
    /// The axis or category of each row, as the file names it.
    pub axis: Vec<usize>,
    /// What is held out with it: the same, but for rows that are for all categories.
    pub held: Vec<usize>,
    pub axes: Vec<String>,
    /// Whether a copy of the row stood under another axis.
    pub elsewhere: Vec<bool>,
    /// The chosen and the rejected row of each pair.
    pub pairs: Vec<(usize, usize)>,
    pub ids: Vec<String>,
    pub copies: Copies,
}

impl TextTable {
    pub fn new(of: TextsToCheck<'_>) -> Result<Self, AnalysisError> {
        match of {
            TextsToCheck::Pairs(pairs, template) => Ok(Self::pairs(pairs, template)),
            TextsToCheck::Classes(rows, positive) => Self::classes(rows, positive),
        }
    }

    fn pairs(pairs: &Distinct<Pair>, template: &Template) -> Self {
        let n = pairs.rows.len();
        let question = LabelledTexts::pairs(pairs, template);
        let (axis, axes) = named(pairs.rows.iter().map(|p| p.axis.as_str()));
        let sides = pairs.rows.iter().map(|p| &p.chosen).chain(pairs.rows.iter().map(|p| &p.rejected));
        Self {
            unit: "pairs",
            texts: texts(&question.prompts).into_iter().map(str::to_owned).collect(),
            measured: sides.cloned().collect(),
            positive: (0..2 * n).map(|i| i < n).collect(),
            item: (0..n).chain(0..n).collect(),
            cluster: [&pairs.cluster[..], &pairs.cluster].concat(),
            axis: [&axis[..], &axis].concat(),
            held: [&axis[..], &axis].concat(),
            axes,
            elsewhere: pairs.also.iter().chain(&pairs.also).map(|also| !also.is_empty()).collect(),
            pairs: (0..n).map(|i| (i, i + n)).collect(),
            ids: pairs.rows.iter().map(|p| p.id.clone()).collect(),
            copies: pairs.copies.clone(),
        }
    }

    fn classes(rows: &Distinct<ClassRow>, positive: Option<&str>) -> Result<Self, AnalysisError> {
        let label = positive_label(rows, positive)?;
        let all = &rows.rows;
        let (axis, axes) = named(all.iter().map(|r| r.category.as_deref().unwrap_or_default()));
        let groups: Vec<String> =
            all.iter().map(|r| r.group.clone().unwrap_or_else(|| format!("{LONE}{}", r.id))).collect();
        let texts: Vec<String> = all.iter().map(|r| r.text.clone()).collect();
        Ok(Self {
            unit: "texts",
            measured: texts.clone(),
            texts,
            positive: all.iter().map(|r| r.label == label).collect(),
            item: named(groups.iter().map(String::as_str)).0,
            cluster: rows.cluster.clone(),
            held: dealt(rows).map_or_else(|| axis.clone(), |held| named(held.iter().map(String::as_str)).0),
            axis,
            axes,
            elsewhere: rows.also.iter().map(|also| !also.is_empty()).collect(),
            pairs: vec![],
            ids: all.iter().map(|r| r.id.clone()).collect(),
            copies: rows.copies.clone(),
        })
    }

    pub fn is_paired(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// Different pairs, or groups of texts.
    pub fn units(&self) -> usize {
        count(&self.item)
    }

    /// Pairs, or texts, of the largest cluster.
    pub fn largest(&self) -> usize {
        let mut of: HashMap<usize, usize> = HashMap::new();
        let rows = if self.is_paired() { &self.cluster[..self.pairs.len()] } else { &self.cluster[..] };
        rows.iter().for_each(|c| *of.entry(*c).or_default() += 1);
        of.into_values().max().unwrap_or(0)
    }

    /// Axes with those made one that have a cluster in common, as the file names them.
    pub fn whole_axes(&self) -> Vec<usize> {
        whole_axes(&self.cluster, &self.axis)
    }

    /// The same as this program holds them out, which no split of it cuts.
    pub fn whole_held(&self) -> Vec<usize> {
        whole_axes(&self.cluster, &self.held)
    }

    pub fn axes_word(&self) -> &'static str {
        if self.is_paired() { "axes" } else { "categories" }
    }
}

pub(super) fn count(numbers: &[usize]) -> usize {
    numbers.iter().collect::<std::collections::HashSet<_>>().len()
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> (Vec<usize>, Vec<String>) {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut order = Vec::new();
    let numbers = names
        .map(|name| {
            *known.entry(name).or_insert_with(|| {
                order.push(name.to_owned());
                order.len() - 1
            })
        })
        .collect();
    (numbers, order)
}
