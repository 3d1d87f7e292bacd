//! Pages that are the same for everybody, made once for each state of the board.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use minijinja::Value;
use serde::Serialize;
use serde_json::json;

use super::app::{App, blocking};
use super::board::{self, FIRST};
use super::plots;
use super::refusal::WebRefusal;
use super::templates::value_of;
use crate::error::ArenaError;
use crate::season::{Season, read_audit, read_facts, read_probes};
use crate::store::Entry;

/// Entries that a plot and its counts are made from at most.
pub(super) const PLOTTED: usize = 100_000;

/// A page as an answer.
pub(super) fn html(page: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// A refusal as a page.
pub(super) fn refused(app: &App, refusal: WebRefusal) -> Response {
    if let Some(inside) = &refusal.inside {
        app.notice(inside);
    }
    #[derive(Serialize)]
    struct ErrorValues<'a> {
        heading: &'a str,
        what: &'a str,
    }
    let heading = match refusal.status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::TOO_MANY_REQUESTS => "Not now",
        s if s.is_server_error() => "Something failed",
        _ => "Not taken",
    };
    let values = ErrorValues { heading, what: &refusal.what };
    let page = app.templates.page(app, ("refused", "", heading), &values);
    let (status, wait) = (refusal.status, refusal.wait);
    let mut response = match page {
        Ok(page) => (status, html(page.into())).into_response(),
        Err(_) => refusal.into_response(),
    };
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    response
}

/// A page out of the cache, or made and put there.
pub(super) async fn cached(
    app: &Arc<App>,
    key: String,
    make: impl FnOnce(&App) -> Result<String, WebRefusal> + Send + 'static,
) -> Result<Bytes, Response> {
    // Read before the page is made: what changes meanwhile has it made anew.
    let mut version = app.live.version();
    if let Some(page) = app.cache.get(version, &key) {
        return Ok(page);
    }
    let _turn = app.cache.turn(&key).await;
    version = app.live.version();
    if let Some(page) = app.cache.get(version, &key) {
        return Ok(page);
    }
    let made = blocking(app, move |app| Ok(make(app))).await;
    match made.and_then(|made| made) {
        Ok(page) => {
            let page = Bytes::from(page);
            app.cache.put(version, key, page.clone());
            Ok(page)
        }
        Err(refusal) => Err(refused(app, refusal)),
    }
}

fn about(app: &App, season: &Season) -> Result<serde_json::Value, ArenaError> {
    let sealed = &season.sealed;
    let file = &sealed.file;
    Ok(json!({
        "name": file.name, "title": file.title, "about": file.about, "high": file.high, "low": file.low,
        "model": sealed.model, "revision": sealed.revision, "path": sealed.path, "sites": sealed.sites_of_board(),
        "probes": sealed.probes.len(), "hidden": sealed.hidden, "bound": sealed.z_bound(),
        "opened": sealed.opened, "closed": season.store.meta("closed")?, "seal": sealed.seal()?,
        "counts": season.store.counts()?, "rules": file.rules, "join": file.scoring.join,
        "over": file.scoring.over, "alt": file.scoring.directions.len() > 1,
        "trouble": app.live.health().trouble.is_some(),
    }))
}

fn with(mut values: serde_json::Value, more: &[(&str, Value)]) -> Value {
    let map = values.as_object_mut().map(std::mem::take).unwrap_or_default();
    let known = map.into_iter().map(|(k, v)| (k, value_of(&v)));
    Value::from_pairs(known.chain(more.iter().map(|(k, v)| ((*k).to_owned(), v.clone()))))
}

pub(super) async fn home(State(app): State<Arc<App>>) -> Result<Response, Response> {
    cached(&app, "/".into(), |app| {
        let season = app.season();
        let sides = board::sides(app, season, FIRST)?;
        let values = with(about(app, season)?, &[("boards", value_of(&sides))]);
        app.templates.page(app, ("home", "home", "Board"), &values)
    })
    .await
    .map(html)
}

/// Entries of which |z| is above what 95 % of uniformly random directions reach.
fn beyond(entries: &[Entry]) -> usize {
    entries.iter().filter(|e| e.z.is_some_and(|z| z.abs() > 1.96)).count()
}

pub(super) async fn plot(State(app): State<Arc<App>>) -> Result<Response, Response> {
    cached(&app, "/plot".into(), |app| {
        let entries = app.season().store.scored(PLOTTED)?;
        let n = entries.len();
        let more = [
            ("n", Value::from(n)),
            ("drawn", Value::from(n.min(600))),
            ("beyond", Value::from(beyond(&entries))),
            (
                "scatter",
                Value::from_safe_string(if n > 1 { plots::score_and_z(&entries) } else { String::new() }),
            ),
            (
                "strip",
                Value::from_safe_string(if n > 1 { plots::z_by_kind(&entries) } else { String::new() }),
            ),
        ];
        let values = with(about(app, app.season())?, &more);
        app.templates.page(app, ("plot", "plot", "Plot"), &values)
    })
    .await
    .map(html)
}

pub(super) async fn how(State(app): State<Arc<App>>) -> Result<Response, Response> {
    cached(&app, "/how".into(), |app| {
        let season = app.season();
        let files: Vec<_> = season.sealed.files.iter().collect();
        let more = [("files", value_of(&files)), ("probe_texts", value_of(read_probes(season)?))];
        let values = with(about(app, season)?, &more);
        app.templates.page(app, ("how", "how", "How it works"), &values)
    })
    .await
    .map(html)
}

pub(super) async fn limitations(State(app): State<Arc<App>>) -> Result<Response, Response> {
    cached(&app, "/limitations".into(), |app| {
        let season = app.season();
        let entries = season.store.scored(PLOTTED)?;
        #[allow(clippy::cast_precision_loss)]
        let n = entries.len() as f64;
        let of = |get: &dyn Fn(&Entry) -> Option<f64>| entries.iter().filter_map(get).collect::<Vec<f64>>();
        let largest = of(&|e| e.z.map(f64::abs)).into_iter().fold(0.0, f64::max);
        let coherence = of(&|e| e.coherence).into_iter().sum::<f64>() / n.max(1.0);
        let positive = entries.iter().filter(|e| e.score.is_some_and(|s| s > 0.0)).count();
        #[allow(clippy::cast_possible_truncation)]
        let by_chance = (0.05 * n).round() as i64;
        let more = [
            ("n", Value::from(entries.len())),
            ("beyond", Value::from(beyond(&entries))),
            ("by_chance", Value::from(by_chance)),
            ("largest", Value::from(largest)),
            ("coherence", Value::from(coherence)),
            ("positive", Value::from(positive)),
            ("facts", value_of(read_facts(season)?)),
            ("audit", value_of(read_audit(season)?)),
        ];
        let values = with(about(app, season)?, &more);
        app.templates.page(app, ("limitations", "limitations", "Limitations"), &values)
    })
    .await
    .map(html)
}

pub(super) async fn seasons(State(app): State<Arc<App>>) -> Result<Response, Response> {
    cached(&app, "/seasons".into(), |app| {
        let all: Vec<_> =
            app.folder.list()?.into_iter().filter(|s| s.state != crate::store::SeasonState::Draft).collect();
        let values = Value::from_pairs([("seasons", value_of(&all))]);
        app.templates.page(app, ("seasons", "seasons", "Seasons"), &values)
    })
    .await
    .map(html)
}

pub(super) async fn season(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Response> {
    cached(&app, format!("/season/{name}"), move |app| {
        let earlier;
        let season = if name == app.season().name() {
            app.season()
        } else {
            earlier = app.earlier(&name)?;
            &earlier
        };
        let sides = board::sides(app, season, board::PER_PAGE)?;
        let values = with(about(app, season)?, &[("boards", value_of(&sides))]);
        app.templates.page(app, ("season", "seasons", &season.sealed.file.title), &values)
    })
    .await
    .map(html)
}
