//! What is refused when a model runs.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use truenorth_protocol::Site;
use truenorth_protocol::prompt::PromptProblem;

use super::support::{folder, tiny, untrained};
use crate::error::EngineError;
use crate::hooks::{Flow, Hooks, NoHooks, SiteActivation};
use crate::layout::{Need, RowNeed, TokenBatch};
use crate::load::{LoadOptions, Source};
use crate::model::Model;
use crate::reference::Choices;

fn error(prompt: &[u32], need: &Need) -> String {
    let model = untrained(&tiny("llama"), 0);
    let batch = TokenBatch::of(&[prompt]).unwrap();
    model.forward(&batch, None, need, &mut NoHooks).unwrap_err().to_string()
}

#[test]
fn prompts_that_do_not_fit_are_refused() {
    let all = Need::all(Site::Logits);
    assert_eq!(error(&[1; 49], &all), "sequence 0 has 49 tokens; the model's context is 48");
    assert_eq!(
        error(&[1, 53], &all),
        "sequence 0 has token 53 at position 1, which is outside the model's vocabulary of 53"
    );
    assert_eq!(
        error(&[1], &Need::all(Site::ResidPost(3))),
        "site `resid_post.3` is asked for, the model has 3 blocks"
    );
    let rows = Need { rows: RowNeed::Rows(vec![2]), ..Need::next_token() };
    assert_eq!(error(&[1, 2], &rows), "row 2 is asked for, the batch has 2");
    assert!(matches!(
        TokenBatch::of(&[vec![1], vec![]]),
        Err(EngineError::Prompt { seq: 1, problem: PromptProblem::Empty })
    ));
    let mut twice = TokenBatch::new();
    twice.push(4, &[1]).unwrap();
    assert!(matches!(twice.push(4, &[1]), Err(EngineError::DuplicateSequence { seq: 4 })));
}

#[test]
fn an_untrained_model_that_fits_no_memory_is_an_error() {
    let mut config = tiny("llama");
    config["hidden_size"] = 2_147_483_647.into();
    config["vocab_size"] = 2_147_483_647.into();
    let config = crate::config::Config::parse(&config, &Choices::default()).unwrap();
    let e = Model::random_init(config, 0, &LoadOptions::default(), &Device::Cpu).unwrap_err();
    let e = format!("{e}: {}", std::error::Error::source(&e).unwrap());
    assert!(e.contains("2147483647 rows"), "{e}");
}

#[test]
fn a_cached_sequence_can_not_outgrow_the_context() {
    let model = untrained(&tiny("gpt2"), 0);
    let mut cache = model.cache(1, 0);
    let full = TokenBatch::of(&[[1; 48]]).unwrap();
    model.forward(&full, Some(&mut cache), &Need::next_token(), &mut NoHooks).unwrap();
    let more = TokenBatch::of(&[[1]]).unwrap();
    let e = model.forward(&more, Some(&mut cache), &Need::next_token(), &mut NoHooks).unwrap_err();
    assert_eq!(e.to_string(), "sequence 0 has 49 tokens; the model's context is 48");
    let unknown = {
        let mut b = TokenBatch::new();
        b.push(1, &[1]).unwrap();
        b
    };
    let e = model.forward(&unknown, Some(&mut cache), &Need::next_token(), &mut NoHooks).unwrap_err();
    assert_eq!(e.to_string(), "the cache has 1 sequences, expected 2");
}

/// Puts a value at a site, and reads at a later one.
struct Break(Tensor, Site);

impl Hooks for Break {
    fn wants(&self, site: Site) -> bool {
        site == Site::Embed || site == self.1
    }

    fn at(&mut self, site: Site, x: &mut SiteActivation<'_>) -> Result<Flow, EngineError> {
        if site == Site::Embed {
            x.replace(self.0.clone())?;
        }
        if site == self.1 {
            x.read(&[1])?;
        }
        Ok(Flow::Continue)
    }
}

#[test]
fn numbers_that_are_not_finite_are_told_where_they_are_read() {
    let model = untrained(&tiny("llama"), 0);
    let batch = TokenBatch::of(&[vec![1, 2]]).unwrap();
    let run = |t: Tensor, at| model.forward(&batch, None, &Need::all(Site::Logits), &mut Break(t, at));
    let mut values = vec![0.5_f32; 48];
    values[24] = f32::NAN;
    let nan = Tensor::from_vec(values, (2, 24), &Device::Cpu).unwrap();
    let e = run(nan, Site::ResidPost(1)).unwrap_err();
    assert_eq!(
        e.to_string(),
        "`resid_post.1` of sequence 0 holds NaN at position 1, expected finite numbers"
    );
    let narrow = Tensor::zeros((2, 23), candle_core::DType::F32, &Device::Cpu).unwrap();
    let e = run(narrow, Site::Logits).unwrap_err();
    assert_eq!(e.to_string(), "an edit of `embed` returned [2, 23] F32, expected [2, 24] F32");
}

#[test]
fn weights_without_a_place_are_refused() {
    // The biases of `llama-bias-linear` with a config that has none.
    let folder = folder("llama-bias-linear");
    let temp = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("model.safetensors"), temp.path().join("model.safetensors")).unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let without = config.replace("\"attention_bias\": true", "\"attention_bias\": false");
    assert_ne!(config, without);
    std::fs::write(temp.path().join("config.json"), without).unwrap();
    let source = Arc::new(Source::open_folder(temp.path()).unwrap());
    let e = Model::load(&source, &LoadOptions::default(), &Device::Cpu).unwrap_err();
    assert!(matches!(&e, EngineError::UnusedTensor { name, .. } if name.ends_with(".bias")), "{e}");
}

#[test]
fn untrained_models_depend_on_the_seed_alone() {
    let of = |seed| super::support::logits(&untrained(&tiny("gemma3_text"), seed), &[vec![3, 1, 4]], None);
    assert_eq!(of(5), of(5));
    assert_ne!(of(5), of(6));
}
