//! Contrast by WCAG 2.2, <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>.
use super::super::svg::THEME;
use std::collections::HashMap;

fn channel(hex: &str) -> f64 {
    let c = f64::from(u8::from_str_radix(hex, 16).unwrap()) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

fn luminance(hex: &str) -> f64 {
    let hex = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
    0.2126 * channel(&hex[0..2]) + 0.7152 * channel(&hex[2..4]) + 0.0722 * channel(&hex[4..6])
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Colours of the light and the dark theme by name.
fn themes() -> [HashMap<&'static str, &'static str>; 2] {
    let (light, dark) = THEME.split_once("@media").unwrap();
    [light, dark].map(|sheet| {
        let entries =
            sheet.split(['{', ';', '}']).filter_map(|d| d.trim().strip_prefix("--")?.split_once(":#"));
        entries.collect()
    })
}

#[test]
fn black_on_white_is_twenty_one() {
    assert!((contrast("fff", "000000") - 21.0).abs() < 1e-9);
}

#[test]
fn text_and_marks_stand_out_in_both_themes() {
    for theme in themes() {
        assert_eq!(theme.len(), 21, "a colour is missing in one theme");
        let against = |name: &str, back: &str, least: f64| {
            let found = contrast(theme[name], theme[back]);
            assert!(found >= least, "{name} on {back}: {found:.2} < {least}");
        };
        for text in ["fg", "muted", "link", "ok", "no", "unsure", "care"] {
            against(text, "bg", 4.5);
            against(text, "soft", 4.5);
        }
        for mark in ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "null", "axis"] {
            against(mark, "bg", 3.0);
        }
        // Numbers in the cells of a heat map are written on anything up to the full colour.
        for cell in ["pos", "neg"] {
            against("fg", cell, 4.5);
        }
    }
}
