//! Texts of two classes in categories and groups.

use std::collections::HashSet;

use super::categories::{LONE, positive_label};
use super::{AnalysisError, NamedPrompt};
use truenorth_data::{ClassRow, Copies, Distinct};

/// Texts of two classes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassTexts {
    /// The texts with their names, a row each.
    pub prompts: Vec<NamedPrompt>,
    /// Whether each is of the positive class.
    pub positive: Vec<bool>,
    /// The categories of each; several where copies of it stand under others.
    pub categories: Vec<Vec<String>>,
    /// What no split cuts through; copies and near copies are of one group.
    pub groups: Vec<String>,
    /// Groups that were joined because they hold copies or near copies of each other's texts.
    pub joined: usize,
    /// Copies and near copies that were found among the texts.
    pub copies: Copies,
    /// What is positive about the positive class: its label.
    pub positive_end: String,
    /// SHA-256 of the file they came from.
    pub data_sha256: String,
}

impl ClassTexts {
    /// Rows of a classes file; `positive` names the positive label where the labels (`1`, `true`, `positive`) do not.
    ///
    /// # Errors
    /// When there are not two labels, or none of them is the positive one.
    pub fn new(rows: &Distinct<ClassRow>, positive: Option<&str>) -> Result<Self, AnalysisError> {
        let label = positive_label(rows, positive)?;
        let own = |r: &ClassRow| r.group.clone().unwrap_or_else(|| format!("{LONE}{}", r.id));
        let names: Vec<String> = rows.rows.iter().map(own).collect();
        // A cluster goes by the name of its first row's group.
        let mut first: Vec<Option<&String>> = vec![None; rows.copies.clusters];
        for (cluster, name) in rows.cluster.iter().zip(&names) {
            first[*cluster].get_or_insert(name);
        }
        let groups = rows.cluster.iter().filter_map(|c| first[*c].cloned()).collect();
        let joined = names.iter().collect::<HashSet<_>>().len() - rows.copies.clusters;
        Ok(Self {
            prompts: rows.rows.iter().map(|r| NamedPrompt::row(&r.id, &r.text, &r.turns)).collect(),
            positive: rows.rows.iter().map(|r| r.label == label).collect(),
            categories: rows
                .rows
                .iter()
                .zip(&rows.also)
                .map(|(r, also)| r.category.iter().chain(also).cloned().collect())
                .collect(),
            groups,
            joined,
            positive_end: label.to_owned(),
            data_sha256: rows.sha256.clone(),
            copies: rows.copies.clone(),
        })
    }

    /// Texts of both classes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// The plain texts; token ids are none.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        super::extract::texts(&self.prompts)
    }

    /// Categories that have positive texts, by name.
    pub fn named(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .categories
            .iter()
            .zip(&self.positive)
            .filter(|(_, p)| **p)
            .flat_map(|(c, _)| c.iter().cloned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Rows of a category, and whether its negative ones are those of all; none without positive rows.
    pub fn of(&self, category: Option<&str>) -> Option<(Vec<usize>, bool)> {
        let Some(name) = category else { return Some(((0..self.len()).collect(), false)) };
        let own: Vec<usize> =
            (0..self.len()).filter(|i| self.categories[*i].iter().any(|c| c == name)).collect();
        if !own.iter().any(|i| self.positive[*i]) {
            return None;
        }
        if own.iter().any(|i| !self.positive[*i]) {
            return Some((own, false));
        }
        let others = (0..self.len()).filter(|i| !self.positive[*i]);
        Some((own.iter().copied().chain(others).collect(), true))
    }
}
