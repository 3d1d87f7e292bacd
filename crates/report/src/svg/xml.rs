//! A writer of well-formed XML: what it opens it closes, what it is given it escapes.
use std::fmt::Write as _;

/// The text written so far and the elements still open.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    out: String,
    open: Vec<&'static str>,
}

impl Xml {
    /// Starts an element; end it with [`Tag::open`], [`Tag::empty`] or [`Tag::text`].
    pub fn tag(&mut self, name: &'static str) -> Tag<'_> {
        self.out.push('<');
        self.out.push_str(name);
        Tag { xml: self, name }
    }

    /// An element that holds only text.
    pub fn element(&mut self, name: &'static str, class: &str, text: &str) {
        let tag = self.tag(name);
        if class.is_empty() { tag.text(text) } else { tag.a("class", class).text(text) }
    }

    /// Text inside the element that is open.
    pub fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// Markup that is already well-formed: this writer's own, or a style sheet.
    pub fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// Closes the element opened last.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    /// A line break between elements, for whoever reads the source.
    pub fn line(&mut self) {
        self.out.push('\n');
    }

    /// Closes what is open and returns the text.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }
}

/// An element whose attributes are being written.
#[must_use = "an element must be ended"]
pub(crate) struct Tag<'a> {
    xml: &'a mut Xml,
    name: &'static str,
}

impl Tag<'_> {
    pub fn a(self, name: &str, value: &str) -> Self {
        let out = &mut self.xml.out;
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        escape(out, value);
        out.push('"');
        self
    }

    /// An attribute with a number of pixels, two decimals at most.
    pub fn n(self, name: &str, value: f64) -> Self {
        let value = px(value);
        self.a(name, &value)
    }

    /// Ends the start tag; what follows is inside until [`Xml::close`].
    pub fn open(self) {
        self.xml.out.push('>');
        self.xml.open.push(self.name);
    }

    /// An element without content.
    pub fn empty(self) {
        self.xml.out.push_str("/>");
    }

    /// An element with text alone.
    pub fn text(self, text: &str) {
        let out = &mut self.xml.out;
        out.push('>');
        escape(out, text);
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }
}

/// A coordinate: two decimals at most, no trailing zeros. What is not finite is 0, so that no drawing breaks.
pub(crate) fn px(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let mut text = String::new();
    let _ = write!(text, "{value:.2}");
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}

/// Escapes markup; control characters, which XML forbids, and bidirectional overrides, which could
/// make text read as something else, are made visible.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + c as u32)),
            '\u{7f}' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}
