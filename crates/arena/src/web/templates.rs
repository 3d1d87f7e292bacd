//! Pages made of templates, in which everything that is put is escaped.

use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;

use super::app::App;
use super::assets;
use super::refusal::WebRefusal;
use crate::rules::shown;
use crate::time;

const PAGES: [(&str, &str); 13] = [
    ("layout", include_str!("../templates/layout.html")),
    ("home", include_str!("../templates/home.html")),
    ("board", include_str!("../templates/board.html")),
    ("submit", include_str!("../templates/submit.html")),
    ("entry", include_str!("../templates/entry.html")),
    ("plot", include_str!("../templates/plot.html")),
    ("how", include_str!("../templates/how.html")),
    ("limitations", include_str!("../templates/limitations.html")),
    ("seasons", include_str!("../templates/seasons.html")),
    ("season", include_str!("../templates/season.html")),
    ("operator", include_str!("../templates/operator.html")),
    ("login", include_str!("../templates/login.html")),
    ("refused", include_str!("../templates/refused.html")),
];

pub(super) struct Templates(Environment<'static>);

impl Default for Templates {
    fn default() -> Self {
        let mut env = Environment::new();
        env.set_auto_escape_callback(|_| AutoEscape::Html);
        env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        env.add_filter("shown", |text: String| shown(&text));
        env.add_filter("at", time::said);
        env.add_filter("day", |at: i64| time::said(at).chars().take(10).collect::<String>());
        env.add_filter("fixed", fixed);
        env.add_filter("count", |n: i64| count(n));
        for (name, source) in PAGES {
            env.add_template(name, source).expect("a template of ours parses");
        }
        Self(env)
    }
}

/// Anything as a template takes it; values that are safe markup stay so.
pub(super) fn value_of(of: impl Serialize) -> Value {
    Value::from(minijinja::value::Serde(of))
}

/// A number with so many decimals, a minus sign that is one, and a dash for none.
fn fixed(value: &Value, digits: usize) -> String {
    let number = f64::try_from(value.clone()).ok().filter(|v| v.is_finite());
    number.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}").replace('-', "−"))
}

/// A count with spaces between thousands.
fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    if n < 0 { format!("−{out}") } else { out }
}

#[derive(Serialize)]
struct PageLayout<'a> {
    title: &'a str,
    season: &'a str,
    season_title: &'a str,
    here: &'a str,
    open: bool,
    play: bool,
    style: &'a str,
    script: &'a str,
    icon: &'a str,
    captcha: Option<&'a str>,
    body: Value,
}

impl Templates {
    /// A page: its own part within the layout. `here` is which link of the head it is.
    pub fn page(
        &self,
        app: &App,
        (name, here, title): (&str, &str, &str),
        values: &impl Serialize,
    ) -> Result<String, WebRefusal> {
        let body = self.part(name, values)?;
        let file = &app.season().sealed.file;
        let open = app.season().store.state()? == crate::store::SeasonState::Open;
        let layout = PageLayout {
            title,
            season: &file.name,
            season_title: &file.title,
            here,
            open,
            play: app.options.play.is_some(),
            style: &assets::style().path,
            script: &assets::script().path,
            icon: &assets::icon().path,
            captcha: app.options.captcha.as_ref().filter(|_| here == "submit").map(|c| c.script.as_str()),
            body: Value::from_safe_string(body),
        };
        self.part("layout", &layout)
    }

    /// A part of a page, without the layout.
    pub fn part(&self, name: &str, values: &impl Serialize) -> Result<String, WebRefusal> {
        let made = self.0.get_template(name).and_then(|t| t.render(value_of(values)));
        made.map_err(|e| WebRefusal::inside(format!("the page `{name}` can't be made: {e:#}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(fixed(&Value::from(-0.123_45), 3), "−0.123");
        assert_eq!(fixed(&Value::from(()), 3), "–");
        assert_eq!(fixed(&Value::from(f64::NAN), 3), "–");
        assert_eq!(count(-1_234_567), "−1\u{202f}234\u{202f}567");
        assert_eq!((count(0), count(999)), ("0".into(), "999".into()));
    }
}
