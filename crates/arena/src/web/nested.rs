//! Routes of others at `/play`, behind the same guard, with clients of the arena's own counting.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::app::{App, blocking};
use super::guard;
use super::refusal::WebRefusal;
use super::tries::Tries;

/// What tells routes who asks.
type Tell = Arc<dyn Fn(&mut Extensions, String) + Send + Sync>;

/// Routes that are nested at [`Nested::BASE`].
#[derive(Clone)]
pub struct Nested {
    routes: Router,
    tell: Tell,
    tries: Arc<Tries>,
}

impl Nested {
    /// Where they are.
    pub const BASE: &'static str = "/play";

    /// Routes that find whoever asks as an extension of requests that cost something, made by `client` of the keyed hash
    /// of an address; of one client so many such requests a minute are let through.
    pub fn new<C: Clone + Send + Sync + 'static>(
        routes: Router,
        client: fn(String) -> C,
        per_minute: u32,
    ) -> Self {
        let tell = move |to: &mut Extensions, who: String| drop(to.insert(client(who)));
        Self { routes, tell: Arc::new(tell), tries: Arc::new(Tries::of(per_minute)) }
    }

    pub(super) fn router(&self, app: Arc<App>) -> Router {
        let own = (app, self.clone());
        self.routes.clone().layer(middleware::from_fn_with_state(own, known))
    }
}

/// Says who asks for something that costs, if that is not too often.
async fn known(
    State((app, nested)): State<(Arc<App>, Nested)>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = guard::client(&app, peer, request.headers());
    if !nested.tries.may(address) {
        let refusal =
            WebRefusal::new(StatusCode::TOO_MANY_REQUESTS, "too many runs in a minute; wait a little");
        return refused(&app, request.headers(), refusal.wait(Some(60)));
    }
    match blocking(&app, move |app| app.live.client(address)).await {
        Ok(who) => (nested.tell)(request.extensions_mut(), who),
        Err(refusal) => return refused(&app, request.headers(), refusal),
    }
    next.run(request).await
}

/// A refusal as whoever asks reads it: a page for people, else JSON, also in the shape that the nested routes have.
fn refused(app: &App, headers: &HeaderMap, refusal: WebRefusal) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return super::pages::refused(app, refusal);
    }
    let error = json!({ "error": { "message": refusal.what } });
    refusal.with(error).into_response()
}
