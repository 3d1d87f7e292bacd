//! The same numbers however the work is cut: batched, cached, stopped early, pruned.

use proptest::prelude::*;
use truenorth_protocol::Site;

use super::support::{Recorder, Steer, generate, logits, relative, tiny, untrained};
use crate::cache::KvCache;
use crate::hooks::NoHooks;
use crate::layout::{Need, RowNeed, TokenBatch};
use crate::model::Model;

const WITHIN: f64 = 1e-5;
/// A single row may be small beside the rest, and its rounding then weighs more.
const ROW_WITHIN: f64 = 4e-5;
const FAMILIES: [&str; 10] =
    ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "olmo2", "olmo3", "gpt2", "gpt_neox"];

fn prompts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(0..53_u32, 1..40), 1..5)
}

/// A model, prompts for it, and an edit of one of its sites or none.
fn case() -> impl Strategy<Value = (Model, Vec<Vec<u32>>, Option<Steer>)> {
    let site = prop::sample::select(Site::all(3).filter(|s| *s != Site::Logits).collect::<Vec<_>>());
    let steer = prop::option::of((site, prop::collection::vec(-0.5..0.5_f32, 24)));
    (prop::sample::select(&FAMILIES[..]), 0..4_u64, prompts(), steer).prop_map(
        |(family, seed, prompts, steer)| {
            let steer = steer.map(|(site, vector)| Steer { site, vector });
            (untrained(&tiny(family), seed), prompts, steer)
        },
    )
}

fn recorder(sites: &[Site], steer: Option<&Steer>) -> Recorder {
    let all = Recorder::of(sites.iter().copied());
    match steer {
        Some(steer) => all.steered(steer),
        None => all,
    }
}

fn close(what: &str, got: &[Vec<f32>], want: &[Vec<f32>]) -> Result<(), TestCaseError> {
    let (all, row) = relative(got, want);
    prop_assert!(all < WITHIN && row < ROW_WITHIN, "{what}: {all:.1e}, a row {row:.1e}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn batched_is_one_by_one((model, prompts, steer) in case()) {
        let together = logits(&model, &prompts, steer.as_ref());
        let mut alone = Vec::new();
        for p in &prompts {
            alone.extend(logits(&model, std::slice::from_ref(p), steer.as_ref()));
        }
        close("logits", &together, &alone)?;
    }

    #[test]
    fn cached_is_recomputed((model, prompts, steer) in case(), cuts in prop::collection::vec(0.0..1.0_f64, 3)) {
        let want = logits(&model, &prompts, steer.as_ref());
        let mut cache = model.cache(prompts.len(), 2);
        let mut got: Vec<Vec<Vec<f32>>> = vec![Vec::new(); prompts.len()];
        // Every prompt in pieces, which differ from prompt to prompt.
        for piece in 0..=cuts.len() {
            let mut batch = TokenBatch::new();
            for (seq, p) in prompts.iter().enumerate() {
                let at = |i: usize| {
                    let mut sorted = cuts.clone();
                    sorted.sort_by(f64::total_cmp);
                    match i {
                        0 => 0,
                        i if i > sorted.len() => p.len(),
                        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
                        i => (sorted[i - 1] * p.len() as f64) as usize,
                    }
                };
                if at(piece) < at(piece + 1) {
                    batch.push(seq, &p[at(piece)..at(piece + 1)]).unwrap();
                }
            }
            let mut hooks = recorder(&[], steer.as_ref());
            if let Some(l) = model.forward(&batch, Some(&mut cache), &Need::all(Site::Logits), &mut hooks).unwrap() {
                let values: Vec<Vec<f32>> = l.tensor.to_vec2().unwrap();
                for (row, v) in l.rows.all().iter().zip(values) {
                    prop_assert_eq!(row.position, got[row.seq].len());
                    got[row.seq].push(v);
                }
            }
        }
        close("logits", &got.concat(), &want)?;
    }

    #[test]
    fn stopped_and_pruned_is_full(
        (model, prompts, steer) in case(),
        last in prop::sample::select(Site::all(3).collect::<Vec<_>>()),
        full in prop::option::of(prop::sample::select(Site::all(3).collect::<Vec<_>>())),
        pick in prop::collection::vec(any::<bool>(), 160),
        which in 0..3_u8,
    ) {
        let sites: Vec<Site> = Site::all(3).collect();
        let batch = TokenBatch::of(&prompts).unwrap();
        let mut whole = recorder(&sites, steer.as_ref());
        model.forward(&batch, None, &Need::all(Site::Logits), &mut whole).unwrap();
        let rows = match which {
            0 => RowNeed::All,
            1 => RowNeed::Last,
            _ => RowNeed::Rows((0..batch.rows()).filter(|i| pick[*i]).collect()),
        };
        let needed: Vec<usize> = match &rows {
            RowNeed::All => (0..batch.rows()).collect(),
            RowNeed::Last => batch.parts().map(|(_, r)| r.end - 1).collect(),
            RowNeed::Rows(rows) => rows.clone(),
        };
        let need = Need { last, full: full.filter(|f| f.order() <= last.order()), rows };
        let mut part = recorder(&sites, steer.as_ref());
        let out = model.forward(&batch, None, &need, &mut part).unwrap();
        let through = |s: &Site| s.order() <= last.order();
        if !needed.is_empty() {
            prop_assert_eq!(&part.order, &sites.iter().copied().filter(through).collect::<Vec<_>>());
            prop_assert_eq!(out.is_some(), last == Site::Logits);
        }
        for site in &part.order {
            let (rows, got) = &part.got[&site.to_string()];
            let all_needed = need.full.is_some_and(|f| site.order() <= f.order());
            for t in if all_needed { (0..batch.rows()).collect() } else { needed.clone() } {
                prop_assert!(rows.iter().any(|r| r.token == t), "{} lacks row {}", site, t);
            }
            let (all_rows, all) = &whole.got[&site.to_string()];
            let want: Vec<Vec<f32>> = rows.iter().map(|r| all[r.token].clone()).collect();
            prop_assert!(rows.iter().all(|r| all_rows[r.token] == *r));
            close(&site.to_string(), got, &want)?;
        }
    }

    #[test]
    fn generating_together_is_generating_alone((model, prompts, steer) in case(), more in prop::collection::vec(1..8_usize, 4)) {
        let lengths: Vec<usize> = more[..prompts.len()].to_vec();
        let together = generate(&model, &prompts, &lengths, steer.as_ref());
        for (i, p) in prompts.iter().enumerate() {
            let alone = generate(&model, std::slice::from_ref(p), &lengths[i..=i], steer.as_ref());
            prop_assert_eq!(&together[i], &alone[0]);
            // And what a pass over the whole text says next is what was generated.
            let mut text = p.clone();
            text.extend(&together[i][..lengths[i] - 1]);
            let rows = logits(&model, &[text], steer.as_ref());
            for (k, token) in together[i].iter().enumerate() {
                let row = &rows[p.len() - 1 + k];
                let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                prop_assert!(best - row[*token as usize] <= 1e-4 * best.abs().max(1.0));
            }
        }
    }
}

#[test]
fn past_the_last_full_site_only_needed_rows_are_seen() {
    let model = untrained(&tiny("llama"), 1);
    let batch = TokenBatch::of(&[vec![1, 2, 3], vec![4, 5, 6, 7]]).unwrap();
    let sites: Vec<Site> = Site::all(3).collect();
    let count = |need: &Need, site: Site| {
        let mut seen = Recorder::of(sites.clone());
        model.forward(&batch, None, need, &mut seen).unwrap();
        seen.got.get(&site.to_string()).map_or(0, |(rows, _)| rows.len())
    };
    let read = Need::last_rows(Site::ResidPost(1));
    assert_eq!(count(&read, Site::ResidPost(0)), 7, "the block before needs all rows");
    assert_eq!(count(&read, Site::ResidPre(1)), 7, "keys and values need all rows");
    assert_eq!(count(&read, Site::AttnOut(1)), 2);
    assert_eq!(count(&read, Site::ResidPost(1)), 2);
    assert_eq!(count(&read, Site::ResidPre(2)), 0, "nothing runs after the last site");
    assert_eq!(
        count(&Need::last_rows(Site::ResidPre(2)), Site::MlpOut(1)),
        2,
        "resid_pre.2 is block 1's work"
    );
    assert_eq!(count(&Need::next_token(), Site::MlpOut(2)), 2);
    let mid = Need { full: Some(Site::ResidMid(2)), ..Need::next_token() };
    assert_eq!((count(&mid, Site::ResidMid(2)), count(&mid, Site::MlpOut(2))), (7, 2));
    let logits = Need { full: Some(Site::FinalNorm), ..Need::next_token() };
    assert_eq!((count(&logits, Site::FinalNorm), count(&logits, Site::Logits)), (7, 2));
}

#[test]
fn a_cache_filled_in_part_refuses_deeper_passes() {
    let model = untrained(&tiny("llama"), 1);
    let mut cache: KvCache = model.cache(2, 4);
    let batch = TokenBatch::of(&[vec![1, 2, 3]]).unwrap();
    let shallow = Need::last_rows(Site::ResidPost(0));
    assert!(model.forward(&batch, Some(&mut cache), &shallow, &mut NoHooks).unwrap().is_none());
    assert_eq!(cache.len(0), 3);
    assert!(model.forward(&batch, Some(&mut cache), &shallow, &mut NoHooks).is_ok());
    let deep = model.forward(&batch, Some(&mut cache), &Need::next_token(), &mut NoHooks);
    let text = deep.unwrap_err().to_string();
    assert_eq!(text, "the cache of sequence 0 holds 0 tokens at block 1, expected 6");
    cache.forget(0);
    assert!(cache.is_empty());
    assert!(model.forward(&batch, Some(&mut cache), &Need::next_token(), &mut NoHooks).is_ok());
}
