use truenorth_protocol::ReadAt;
use truenorth_protocol::run::{Runner as _, Unwatched};
use truenorth_stats::math::Seeds;

use super::*;
use crate::fixture::{Tiny, named};
use truenorth_reading::Reader;

fn watched(tiny: &Tiny, name: &str, site: Site, norm: Option<f64>) -> Watched {
    let hidden = tiny.info().hidden as usize;
    Watched { name: name.into(), site, direction: (0..hidden).map(|i| (i % 5) as f32 - 1.0).collect(), norm }
}

#[test]
fn every_token_is_projected_on_every_direction_at_its_own_site() {
    let tiny = Tiny::open();
    let texts = named(&["the old hat", "a tin"]);
    let directions =
        [watched(&tiny, "low", Site::Embed, None), watched(&tiny, "high", Site::ResidPost(0), Some(2.0))];
    let seeds = Seeds::new(0);
    let asked = AnalysisContext { reader: Reader::new(&tiny, None), seeds: &seeds, watch: &Unwatched };
    let data = MonitorData { texts: &texts, directions: &directions };
    let found = Monitor::run(&data, &Params::default(), &asked).unwrap();
    for (i, watched) in directions.iter().enumerate() {
        let reading = asked.reader.read(&texts, &[watched.site], ReadAt::All, &Unwatched).unwrap().remove(0);
        let tokens: Vec<_> = found.texts.iter().flat_map(|t| &t.tokens).collect();
        assert_eq!(tokens.len(), reading.values.nrows());
        let norm = watched.direction.iter().map(|v| f64::from(v * v)).sum::<f64>().sqrt();
        for (token, row) in tokens.iter().zip(reading.values.outer_iter()) {
            let dot: f64 =
                row.iter().zip(&watched.direction).map(|(x, d)| f64::from(*x) * f64::from(*d)).sum::<f64>()
                    / norm;
            let size = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            assert!((token.projection[i] - dot / watched.norm.unwrap_or(1.0)).abs() < 1e-9);
            assert!((token.cosine[i] - dot / size).abs() < 1e-9);
        }
    }
    let page = Monitor::page(&found);
    assert_eq!(page.sections.len(), 3);
    assert!(found.texts.iter().all(|t| t.given == t.tokens.len()));
}

#[test]
fn what_is_generated_is_watched_behind_what_was_given() {
    let tiny = Tiny::open();
    let texts = named(&["the old hat", "a tin"]);
    let directions = [watched(&tiny, "low", Site::ResidPost(0), None)];
    let seeds = Seeds::new(0);
    let asked = AnalysisContext { reader: Reader::new(&tiny, None), seeds: &seeds, watch: &Unwatched };
    let data = MonitorData { texts: &texts, directions: &directions };
    let plain = Monitor::run(&data, &Params::default(), &asked).unwrap();
    let params = Params { max_new_tokens: 4, ..Params::default() };
    let found = Monitor::run(&data, &params, &asked).unwrap();
    for (text, alone) in found.texts.iter().zip(&plain.texts) {
        assert_eq!(text.given, alone.tokens.len());
        assert!(text.tokens.len() > text.given);
        for (a, b) in text.tokens.iter().zip(&alone.tokens) {
            assert_eq!(a.id, b.id);
            assert!((a.projection[0] - b.projection[0]).abs() < 1e-5, "what follows changes nothing before");
        }
    }
}
