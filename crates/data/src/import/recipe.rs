//! Where each field of a class row comes from.

use super::beavertails;
use super::container::LINE;
use super::options::{ImportOptions, ImportSource, MultiCategoryRule, OptionsError};
use super::record::WantedColumns;

/// A column of the text.
#[derive(Clone, Debug)]
pub(super) struct TextColumn {
    pub column: String,
    /// Whether a row without it has no text, whatever the others say.
    pub needed: bool,
}

/// Where a label or a category comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Nowhere,
    Fixed(String),
    Column(String),
    /// The columns that BeaverTails judges in.
    Judged,
}

impl Origin {
    fn of(what: &'static str, fixed: Option<&String>, column: Option<&String>) -> Result<Self, OptionsError> {
        match (fixed, column) {
            (Some(_), Some(_)) => Err(OptionsError::Both(what)),
            (Some(value), None) => Ok(Self::Fixed(value.clone())),
            (None, Some(column)) => Ok(Self::Column(column.clone())),
            (None, None) => Ok(Self::Nowhere),
        }
    }

    fn or(self, usual: Self) -> Self {
        if self == Self::Nowhere { usual } else { self }
    }

    fn column(&self) -> Option<&String> {
        match self {
            Self::Column(name) => Some(name),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct ImportRecipe {
    pub text: Vec<TextColumn>,
    pub label: Origin,
    pub category: Origin,
    pub group: Option<String>,
    /// The column whose hash is the group, where `group` is not given.
    pub group_hash: Option<&'static str>,
    pub id: Option<String>,
    /// A column and the field that it becomes.
    pub keep: Option<(&'static str, &'static str)>,
    /// Columns that are taken by their own name where a file has them, and need not be there.
    usual: Vec<&'static str>,
}

impl ImportRecipe {
    pub fn new(options: &ImportOptions) -> Result<Self, OptionsError> {
        let (source, columns) = (options.source, &options.columns);
        let name = source.name();
        if source != ImportSource::BeaverTails && options.several != MultiCategoryRule::Drop {
            return Err(OptionsError::NeverSeveral(name));
        }
        if options.take == Some(0) {
            return Err(OptionsError::TakeNothing);
        }
        let label = Origin::of("label", options.label.as_ref(), columns.label.as_ref())?;
        let category = Origin::of("category", options.category.as_ref(), columns.category.as_ref())?;
        let part = |column: &str, needed| TextColumn { column: column.to_owned(), needed };
        let fixed = |label: &str| Origin::Fixed(label.to_owned());
        let mut recipe = Self {
            text: columns.text.iter().map(|c| part(c, columns.text.len() == 1)).collect(),
            label,
            category,
            group: columns.group.clone(),
            group_hash: None,
            id: columns.id.clone(),
            keep: None,
            usual: vec![],
        };
        let usual_text: &[(&str, bool)] = match source {
            ImportSource::BeaverTails => {
                let judged = |what, from: &Origin| match from {
                    Origin::Nowhere => Ok(Origin::Judged),
                    _ => Err(OptionsError::Judged { source_name: name, what }),
                };
                recipe.label = judged("label", &recipe.label)?;
                recipe.category = judged("category", &recipe.category)?;
                recipe.group_hash = Some("prompt");
                &[("prompt", true)]
            }
            ImportSource::Alpaca => {
                recipe.label = recipe.label.or(fixed("safe"));
                &[("instruction", true), ("input", false)]
            }
            ImportSource::AdvBench => {
                recipe.label = recipe.label.or(fixed("harmful"));
                &[("goal", true)]
            }
            ImportSource::HarmBench => {
                recipe.label = recipe.label.or(fixed("harmful"));
                recipe.category = recipe.category.or(Origin::Column("SemanticCategory".into()));
                recipe.id.get_or_insert_with(|| "BehaviorID".into());
                recipe.keep = Some(("FunctionalCategory", "functional_category"));
                &[("ContextString", false), ("Behavior", true)]
            }
            ImportSource::MaliciousInstruct => {
                if *columns != Default::default() {
                    return Err(OptionsError::NoColumns(name));
                }
                recipe.label = recipe.label.or(fixed("harmful"));
                &[(LINE, true)]
            }
            ImportSource::Jsonl | ImportSource::Csv | ImportSource::Parquet => {
                // As in all readers, where nothing else is said.
                recipe.label = recipe.label.or(Origin::Column("label".into()));
                if recipe.category == Origin::Nowhere {
                    recipe.category = Origin::Column("category".into());
                    recipe.usual.push("category");
                }
                // Without its groups a split would cut through them.
                if recipe.group.is_none() {
                    recipe.group = Some("group".into());
                    recipe.usual.push("group");
                }
                // What a row is called it keeps; only rows without an id go by their number.
                if recipe.id.is_none() {
                    recipe.id = Some("id".into());
                    recipe.usual.push("id");
                }
                &[("text", true)]
            }
        };
        if recipe.text.is_empty() {
            recipe.text = usual_text.iter().map(|(column, needed)| part(column, *needed)).collect();
        }
        Ok(recipe)
    }

    pub fn wanted(&self) -> WantedColumns {
        let mut required: Vec<String> = self.text.iter().map(|p| p.column.clone()).collect();
        required.extend(
            [self.label.column(), self.category.column(), self.group.as_ref(), self.id.as_ref()]
                .into_iter()
                .flatten()
                .filter(|c| !self.usual.contains(&c.as_str()))
                .cloned(),
        );
        required.extend(self.group_hash.map(str::to_owned));
        let mut wanted = WantedColumns { required, optional: Vec::new(), prefix: None };
        if self.label == Origin::Judged {
            wanted.required.push(beavertails::SAFE.to_owned());
            wanted.required.extend(beavertails::columns());
            wanted.prefix = Some(beavertails::PREFIX);
        }
        wanted.optional.extend(self.keep.map(|(column, _)| column.to_owned()));
        wanted.optional.extend(self.usual.iter().map(|c| (*c).to_owned()));
        wanted
    }

    /// Columns whose values must all be of one kind. An id that was not asked for is taken as it is.
    pub fn one_kind(&self) -> impl Iterator<Item = &String> {
        let id = self.id.as_ref().filter(|_| !self.usual_id());
        [self.label.column(), self.category.column(), self.group.as_ref(), id].into_iter().flatten()
    }

    /// Whether ids are taken where rows have them, and need not be there.
    pub fn usual_id(&self) -> bool {
        self.usual.contains(&"id")
    }
}
