//! The router, and a server of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::Uri;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use truenorth_remote::server::{BoundedListener, ServerError};

use super::app::App;
use super::nested::Nested;
use super::refusal::WebRefusal;
use super::{api, assets, board, entry, guard, openapi, operator, operator_api, pages, submit};
/// How often it is looked whether somebody else closed the season.
const LOOK: Duration = Duration::from_secs(2);

/// The pages and the API, with the playground of the options at `/play`, all behind one guard.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::home))
        .route("/board/{end}", get(board::page))
        .route("/submit", get(submit::form).post(submit::by_form))
        .route("/entry/{id}", get(entry::page))
        .route("/plot", get(pages::plot))
        .route("/how", get(pages::how))
        .route("/limitations", get(pages::limitations))
        .route("/seasons", get(pages::seasons))
        .route("/season/{name}", get(pages::season))
        .route("/static/{file}", get(file))
        .route("/operator", get(operator::page))
        .route("/operator/login", post(operator::login))
        .route("/operator/{what}", post(operator::act))
        .route("/openapi.json", get(openapi::serve))
        .route("/api/season", get(api::season))
        .route("/api/seasons", get(api::seasons))
        .route("/api/leaderboard", get(api::leaderboard))
        .route("/api/tokens", post(api::tokens))
        .route("/api/submissions", post(api::submit))
        .route("/api/submissions/{id}", get(api::submission))
        .route("/api/operator/entries", get(operator_api::entries))
        .route("/api/operator/entries/{id}/{what}", post(operator_api::act))
        .route("/api/operator/close", post(operator_api::close))
        .route("/api/operator/export", get(operator_api::export))
        .route("/healthz", get(api::health))
        .route("/readyz", get(api::ready))
        .route("/metrics", get(api::metrics))
        .fallback(missing)
        .with_state(app.clone());
    if let Some(nested) = &app.options.play {
        router = router.nest(Nested::BASE, nested.router(app.clone()));
    }
    router.layer(middleware::from_fn_with_state(app, guard::guard))
}

async fn file(OriginalUri(uri): OriginalUri) -> Response {
    assets::serve(uri.path())
}

async fn missing(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Response> {
    let refusal = WebRefusal::missing("there is no such page");
    if uri.path().starts_with("/api/") {
        return Err(axum::response::IntoResponse::into_response(refusal));
    }
    Err(pages::refused(&app, refusal))
}

/// A server that listens, but does not yet answer.
pub struct ArenaServer {
    host: BoundedListener,
    app: Arc<App>,
}

impl ArenaServer {
    /// Takes the address.
    ///
    /// # Errors
    /// When it can't be had, or other machines could come unasked.
    pub async fn bind(app: Arc<App>) -> Result<Self, ServerError> {
        let options = &app.options;
        let host =
            BoundedListener::bind(options.listen, options.open, options.limits, options.notice.clone())
                .await?;
        Ok(Self { host, app })
    }

    /// The URL of the address that is listened on.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host.address())
    }

    /// Serves until `stop` is ready, then lets open connections end.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let looking = tokio::spawn(look(self.app.clone()));
        let served = self.host.serve(router(self.app), stop).await;
        looking.abort();
        served
    }
}

/// Has pages made anew when the season was closed by another process.
async fn look(app: Arc<App>) {
    let mut known = None;
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        let state = super::app::blocking(&app, |app| app.season().store.state()).await.ok();
        if known.is_some() && state.is_some() && state != known {
            app.live.changed();
        }
        known = state.or(known);
    }
}
