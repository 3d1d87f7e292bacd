//! What a plot draws on, and the marks that all plots share.
use super::text;
use super::xml::{Xml, px};
use super::{Palette, PlotWidth};

/// Colours of the palette; series beyond repeat them with another marker and dash.
pub(super) const COLOURS: usize = 7;
const DASHES: [&str; 5] = ["", "7 3", "2 3", "9 3 2 3", "12 4"];

/// A plot being drawn.
pub(super) struct Canvas {
    pub x: Xml,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels, set when known.
    pub height: f64,
    pub size: PlotWidth,
    palette: Palette,
    desc: Vec<String>,
    remarks: Vec<String>,
}

/// A finished plot.
#[derive(Debug)]
pub(crate) struct Drawing {
    body: String,
    width: f64,
    height: f64,
    pub desc: String,
    /// What the reader must know about the drawing: gaps, cuts, labels left out.
    pub remarks: Vec<String>,
}

impl Drawing {
    /// The `svg` element. `id` makes its ids unique in the page; `style` is put inside for a file of its own.
    pub fn svg(&self, title: &str, id: &str, style: Option<&str>) -> String {
        self.element(title, id, style, true)
    }

    /// The `svg` element for a page whose policy takes no style of an element's own.
    pub fn unstyled(&self, title: &str, id: &str) -> String {
        self.element(title, id, None, false)
    }

    fn element(&self, title: &str, id: &str, style: Option<&str>, bounded: bool) -> String {
        let mut x = Xml::default();
        let (title_id, desc_id) = (format!("{id}-t"), format!("{id}-d"));
        let mut tag = x.tag("svg");
        if style.is_some() {
            tag =
                tag.a("xmlns", "http://www.w3.org/2000/svg").n("width", self.width).n("height", self.height);
        }
        tag = tag.a("class", "tn").a("viewBox", &format!("0 0 {} {}", px(self.width), px(self.height)));
        if bounded {
            tag = tag.a("style", &format!("max-width:{}px", px(self.width)));
        }
        tag.a("role", "img").a("aria-labelledby", &format!("{title_id} {desc_id}")).open();
        x.tag("title").a("id", &title_id).text(title);
        x.tag("desc").a("id", &desc_id).text(&self.desc);
        if let Some(style) = style {
            x.tag("style").open();
            x.raw(style);
            x.close();
        }
        x.raw(&self.body);
        x.finish()
    }
}

/// Alignment of a label to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    pub fn new(size: PlotWidth, palette: Palette) -> Self {
        Self {
            x: Xml::default(),
            width: size.width(),
            height: 0.0,
            size,
            palette,
            desc: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub fn compact(&self) -> bool {
        self.size == PlotWidth::Compact
    }

    pub fn finish(self) -> Drawing {
        let mut desc = self.desc;
        desc.extend(self.remarks.iter().cloned());
        Drawing {
            body: self.x.finish(),
            width: self.width,
            height: self.height.max(24.0),
            desc: desc.join(" "),
            remarks: self.remarks,
        }
    }

    /// Adds a sentence to the description.
    pub fn describe(&mut self, sentence: impl Into<String>) {
        self.desc.push(sentence.into());
    }

    /// States something about the drawing under it.
    pub fn remark(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if !self.remarks.contains(&sentence) {
            self.remarks.push(sentence);
        }
    }

    /// Stands in for a plot that has nothing to draw.
    pub fn nothing(&mut self, what: &str) {
        self.height = 64.0;
        self.x
            .tag("rect")
            .n("x", 0.5)
            .n("y", 0.5)
            .n("width", self.width - 1.0)
            .n("height", 63.0)
            .a("class", "gap")
            .empty();
        let (x, text) = (self.width / 2.0, format!("Nothing to draw: {what}"));
        self.label(x, 36.0, &text, Anchor::Middle, self.width - 16.0, "m");
        self.describe(text);
    }

    /// A label cut to `max` pixels; the whole text is its title then.
    pub fn label(&mut self, x: f64, y: f64, text: &str, anchor: Anchor, max: f64, class: &str) {
        let whole = text::label(text);
        let shown = text::fit(&whole, max);
        let place = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " mid",
            Anchor::End => " e",
        };
        let class = format!("{class}{place}");
        let mut tag = self.x.tag("text").n("x", x).n("y", y);
        if !class.trim().is_empty() {
            tag = tag.a("class", class.trim());
        }
        if shown == whole {
            tag.text(&shown);
        } else {
            tag.open();
            self.x.element("title", "", &whole);
            self.x.text(&shown);
            self.x.close();
        }
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.x
            .tag("line")
            .n("x1", from.0)
            .n("y1", from.1)
            .n("x2", to.0)
            .n("y2", to.1)
            .a("class", class)
            .empty();
    }

    /// A rectangle between two corners in any order.
    pub fn rect(&mut self, a: (f64, f64), b: (f64, f64), class: &str) {
        self.x
            .tag("rect")
            .n("x", a.0.min(b.0))
            .n("y", a.1.min(b.1))
            .n("width", (a.0 - b.0).abs())
            .n("height", (a.1 - b.1).abs())
            .a("class", class)
            .empty();
    }

    /// A marker of the series, with a title shown on hovering.
    pub fn marker(
        &mut self,
        key: SeriesStyle,
        at: (f64, f64),
        radius: f64,
        class: &str,
        title: Option<&str>,
    ) {
        let class = format!("{class} {}", key.colour());
        let path = key.shape(at, radius);
        let tag = self.x.tag("path").a("class", &class).a("d", &path);
        match title {
            None => tag.empty(),
            Some(title) => {
                tag.open();
                self.x.element("title", "", title);
                self.x.close();
            }
        }
    }
}

/// The looks of a series: colour, dash and marker, so that none stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeriesStyle {
    Series(usize),
    /// A control or null, the n-th.
    Control(usize),
}

impl SeriesStyle {
    /// Class that sets the colour.
    pub fn colour(self) -> &'static str {
        match self {
            Self::Series(i) => {
                ["c0", "c1", "c2", "c3", "c4", "c5", "c6"].get(i % COLOURS).copied().unwrap_or("c0")
            }
            Self::Control(_) => "cn",
        }
    }

    /// Place among its like.
    fn place(self) -> usize {
        match self {
            Self::Series(i) | Self::Control(i) => i,
        }
    }

    /// Dash pattern, empty for a solid line.
    pub fn dash(self) -> &'static str {
        let i = match self {
            Self::Series(i) => i,
            Self::Control(i) => i + 1,
        };
        DASHES.get(i % DASHES.len()).copied().unwrap_or("")
    }

    /// Path of the marker.
    fn shape(self, (x, y): (f64, f64), r: f64) -> String {
        let i = match self {
            Self::Series(i) => i % COLOURS + i / COLOURS,
            Self::Control(i) => i + 5,
        };
        let polygon = |points: &[(f64, f64)]| {
            let mut path = String::new();
            for (k, (dx, dy)) in points.iter().enumerate() {
                path.push(if k == 0 { 'M' } else { 'L' });
                path.push_str(&px(x + dx * r));
                path.push(' ');
                path.push_str(&px(y + dy * r));
            }
            path.push('Z');
            path
        };
        match i % 7 {
            0 => format!(
                "M{} {}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0Z",
                px(x - r),
                px(y),
                r = px(r),
                d = px(2.0 * r)
            ),
            1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            2 => polygon(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
            3 => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
            4 => polygon(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
            5 => polygon(&[
                (-0.4, -1.2),
                (0.4, -1.2),
                (0.4, -0.4),
                (1.2, -0.4),
                (1.2, 0.4),
                (0.4, 0.4),
                (0.4, 1.2),
                (-0.4, 1.2),
                (-0.4, 0.4),
                (-1.2, 0.4),
                (-1.2, -0.4),
                (-0.4, -0.4),
            ]),
            _ => polygon(&[(-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)]),
        }
    }
}

/// The groups of a plot in order of their colours.
#[derive(Debug, Default)]
pub(super) struct SeriesGroups<'a>(Vec<(SeriesStyle, &'a str)>);

impl<'a> SeriesGroups<'a> {
    pub fn new(c: &Canvas, names: impl Iterator<Item = &'a str>) -> Self {
        let mut seen: Vec<&str> = Vec::new();
        for name in names {
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        let place = |name: &str| c.palette.0.iter().position(|n| n == name);
        let shared = seen.iter().all(|n| place(n).is_some());
        let key = |(i, name)| (SeriesStyle::Series(if shared { place(name).unwrap_or(i) } else { i }), name);
        let mut groups: Vec<_> = seen.into_iter().enumerate().map(key).collect();
        groups.sort_by_key(|(key, _)| key.place());
        Self(groups)
    }

    pub fn key(&self, name: &str) -> SeriesStyle {
        self.0.iter().find(|(_, n)| *n == name).map_or(SeriesStyle::Series(0), |(key, _)| *key)
    }

    /// Entries of a legend; none where there is only one nameless group.
    pub fn legend(&self) -> &[(SeriesStyle, &'a str)] {
        if self.0.iter().all(|(_, n)| n.is_empty()) { &[] } else { &self.0 }
    }
}
