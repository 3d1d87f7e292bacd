//! Texts beside each other by arm, with what base does not have marked.

use truenorth_report::{Block, Rich, Section, TextBeside};

use crate::changed::changed;
use crate::found::{ArmText, Found};

/// Prompts whose texts are open, and those that are shown in all.
const OPEN: usize = 3;
const SHOWN: usize = 40;

/// None where nothing was written.
pub(super) fn section(found: &Found) -> Option<Section> {
    let base = found.texts.first()?;
    let shown: Vec<usize> = (0..found.prompts.len())
        .filter(|p| found.texts.iter().any(|arm| arm.get(*p).is_some_and(Option::is_some)))
        .collect();
    if shown.is_empty() {
        return None;
    }
    let left = shown.len().saturating_sub(SHOWN);
    let lead = format!(
        "What each arm wrote behind the same prompts; words that base's text does not have are underlined.{}",
        if left > 0 {
            format!(" The first {SHOWN} prompts are here; the JSON has all.")
        } else {
            String::new()
        }
    );
    let mut section = Section::new("experiment-texts", "Texts side by side", lead);
    for (k, p) in shown.into_iter().take(SHOWN).enumerate() {
        let (id, prompt) = &found.prompts[p];
        let blocks = vec![beside(found, base[p].as_ref(), p)];
        let head = format!("{id}: {prompt}");
        if k < OPEN {
            section = section.with(Block::text(head));
            section.blocks.extend(blocks);
        } else {
            section = section.with(Block::Details { summary: head, blocks });
        }
    }
    Some(section)
}

fn beside(found: &Found, base: Option<&ArmText>, p: usize) -> Block {
    let remark = |t: &ArmText| {
        let set: Vec<&str> = t.flags.each().iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
        set.join(", ")
    };
    let one = |(i, texts): (usize, &Vec<Option<ArmText>>)| {
        let own = texts.get(p)?.as_ref()?;
        let text = match base.filter(|_| i > 0) {
            Some(base) => changed(&own.text, &base.text),
            None => Rich::from(own.text.as_str()),
        };
        Some(TextBeside { title: found.arms[i].arm.name.clone(), remark: remark(own), text })
    };
    Block::Beside { texts: found.texts.iter().enumerate().filter_map(one).collect() }
}
