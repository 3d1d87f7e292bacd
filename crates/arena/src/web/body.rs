//! Bodies, read whole within limits of size and time.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::refusal::WebRefusal;

/// Bytes of a body at most: a submission has some hundred characters.
pub(super) const MOST: usize = 16 << 10;
/// How long one may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a body.
pub(super) async fn read(body: Body) -> Result<Bytes, WebRefusal> {
    match tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, MOST)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(WebRefusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body broke off or has more than {MOST} bytes, the most that are taken"),
        )),
        Err(_) => Err(WebRefusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {} seconds", PATIENCE.as_secs()),
        )),
    }
}

/// Whether a body is said to be of a type.
fn is(headers: &HeaderMap, kind: &str) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    said.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(kind))
}

/// Reads a JSON body. A browser asks before it sends one to another's site.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, WebRefusal> {
    if !is(headers, "application/json") {
        return Err(WebRefusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON, with the header content-type: application/json",
        ));
    }
    let bytes = read(body).await?;
    serde_json::from_slice(&bytes)
        .map_err(|e| WebRefusal::bad(format!("the body is not what is expected: {e}")))
}

/// Reads the fields of a form.
pub(super) async fn form(headers: &HeaderMap, body: Body) -> Result<HashMap<String, String>, WebRefusal> {
    if !is(headers, "application/x-www-form-urlencoded") {
        return Err(WebRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the form as pages do"));
    }
    let bytes = read(body).await?;
    let request = axum::http::Request::builder()
        .method("POST")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(bytes))
        .map_err(|e| WebRefusal::bad(e.to_string()))?;
    use axum::extract::FromRequest as _;
    let fields = axum::Form::<Vec<(String, String)>>::from_request(request, &())
        .await
        .map_err(|e| WebRefusal::bad(format!("the form can't be read: {}", e.body_text())))?;
    let mut found = HashMap::new();
    for (name, value) in fields.0 {
        if found.insert(name.clone(), value).is_some() {
            return Err(WebRefusal::bad(format!("the field {name:?} comes twice")));
        }
    }
    Ok(found)
}
