//! The routes: the page, its runs in three forms, what doses break, what directions promote.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::event::Event;
use crate::guard::{HEADERS, same_origin};
use crate::page::{self, PageContent};
use crate::playground::Playground;
use crate::queue::{Full, Ticket};
use crate::refused::PlayRefusal;
use crate::run::{RunEnd, lost, run};
use crate::settings::{self, Settings};

/// Who asks, where whoever nests the routes knows better than by the address of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName(pub String);

/// The routes of a playground: `GET /` (the page, with the settings of its query), `POST /run` (a form; answered as
/// server-sent events, as JSON or as a page, by `accept`), `POST /doses` (the same form; what marked doses break, as JSON),
/// `GET /lens` (JSON), and what the page loads. To be nested under [`Setup::base`](crate::Setup::base).
pub fn router(play: Arc<Playground>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/run", post(answer))
        .route("/doses", post(doses))
        .route("/lens", get(lens))
        .route("/play.css", get(|| async { page::style() }))
        .route("/play.js", get(|| async { page::script() }))
        .fallback(|| async {
            PlayRefusal::new(StatusCode::NOT_FOUND, "there is nothing here").hint("open the page itself")
        })
        .method_not_allowed_fallback(|| async {
            PlayRefusal::new(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method")
                .hint("open the page itself")
        })
        .layer(from_fn_with_state(play.clone(), guard))
        .with_state(play)
}

async fn guard(State(play): State<Arc<Playground>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let safe = request.method().is_safe();
    let fit = play.hosts().check(headers).and_then(|()| if safe { Ok(()) } else { same_origin(headers) });
    let mut response = match fit {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

impl IntoResponse for PlayRefusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self }))).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("10"));
        }
        response
    }
}

async fn home(State(play): State<Arc<Playground>>, RawQuery(query): RawQuery) -> Response {
    let pairs = settings::pairs(query.unwrap_or_default().as_bytes());
    let other = pairs.iter().any(|(k, v)| k == settings::OF && v != play.of());
    let (settings, refused) = match play.settings(&pairs) {
        Ok(settings) => (settings, None),
        Err(refused) => (play.start(), Some(refused)),
    };
    let status = refused.as_ref().map_or(StatusCode::OK, |r| r.status);
    let says = other.then(|| {
        "This link was made with another model or other directions: what follows may differ.".to_owned()
    });
    let shown = PageContent::says(says.into_iter().collect(), refused);
    paged(&play, &settings, &shown, status)
}

fn paged(play: &Playground, settings: &Settings, shown: &PageContent, status: StatusCode) -> Response {
    match page::page(play, settings, shown) {
        Ok(html) => (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// The settings of a form, read within its limits.
async fn form(play: &Playground, body: Body) -> Result<Settings, PlayRefusal> {
    let limits = play.limits();
    let read = timeout(limits.body_time, to_bytes(body, limits.body_bytes)).await;
    let late =
        || PlayRefusal::new(StatusCode::REQUEST_TIMEOUT, "the form came too slowly").hint("send it again");
    let large = |_| {
        PlayRefusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the form has more than {} bytes", limits.body_bytes),
        )
        .hint("shorten the prompt")
    };
    let bytes = read.map_err(|_| late())?.map_err(large)?;
    play.settings(&settings::pairs(&bytes))
}

impl Playground {
    /// A place in the line before the model.
    pub(crate) fn enter(&self, who: Option<&str>) -> Result<Ticket, PlayRefusal> {
        self.queue().enter(who).map_err(|full| match full {
            Full::All(n) => {
                PlayRefusal::new(StatusCode::SERVICE_UNAVAILABLE, format!("{n} runs wait already"))
                    .hint("try again in a minute")
            }
            Full::Own(n) => {
                PlayRefusal::new(StatusCode::TOO_MANY_REQUESTS, format!("{n} runs of yours wait already"))
                    .hint("wait for one of them")
            }
        })
    }
}

fn who(request: &Request) -> Option<String> {
    let extensions = request.extensions();
    let address =
        || extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_string());
    extensions.get::<ClientName>().map(|ClientName(name)| name.clone()).or_else(address)
}

/// What a run tells; nobody hears it once this is dropped, and the run ends.
struct Heard {
    events: UnboundedReceiver<Event>,
    gone: Arc<AtomicBool>,
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Takes a place in the line and runs when it has the model. A run holds the model until it has ended.
fn start(play: &Arc<Playground>, settings: Settings, who: Option<&str>) -> Result<Heard, PlayRefusal> {
    settings.runnable()?;
    play.spoken(&settings)?;
    let ticket = play.enter(who)?;
    // What is told is bounded by the tokens of a run, so nobody who reads slowly holds the model up.
    let (tell, events) = unbounded_channel();
    let gone = Arc::new(AtomicBool::new(false));
    let heard = Heard { events, gone: gone.clone() };
    let play = play.clone();
    tokio::spawn(async move {
        let turn = ticket.turn(|place| drop(tell.send(Event::Queued { place })));
        tokio::select! {
            () = turn => {}
            () = tell.closed() => return,
        }
        let work = move || {
            let done = run(&play, &settings, &gone, &|event| drop(tell.send(event)));
            // Whoever waits has the model before the last word is read.
            drop(ticket);
            let last = match done {
                Ok(()) => Event::Done { link: play.link(&settings) },
                Err(refused) => Event::Failed(refused),
            };
            drop(tell.send(last));
        };
        drop(tokio::task::spawn_blocking(work).await);
    });
    Ok(heard)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ResponseFormat {
    Stream,
    Json,
    Page,
}

fn wanted(headers: &HeaderMap) -> ResponseFormat {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let says = |kind: &str| accept.split(',').any(|a| a.split(';').next().unwrap_or_default().trim() == kind);
    match (says("text/event-stream"), says("text/html")) {
        (true, _) => ResponseFormat::Stream,
        (_, true) => ResponseFormat::Page,
        _ => ResponseFormat::Json,
    }
}

async fn answer(State(play): State<Arc<Playground>>, request: Request) -> Response {
    let (wanted, who) = (wanted(request.headers()), who(&request));
    let refuse = |settings: &Settings, refused: PlayRefusal| match wanted {
        ResponseFormat::Page => {
            let status = refused.status;
            paged(&play, settings, &PageContent::says(vec![], Some(refused)), status)
        }
        ResponseFormat::Stream | ResponseFormat::Json => refused.into_response(),
    };
    let settings = match form(&play, request.into_body()).await {
        Ok(settings) => settings,
        Err(refused) => return refuse(&play.start(), refused),
    };
    let mut heard = match start(&play, settings.clone(), who.as_deref()) {
        Ok(heard) => heard,
        Err(refused) => return refuse(&settings, refused),
    };
    if wanted == ResponseFormat::Stream {
        return streamed(heard);
    }
    let mut events = Vec::new();
    while let Some(event) = heard.events.recv().await {
        events.push(event);
    }
    let failed = events.iter().find_map(|e| match e {
        Event::Failed(refused) => Some(refused.clone()),
        _ => None,
    });
    match (wanted, failed) {
        (ResponseFormat::Page, failed) => {
            let status = failed.map_or(StatusCode::OK, |r| r.status);
            paged(&play, &settings, &PageContent::of(events), status)
        }
        (_, Some(refused)) => refused.into_response(),
        // Tokens one by one are for those who watch.
        (_, None) => {
            events.retain(|e| !matches!(e, Event::Token { .. } | Event::Queued { .. } | Event::Says { .. }));
            Json(json!({ "events": events })).into_response()
        }
    }
}

fn streamed(heard: Heard) -> Response {
    let frames = stream::unfold(heard, |mut heard| async {
        let event = heard.events.recv().await?;
        let failed = || json!({ "event": "failed", "message": "an event could not be written" }).to_string();
        let text = serde_json::to_string(&event).unwrap_or_else(|_| failed());
        Some((Ok::<_, Infallible>(Frame::default().data(text)), heard))
    });
    let mut response = Sse::new(frames).keep_alive(KeepAlive::default()).into_response();
    // A proxy in front hands tokens on as they come.
    response.headers_mut().insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    response
}

async fn doses(State(play): State<Arc<Playground>>, request: Request) -> Result<Response, PlayRefusal> {
    let who = who(&request);
    let settings = form(&play, request.into_body()).await?;
    settings.runnable()?;
    let ticket = play.enter(who.as_deref())?;
    ticket.turn(|_| {}).await;
    let gone = Arc::new(AtomicBool::new(false));
    // Set when whoever asked goes, as this future is dropped then.
    let _leaves = Leaves(gone.clone());
    let work = move || {
        let _ticket = ticket;
        let ends = RunEnd::new(&gone, Instant::now() + play.limits().run_time);
        let doses = play.doses(&settings, &ends, &|_| {})?;
        let marks = play.marks(&settings.directions);
        Ok(Json(json!({ "marks": marks, "doses": doses })).into_response())
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(lost("what doses break")))
}

struct Leaves(Arc<AtomicBool>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn lens(State(play): State<Arc<Playground>>) -> Result<Response, PlayRefusal> {
    let lens = play.lens().await?;
    Ok(Json(json!({ "lens": lens, "not_shown": page::LENS_NOT_SHOWN })).into_response())
}
