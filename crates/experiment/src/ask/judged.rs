//! What a judge says of arms and stand-ins, which are texts like others to it.

use std::collections::HashMap;

use truenorth_boards::judge::{Duel, Reply};
use truenorth_reading::{AnalysisContext, AnalysisError};

use super::judges::{Chooser, Chosen};
use super::{ExperimentData, Stood, planted};
use crate::params::Params;
use crate::rating::{PLANTED, PreferredText, RaterKind, Rating};
use crate::weigh::{Blind, ExperimentMeasurements, WrittenText};

/// Has a judge show what it is worth on planted pairs, then judge every arm and its stand-ins.
pub(super) fn judge(
    data: &ExperimentData<'_>,
    judge: &dyn Chooser,
    (stood, placebos): (&[Stood], usize),
    sheet: &mut ExperimentMeasurements,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<(), AnalysisError> {
    let name = judge.name();
    let rating =
        |arm: &str, prompt: &str, first: PreferredText, choice: PreferredText, strength: f64| Rating {
            rater: name.clone(),
            kind: RaterKind::Judge,
            arm: arm.to_owned(),
            prompt: prompt.to_owned(),
            first: Some(first),
            choice: Some(choice),
            strength: Some(strength),
            rubric: None,
            arm_score: None,
            base_score: None,
            place: String::new(),
        };
    let both = |arm: &str, prompt: &str, c: &Chosen| {
        [(PreferredText::Arm, c.sides[0]), (PreferredText::Base, c.sides[1])]
            .map(|(f, s)| rating(arm, prompt, f, s, c.preference))
    };
    asked.watch.say(&format!("{name} on planted pairs"));
    let (planted, note) = planted::pairs(data, sheet, asked.seeds);
    sheet.notes.extend(note.filter(|n| !sheet.notes.contains(n)));
    for (duel, said) in planted.iter().zip(judge.choose(&planted, &params.criterion, asked)?) {
        sheet.ratings.extend(both(PLANTED, &duel.id, &said));
    }
    // One list: the judge sees arms and stand-ins as texts like others.
    let mut duels: Vec<Duel> = Vec::new();
    let mut places: Vec<(Option<Blind>, usize, usize)> = Vec::new();
    let texts = sheet.texts.clone();
    let text = |w: &Option<WrittenText>| w.as_ref().map(|w| w.text.trim().to_owned()).unwrap_or_default();
    let mut add = |place: (Option<Blind>, usize, usize), first: String, prompt: usize| {
        duels.push(Duel {
            id: duels.len().to_string(),
            prompt: data.prompts[prompt].text.clone(),
            first,
            second: text(&texts[0][prompt]),
        });
        places.push(place);
    };
    for arm in (1..data.arms.len()).filter(|a| data.arms[*a].arm.withdrawn.is_none()) {
        for (prompt, (own, base)) in texts[arm].iter().zip(&texts[0]).enumerate() {
            if own.is_some() && base.is_some() {
                add((None, arm, prompt), text(own), prompt);
            }
        }
    }
    for s in stood {
        for (draw, own) in s.texts.iter().enumerate().take(if s.flip { usize::MAX } else { placebos }) {
            for (prompt, w) in own.iter().enumerate() {
                let blind = Blind { flip: s.flip, arm: s.arm, draw, prompt };
                add((Some(blind), s.arm, prompt), w.text.trim().to_owned(), prompt);
            }
        }
    }
    asked.watch.say(&format!("{name} judges {} pairs", duels.len()));
    for ((blind, arm, prompt), said) in
        places.into_iter().zip(judge.choose(&duels, &params.criterion, asked)?)
    {
        match blind {
            Some(blind) => sheet.blind.push((name.clone(), blind, said.preference)),
            None => {
                let (arm, prompt) = (&data.arms[arm].arm.name, &data.prompts[prompt].id);
                sheet.ratings.extend(both(arm, prompt, &said));
            }
        }
    }
    for rubric in &params.rubrics {
        score(data, judge, rubric, sheet, asked)?;
    }
    Ok(())
}

/// Every text on a scale, base's once.
fn score(
    data: &ExperimentData<'_>,
    judge: &dyn Chooser,
    rubric: &str,
    sheet: &mut ExperimentMeasurements,
    asked: &AnalysisContext<'_>,
) -> Result<(), AnalysisError> {
    let mut replies = Vec::new();
    for (arm, own) in sheet.texts.iter().enumerate().filter(|(a, _)| data.arms[*a].arm.withdrawn.is_none()) {
        for (prompt, w) in own.iter().enumerate().filter_map(|(p, w)| Some((p, w.as_ref()?))) {
            let id = format!("{arm} {prompt}");
            replies.push(Reply {
                id,
                prompt: data.prompts[prompt].text.clone(),
                text: w.text.trim().to_owned(),
            });
        }
    }
    asked.watch.say(&format!("{} rates {} texts", judge.name(), replies.len()));
    let said = judge.score(&replies, rubric, asked)?;
    let by: HashMap<&str, f64> =
        replies.iter().zip(said).filter_map(|(r, s)| Some((r.id.as_str(), s?))).collect();
    for arm in 1..data.arms.len() {
        for (prompt, of) in data.prompts.iter().enumerate() {
            let at = |arm: usize| by.get(format!("{arm} {prompt}").as_str()).copied();
            if let (Some(own), Some(base)) = (at(arm), at(0)) {
                sheet.ratings.push(Rating {
                    rater: judge.name(),
                    kind: RaterKind::Judge,
                    arm: data.arms[arm].arm.name.clone(),
                    prompt: of.id.clone(),
                    first: None,
                    choice: None,
                    strength: None,
                    rubric: Some(rubric.to_owned()),
                    arm_score: Some(own),
                    base_score: Some(base),
                    place: String::new(),
                });
            }
        }
    }
    Ok(())
}
