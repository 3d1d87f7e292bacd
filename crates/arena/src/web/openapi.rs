//! What the API is, as OpenAPI 3.1 says it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::app::App;

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

fn answer(says: &str, schema: Value) -> Value {
    json!({ "description": says, "content": { "application/json": { "schema": schema } } })
}

fn refused(says: &str) -> Value {
    answer(says, json!({ "$ref": "#/components/schemas/Refusal" }))
}

fn body(schema: Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn path(name: &str, kind: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
}

fn query(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "schema": schema })
}

pub(super) fn description() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": ["number", "null"] });
    let count = json!({ "type": "integer" });
    let entry = json!({ "$ref": "#/components/schemas/Entry" });
    let key = json!([{ "operator": [] }]);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "truenorth arena", "version": env!("CARGO_PKG_VERSION"),
            "description": "A board of short texts by how far each moves a model's residual stream along a direction.",
        },
        "components": {
            "securitySchemes": { "operator": { "type": "http", "scheme": "bearer" } },
            "schemas": {
                "Refusal": object(json!({ "detail": text }), &["detail"]),
                "Row": object(json!({
                    "rank": count, "handle": text, "sequence": text, "score": number, "score_alt": number,
                    "specificity": number, "at": { "type": "string", "format": "date-time" }, "id": count,
                    "kind": { "type": ["string", "null"] }, "tokens": { "type": ["integer", "null"] },
                    "coherence": number,
                }), &["rank", "handle", "sequence", "score", "specificity", "at", "id"]),
                "Entry": object(json!({
                    "id": count, "handle": text, "sequence": text, "kind": { "type": ["string", "null"] },
                    "tokens": { "type": ["integer", "null"] }, "at": { "type": "string", "format": "date-time" },
                    "status": { "enum": ["queued", "scored", "failed"] }, "failure": { "type": ["string", "null"] },
                    "score": number, "score_alt": number, "specificity": number, "coherence": number,
                    "shift_norm": number, "p_random": number, "origin": { "type": ["string", "null"] },
                    "place": count, "rank": count, "rank_from_bottom": count, "of": count,
                }), &["id", "handle", "sequence", "status", "at"]),
            },
        },
        "paths": {
            "/api/season": { "get": { "summary": "The season that is served, as it was sealed", "responses": { "200": answer("The season", json!({ "type": "object" })) } } },
            "/api/seasons": { "get": { "summary": "All seasons", "responses": { "200": answer("The seasons", object(json!({ "seasons": { "type": "array" } }), &["seasons"])) } } },
            "/api/leaderboard": { "get": {
                "summary": "An end of the board, the outermost first",
                "parameters": [
                    query("board", json!({ "enum": ["top", "bottom"], "default": "top" })),
                    query("offset", json!({ "type": "integer", "default": 0 })),
                    query("limit", json!({ "type": "integer", "default": 100, "maximum": 1000 })),
                    query("season", text.clone()),
                ],
                "responses": {
                    "200": answer("The rows", object(json!({
                        "season": text, "model": text, "site": text, "board": text, "total": count, "offset": count,
                        "entries": { "type": "array", "items": { "$ref": "#/components/schemas/Row" } },
                    }), &["season", "model", "entries"])),
                    "404": refused("No such season or end"),
                },
            } },
            "/api/tokens": { "post": {
                "summary": "Tokens of a text by the model's own tokenizer",
                "requestBody": body(object(json!({ "text": text }), &["text"])),
                "responses": { "200": answer("The count, and the text put together again", object(json!({
                    "tokens": { "type": ["integer", "null"] }, "budget": count, "round_trip": { "type": ["string", "null"] },
                    "shown": { "type": ["string", "null"] }, "same": { "type": ["boolean", "null"] },
                }), &["tokens", "budget"])) },
            } },
            "/api/submissions": { "post": {
                "summary": "Submits a text",
                "requestBody": body(object(json!({
                    "handle": text, "text": text, "kind": { "type": ["string", "null"] },
                    "consent": { "type": "string", "description": "The version of the consent text" },
                    "captcha": { "type": "string" },
                }), &["handle", "text", "consent"])),
                "responses": {
                    "202": answer("It is written down, and scored later, once", object(json!({ "id": count, "place": count, "status": text }), &["id", "place"])),
                    "403": refused("From another site, or the captcha was not solved"),
                    "409": refused("A copy or near copy, with the earlier entry and its score, or a closed season"),
                    "422": refused("A field is at fault, or the text has too many tokens"),
                    "429": refused("A limit is reached; Retry-After says for how long"),
                    "503": refused("The queue is full"),
                },
            } },
            "/api/submissions/{id}": { "get": {
                "summary": "A submission: its place in the queue, or its score and places",
                "parameters": [path("id", "integer")],
                "responses": { "200": answer("The submission", entry), "404": refused("No such entry, or it is hidden") },
            } },
            "/api/operator/entries": { "get": { "summary": "Entries, the latest first, and what was done", "security": key, "parameters": [query("offset", count.clone()), query("limit", count.clone())], "responses": { "200": answer("The entries", json!({ "type": "object" })), "401": refused("No operator's key") } } },
            "/api/operator/entries/{id}/{what}": { "post": {
                "summary": "Hides an entry (hide) or shows it again (unhide)", "security": key,
                "parameters": [path("id", "integer"), path("what", "string")],
                "requestBody": body(object(json!({ "why": text }), &[])),
                "responses": { "200": answer("Done", json!({ "type": "object" })), "401": refused("No operator's key"), "404": refused("No such entry") },
            } },
            "/api/operator/close": { "post": { "summary": "Closes the season", "security": key, "responses": { "200": answer("The season", json!({ "type": "object" })), "401": refused("No operator's key") } } },
            "/api/operator/export": { "get": { "summary": "Consented entries as JSON lines, without handles", "security": key, "responses": { "200": { "description": "The rows", "content": { "application/jsonl": {} } }, "401": refused("No operator's key") } } },
            "/healthz": { "get": { "summary": "Whether the process lives", "responses": { "200": answer("It does", json!({ "type": "object" })) } } },
            "/readyz": { "get": { "summary": "Whether submissions are taken and scored", "responses": { "200": answer("They are", json!({ "type": "object" })), "503": answer("The model can't be asked", json!({ "type": "object" })) } } },
            "/metrics": { "get": { "summary": "Counters in OpenMetrics", "responses": { "200": { "description": "The counters", "content": { "application/openmetrics-text": {} } } } } },
        },
    })
}

pub(super) async fn serve(State(app): State<Arc<App>>) -> Json<Value> {
    let mut told = description();
    if app.options.play.is_some()
        && let Some(paths) = told["paths"].as_object_mut()
    {
        paths.extend(playground());
    }
    Json(told)
}

/// What is there with a playground.
fn playground() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let form = json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": object(json!({
        "prompt": text, "direction": { "type": "array", "items": text }, "alpha": { "type": "number" },
        "positions": text, "ablate": { "const": "on" }, "chat": { "const": "on" }, "system": text,
        "max-new-tokens": { "type": "integer" }, "temperature": { "type": "number" }, "seed": { "type": "integer" },
    }), &["prompt", "direction", "alpha"]) } } });
    let of = |field: &str| object(json!({ field: { "type": "array" } }), &[field]);
    // Beside what the arena says itself stands what the playground does.
    let refused = |says: &str| {
        answer(
            says,
            object(
                json!({
                    "error": object(json!({ "message": text, "hint": text }), &["message"]), "detail": text,
                }),
                &["error"],
            ),
        )
    };
    let refusals = json!({
        "422": refused("A setting is at fault"), "429": refused("Too many runs of yours wait, or came in a minute"),
        "503": refused("Too many runs wait, or it took too long"),
    });
    let post = |summary: &str, says: &str, field: &str| {
        let mut responses = refusals.clone();
        responses["200"] = answer(says, of(field));
        json!({ "post": { "summary": summary, "requestBody": form, "responses": responses } })
    };
    let all = json!({
        "/play/run": post("Continues a prompt with a dose and without", "Both texts, with what their tokens project on and what doses break; a stream of the same for text/event-stream", "events"),
        "/play/doses": post("What the marked doses break after a prompt", "The marks and the doses", "doses"),
        "/play/lens": { "get": { "summary": "Tokens that the directions promote and suppress", "responses": { "200": answer("The tokens", of("lens")) } } },
    });
    all.as_object().cloned().unwrap_or_default()
}
