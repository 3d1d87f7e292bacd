//! Our kernels against candle's operations, which run anywhere; and that what stands beside a row
//! changes no bit of it.

use candle_core::{DType, Device};
use proptest::prelude::*;
use truenorth_protocol::Site;

use super::support::{Recorder, Steer, generate, logits, relative, tiny};
use crate::Choices;
use crate::backend::host;
use crate::config::Config;
use crate::layout::{Need, TokenBatch};
use crate::load::{Kernels, LoadOptions};
use crate::model::Model;

/// Roundings, as untrained weights of this spread grow them: in 4 000 random batches the largest of a site
/// was 2.2e-5, that of a row 2.9e-5.
const WITHIN: f64 = 1e-4;
const ROW_WITHIN: f64 = 3e-4;

const FAMILIES: [&str; 10] =
    ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "olmo2", "olmo3", "gpt2", "gpt_neox"];

/// The same untrained model, computed by panels where there are some, by slices, and by candle alone.
fn all(family: &str, dtype: DType) -> [Model; 3] {
    let mut config = Config::parse(&tiny(family), &Choices::default()).unwrap();
    config.init_std = 0.25;
    [Kernels::Best, Kernels::Slices, Kernels::Candle].map(|kernels| {
        let options = LoadOptions { dtype: Some(dtype), kernels, ..LoadOptions::default() };
        Model::random_init(config.clone(), 3, &options, &Device::Cpu).unwrap()
    })
}

fn prompts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(0..53_u32, 1..40), 1..5)
}

fn sites(model: &Model, batch: &TokenBatch) -> Recorder {
    let steer = Steer { site: Site::ResidPost(0), vector: (0..24).map(|i| (i as f32).sin()).collect() };
    let mut seen = Recorder::of(Site::all(3)).steered(&steer);
    model.forward(batch, None, &Need::all(Site::Logits), &mut seen).unwrap();
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_site_is_what_candle_makes_of_it(family in prop::sample::select(&FAMILIES[..]), prompts in prompts()) {
        let [best, slices, candle] = all(family, DType::F32);
        prop_assert_eq!((slices.kernels(), candle.kernels()), ("candle+slices", "candle"));
        prop_assert_eq!(best.kernels() != "candle+slices", host::usable());
        let batch = TokenBatch::of(&prompts).unwrap();
        let want = sites(&candle, &batch);
        for ours in [best, slices] {
            let got = sites(&ours, &batch);
            for site in Site::all(3) {
                let (all, row) = relative(got.values(site), want.values(site));
                let what = format!("{family} {site} by {}: {all:.1e}, a row {row:.1e}", ours.kernels());
                prop_assert!(all < WITHIN && row < ROW_WITHIN, "{}", what);
            }
        }
    }

    #[test]
    fn what_stands_beside_a_sequence_changes_no_bit_of_it(family in prop::sample::select(&FAMILIES[..]), prompts in prompts(), narrow: bool) {
        prop_assume!(host::usable());
        let [model, ..] = all(family, if narrow { DType::BF16 } else { DType::F32 });
        let together = logits(&model, &prompts, None);
        let alone: Vec<Vec<f32>> = prompts.iter().flat_map(|p| logits(&model, std::slice::from_ref(p), None)).collect();
        prop_assert!(together == alone, "{} differs", family);
    }
}

#[test]
fn candle_generates_what_we_do() {
    for family in FAMILIES {
        let prompts = [vec![1, 2, 3, 4, 5], vec![7], (0..30).collect()];
        let [best, slices, candle] =
            all(family, DType::F32).map(|model| generate(&model, &prompts, &[6, 3, 8], None));
        assert_eq!(best, candle, "{family}");
        assert_eq!(slices, candle, "{family} by slices");
    }
}

#[test]
fn sixteen_bit_weights_lose_only_their_rounding() {
    let prompts = [(0..40).collect::<Vec<u32>>()];
    for family in FAMILIES {
        let [narrow, _, candle] = all(family, DType::BF16);
        // Candle widens the same weights, so what is left is the rounding of rows.
        let (all, _) = relative(&logits(&narrow, &prompts, None), &logits(&candle, &prompts, None));
        assert!(all < 2e-2, "{family}: {all:.1e}");
    }
}
