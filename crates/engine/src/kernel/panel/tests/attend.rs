//! Attention against its definition in f64.

use proptest::prelude::*;

use super::super::attend::share;
use super::super::plain::PlainF32;
use super::super::*;
use super::noise;

fn slow(a: &AttentionShape, q: &[f32], positions: &[usize], k: &[f32], v: &[f32]) -> Vec<f64> {
    let (width, kv) = (a.heads * a.dim, a.kv_heads * a.dim);
    let mut out = Vec::new();
    for (row, p) in positions.iter().enumerate() {
        for h in 0..a.heads {
            let at = h / (a.heads / a.kv_heads) * a.dim;
            let seen: Vec<usize> = (0..=*p).filter(|j| a.window.is_none_or(|w| p - j < w)).collect();
            let weights: Vec<f64> = seen
                .iter()
                .map(|j| {
                    let s = (0..a.dim)
                        .map(|d| f64::from(q[row * width + h * a.dim + d]) * f64::from(k[j * kv + at + d]))
                        .sum::<f64>()
                        * f64::from(a.scale);
                    a.softcap.map_or(s, |c| f64::from(c) * (s / f64::from(c)).tanh()).exp()
                })
                .collect();
            let total: f64 = weights.iter().sum();
            for d in 0..a.dim {
                out.push(
                    seen.iter().zip(&weights).map(|(j, w)| w * f64::from(v[j * kv + at + d])).sum::<f64>()
                        / total,
                );
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn attention_agrees(
        lengths in prop::collection::vec((0..50_usize, 0..150_usize), 1..5),
        kv_heads in 1..4_usize,
        group in 1..5_usize,
        dim in prop_oneof![1..70_usize, Just(64_usize), Just(256_usize), Just(300_usize)],
        window in prop::option::of(1..100_usize),
        softcap in prop::option::of(0.5..4.0_f32),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        seed: u64,
    ) {
        let (heads, width) = (kv_heads * group, kv_heads * dim);
        let a = AttentionShape { heads, kv_heads, dim, scale: 3.0 / dim as f32, softcap, window };
        let mut held = Vec::new();
        for (i, (new, past)) in lengths.iter().enumerate() {
            let len = new + past;
            let s = seed ^ (i as u64) << 20;
            let (k, v) = (noise(len * width, s), noise(len * width, s ^ 1));
            let mut whole = Kv::new(kv_heads, dim, 0);
            // In pieces, as decoding appends.
            for (k, v) in k.chunks(width * 7).zip(v.chunks(width * 7)) {
                whole.append(k, v).unwrap();
            }
            prop_assert_eq!(whole.len(), len);
            if len > 0 {
                prop_assert_eq!(whole.position(len - 1).unwrap(), (k[(len - 1) * width..].to_vec(), v[(len - 1) * width..].to_vec()));
            }
            // The same in stretches, of which some hold nothing.
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(len + 1)).chain([0, *past, len]).collect();
            at.sort_unstable();
            let stretch = |at: &[usize]| {
                let (from, to) = (at[0], at[1]);
                let mut kv = Kv::from(kv_heads, dim, from, (to - from) / 2);
                kv.append(&k[from * width..to * width], &v[from * width..to * width]).unwrap();
                kv
            };
            let stretches: Vec<Kv> = at.windows(2).map(stretch).collect();
            let positions: Vec<usize> = (*past..len).step_by(1 + i % 2).collect();
            let q = noise(positions.len() * heads * dim, s ^ 2);
            held.push((k, v, whole, stretches, positions, q));
        }
        let q: Vec<f32> = held.iter().flat_map(|h| h.5.clone()).collect();
        let want: Vec<f64> = held.iter().flat_map(|h| slow(&a, &h.5, &h.4, &h.0, &h.1)).collect();
        let spans: Vec<[&Kv; 1]> = held.iter().map(|h| [&h.2]).collect();
        let split: Vec<Vec<&Kv>> = held.iter().map(|h| h.3.iter().collect()).collect();
        let parts: Vec<SequenceQueries> = held.iter().zip(&spans).map(|(h, s)| SequenceQueries { positions: &h.4, spans: s }).collect();
        let shared: Vec<SequenceQueries> = held.iter().zip(&split).map(|(h, s)| SequenceQueries { positions: &h.4, spans: s }).collect();
        let mut got = vec![f32::NAN; q.len()];
        attend(&a, &q, &parts, &mut got).unwrap();
        let mut joined = vec![f32::NAN; q.len()];
        attend(&a, &q, &shared, &mut joined).unwrap();
        let mut portable = vec![f32::NAN; q.len()];
        share(&PlainF32::new(false), &a, &q, &parts, &mut portable);
        prop_assert_eq!(&joined, &got, "the cuts show");
        for k in [PlainF32::new(false), PlainF32::new(true)] {
            share(&k, &a, &q, &parts, &mut portable);
            share(&k, &a, &q, &shared, &mut joined);
            prop_assert_eq!(&joined, &portable, "the cuts show");
        }
        for (i, w) in want.iter().enumerate() {
            for g in [got[i], portable[i]] {
                prop_assert!((f64::from(g) - w).abs() < 3e-6, "{} for {} at {}", g, w, i);
            }
        }
        // A query alone has the same bits.
        let mut at = 0;
        for (h, s) in held.iter().zip(&spans) {
            if let Some(last) = h.4.last() {
                let from = at + (h.4.len() - 1) * heads * dim;
                let mut alone = vec![f32::NAN; heads * dim];
                attend(&a, &q[from..from + heads * dim], &[SequenceQueries { positions: &[*last], spans: s }], &mut alone).unwrap();
                prop_assert_eq!(&alone[..], &got[from..from + heads * dim]);
            }
            at += h.5.len();
        }
    }
}

#[test]
fn a_query_without_a_key_is_refused() {
    let a = AttentionShape { heads: 1, kv_heads: 1, dim: 2, scale: 1.0, softcap: None, window: None };
    let mut kv = Kv::new(1, 2, 0);
    kv.append(&[0.0; 6], &[0.0; 6]).unwrap();
    let part = SequenceQueries { positions: &[3], spans: &[&kv] };
    let e = attend(&a, &[0.0; 2], &[part], &mut [0.0; 2]).unwrap_err();
    assert_eq!((e.found, e.expected), (3, 4));
    // Stretches with a gap between them.
    let mut far = Kv::from(1, 2, 4, 1);
    far.append(&[0.0; 2], &[0.0; 2]).unwrap();
    let part = SequenceQueries { positions: &[3], spans: &[&kv, &far] };
    let e = attend(&a, &[0.0; 2], &[part], &mut [0.0; 2]).unwrap_err();
    assert_eq!((e.what, e.found, e.expected), ("the keys before a stretch", 4, 3));
}
