//! What the model wrote at each dose.

use truenorth_report::{Block, Cell, Column, NoteKind, Section, Table};

use crate::analyses::steer::{DAMAGING, Damage, Steered};
use crate::study::stages::{StageContext, SteeredTexts, StudyFindings};

pub fn steered(run: &StageContext<'_>, results: &StudyFindings, samples: &SteeredTexts) -> Section {
    let mut section = Section::new(
        "steered",
        "Steered samples",
        format!(
            "What the model writes with the direction added at {}, to be read with care.",
            run.study.site
        ),
    )
    .with(table(results.directions.residual_norm, &samples.rows));
    for sentence in measured_on(&samples.rows) {
        section = section.with(Block::note(NoteKind::Method, sentence));
    }
    section
}

fn table(residual_norm: f64, rows: &[Steered]) -> Table {
    let mut table = Table::new(
        "steered-table",
        format!(
            "Greedy continuations with α mean residual norms of the direction added (one norm is {residual_norm:.2}). \
             Divergence: mean KL(unsteered ‖ steered) of the token after each prompt; above {DAMAGING} the dose is damaging, \
             and the next token is another model's. Angle: by which the dose turns the residual of the tokens that it moves, \
             without the first token of a prompt where it moves others. \
             Log-probability: mean over the generated tokens under the steered model."
        ),
        "That steering changes values. These are a few samples to read, not a test: no outcome was measured and \
         nothing says that a random direction of the same size would do less.",
        vec![
            Column::new("prompt"),
            Column::new("α"),
            Column::new("continuation"),
            Column::new("log-probability"),
            Column::with_unit("divergence", "nats"),
            Column::with_unit("angle", "°"),
        ],
    );
    for row in rows {
        let damage = row.damage.as_ref();
        table.push(vec![
            row.id.as_str().into(),
            Cell::number(row.alpha, 2),
            row.text.as_str().into(),
            Cell::number(row.logprob_mean, 2),
            damage.map_or_else(|| Cell::empty("not measured"), |d| Cell::number(d.kl, 3)),
            damage.and_then(angle).map_or_else(|| Cell::empty("nothing is moved"), |a| Cell::number(a, 1)),
        ]);
    }
    table
}

/// The angle at the site at which an edit turns tokens most.
fn angle(damage: &Damage) -> Option<f64> {
    let means = damage.size.iter().filter_map(|s| s.later.or(s.first));
    means.map(|m| m.angle).max_by(f64::total_cmp)
}

/// What divergence and angle are of, where that is not the edit of the prompts as it is in every step; as `steer` says it.
fn measured_on(rows: &[Steered]) -> Vec<String> {
    let damage = || rows.iter().filter_map(|r| r.damage.as_ref());
    let mut said = Vec::new();
    if let Some(step) = damage().find_map(|d| d.largest_step) {
        let at = match step.pass {
            0 => "at the prompt".to_owned(),
            pass => format!("with generated token {pass}"),
        };
        said.push(format!(
            "α changes with the tokens: divergence and angle are of its largest step, {} times α, {at}.",
            step.factor
        ));
    }
    if let Some(damage) = damage().find(|d| d.stand_in) {
        said.push(format!(
            "The prompts stay as they are, and nothing of them is damaged: divergence and angle are of the same edit of the \
             prompts' tokens ({}) in place of generated ones.",
            damage.positions
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(damage: &serde_json::Value) -> Steered {
        serde_json::from_value(serde_json::json!({
            "id": "p", "alpha": 1.0, "alpha_unit": "norm", "alpha_norm": 2.0, "ablate": false, "site": "resid_post.1",
            "positions": "all", "tokens": [5], "text": "five", "logprob_mean": -0.5, "damage": damage,
        }))
        .unwrap()
    }

    fn damage(more: &serde_json::Value) -> serde_json::Value {
        let mut all = serde_json::json!({
            "kl": 1.25, "prompts": 2, "positions": "all",
            "size": [{
                "site": "resid_post.1",
                "later": { "tokens": 3, "of": 3, "norm": 1.0, "angle": 42.0, "along_before": 0.0, "along_after": 0.5 },
            }],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    }

    #[test]
    fn the_page_says_of_which_step_the_damage_is() {
        let plain = row(&damage(&serde_json::json!({})));
        assert!(measured_on(std::slice::from_ref(&plain)).is_empty());
        let scheduled = damage(&serde_json::json!({ "largest_step": { "pass": 0, "factor": 10.0 } }));
        let said = measured_on(&[plain.clone(), row(&scheduled)]);
        assert!(said.len() == 1 && said[0].contains("10 times α, at the prompt"), "{said:?}");
        let later = serde_json::json!({ "largest_step": { "pass": 1, "factor": 1.0 }, "stand_in": true });
        let said = measured_on(&[row(&damage(&later))]);
        assert!(said.len() == 2 && said[0].contains("1 times α, with generated token 1"), "{said:?}");
        assert!(said[1].contains("the prompts' tokens (all) in place"), "{said:?}");
        let table = table(2.0, &[plain, row(&serde_json::Value::Null)]);
        assert_eq!(table.rows[0][4..], [Cell::number(1.25, 3), Cell::number(42.0, 1)]);
        assert_eq!(table.rows[1][4..], [Cell::empty("not measured"), Cell::empty("nothing is moved")]);
    }
}
