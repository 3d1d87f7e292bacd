//! Blocks of a section.
use super::super::document::{Block, Figure, NoteKind, Rich, Span};
use super::super::svg::{Drawing, PlotWidth, draw, xml::Xml};
use super::anchors::Anchors;
use super::page::{PageWriter, entries};
use super::table;

pub(super) fn blocks(page: &mut PageWriter, blocks: &[Block], at: &str) {
    for (i, block) in blocks.iter().enumerate() {
        page.x.line();
        one(page, block, &format!("{at}/blocks/{i}"));
    }
}

fn one(page: &mut PageWriter, block: &Block, at: &str) {
    match block {
        Block::Paragraph { text } => {
            page.x.tag("p").a("dir", "auto").open();
            rich(&mut page.x, &page.anchors, text);
            page.x.close();
        }
        Block::List { ordered, items } => {
            page.x.tag(if *ordered { "ol" } else { "ul" }).a("class", "items").open();
            for item in items {
                page.x.tag("li").a("dir", "auto").open();
                rich(&mut page.x, &page.anchors, item);
                page.x.close();
            }
            page.x.close();
        }
        Block::Table(t) => table::table(page, t, at),
        Block::Figure(f) => figure(page, f, at, false),
        Block::Row { figures } => {
            page.x.tag("div").a("class", "row").open();
            for (i, f) in figures.iter().enumerate() {
                figure(page, f, &format!("{at}/figures/{i}"), true);
            }
            page.x.close();
        }
        Block::Note { kind, text } => {
            let (class, name) = match kind {
                NoteKind::Remark => ("note", "Remark"),
                NoteKind::Method => ("note method", "Method"),
                NoteKind::Limit => ("note limit", "Limit"),
                NoteKind::Warning => ("note warning", "Warning"),
            };
            page.x.tag("aside").a("class", class).open();
            page.x.tag("p").a("dir", "auto").open();
            page.x.element("strong", "", &format!("{name}."));
            page.x.text(" ");
            rich(&mut page.x, &page.anchors, text);
            page.x.close();
            page.x.close();
        }
        Block::KeyValues(group) => {
            if !group.title.is_empty() {
                page.x.element("h3", "", &group.title);
            }
            entries(&mut page.x, group, "keys");
        }
        Block::Beside { texts } => {
            page.x.tag("div").a("class", "beside").open();
            for text in texts {
                page.x.tag("div").open();
                page.x.tag("p").a("class", "figure-title").a("dir", "auto").open();
                page.x.element("strong", "", &text.title);
                if !text.remark.is_empty() {
                    page.x.text(" ");
                    page.x.element("small", "", &text.remark);
                }
                page.x.close();
                page.x.tag("p").a("class", "written").a("dir", "auto").open();
                rich(&mut page.x, &page.anchors, &text.text);
                page.x.close();
                page.x.close();
            }
            page.x.close();
        }
        Block::Details { summary, blocks: inner } => {
            page.x.tag("details").open();
            page.x.element("summary", "", summary);
            blocks(page, inner, at);
            page.x.close();
        }
    }
}

pub(super) fn rich(x: &mut Xml, anchors: &Anchors, text: &Rich) {
    for span in &text.0 {
        match span {
            Span::Plain(text) => x.text(text),
            Span::Strong(text) => x.element("strong", "", text),
            Span::Em(text) => x.element("em", "", text),
            Span::Code(text) => x.element("code", "", text),
            Span::Changed(text) => x.element("mark", "", text),
            Span::Link { to, text } => match anchors.get(to) {
                Some(target) => x.tag("a").a("href", &format!("#{}", target.anchor)).text(text),
                None => x.text(text),
            },
        }
    }
}

fn figure(page: &mut PageWriter, figure: &Figure, at: &str, half: bool) {
    page.figures += 1;
    let number = page.figures;
    let anchor = page.anchors.of(&figure.id);
    let x = &mut page.x;
    x.tag("figure").a("id", &anchor).open();
    x.tag("p").a("class", "figure-title").a("dir", "auto").open();
    x.element("strong", "", &format!("Figure {number}."));
    x.text(" ");
    x.text(&figure.title);
    x.close();
    let compact = draw(&figure.plot, PlotWidth::Compact, &page.palette);
    let svg =
        |drawing: &Drawing, name: &str| drawing.svg(&figure.title, &format!("figure-{number}-{name}"), None);
    if half {
        x.tag("div").a("class", "plot").open();
        x.raw(&svg(&compact, "plot"));
        x.close();
        caption(x, figure, &[(&compact, "remark")], at);
        return;
    }
    let wide = draw(&figure.plot, PlotWidth::Wide, &page.palette);
    for (drawing, name) in [(&wide, "wide"), (&compact, "compact")] {
        x.tag("div").a("class", &format!("plot {name}")).open();
        x.raw(&svg(drawing, name));
        x.close();
    }
    if wide.remarks == compact.remarks {
        caption(x, figure, &[(&wide, "remark")], at);
    } else {
        caption(x, figure, &[(&wide, "remark wide"), (&compact, "remark compact")], at);
    }
}

/// Writes the caption with what each drawing has to state, and closes the figure.
fn caption(x: &mut Xml, figure: &Figure, drawings: &[(&Drawing, &str)], at: &str) {
    x.tag("figcaption").open();
    x.tag("p").a("dir", "auto").open();
    x.text(&figure.caption);
    for (drawing, class) in drawings {
        for remark in &drawing.remarks {
            x.text(" ");
            x.element("span", class, remark);
        }
    }
    x.close();
    limits(x, &figure.not_shown, at);
    x.close();
    x.close();
}

/// What a figure or table does not show, and where its data are.
pub(super) fn limits(x: &mut Xml, not_shown: &str, at: &str) {
    x.tag("p").a("class", "limits").a("dir", "auto").open();
    x.element("strong", "", "Not shown:");
    x.text(" ");
    x.text(not_shown);
    x.text(" ");
    x.tag("span").a("class", "where").a("title", "JSON pointer to the data in report.json").text(at);
    x.close();
}
