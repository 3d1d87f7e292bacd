//! The numbers of transformers, for a small random model of every family.

use truenorth_protocol::Site;

use super::support::{Recorder, Reference, generate, load, load_as, logits, relative};
use crate::layout::{Need, TokenBatch};
use crate::load::LoadOptions;

/// Largest relative difference that is allowed, at every site, in all and a row.
const WITHIN: f64 = 1e-4;

fn check(name: &str) {
    let (model, reference) = (load(name), Reference::of(name));
    let prompts = reference.lists("prompts");
    #[allow(clippy::cast_possible_truncation)]
    let sites: Vec<Site> = Site::all(model.config().layers() as u32).collect();
    let mut seen = Recorder::of(sites.clone());
    let batch = TokenBatch::of(&prompts).unwrap();
    model.forward(&batch, None, &Need::all(Site::Logits), &mut seen).unwrap();
    assert_eq!(seen.order, sites, "{name}: every site once, in order");
    let mut worst = (0.0_f64, 0.0_f64, Site::Embed);
    for site in sites {
        let (all, row) = relative(seen.values(site), &reference.rows(&site.to_string()));
        assert!(all < WITHIN && row < WITHIN, "{name}: {site} is off by {all:.1e}, a row by {row:.1e}");
        if row > worst.1 {
            worst = (all, row, site);
        }
    }
    let steer = reference.steering();
    let (all, row) = relative(&logits(&model, &prompts, Some(&steer)), &reference.rows("steered_logits"));
    assert!(all < WITHIN && row < WITHIN, "{name}: steered logits are off by {all:.1e}, a row by {row:.1e}");
    println!(
        "{name}: worst site {} {:.1e}, a row {:.1e}; steered {all:.1e}, {row:.1e}",
        worst.2, worst.0, worst.1
    );

    let greedy = reference.lists("greedy");
    let lengths: Vec<usize> = greedy.iter().map(Vec::len).collect();
    assert_eq!(generate(&model, &prompts, &lengths, None), greedy, "{name}: greedy tokens");
    let steered = generate(&model, &prompts, &lengths, Some(&steer));
    assert_eq!(steered, reference.lists("steered_greedy"), "{name}: steered greedy tokens");
}

macro_rules! families {
    ($($test:ident = $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            check($name);
        })*

        #[test]
        fn no_family_folder_is_left_out() {
            let known = [$($name),*];
            for entry in std::fs::read_dir(super::support::folder("")).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(known.contains(&name.as_str()), "{name} has no test");
            }
        }
    };
}

families! {
    gemma2 = "gemma2",
    gemma3 = "gemma3",
    gemma3_layer_types = "gemma3-layer-types",
    gpt2 = "gpt2",
    gpt2_bare = "gpt2-bare",
    gpt_neox = "gpt_neox",
    gpt_neox_sequential = "gpt_neox-sequential",
    llama = "llama",
    llama_bf16 = "llama-bf16",
    llama_bias_linear = "llama-bias-linear",
    llama_f16 = "llama-f16",
    llama_sharded = "llama-sharded",
    llama3 = "llama3",
    llama3_v5 = "llama3-v5",
    mistral = "mistral",
    olmo2 = "olmo2",
    olmo3 = "olmo3",
    olmo3_v5 = "olmo3-v5",
    qwen2 = "qwen2",
    qwen2_sliding = "qwen2-sliding",
    qwen3 = "qwen3",
}

#[test]
fn sixteen_bits_lose_what_their_rounding_loses() {
    use candle_core::DType;
    let reference = Reference::of("llama-bf16");
    let (prompts, want) = (reference.lists("prompts"), reference.rows("logits"));
    for (dtype, within) in [(DType::BF16, 2e-2), (DType::F16, 2e-3)] {
        let model = load_as("llama-bf16", &LoadOptions { dtype: Some(dtype), ..LoadOptions::default() });
        let (all, _) = relative(&logits(&model, &prompts, None), &want);
        assert!(all < within, "{dtype:?}: {all:.1e}");
        // Keys and values are kept in the same type, so a cached step loses their rounding too.
        let cached = generate(&model, &prompts, &[4, 4, 4, 4], None);
        assert!(cached.iter().all(|t| t.len() == 4), "{dtype:?}");
    }
}
