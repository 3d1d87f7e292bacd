//! The form, and submissions by it and by the API.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::app::{App, blocking};
use super::pages::{html, refused};
use super::refusal::WebRefusal;
use super::sessions::{self, VISIT};
use super::{body, guard};
use crate::error::ArenaError;
use crate::live::{Submission, Submitted};
use crate::store::{Entry, SeasonState, SubmitResult};

/// How long a visit's cookie is kept.
const VISIT_SECONDS: u64 = 24 * 3600;

/// What the form shows again when a submission was not taken.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct FormAgain {
    text: String,
    handle: String,
    kind: Option<String>,
    field: &'static str,
    problem: Option<String>,
    earlier: Option<Entry>,
    counted: Option<usize>,
}

pub(super) async fn form(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    shown(&app, &headers, StatusCode::OK, FormAgain::default()).await
}

async fn shown(app: &Arc<App>, headers: &HeaderMap, status: StatusCode, again: FormAgain) -> Response {
    let known = sessions::cookie(headers, VISIT).map(str::to_owned);
    let cookie = known.clone().unwrap_or_else(crate::store::secret);
    let visit = cookie.clone();
    let made = blocking(app, move |app| Ok(page(app, &visit, &again))).await;
    match made.and_then(|made| made) {
        Ok(page) => {
            let mut response = (status, html(page.into())).into_response();
            if known.is_none()
                && let Ok(set) =
                    sessions::set(VISIT, &cookie, guard::secure(app, headers), VISIT_SECONDS).parse()
            {
                response.headers_mut().append(header::SET_COOKIE, set);
            }
            response
        }
        Err(refusal) => refused(app, refusal),
    }
}

fn page(app: &App, visit: &str, again: &FormAgain) -> Result<String, WebRefusal> {
    let season = app.season();
    let file = &season.sealed.file;
    let mut values = json!({
        "open": season.store.state()? == SeasonState::Open, "season": file.name,
        "token": sessions::token(app, visit), "budget": file.rules.tokens, "characters": file.rules.characters,
        "pattern": file.rules.handle, "kinds": file.kinds, "consent": file.consent, "rules": file.rules,
        "counts": season.store.counts()?, "site_key": app.options.captcha.as_ref().map(|c| &c.site_key),
    });
    let again = serde_json::to_value(again).map_err(ArenaError::json("the form"))?;
    if let (Some(values), Value::Object(again)) = (values.as_object_mut(), again) {
        values.extend(again);
    }
    app.templates.page(app, ("submit", "submit", "Submit a text"), &values)
}

/// A submission by the form.
pub(super) async fn by_form(
    State(app): State<Arc<App>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut fields = match body::form(&headers, body).await {
        Ok(fields) => fields,
        Err(refusal) => return refused(&app, refusal),
    };
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    let (text, handle, kind) = (take("text"), take("handle"), take("kind"));
    let (token, consent, captcha) = (take("token"), take("consent"), take("cf-turnstile-response"));
    let again = FormAgain {
        text: text.clone(),
        handle: handle.clone(),
        kind: (!kind.is_empty()).then(|| kind.clone()),
        ..FormAgain::default()
    };
    let visit = sessions::cookie(&headers, VISIT);
    if !visit.is_some_and(|visit| sessions::goes_with(&app, visit, &token)) {
        app.metrics.submitted("forged");
        let problem =
            Some("The form was not ours, or too old; here it is anew. Cookies must be allowed.".into());
        return shown(&app, &headers, StatusCode::FORBIDDEN, FormAgain { problem, ..again }).await;
    }
    let asked = SubmissionRequest {
        handle,
        text,
        kind: again.kind.clone(),
        consent: (!consent.is_empty()).then_some(consent),
        captcha: Some(captcha),
    };
    match submitted(&app, peer.as_deref(), &headers, asked).await {
        Ok(accepted) => {
            (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/entry/{}", accepted.id))]).into_response()
        }
        Err(Not { refusal, field, earlier, counted }) => {
            let again = FormAgain {
                problem: Some(refusal.what.clone()),
                field,
                earlier: earlier.map(|e| *e),
                counted,
                ..again
            };
            let mut response = shown(&app, &headers, refusal.status, again).await;
            if let Some(seconds) = refusal.wait {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
            }
            response
        }
    }
}

/// A submission as the API takes it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmissionRequest {
    pub handle: String,
    pub text: String,
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub consent: Option<String>,
    #[serde(default)]
    pub captcha: Option<String>,
}

pub(super) struct Not {
    pub refusal: WebRefusal,
    pub field: &'static str,
    pub earlier: Option<Box<Entry>>,
    pub counted: Option<usize>,
}

impl From<WebRefusal> for Not {
    fn from(refusal: WebRefusal) -> Self {
        Self { refusal, field: "", earlier: None, counted: None }
    }
}

/// Checks and takes a submission, whoever brings it.
pub(super) async fn submitted(
    app: &Arc<App>,
    peer: Option<&ConnectInfo<SocketAddr>>,
    headers: &HeaderMap,
    asked: SubmissionRequest,
) -> Result<crate::store::Accepted, Not> {
    let address = guard::client(app, peer, headers);
    if !app.tries.may(address) {
        app.metrics.submitted("limited");
        let refusal =
            WebRefusal::new(StatusCode::TOO_MANY_REQUESTS, "too many tries in a minute; wait a little")
                .wait(Some(60));
        return Err(refusal.into());
    }
    if let Some(captcha) = &app.options.captcha
        && !captcha.verified(asked.captcha.as_deref().unwrap_or("")).await
    {
        app.metrics.submitted("captcha");
        let what = "it could not be confirmed that a person submits; solve the captcha again";
        return Err(WebRefusal::new(StatusCode::FORBIDDEN, what).into());
    }
    let done = blocking(app, move |app| {
        let SubmissionRequest { handle, text, kind, consent, .. } = asked;
        let client = app.live.client(address)?;
        let submission = Submission { handle, text, kind, consent, client };
        let done = app.live.submit(&submission)?;
        // A hidden entry is not shown, but a copy of it is no new one.
        let earlier = match &done {
            Submitted::Copy(found) => app.season().store.entry(found.id)?.filter(|e| !e.hidden),
            _ => None,
        };
        Ok((done, earlier))
    })
    .await
    .inspect_err(|_| app.metrics.submitted("error"))?;
    match done {
        (Submitted::Accepted(accepted), _) => {
            app.metrics.submitted("accepted");
            Ok(accepted)
        }
        (other, earlier) => Err(not(app, other, earlier)),
    }
}

fn not(app: &App, done: Submitted, earlier: Option<Entry>) -> Not {
    let mut counted = None;
    let (what, field, refusal) = match done {
        Submitted::Refused(refused) => (
            "refused",
            refused.field,
            WebRefusal::new(StatusCode::UNPROCESSABLE_ENTITY, refused.what)
                .with(json!({ "field": refused.field })),
        ),
        Submitted::OverBudget(tokens) => {
            counted = tokens.tokens;
            let n = tokens.tokens.unwrap_or(0);
            let what = format!("the text has {n} tokens; {} are taken at most", tokens.budget);
            let more = json!({ "field": "text", "tokens": n, "budget": tokens.budget });
            ("over_budget", "text", WebRefusal::new(StatusCode::UNPROCESSABLE_ENTITY, what).with(more))
        }
        Submitted::Copy(found) => {
            let says = if found.exact { "a copy" } else { "a near copy" };
            let what = format!("the text is {says} of an earlier one.");
            let more = json!({
                "exact": found.exact, "similarity": found.similarity,
                "earlier": earlier.as_ref().map(super::api::entry_json),
            });
            ("copy", "text", WebRefusal::new(StatusCode::CONFLICT, what).with(more))
        }
        Submitted::NotNow(SubmitResult::Full(n)) => {
            let what = format!("{n} submissions wait already; try again in a minute");
            ("full", "", WebRefusal::new(StatusCode::SERVICE_UNAVAILABLE, what).wait(Some(60)))
        }
        Submitted::NotNow(SubmitResult::Limit(what, wait)) => {
            ("limited", "", WebRefusal::new(StatusCode::TOO_MANY_REQUESTS, what).wait(wait))
        }
        Submitted::NotNow(_) | Submitted::Accepted(_) => {
            ("closed", "", WebRefusal::new(StatusCode::CONFLICT, "the season is closed"))
        }
    };
    app.metrics.submitted(what);
    Not { refusal, field, earlier: earlier.map(Box::new), counted }
}
