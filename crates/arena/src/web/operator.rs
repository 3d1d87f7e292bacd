//! The operator's page, behind a key.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::app::{App, blocking};
use super::pages::{html, refused};
use super::refusal::WebRefusal;
use super::sessions::{self, KeyCheck, OPERATOR, VISIT};
use super::{body, guard, operator_api};
use crate::store::{OperatorAction, SeasonState};

const PER_PAGE: u64 = 100;
const SECONDS: u64 = 12 * 3600;

#[derive(Deserialize)]
pub(super) struct OperatorQuery {
    page: Option<u64>,
    said: Option<String>,
}

/// The cookie of an operator who is let in.
fn inside<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    sessions::cookie(headers, OPERATOR).filter(|c| app.sessions.holds(c))
}

/// The page, or where the key is asked for.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(asked): Query<OperatorQuery>,
    headers: HeaderMap,
) -> Response {
    if app.options.operator_keys.is_empty() {
        return refused(&app, WebRefusal::missing("this arena has no operator's page (--operator-key-file)"));
    }
    let Some(cookie) = inside(&app, &headers).map(str::to_owned) else {
        return login_page(&app, &headers, StatusCode::OK, None).await;
    };
    let made = blocking(&app, move |app| Ok(make(app, &cookie, &asked))).await;
    match made.and_then(|made| made) {
        Ok(page) => html(page.into()),
        Err(refusal) => refused(&app, refusal),
    }
}

fn make(app: &App, cookie: &str, asked: &OperatorQuery) -> Result<String, WebRefusal> {
    let store = &app.season().store;
    let page = asked.page.unwrap_or(1).max(1);
    let values = json!({
        "counts": store.counts()?, "trouble": app.live.health().trouble.map(|(why, _)| why),
        "open": store.state()? == SeasonState::Open, "token": sessions::token(app, cookie),
        "entries": store.latest((page - 1).saturating_mul(PER_PAGE), PER_PAGE)?, "page": page, "per_page": PER_PAGE,
        "done": store.actions(50)?,
        "said": asked.said.as_deref().and_then(|said| SAID.iter().find(|(key, _)| *key == said)).map(|(_, text)| text),
    });
    app.templates.page(app, ("operator", "", "Operator"), &values)
}

/// What is said after something was done; none of it is what somebody put into an address.
const SAID: [(&str, &str); 4] = [
    ("hide", "The entry is hidden."),
    ("unhide", "The entry is shown again."),
    ("close", "The season is closed."),
    ("none", "There is no such entry."),
];

async fn login_page(
    app: &Arc<App>,
    headers: &HeaderMap,
    status: StatusCode,
    problem: Option<&str>,
) -> Response {
    let known = sessions::cookie(headers, VISIT).map(str::to_owned);
    let visit = known.clone().unwrap_or_else(crate::store::secret);
    let values = json!({ "token": sessions::token(app, &visit), "problem": problem });
    match app.templates.page(app, ("login", "", "Operator"), &values) {
        Ok(page) => {
            let mut response = (status, html(page.into())).into_response();
            if known.is_none()
                && let Ok(set) = sessions::set(VISIT, &visit, guard::secure(app, headers), SECONDS).parse()
            {
                response.headers_mut().append(header::SET_COOKIE, set);
            }
            response
        }
        Err(refusal) => refused(app, refusal),
    }
}

/// Lets the operator in.
pub(super) async fn login(
    State(app): State<Arc<App>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let fields = match body::form(&headers, body).await {
        Ok(fields) => fields,
        Err(refusal) => return refused(&app, refusal),
    };
    let get = |name: &str| fields.get(name).map_or("", String::as_str);
    let ours =
        sessions::cookie(&headers, VISIT).is_some_and(|visit| sessions::goes_with(&app, visit, get("token")));
    if !ours {
        let problem = Some("The form was not ours, or too old.");
        return login_page(&app, &headers, StatusCode::FORBIDDEN, problem).await;
    }
    let from = guard::client(&app, peer.as_deref(), &headers);
    match app.sessions.key(&app, from, get("key")) {
        KeyCheck::Right => {
            let cookie = app.sessions.begin();
            let set = sessions::set(OPERATOR, &cookie, guard::secure(&app, &headers), SECONDS);
            app.notice("the operator was let in");
            (StatusCode::SEE_OTHER, [(header::LOCATION, "/operator".to_owned()), (header::SET_COOKIE, set)])
                .into_response()
        }
        KeyCheck::Wrong => {
            app.notice("a wrong operator's key was tried");
            login_page(&app, &headers, StatusCode::UNAUTHORIZED, Some("The key is not known.")).await
        }
        KeyCheck::Later => {
            let problem = Some("Too many keys were tried; wait a minute.");
            login_page(&app, &headers, StatusCode::TOO_MANY_REQUESTS, problem).await
        }
    }
}

/// Something the operator does by a form.
pub(super) async fn act(
    State(app): State<Arc<App>>,
    Path(what): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let fields: HashMap<String, String> = match body::form(&headers, body).await {
        Ok(fields) => fields,
        Err(refusal) => return refused(&app, refusal),
    };
    let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let Some(cookie) = inside(&app, &headers) else {
        let refusal =
            WebRefusal::new(StatusCode::UNAUTHORIZED, "you are no longer let in; give the key again");
        return refused(&app, refusal);
    };
    if !sessions::goes_with(&app, cookie, &get("token")) {
        return refused(&app, WebRefusal::new(StatusCode::FORBIDDEN, "the form was not ours"));
    }
    let back = |said: &str| {
        (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/operator?said={said}"))]).into_response()
    };
    let done = match what.as_str() {
        "logout" => {
            app.sessions.end(cookie);
            let set = sessions::set(OPERATOR, "", guard::secure(&app, &headers), 0);
            return (StatusCode::SEE_OTHER, [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, set)])
                .into_response();
        }
        "export" => return operator_api::exported(&app).await.unwrap_or_else(|r| refused(&app, r)),
        "close" => operator_api::closed(&app).await.map(|_| "close"),
        "hide" | "unhide" => match get("id").parse() {
            Ok(id) => {
                let action = if what == "hide" { OperatorAction::Hide } else { OperatorAction::Unhide };
                let why: String = get("why").chars().take(200).collect();
                operator_api::acted(&app, action, id, why).await.map(|found| match (found, what.as_str()) {
                    (true, "hide") => "hide",
                    (true, _) => "unhide",
                    (false, _) => "none",
                })
            }
            Err(_) => Err(WebRefusal::bad("no entry is named")),
        },
        _ => Err(WebRefusal::missing("there is no such thing to do")),
    };
    match done {
        Ok(said) => back(said),
        Err(refusal) => refused(&app, refusal),
    }
}
