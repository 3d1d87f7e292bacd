//! The JSON API: everything that pages do.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::{App, blocking};
use super::board::end;
use super::refusal::WebRefusal;
use super::submit::{SubmissionRequest, submitted};
use super::{body, entry, guard};
use crate::error::ArenaError;
use crate::season::Season;
use crate::store::{Entry, RankedEntry, SubmissionStatus};
use crate::{rules, time};

/// Rows of a board at most in one answer.
const MOST: u64 = 1000;

/// An entry as the API tells it.
pub(super) fn entry_json(entry: &Entry) -> Value {
    json!({
        "id": entry.id, "handle": entry.handle, "sequence": entry.text, "kind": entry.kind, "tokens": entry.tokens,
        "at": time::said(entry.at), "status": entry.status, "failure": entry.failure, "score": entry.score,
        "score_alt": entry.score_alt, "specificity": entry.z, "coherence": entry.coherence,
        "shift_norm": entry.shift_norm, "p_random": entry.p_random, "origin": entry.origin,
    })
}

/// A row of the board, in the shape that public boards of this kind have.
fn row_json(row: &RankedEntry) -> Value {
    let e = &row.entry;
    json!({
        "rank": row.rank, "handle": e.handle, "sequence": e.text, "score": e.score, "score_alt": e.score_alt,
        "specificity": e.z, "at": time::said(e.at), "id": e.id, "kind": e.kind, "tokens": e.tokens,
        "coherence": e.coherence,
    })
}

pub(super) fn season_json(season: &Season) -> Result<Value, ArenaError> {
    let sealed = &season.sealed;
    Ok(json!({
        "name": sealed.file.name, "title": sealed.file.title, "about": sealed.file.about,
        "state": season.store.state()?, "opened": sealed.opened, "closed": season.store.meta("closed")?,
        "model": sealed.model, "revision": sealed.revision, "path": sealed.path, "sites": sealed.sites,
        "board_sites": sealed.sites_of_board(), "hidden": sealed.hidden, "z_bound": sealed.z_bound(),
        "probes": sealed.probes.len(), "join": sealed.file.scoring.join, "over": sealed.file.scoring.over,
        "kinds": sealed.file.kinds, "rules": sealed.file.rules, "consent": sealed.file.consent,
        "files": sealed.files, "seal": sealed.seal()?, "counts": season.store.counts()?,
    }))
}

pub(super) async fn season(State(app): State<Arc<App>>) -> Result<Json<Value>, WebRefusal> {
    blocking(&app, |app| season_json(app.season())).await.map(Json)
}

pub(super) async fn seasons(State(app): State<Arc<App>>) -> Result<Json<Value>, WebRefusal> {
    blocking(&app, |app| Ok(json!({ "seasons": app.folder.list()? }))).await.map(Json)
}

/// Which part of a board.
#[derive(Deserialize)]
pub(super) struct BoardQuery {
    board: Option<String>,
    offset: Option<u64>,
    limit: Option<u64>,
    season: Option<String>,
}

pub(super) async fn leaderboard(
    State(app): State<Arc<App>>,
    Query(part): Query<BoardQuery>,
) -> Result<Response, WebRefusal> {
    let end = end(part.board.as_deref().unwrap_or("top"))?;
    let (offset, limit) = (part.offset.unwrap_or(0), part.limit.unwrap_or(100).min(MOST));
    let name = part.season.unwrap_or_else(|| app.season().name().to_owned());
    let version = app.live.version();
    let key = format!("/api/leaderboard {name} {end:?} {offset} {limit}");
    let bytes = match app.cache.get(version, &key) {
        Some(bytes) => bytes,
        None => {
            let made = blocking(&app, move |app| {
                let earlier;
                let season = if name == app.season().name() {
                    app.season()
                } else {
                    earlier = app.earlier(&name)?;
                    &earlier
                };
                let rows = season.store.board(end, offset, limit)?;
                let value = json!({
                    "season": season.name(), "model": season.sealed.model, "site": season.sealed.sites_of_board().join(","),
                    "board": end, "total": season.store.counts()?.scored, "offset": offset,
                    "entries": rows.iter().map(row_json).collect::<Vec<_>>(),
                });
                serde_json::to_vec(&value).map_err(ArenaError::json("the board"))
            })
            .await?;
            let bytes = axum::body::Bytes::from(made);
            app.cache.put(version, key, bytes.clone());
            bytes
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextBody {
    text: String,
}

/// Tokens of a text, as the model's tokenizer counts them.
pub(super) async fn tokens(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, WebRefusal> {
    let TextBody { text } = body::json(&headers, body).await?;
    let characters = app.season().sealed.file.rules.characters;
    if text.chars().count() > 4 * characters {
        return Err(WebRefusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("the text has more than {} characters, far more than are taken", 4 * characters),
        ));
    }
    let counted = blocking(&app, move |app| app.live.tokens(&text)).await?;
    let shown = counted.round_trip.as_deref().map(rules::shown);
    Ok(Json(json!({
        "tokens": counted.tokens, "budget": counted.budget, "round_trip": counted.round_trip, "shown": shown,
        "same": counted.same,
    })))
}

/// Takes a submission.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, WebRefusal> {
    let asked: SubmissionRequest = body::json(&headers, body).await?;
    let taken = submitted(&app, peer.as_deref(), &headers, asked).await.map_err(|not| not.refusal)?;
    let at = format!("/api/submissions/{}", taken.id);
    let answer = Json(json!({ "id": taken.id, "place": taken.place, "status": SubmissionStatus::Queued }));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, at)], answer).into_response())
}

/// A submission: its place in the queue, or its score and places on the board.
pub(super) async fn submission(
    State(app): State<Arc<App>>,
    Path(id): Path<i64>,
) -> Result<Json<Value>, WebRefusal> {
    let found = blocking(&app, move |app| {
        let found = match entry::shown(app, id) {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut value = entry_json(&found);
        let store = &app.season().store;
        if found.status == SubmissionStatus::Queued {
            value["place"] = store.place(id)?.into();
        }
        if let Some([top, bottom]) = store.places(&found)? {
            value["rank"] = top.into();
            value["rank_from_bottom"] = bottom.into();
            value["of"] = store.counts()?.scored.into();
            value["shifts"] = app
                .season()
                .sealed
                .probes
                .iter()
                .zip(&found.along)
                .map(|(probe, shift)| json!({ "probe": probe, "shift": shift }))
                .collect();
        }
        let alike: Vec<Value> = app
            .live
            .alike(id, &found.text)
            .iter()
            .map(|a| json!({ "id": a.id, "similarity": a.similarity }))
            .collect();
        value["alike"] = alike.into();
        Ok(Ok(value))
    })
    .await?;
    found.map(Json)
}

/// Whether the process lives.
pub(super) async fn health() -> Json<Value> {
    Json(json!({ "alive": true }))
}

/// Whether it can take and score submissions.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let found = blocking(&app, |app| Ok((app.season().store.state()?, app.season().store.counts()?))).await;
    let health = app.live.health();
    match found {
        Ok((state, counts)) => {
            let ready = health.trouble.is_none();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let value = json!({
                "ready": ready, "season": state, "queued": counts.queued, "at_work": health.at_work,
                "scoring": if ready { "as usual" } else { "the model can't be asked" },
            });
            (status, Json(value)).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// What is counted: for an operator's key, or where there is none.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Result<Response, WebRefusal> {
    if !app.options.operator_keys.is_empty() {
        super::operator_api::let_in(&app, guard::client(&app, peer.as_deref(), &headers), &headers)?;
    }
    let text = blocking(&app, |app| app.metrics.text(app)).await?;
    Ok(([(header::CONTENT_TYPE, super::metrics::CONTENT_TYPE)], text).into_response())
}
