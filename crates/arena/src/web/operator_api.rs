//! What the operator may do, for machines: behind `Authorization: Bearer KEY`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{entry_json, season_json};
use super::app::{App, blocking};
use super::refusal::WebRefusal;
use super::sessions::KeyCheck;
use super::{body, guard};
use crate::out::{Exported, export_rows, json_lines};
use crate::store::OperatorAction;

/// Refuses whoever has no operator's key.
pub(super) fn let_in(app: &App, from: IpAddr, headers: &HeaderMap) -> Result<(), WebRefusal> {
    let said = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let key = said.and_then(|v| v.split_once(' ')).filter(|(s, _)| s.eq_ignore_ascii_case("bearer"));
    let Some((_, key)) = key else {
        return Err(WebRefusal::new(
            StatusCode::UNAUTHORIZED,
            "send an operator's key: Authorization: Bearer KEY",
        ));
    };
    match app.sessions.key(app, from, key.trim()) {
        KeyCheck::Right => Ok(()),
        KeyCheck::Wrong => Err(WebRefusal::new(StatusCode::UNAUTHORIZED, "the key is not known")),
        KeyCheck::Later => {
            Err(WebRefusal::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong keys were tried")
                .wait(Some(60)))
        }
    }
}

/// Hides or shows an entry.
pub(super) async fn acted(
    app: &Arc<App>,
    action: OperatorAction,
    id: i64,
    why: String,
) -> Result<bool, WebRefusal> {
    let found = blocking(app, move |app| app.season().store.act(action, id, &why)).await?;
    app.live.changed();
    app.notice(&format!("the operator: {action:?} entry {id}"));
    Ok(found)
}

/// Closes the season.
pub(super) async fn closed(app: &Arc<App>) -> Result<Value, WebRefusal> {
    let season = blocking(app, |app| {
        app.season().close()?;
        season_json(app.season())
    })
    .await?;
    app.live.changed();
    app.notice("the operator closed the season");
    Ok(season)
}

/// The consented entries as JSON lines.
pub(super) async fn exported(app: &Arc<App>) -> Result<Response, WebRefusal> {
    let bytes = blocking(app, |app| {
        let Exported { rows, .. } = export_rows(app.season())?;
        json_lines(&rows)
    })
    .await?;
    let name = format!("attachment; filename=\"{}.jsonl\"", app.season().name());
    let headers =
        [(header::CONTENT_TYPE, "application/jsonl".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

#[derive(Deserialize)]
pub(super) struct EntriesQuery {
    offset: Option<u64>,
    limit: Option<u64>,
}

type From = Option<Extension<ConnectInfo<SocketAddr>>>;

fn who(app: &App, peer: &From, headers: &HeaderMap) -> Result<(), WebRefusal> {
    let_in(app, guard::client(app, peer.as_deref(), headers), headers)
}

pub(super) async fn entries(
    State(app): State<Arc<App>>,
    peer: From,
    Query(part): Query<EntriesQuery>,
    headers: HeaderMap,
) -> Result<Json<Value>, WebRefusal> {
    who(&app, &peer, &headers)?;
    let value = blocking(&app, move |app| {
        let found =
            app.season().store.latest(part.offset.unwrap_or(0), part.limit.unwrap_or(100).min(1000))?;
        let told = |e: &crate::store::Entry| {
            let mut value = entry_json(e);
            value["hidden"] = e.hidden.into();
            value
        };
        Ok(json!({ "entries": found.iter().map(told).collect::<Vec<_>>(), "actions": app.season().store.actions(100)? }))
    })
    .await?;
    Ok(Json(value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    #[serde(default)]
    why: String,
}

pub(super) async fn act(
    State(app): State<Arc<App>>,
    Path((id, what)): Path<(i64, String)>,
    peer: From,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, WebRefusal> {
    who(&app, &peer, &headers)?;
    let action = match what.as_str() {
        "hide" => OperatorAction::Hide,
        "unhide" => OperatorAction::Unhide,
        _ => return Err(WebRefusal::missing("an entry can be hidden (hide) and shown again (unhide)")),
    };
    let Why { why } = body::json(&headers, body).await?;
    match acted(&app, action, id, why.chars().take(200).collect()).await? {
        true => Ok(Json(json!({ "id": id, "hidden": action == OperatorAction::Hide }))),
        false => Err(WebRefusal::missing(format!("there is no entry {id}"))),
    }
}

pub(super) async fn close(
    State(app): State<Arc<App>>,
    peer: From,
    headers: HeaderMap,
) -> Result<Json<Value>, WebRefusal> {
    who(&app, &peer, &headers)?;
    closed(&app).await.map(Json)
}

pub(super) async fn export(
    State(app): State<Arc<App>>,
    peer: From,
    headers: HeaderMap,
) -> Result<Response, WebRefusal> {
    who(&app, &peer, &headers)?;
    exported(&app).await
}
