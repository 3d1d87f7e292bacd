//! The model and the texts on which the tests are tried: real activations, labels of chance.

use std::collections::BTreeMap;
use std::path::Path;

use rand::Rng;
use truenorth::analyses::extract::LabelledTexts;
use truenorth::data::{ClassRow, Distinct, NearCopies, Pair, Template};
use truenorth::host::{Host, Local};
use truenorth::inputs::TextFiles;
use truenorth::session::Session;

use crate::Outcome;

/// A model, and the texts of the human-values study.
pub struct Place {
    pub session: Session,
    pub pairs: Distinct<Pair>,
    pub confounds: BTreeMap<&'static str, Distinct<Pair>>,
    pub flips: Distinct<Pair>,
    pub sequences: truenorth::inputs::Sequences,
    pub probes: truenorth::inputs::Prompts,
    pub neutral: truenorth::inputs::Prompts,
    pub site: truenorth_protocol::Site,
}

impl Place {
    /// Opens `model`; its texts are those in `data`, the first `most` of each file.
    pub fn open(model: &str, cache: &Path, data: &Path, most: usize) -> Outcome<Self> {
        let host = Local::new(cache);
        let session = host.model(model)?;
        let texts = TextFiles { desk: &host, near: NearCopies::default() };
        let pairs = |name: &str| -> Outcome<Distinct<Pair>> {
            let mut rows = texts.pairs(&data.join(name), &Template::default())?;
            let keep: Vec<bool> = (0..rows.rows.len()).map(|i| i < most).collect();
            rows.retain(&keep);
            Ok(rows)
        };
        let mut confounds = BTreeMap::new();
        for name in ["length", "action"] {
            confounds.insert(name, pairs(&format!("confounds/{name}.jsonl"))?);
        }
        let layers = session.runner().info().layers;
        Ok(Self {
            pairs: pairs("pairs.jsonl")?,
            flips: pairs("confounds/value-flip.jsonl")?,
            confounds,
            sequences: texts.sequences(&data.join("sequences.jsonl"))?,
            probes: texts.distinct_prompts(&data.join("probes.jsonl"))?,
            neutral: texts.distinct_prompts(&data.join("neutral.jsonl"))?,
            // Two thirds up.
            site: truenorth_protocol::Site::ResidPost(layers * 2 / 3),
            session,
        })
    }
}

/// Which pairs have their labels turned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Clusters of near copies and shared prompts: the least that is exchangeable.
    Cluster,
    /// Whole axes.
    Axis,
}

/// The pairs with labels of chance: each unit is turned round or not. Its clusters stay as they are.
pub fn turned(pairs: &Distinct<Pair>, unit: Unit, rng: &mut impl Rng) -> Distinct<Pair> {
    let mut out = pairs.clone();
    let mut turned: BTreeMap<String, bool> = BTreeMap::new();
    for (row, cluster) in out.rows.iter_mut().zip(&pairs.cluster) {
        let name = match unit {
            Unit::Cluster => cluster.to_string(),
            Unit::Axis => row.axis.clone(),
        };
        if *turned.entry(name).or_insert_with(|| rng.random()) {
            std::mem::swap(&mut row.chosen, &mut row.rejected);
        }
    }
    out
}

/// Every second pair told twice, in nearly the same words: near copies are one unit.
pub fn with_near_copies(pairs: &Distinct<Pair>) -> Outcome<Distinct<Pair>> {
    let mut rows = pairs.rows.clone();
    let copies: Vec<Pair> = rows.iter().step_by(2).map(near_copy).collect();
    rows.extend(copies);
    let loaded = truenorth::data::Loaded::new(rows, pairs.sha256.clone());
    Ok(Distinct::pairs(loaded, &Template::default(), NearCopies::default())?)
}

/// Every second pair answers the prompt of the one before: pairs of one prompt are one unit.
pub fn with_shared_prompts(pairs: &Distinct<Pair>) -> Outcome<Distinct<Pair>> {
    let mut rows = pairs.rows.clone();
    for two in rows.as_chunks_mut::<2>().0 {
        two[1].prompt = two[0].prompt.clone();
        two[1].axis = two[0].axis.clone();
    }
    let loaded = truenorth::data::Loaded::new(rows, pairs.sha256.clone());
    Ok(Distinct::pairs(loaded, &Template::default(), NearCopies::default())?)
}

fn near_copy(pair: &Pair) -> Pair {
    Pair {
        id: format!("{} again", pair.id),
        chosen: format!("{} indeed", pair.chosen),
        rejected: format!("{} indeed", pair.rejected),
        ..pair.clone()
    }
}

/// The question of pairs.
pub fn question(pairs: &Distinct<Pair>) -> LabelledTexts {
    LabelledTexts::pairs(pairs, &Template::default())
}

/// The texts of pairs as two classes in groups: a group is a pair's cluster, and its labels are of chance, alike for
/// all of a group where `whole`, else for one text of each pair.
pub fn classes(pairs: &Distinct<Pair>, whole: bool, rng: &mut impl Rng) -> Outcome<Distinct<ClassRow>> {
    let mut rows = Vec::new();
    let mut of_group: BTreeMap<usize, bool> = BTreeMap::new();
    for (pair, cluster) in pairs.rows.iter().zip(&pairs.cluster) {
        let up = *of_group.entry(*cluster).or_insert_with(|| rng.random());
        for (side, text, first) in [("a", &pair.chosen, true), ("b", &pair.rejected, false)] {
            let positive = if whole { up } else { up == first };
            rows.push(ClassRow {
                id: format!("{}/{side}", pair.id),
                text: format!("{} {text}", pair.prompt),
                label: if positive { "1" } else { "0" }.into(),
                category: None,
                group: Some(cluster.to_string()),
                turns: vec![],
                extra: truenorth::data::Extra::new(),
            });
        }
    }
    let loaded = truenorth::data::Loaded::new(rows, pairs.sha256.clone());
    Ok(Distinct::classes(loaded, NearCopies::default())?)
}
