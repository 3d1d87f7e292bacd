//! The page of one submission.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use minijinja::Value;
use serde::Serialize;
use serde_json::json;

use super::app::App;
use super::pages::html;
use super::refusal::WebRefusal;
use super::templates::value_of;
use super::{board, plots};
use crate::season::read_probes;
use crate::store::{Entry, SubmissionStatus};

/// Entries that are alike and named, at most.
const ALIKE: usize = 5;

#[derive(Serialize)]
struct Alike {
    id: i64,
    text: String,
    percent: u32,
    score: Option<f64>,
}

/// Other entries that are alike and shown.
fn alike(app: &App, entry: &Entry) -> Result<Vec<Alike>, WebRefusal> {
    let mut found = Vec::new();
    for like in app.live.alike(entry.id, &entry.text) {
        if found.len() == ALIKE {
            break;
        }
        let Some(other) = app.season().store.entry(like.id)?.filter(|o| !o.hidden) else { continue };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let percent = (100.0 * like.similarity).round() as u32;
        found.push(Alike { id: other.id, text: other.text, percent, score: other.score });
    }
    Ok(found)
}

/// An entry that is shown; one that was hidden is none.
pub(super) fn shown(app: &App, id: i64) -> Result<Entry, WebRefusal> {
    let entry = app.season().store.entry(id)?.filter(|e| !e.hidden);
    entry.ok_or_else(|| WebRefusal::missing(format!("there is no entry {id}, or it is not shown")))
}

pub(super) async fn page(State(app): State<Arc<App>>, Path(id): Path<i64>) -> Result<Response, Response> {
    // What waits has another place each time.
    let version = app.live.version();
    let key = format!("/entry/{id}");
    if let Some(page) = app.cache.get(version, &key) {
        return Ok(html(page));
    }
    let made = super::app::blocking(&app, move |app| Ok(make(app, id))).await;
    match made.and_then(|made| made) {
        Ok((page, status)) => {
            let page = axum::body::Bytes::from(page);
            if status == SubmissionStatus::Scored {
                app.cache.put(version, key, page.clone());
            }
            Ok(html(page))
        }
        Err(refusal) => Err(super::pages::refused(&app, refusal)),
    }
}

fn make(app: &App, id: i64) -> Result<(String, SubmissionStatus), WebRefusal> {
    let entry = shown(app, id)?;
    let season = app.season();
    let file = &season.sealed.file;
    let status = entry.status;
    let place = if status == SubmissionStatus::Queued { season.store.place(id)? } else { 0 };
    let places = season.store.places(&entry)?;
    let mut values: Vec<(&str, Value)> = vec![
        ("place", Value::from(place)),
        ("trouble", Value::from(app.live.health().trouble.is_some())),
        ("alike", value_of(alike(app, &entry)?)),
    ];
    if let Some(places) = places {
        let (_, rows) = board::about(season, places)?;
        let probes = read_probes(season)?;
        let shifts: Vec<_> = probes.iter().zip(&entry.along).collect();
        values.extend([
            ("places", value_of(places)),
            ("neighbours", board::table(app, season, "Neighbours on the board", &rows, id)?),
            ("plot", Value::from_safe_string(plots::shifts(&entry.along, &probes))),
            ("shifts", value_of(&shifts)),
        ]);
    }
    let fixed = json!({
        "high": file.high, "low": file.low, "bound": season.sealed.z_bound(), "counts": season.store.counts()?,
        "worst": file.scoring.over == truenorth_boards::board::Over::Worst,
    });
    let fixed = fixed.as_object().cloned().unwrap_or_default();
    let fixed = fixed.into_iter().map(|(k, v)| (k, value_of(&v)));
    let made = values.into_iter().map(|(k, v)| (k.to_owned(), v));
    let all = Value::from_pairs(fixed.chain(made).chain([("entry".to_owned(), value_of(&entry))]));
    Ok((app.templates.page(app, ("entry", "", &format!("Entry {id}")), &all)?, status))
}
