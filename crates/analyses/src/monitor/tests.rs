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

/// Least and greatest are of the tokens that the results hold: a first token like the others is one of them, and what is
/// left out is counted and said.
#[test]
fn least_and_greatest_are_of_all_tokens_but_those_that_are_said() {
    let tiny = Tiny::open();
    let texts = named(&["the old hat", "a tin", "a"]);
    let directions =
        [watched(&tiny, "low", Site::Embed, None), watched(&tiny, "high", Site::ResidPost(0), None)];
    let seeds = Seeds::new(0);
    let asked = AnalysisContext { reader: Reader::new(&tiny, None), seeds: &seeds, watch: &Unwatched };
    let data = MonitorData { texts: &texts, directions: &directions };
    let mut found = Monitor::run(&data, &Params::default(), &asked).unwrap();
    for (i, d) in found.directions.iter().enumerate() {
        let kept: Vec<f64> = found
            .texts
            .iter()
            .flat_map(|t| &t.tokens)
            .filter(|t| !t.left_out_of.contains(&i))
            .map(|t| t.projection[i])
            .collect();
        assert_eq!(d.tokens, found.texts.iter().map(|t| t.tokens.len()).sum::<usize>());
        assert_eq!((d.left_out, d.multiple), (d.tokens - kept.len(), 4.0));
        assert_eq!(d.least, kept.iter().copied().reduce(f64::min));
        assert_eq!(d.greatest, kept.iter().copied().reduce(f64::max));
    }
    // A text of one token keeps it.
    let one = NamedPrompt::tokens("one", vec![1]);
    let alone = MonitorData { texts: &[one], directions: &directions };
    let alone = Monitor::run(&alone, &Params::default(), &asked).unwrap();
    assert!(alone.directions.iter().all(|d| d.mean.is_some() && d.left_out == 0), "{:?}", alone.directions);
    assert!(Monitor::table(&alone).says.is_empty());
    (found.directions[1].left_out, found.directions[1].tokens) = (2, 7);
    let says = Monitor::table(&found).says;
    assert!(says[0].contains("2 of 7 for high at resid_post.0"), "{says:?}");
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
