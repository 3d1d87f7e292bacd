//! The page, and what it loads.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use truenorth_protocol::hash::sha256_hex;

use crate::event::{Colours, Event, PlainOrSteered, Projected};
use crate::lens::Lens;
use crate::playground::Playground;
use crate::refused::PlayRefusal;
use crate::run::lost;
use crate::settings::Settings;
use crate::spelled::visible;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/play.css");
const SCRIPT: &str = include_str!("page/play.js");

/// What the promoted and suppressed tokens do not show.
pub(crate) const LENS_NOT_SHOWN: &str = "What the model does with the direction: this is the direction alone through the \
    final norm and the output matrix, as if no block came after its site. The later blocks may turn it into \
    something else, most of all where the site lies early, and a direction that promotes no token of its concept may \
    still be one.";

const COLOURS_NOT_SHOWN: &str = "That a token means what its residual projects on, or that the model uses it. Both texts are read \
    by the model without the dose, as the verb monitor reads a text, so the push itself is in none of these numbers.";

/// What stands on a page beside the settings.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PageContent {
    /// Things worth knowing.
    says: Vec<String>,
    /// Why there is nothing, or no more.
    refused: Option<PlayRefusal>,
    prompt: Vec<crate::event::ShownToken>,
    plain: Option<PageText>,
    steered: Option<PageText>,
    colours: Option<Colours>,
    doses: Vec<crate::event::Dosed>,
    link: Option<String>,
}

/// A text that stands on a page.
#[derive(Debug, Serialize)]
struct PageText {
    row: truenorth_analyses::steer::Steered,
    pieces: Vec<crate::event::ShownToken>,
    whole: Option<String>,
}

impl PageContent {
    /// Something to say, and perhaps why nothing was done.
    pub fn says(says: Vec<String>, refused: Option<PlayRefusal>) -> Self {
        Self { says, refused, ..Self::default() }
    }

    pub fn of(events: Vec<Event>) -> Self {
        let mut shown = Self::default();
        for event in events {
            match event {
                Event::Started { prompt } => shown.prompt = prompt,
                Event::Written { side, row, pieces, whole } => {
                    let text = Some(PageText { row: *row, pieces, whole });
                    match side {
                        PlainOrSteered::Plain => shown.plain = text,
                        PlainOrSteered::Steered => shown.steered = text,
                    }
                }
                Event::Colours(colours) => shown.colours = Some(colours),
                Event::Doses { doses } => shown.doses = doses,
                Event::Warns { text } => shown.says.push(text),
                Event::Failed(refused) => shown.refused = Some(refused),
                Event::Done { link } => shown.link = Some(link),
                Event::Queued { .. } | Event::Token { .. } | Event::Says { .. } => {}
            }
        }
        shown
    }
}

/// A direction as the form has it.
#[derive(Serialize)]
struct Choice<'a> {
    name: &'a str,
    sign: &'a str,
    sites: Vec<String>,
    chosen: bool,
    coefficient: String,
}

pub(crate) fn page(
    play: &Playground,
    settings: &Settings,
    shown: &PageContent,
) -> Result<String, PlayRefusal> {
    let choice = |(i, o): (usize, &'_ crate::offered::Offered)| -> Value {
        let chosen = settings.directions.iter().find(|(own, _)| *own == i);
        valued(Choice {
            name: &o.name,
            sign: &o.sign,
            sites: o.members.iter().map(|m| m.site.to_string()).collect(),
            chosen: chosen.is_some(),
            coefficient: chosen.map_or(1.0, |(_, c)| *c).to_string(),
        })
    };
    let choices: Vec<Value> = play.offered().iter().enumerate().map(choice).collect();
    let marks = play.marks(&settings.directions);
    let info = play.runner().info();
    let limits = play.limits();
    let link = shown.link.clone().unwrap_or_else(|| play.link(settings));
    let given = shown.colours.as_ref().map_or(0, |c| c.given);
    let parts = |all: &[Projected]| -> (Vec<Projected>, Vec<Projected>) {
        let (prompt, written) = all.split_at(given.min(all.len()));
        (prompt.to_vec(), written.to_vec())
    };
    let coloured = |side: PlainOrSteered| {
        let all = shown
            .colours
            .as_ref()
            .map(|c| if side == PlainOrSteered::Plain { &c.plain[..] } else { &c.steered[..] });
        valued(all.map(parts))
    };
    let values = context! {
        base => play.base(),
        within => play.within().map(|w| context! { title => visible(&w.title), href => w.href.as_str() }),
        home => if play.base().is_empty() { "/" } else { play.base() },
        model => context! { name => info.name.as_str(), revision => info.revision.as_str(), path => info.path.as_str() },
        directions => choices,
        settings => context! {
            prompt => settings.prompt.as_str(), alpha => settings.alpha.to_string(), dose => settings.alpha, positions => settings.positions.to_string(),
            ablate => settings.ablate, chat => settings.chat, system => settings.system.as_str(),
            max_new_tokens => settings.max_new_tokens, temperature => settings.temperature.to_string(), drawn => settings.temperature > 0.0, seed => settings.seed.to_string(),
        },
        chats => play.chats(),
        unit => unit(play.unit()),
        low => marks.first(),
        high => marks.last(),
        limits => context! { new_tokens => limits.new_tokens, prompt_bytes => limits.prompt_bytes },
        shown => valued(shown),
        plain_tokens => coloured(PlainOrSteered::Plain),
        steered_tokens => coloured(PlainOrSteered::Steered),
        scale => shown.colours.as_ref().and_then(|c| c.directions.first()).map(legend),
        lens => play.lens_ready().map(|all| valued(all.iter().collect::<Vec<&Lens>>())),
        lens_not_shown => LENS_NOT_SHOWN,
        colours_not_shown => COLOURS_NOT_SHOWN,
        damaging => truenorth_analyses::steer::DAMAGING.to_string(),
        link => link,
        version => version(),
    };
    render(values).map_err(|_| lost("the page"))
}

fn render(values: Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.add_filter("digits", |value: f64, digits: usize| format!("{value:.digits$}"));
    // As the script has it: 0 and not 0.0.
    environment.add_filter("shortest", |value: f64| value.to_string());
    // Its name ends with `.html`, by which all that is put into it is escaped.
    environment.add_template("page.html", PAGE)?;
    environment.get_template("page.html")?.render(values)
}

fn unit(name: &str) -> &'static str {
    match name {
        "norm" => "mean residual norms of the site",
        "raw" => "the vector as its file had it",
        _ => "units of the residual stream",
    }
}

fn legend(scale: &crate::event::ColourScale) -> Value {
    context! {
        name => scale.name.as_str(), site => scale.site.as_str(), unit => scale.unit.as_str(),
        low => scale.centre - scale.reach, centre => scale.centre, high => scale.centre + scale.reach,
    }
}

/// Changes with what the page loads, so that no browser keeps an old one.
fn version() -> String {
    let whole = [truenorth_report::render::stylesheet().as_str(), STYLE, SCRIPT].concat();
    sha256_hex(whole.as_bytes()).chars().take(8).collect()
}

const KEPT: &str = "public, max-age=86400";

pub(crate) fn style() -> Response {
    let text = truenorth_report::render::stylesheet() + STYLE;
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, KEPT)], text).into_response()
}

pub(crate) fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, KEPT)], SCRIPT)
        .into_response()
}

fn valued(of: impl Serialize) -> Value {
    Value::from(Serde(of))
}
