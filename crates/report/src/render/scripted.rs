//! A page with a script of its own: one file that loads nothing, whose script alone may run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::svg::xml::Xml;
use super::super::svg::{STYLE, THEME};
use super::page::PAGE_STYLE;

/// A page that shows data by a script, and without one what is written in it.
#[derive(Clone, Copy, Debug)]
pub struct Scripted<'a> {
    /// Title of the page.
    pub title: &'a str,
    /// One line under the title.
    pub subtitle: &'a str,
    /// Rules beside those of every report.
    pub style: &'a str,
    /// What is between head and foot, as markup.
    pub body: &'a str,
    /// What the script reads from the element `data`, as JSON.
    pub data: &'a serde_json::Value,
    /// The script; it may not hold `</script`.
    pub script: &'a str,
}

/// The page. No other script runs, whatever the data say, and nothing is loaded.
#[must_use]
pub fn scripted(page: &Scripted<'_>) -> String {
    let hash = STANDARD.encode(Sha256::digest(page.script.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    );
    let mut x = Xml::default();
    x.raw("<!DOCTYPE html>\n");
    x.tag("html").a("lang", "en").open();
    x.tag("head").open();
    x.tag("meta").a("charset", "utf-8").empty();
    x.tag("meta").a("http-equiv", "Content-Security-Policy").a("content", &policy).empty();
    x.tag("meta").a("name", "viewport").a("content", "width=device-width, initial-scale=1").empty();
    x.tag("meta")
        .a("name", "generator")
        .a("content", concat!("truenorth ", env!("CARGO_PKG_VERSION")))
        .empty();
    x.element("title", "", page.title);
    x.tag("style").open();
    for sheet in [THEME, PAGE_STYLE, STYLE, page.style] {
        x.raw(sheet);
    }
    x.close();
    x.close();
    x.line();
    x.tag("body").open();
    x.tag("header").a("id", "title").open();
    x.element("h1", "", page.title);
    x.element("p", "subtitle", page.subtitle);
    x.close();
    x.tag("main").open();
    x.raw(page.body);
    x.close();
    x.tag("script").a("type", "application/json").a("id", "data").open();
    // Within a script no markup is read, but its end is.
    x.raw(&page.data.to_string().replace('<', "\\u003c"));
    x.close();
    x.tag("script").open();
    x.raw(page.script);
    x.close();
    x.close();
    x.close();
    x.finish() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_can_not_end_their_element_and_the_policy_names_the_script() {
        let data = serde_json::json!({"a": "</script><script>alert(1)</script>"});
        let page = Scripted {
            title: "<b>",
            subtitle: "s",
            style: "",
            body: "<p>still</p>",
            data: &data,
            script: "1",
        };
        let html = scripted(&page);
        assert_eq!(html.matches("</script>").count(), 2);
        // printf 1 | openssl dgst -sha256 -binary | base64
        assert!(html.contains("sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s="), "{html}");
        assert!(html.contains("&lt;b&gt;") && html.contains("<p>still</p>"));
    }
}
