//! Blocks are read when a pass first needs them, and not before.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Device};
use truenorth_protocol::Site;

use super::support::{load, logits};
use crate::hooks::NoHooks;
use crate::layout::{Need, TokenBatch};
use crate::load::{LoadOptions, Source};
use crate::model::Model;

#[test]
fn a_pass_reads_the_blocks_up_to_its_last_site_and_no_other() {
    let model = load("llama");
    assert_eq!(model.loaded(), (0, false));
    let batch = TokenBatch::of(&[vec![3, 1, 4]]).unwrap();
    let up_to = |site| {
        model.forward(&batch, None, &Need::last_rows(site), &mut NoHooks).unwrap();
        model.loaded()
    };
    assert_eq!(up_to(Site::Embed), (0, false));
    assert_eq!(up_to(Site::ResidPre(1)), (1, false));
    assert_eq!(up_to(Site::ResidPost(1)), (2, false));
    assert_eq!(up_to(Site::AttnOut(0)), (2, false));
    assert_eq!(up_to(Site::FinalNorm), (3, false));
    assert_eq!(up_to(Site::Logits), (3, true));
    // What was read in parts computes what is read at once.
    let prompts = [vec![3, 1, 4]];
    assert_eq!(logits(&model, &prompts, None), logits(&load("llama"), &prompts, None));
}

#[test]
fn the_record_of_kernels_is_right_before_a_matrix_is_packed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut kinds = std::collections::BTreeSet::new();
    for path in std::fs::read_dir(folder.join("gguf")).unwrap().map(|e| e.unwrap().path()) {
        let path = if path.is_dir() { path.join("model.gguf") } else { path };
        let Ok(source) = Source::open_gguf(&path) else { continue };
        let source = Arc::new(source);
        for (keep_quantized, dtype) in [(true, DType::F32), (false, DType::F32), (true, DType::BF16)] {
            let options = LoadOptions { keep_quantized, dtype: Some(dtype), ..LoadOptions::default() };
            let model = Model::load(&source, &options, &Device::Cpu).unwrap();
            let said = model.kernels().to_owned();
            model.ready(Site::Logits).unwrap();
            assert_eq!(said, model.kernels_of_loaded(), "{}", path.display());
            kinds.insert(said);
        }
    }
    assert!(kinds.len() >= 3 || !crate::backend::host::usable(), "{kinds:?}");
}

#[test]
fn passes_that_start_together_read_a_block_once_and_agree() {
    let model = load("gpt_neox");
    let prompts = [vec![5, 9, 2, 6]];
    let alone = logits(&load("gpt_neox"), &prompts, None);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..8).map(|_| s.spawn(|| logits(&model, &prompts, None))).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}
