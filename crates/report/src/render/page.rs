//! The page: head, findings, contents, sections, provenance.
use super::super::document::{Block, Document, KeyValueList, Section, StudyAnswer};
use super::super::finding::{Finding, FindingStatus};
use super::super::number::{bracket, count, fixed, or_dash, p_value};
use super::super::plot::Plot;
use super::super::svg::xml::Xml;
use super::super::svg::{Palette, STYLE, THEME, spark};
use super::anchors::Anchors;
use super::{SCHEMA, VERSION, block, table, unchecked_json};
use std::collections::HashSet;
use truenorth_protocol::hash::sha256_hex;

pub(super) const PAGE_STYLE: &str = include_str!("page.css");
/// Nothing may be loaded or run, whatever the text of the report says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page being written.
pub(super) struct PageWriter {
    pub x: Xml,
    pub anchors: Anchors,
    pub palette: Palette,
    /// Figures and tables so far.
    pub figures: usize,
    pub tables: usize,
}

pub(super) fn page(document: &Document) -> String {
    let mut page = PageWriter {
        x: Xml::default(),
        anchors: Anchors::new(document),
        palette: Palette::new(plots(document).into_iter()),
        figures: 0,
        tables: 0,
    };
    let x = &mut page.x;
    x.raw("<!DOCTYPE html>\n");
    x.tag("html").a("lang", "en").open();
    x.tag("head").open();
    x.tag("meta").a("charset", "utf-8").empty();
    x.tag("meta").a("http-equiv", "Content-Security-Policy").a("content", POLICY).empty();
    x.tag("meta").a("name", "viewport").a("content", "width=device-width, initial-scale=1").empty();
    x.tag("meta")
        .a("name", "generator")
        .a("content", concat!("truenorth ", env!("CARGO_PKG_VERSION")))
        .empty();
    x.element("title", "", &document.title);
    x.tag("style").open();
    for sheet in [THEME, PAGE_STYLE, STYLE] {
        x.raw(sheet);
    }
    x.close();
    x.close();
    x.line();
    x.tag("body").open();
    page.header(document);
    page.x.line();
    page.x.tag("div").a("class", "columns").open();
    page.contents(document);
    page.x.tag("main").open();
    if let Some(answer) = &document.answer {
        page.answer(answer, &document.front);
    }
    if !document.front.is_empty() {
        page.findings(document);
    }
    for (i, section) in document.sections.iter().enumerate() {
        page.x.line();
        page.section(i, section);
    }
    page.x.line();
    page.provenance(document.provenance.get(1..).unwrap_or_default());
    page.footer(document);
    page.x.close();
    page.x.close();
    page.x.finish() + "\n"
}

fn asks(answer: &StudyAnswer) -> &str {
    answer.asks.as_deref().unwrap_or("Is this direction true?")
}

fn plots(document: &Document) -> Vec<&Plot> {
    fn collect<'a>(blocks: &'a [Block], into: &mut Vec<&'a Plot>) {
        for block in blocks {
            match block {
                Block::Figure(figure) => into.push(&figure.plot),
                Block::Row { figures } => into.extend(figures.iter().map(|f| &f.plot)),
                Block::Details { blocks, .. } => collect(blocks, into),
                _ => {}
            }
        }
    }
    let mut plots = Vec::new();
    document.sections.iter().for_each(|section| collect(&section.blocks, &mut plots));
    plots
}

impl PageWriter {
    fn header(&mut self, document: &Document) {
        let x = &mut self.x;
        x.tag("header").a("id", "title").open();
        x.tag("h1").a("dir", "auto").text(&document.title);
        if !document.subtitle.is_empty() {
            x.tag("p").a("class", "subtitle").a("dir", "auto").text(&document.subtitle);
        }
        if let Some(group) = document.provenance.first() {
            entries(x, group, "byline");
        }
        x.close();
    }

    fn contents(&mut self, document: &Document) {
        let x = &mut self.x;
        x.tag("nav").a("id", "contents").a("aria-label", "Contents").open();
        x.element("h2", "", "Contents");
        x.tag("ol").open();
        if let Some(answer) = &document.answer {
            item(x, "", "answer", asks(answer));
        }
        if !document.front.is_empty() {
            item(x, "", "findings", "Findings");
        }
        for (i, section) in document.sections.iter().enumerate() {
            let anchor = self.anchors.of(&section.id);
            item(x, &(i + 1).to_string(), &anchor, &section.title);
        }
        item(x, "", "provenance", "Provenance");
        x.close();
        x.close();
    }

    fn answer(&mut self, answer: &StudyAnswer, front: &[Finding]) {
        self.x.tag("section").a("id", "answer").a("aria-labelledby", "answer-h").open();
        self.x.tag("h2").a("id", "answer-h").text(asks(answer));
        self.x.tag("p").a("class", "sentence").a("dir", "auto").text(&answer.sentence);
        self.x.tag("ul").a("class", "answer").open();
        for question in &answer.questions {
            let x = &mut self.x;
            x.tag("li").a("dir", "auto").open();
            x.element("strong", "", &question.asks);
            x.text(&format!(" {}. {}", question.verdict.word(), question.says));
            if let (Some(p), Some(place)) = (&question.holm, question.primary) {
                x.text(" ");
                let draws = front.get(place).and_then(|f| f.null.draws);
                x.element("small", "", &format!("(p\u{a0}after Holm {})", p_value(p, draws)));
            }
            x.close();
        }
        self.x.close();
        for note in &answer.notes {
            self.x.tag("p").a("class", "note-line").a("dir", "auto").open();
            block::rich(&mut self.x, &self.anchors, note);
            self.x.close();
        }
        self.x.close();
    }

    fn findings(&mut self, document: &Document) {
        let questions = document.answer.iter().flat_map(|a| &a.questions);
        let primary: HashSet<usize> = questions.filter_map(|q| q.primary).collect();
        self.x.tag("section").a("id", "findings").a("aria-labelledby", "findings-h").open();
        self.x.tag("h2").a("id", "findings-h").text("Findings");
        self.x.tag("ol").a("class", "findings").open();
        for (i, finding) in document.front.iter().enumerate() {
            self.finding(i, finding, primary.contains(&i));
        }
        self.x.close();
        let key = "Small pictures: square, the number; line, its interval; grey bar, where it falls when there is \
                   nothing to find. Each has a scale of its own.";
        self.x.element("p", "key", key);
        self.x.close();
    }

    fn finding(&mut self, i: usize, finding: &Finding, primary: bool) {
        let x = &mut self.x;
        x.tag("li").a("class", finding.status.class()).open();
        status(x, finding.status);
        x.tag("div").a("class", "what").open();
        if primary {
            x.element("p", "primary", "Primary test");
        }
        x.tag("p").a("class", "statement").a("dir", "auto").text(&finding.statement);
        x.tag("p").a("class", "numbers").open();
        let digits = finding.measure.digits;
        let measure = format!("{} {}", finding.measure.name, or_dash(&finding.measure.value, digits));
        x.element("strong", "", &measure);
        if let Some(reason) = finding.measure.value.reason() {
            x.text(&format!(" ({reason})"));
        }
        let interval = &finding.interval;
        if interval.low.get().is_some() || interval.high.get().is_some() {
            let level =
                interval.level.get().map_or(String::new(), |l| format!("{}\u{a0}% interval ", percent(l)));
            let text = format!(" · {level}{} ", bracket(&interval.low, &interval.high, digits));
            x.text(&text);
            x.element("small", "", &format!("({})", interval.method));
        } else {
            x.text(&format!(" · no interval ({})", interval.low.reason().unwrap_or("not computed")));
        }
        x.text(&format!(" · n\u{a0}=\u{a0}{} {}", count(finding.n.count), finding.n.of));
        null(x, finding);
        if let Some(target) = finding.see.as_ref().and_then(|id| self.anchors.get(id)) {
            x.text(" · ");
            x.tag("a").a("href", &format!("#{}", target.anchor)).text(&target.name);
        }
        x.close();
        x.close();
        if let Some(drawing) = spark(finding) {
            x.tag("div").a("class", "spark").open();
            x.raw(&drawing.svg(&measure, &format!("finding-{i}"), None));
            x.close();
        }
        x.close();
    }

    fn section(&mut self, i: usize, section: &Section) {
        let anchor = self.anchors.of(&section.id);
        let heading = format!("{anchor}-h");
        let x = &mut self.x;
        x.tag("section").a("id", &anchor).a("aria-labelledby", &heading).open();
        x.tag("h2").a("id", &heading).a("dir", "auto").open();
        x.element("span", "no", &(i + 1).to_string());
        x.text(" ");
        x.text(&section.title);
        x.close();
        if !section.lead.is_empty() {
            x.tag("p").a("class", "lead").a("dir", "auto").text(&section.lead);
        }
        block::blocks(self, &section.blocks, &format!("/sections/{i}"));
        self.x.close();
    }

    fn provenance(&mut self, groups: &[KeyValueList]) {
        let x = &mut self.x;
        x.tag("section").a("id", "provenance").a("aria-labelledby", "provenance-h").open();
        x.tag("h2").a("id", "provenance-h").text("Provenance");
        x.tag("div").a("class", "groups").open();
        for group in groups {
            x.tag("div").open();
            x.element("h3", "", &group.title);
            entries(x, group, "keys");
            x.close();
        }
        x.close();
        x.close();
    }

    fn footer(&mut self, document: &Document) {
        let x = &mut self.x;
        x.tag("footer").open();
        x.tag("p").open();
        x.text("Every number of this page, the figures' data included, is in ");
        x.element("code", "", "report.json");
        x.text(&format!(" (schema {SCHEMA}, version {VERSION}"));
        if let Ok(json) = unchecked_json(document) {
            let hash = sha256_hex(json.as_bytes());
            x.text("; sha256 ");
            x.element("code", "", &hash);
        }
        x.text(").");
        x.close();
        x.close();
    }
}

fn item(x: &mut Xml, number: &str, anchor: &str, text: &str) {
    x.tag("li").open();
    x.tag("a").a("href", &format!("#{anchor}")).a("dir", "auto").open();
    x.element("span", "no", number);
    x.text(" ");
    x.text(text);
    x.close();
    x.close();
}

/// Level of an interval in per cent, without a needless decimal.
fn percent(level: f64) -> String {
    let text = fixed(level * 100.0, 1);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn null(x: &mut Xml, finding: &Finding) {
    let null = &finding.null;
    let gap = null.low.get().is_none() && null.high.get().is_none();
    if gap && null.p.get().is_none() {
        x.text(&format!(" · no null ({})", null.low.reason().unwrap_or("not computed")));
        return;
    }
    x.text(" · null ");
    if !gap {
        x.text(&bracket(&null.low, &null.high, finding.measure.digits));
    }
    let draws = null.draws.map_or(String::new(), |d| format!(", {} draws", count(d)));
    x.text(" ");
    x.element("small", "", &format!("({}{draws})", null.method));
    if null.p.get().is_some() {
        let p = p_value(&null.p, null.draws.map(|n| null.test.map_or(n, |test| test.counted(n))));
        let sign = if p.starts_with(['<', '≤']) { "" } else { "=\u{a0}" };
        x.text(&format!(", p\u{a0}{sign}{p}"));
    }
}

/// Keys and values as a description list.
pub(super) fn entries(x: &mut Xml, group: &KeyValueList, class: &str) {
    x.tag("dl").a("class", class).open();
    for entry in &group.entries {
        x.tag("div").open();
        x.tag("dt").a("dir", "auto").text(&entry.key);
        x.tag("dd").a("dir", "auto").open();
        table::content(x, &entry.value);
        x.close();
        x.close();
    }
    x.close();
}

/// A status as sign and word: the colour never stands alone.
pub(super) fn status(x: &mut Xml, status: FindingStatus) {
    x.tag("span").a("class", &format!("status {}", status.class())).open();
    x.tag("span").a("aria-hidden", "true").text(status.sign());
    x.text(" ");
    x.text(status.word());
    x.close();
}
