//! Where links lead: an anchor and a number for every section, table and figure.
use super::super::document::{Block, Document};
use std::collections::{HashMap, HashSet};

/// A part that can be linked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkTarget {
    pub anchor: String,
    /// `Section 2`, `Figure 3`.
    pub name: String,
}

/// Anchors and numbers of one document, by the author's ids.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    targets: HashMap<String, LinkTarget>,
    used: HashSet<String>,
    figures: usize,
    tables: usize,
}

/// Anchors the page itself uses.
pub(super) const OWN: [&str; 4] = ["title", "findings", "contents", "provenance"];

impl Anchors {
    pub fn new(document: &Document) -> Self {
        let mut anchors = Self { used: OWN.into_iter().map(str::to_owned).collect(), ..Self::default() };
        for (i, section) in document.sections.iter().enumerate() {
            anchors.claim(&section.id, format!("Section {}", i + 1));
            anchors.blocks(&section.blocks);
        }
        anchors
    }

    /// Where `id` leads. Of several parts with one id the first is meant.
    pub fn get(&self, id: &str) -> Option<&LinkTarget> {
        self.targets.get(id)
    }

    /// The anchor of a part of the document.
    pub fn of(&self, id: &str) -> String {
        self.get(id).expect("every part of the document claimed an anchor").anchor.clone()
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::Figure(figure) => self.figure(&figure.id),
                Block::Row { figures } => figures.iter().for_each(|f| self.figure(&f.id)),
                Block::Table(table) => {
                    self.tables += 1;
                    let name = format!("Table {}", self.tables);
                    self.claim(&table.id, name);
                }
                Block::Details { blocks, .. } => self.blocks(blocks),
                Block::Paragraph { .. }
                | Block::List { .. }
                | Block::Note { .. }
                | Block::Beside { .. }
                | Block::KeyValues(_) => {}
            }
        }
    }

    fn figure(&mut self, id: &str) {
        self.figures += 1;
        let name = format!("Figure {}", self.figures);
        self.claim(id, name);
    }

    fn claim(&mut self, id: &str, name: String) {
        let mut slug: String =
            id.chars().take(80).map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' }).collect();
        if !slug.starts_with(char::is_alphabetic) {
            slug.insert_str(0, "s-");
        }
        let mut anchor = slug.clone();
        let mut n = 2;
        while !self.used.insert(anchor.clone()) {
            anchor = format!("{slug}-{n}");
            n += 1;
        }
        self.targets.entry(id.to_owned()).or_insert(LinkTarget { anchor, name });
    }
}
