//! The table of tests, and the questions that they decide.

use super::demo::demo;
use crate::{Cell, Column, Document, QuestionVerdict, Section, Table, Test, render};

#[test]
fn every_p_value_of_a_page_stands_in_the_table_of_its_tests() {
    let tested = demo().tested();
    // Findings and tables alike; a corrected p is not a second one.
    assert_eq!(tested[&Test::HeldOut].count, 1);
    assert!(tested[&Test::HeldOut].primary && !tested[&Test::RankCorrelation].primary);
    let page = render::html(&demo().with_tests(&["Seed 7.".into()]));
    for test in tested.keys() {
        assert!(page.contains(test.card().asks), "{test:?}");
    }
    assert!(page.contains("Seed 7.") && page.contains("Primary test"));
}

#[test]
fn a_page_without_p_values_has_no_such_table() {
    let mut table = Table::new("t", "caption", "nothing", vec![Column::new("p")]);
    table.push(vec![Cell::p(Test::HeldOut, f64::NAN, None)]);
    let document = Document {
        title: "none".into(),
        sections: vec![Section::new("s", "s", "").with(table)],
        ..Document::default()
    };
    assert_eq!(document.clone().with_tests(&[]).sections.len(), document.sections.len());
}

#[test]
fn a_verdict_needs_its_test() {
    let mut document = demo();
    let answer = document.answer.as_mut().unwrap();
    answer.questions[1].verdict = QuestionVerdict::Yes;
    assert!(document.check().unwrap_err().to_string().contains("/answer/questions/1/primary"));
    let answer = document.answer.as_mut().unwrap();
    answer.questions[1].primary = Some(99);
    assert!(document.check().unwrap_err().to_string().contains("99"));
}
