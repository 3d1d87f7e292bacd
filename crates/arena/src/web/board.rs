//! The board as a table, whole or in part, and its pages.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use minijinja::Value;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::app::App;
use super::pages::{cached, html};
use super::refusal::WebRefusal;
use crate::error::ArenaError;
use crate::season::{Season, SeasonFile};
use crate::store::{BoardEnd, RankedEntry};

/// Rows of a page.
pub(super) const PER_PAGE: u64 = 50;
/// Rows of each end on the first page.
pub(super) const FIRST: u64 = 20;

#[derive(Serialize)]
struct EntryTable<'a> {
    heading: Option<&'a str>,
    label: &'a str,
    rows: &'a [RankedEntry],
    alt: bool,
    mine: i64,
    pages: Option<Pages>,
}

#[derive(Serialize)]
struct Pages {
    path: String,
    page: u64,
    of: u64,
    before: Option<u64>,
    after: Option<u64>,
}

/// An end of the board on a page.
#[derive(Serialize)]
pub(super) struct BoardEndPage {
    pub end: BoardEnd,
    pub title: String,
    pub table: Value,
    pub more: bool,
}

pub(super) fn title(file: &SeasonFile, end: BoardEnd) -> String {
    match end {
        BoardEnd::Top => format!("Furthest {}", file.high),
        BoardEnd::Bottom => format!("Furthest {}", file.low),
    }
}

/// Rows as a table; `mine` is marked.
pub(super) fn table(
    app: &App,
    season: &Season,
    label: &str,
    rows: &[RankedEntry],
    mine: i64,
) -> Result<Value, WebRefusal> {
    let alt = season.sealed.file.scoring.directions.len() > 1;
    let values = EntryTable { heading: None, label, rows, alt, mine, pages: None };
    Ok(Value::from_safe_string(app.templates.part("board", &values)?))
}

/// Both ends, so many rows each.
pub(super) fn sides(app: &App, season: &Season, rows: u64) -> Result<Vec<BoardEndPage>, WebRefusal> {
    let total = season.store.counts()?.scored;
    [BoardEnd::Top, BoardEnd::Bottom]
        .into_iter()
        .map(|end| {
            let title = title(&season.sealed.file, end);
            let found = season.store.board(end, 0, rows)?;
            Ok(BoardEndPage {
                end,
                table: table(app, season, &title, &found, -1)?,
                title,
                more: total > rows,
            })
        })
        .collect()
}

#[derive(Deserialize)]
pub(super) struct PageQuery {
    page: Option<u64>,
}

pub(super) fn end(name: &str) -> Result<BoardEnd, WebRefusal> {
    match name {
        "top" => Ok(BoardEnd::Top),
        "bottom" => Ok(BoardEnd::Bottom),
        _ => Err(WebRefusal::missing("the ends of the board are top and bottom")),
    }
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(asked): Query<PageQuery>,
) -> Result<Response, Response> {
    let page = asked.page.unwrap_or(1).max(1);
    let key = format!("/board/{name}?page={page}");
    cached(&app, key, move |app| {
        let end = end(&name)?;
        let season = app.season();
        let of = season.store.counts()?.scored.div_ceil(PER_PAGE).max(1);
        if page > of {
            return Err(WebRefusal::missing(format!("the board has {of} pages")));
        }
        let rows = season.store.board(end, (page - 1) * PER_PAGE, PER_PAGE)?;
        let title = title(&season.sealed.file, end);
        let pages = Pages {
            path: format!("/board/{name}"),
            page,
            of,
            before: (page > 1).then(|| page - 1),
            after: (page < of).then(|| page + 1),
        };
        let alt = season.sealed.file.scoring.directions.len() > 1;
        let values = EntryTable {
            heading: Some(&title),
            label: &title,
            rows: &rows,
            alt,
            mine: -1,
            pages: Some(pages),
        };
        app.templates.page(app, ("board", "home", &title), &values)
    })
    .await
    .map(html)
}

/// The rows about an entry, with it, from the end that it is nearer to.
pub(super) fn about(season: &Season, places: [u64; 2]) -> Result<(BoardEnd, Vec<RankedEntry>), ArenaError> {
    const EACH: u64 = 3;
    let (end, place) =
        if places[0] <= places[1] { (BoardEnd::Top, places[0]) } else { (BoardEnd::Bottom, places[1]) };
    let from = place.saturating_sub(EACH + 1);
    Ok((end, season.store.board(end, from, 2 * EACH + 1)?))
}
