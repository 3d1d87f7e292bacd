//! The style, the script and the icon, held in the program.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use truenorth_files::sha256_hex;

use super::refusal::WebRefusal;

/// A file that pages ask for; its name changes with it, so that it may be kept for good.
pub(super) struct Asset {
    pub path: String,
    kind: &'static str,
    text: String,
}

fn asset(name: &str, ending: &str, kind: &'static str, text: String) -> Asset {
    let hash = sha256_hex(text.as_bytes());
    Asset { path: format!("/static/{name}-{}.{ending}", &hash[..12]), kind, text }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = truenorth_report::render::stylesheet() + include_str!("../assets/arena.css");
    asset("arena", "css", "text/css; charset=utf-8", text)
});

static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/arena.js").to_owned();
    asset("arena", "js", "text/javascript; charset=utf-8", text)
});

static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/icon.svg").to_owned();
    asset("icon", "svg", "image/svg+xml", text)
});

pub(super) fn icon() -> &'static Asset {
    &ICON
}

pub(super) fn style() -> &'static Asset {
    &STYLE
}

pub(super) fn script() -> &'static Asset {
    &SCRIPT
}

/// A file by its path.
pub(super) fn serve(path: &str) -> Response {
    let found = [style(), script(), icon()].into_iter().find(|a| a.path == path);
    match found {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.text.as_str(),
        )
            .into_response(),
        None => WebRefusal::missing("there is no such file").into_response(),
    }
}
