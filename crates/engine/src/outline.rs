//! A model without its weights: what a graph is checked against, and where its parts are, when it
//! runs somewhere else.

use std::path::Path;

use truenorth_protocol::ModelInfo;
use truenorth_protocol::nnsight::Modules;

use super::config::{Config, Head};
use super::error::EngineError;
use super::load::{read_generation, read_outline};
use super::model_tokenizer::ModelTokenizer;
use super::open::{self, Description};
use super::reference::{Choices, Transformers};

/// Architecture and tokenizer of a model.
pub struct Outline {
    /// The model as far as graphs are concerned; its numeric path says no more than what was chosen,
    /// because nothing here computes.
    pub info: ModelInfo,
    /// Where transformers keeps its parts.
    pub modules: Modules,
    /// The tokenizer of the model's files, where they have one.
    pub words: ModelTokenizer,
    /// Numbers in the model's matrices.
    pub parameters: u64,
    /// The configuration as its file has it; of a GGUF file, as transformers makes it of the metadata.
    pub stated: serde_json::Value,
    config: Config,
}

impl Outline {
    /// Reads `config.json`, and the tokenizer where there is one, from a folder; or the metadata of a
    /// GGUF file. Weights are neither needed nor read.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the architecture is not one that is known here.
    pub fn open(path: &Path, name: &str, revision: &str, choices: &Choices) -> Result<Self, EngineError> {
        let (json, tokenizer, unread) = read_outline(path, choices.transformers)?;
        let config = Config::parse(&json, choices)?;
        let generation = read_generation(path)?;
        let nested = json.get("model_type").and_then(|t| t.as_str()) == Some("gemma3");
        Ok(Self {
            info: info(&config, name, revision, chosen(&config, choices)),
            modules: modules(&config, nested),
            parameters: parameters(&config),
            words: ModelTokenizer::new(name, tokenizer, unread, &config).generating(generation.as_ref()),
            stated: json,
            config,
        })
    }

    /// What the model is, of weights that are not here.
    #[must_use]
    pub fn describe(&self) -> Description {
        open::describe(&self.config, &self.info, "not on this machine", "")
    }

    /// What a user should know of how the files were read.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        [&self.config.notes, self.words.notes()].concat()
    }
}

/// The choices that numbers depend on, as a part of a numeric path; empty where none was made.
pub(super) fn chosen(config: &Config, choices: &Choices) -> String {
    let mut parts = String::new();
    if choices.transformers != Transformers::default() {
        parts.push_str(&format!("/transformers-{}", choices.transformers));
    }
    for key in &config.accepted {
        parts.push_str(&format!("/accept-config-key={key}"));
    }
    parts
}

/// A model as far as graphs are concerned.
pub(super) fn info(config: &Config, name: &str, revision: &str, path: String) -> ModelInfo {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    ModelInfo {
        name: name.to_owned(),
        revision: revision.to_owned(),
        family: config.family.name.into(),
        layers: count(config.layers()),
        hidden: count(config.hidden),
        vocab: count(config.vocab),
        context: count(config.context),
        path,
    }
}

/// Numbers in the matrices: embedding, output, attention, MLP. Norms and biases are a thousandth of them.
fn parameters(config: &Config) -> u64 {
    let n = |count: usize| count as u64;
    let heads = n(config.head_dim) * (2 * n(config.heads) + 2 * n(config.kv_heads));
    let mlp = n(config.intermediate) * if config.family.names.gate.is_some() { 3 } else { 2 };
    let ends = n(config.vocab) * if config.head == Head::Own { 2 } else { 1 };
    n(config.hidden) * (n(config.layers()) * (heads + mlp) + ends)
}

/// Module paths out of the family's tensor names. `nested` for a model that also sees, whose text
/// half lies one level deeper.
fn modules(config: &Config, nested: bool) -> Modules {
    let names = &config.family.names;
    let module = |tensor: &str| tensor.split('.').next().unwrap_or_default().to_owned();
    let place = |path: &str| match path.strip_prefix("model.") {
        Some(rest) if nested => format!("model.language_model.{rest}"),
        _ => path.to_owned(),
    };
    // Files keep the name that GPT-NeoX's output matrix had; transformers calls it as in all families.
    let head = if names.head == "embed_out" { "lm_head" } else { names.head };
    let info = info(config, "", "", String::new());
    // Scores with a soft-cap are computed whole only there; the fused kernels leave the cap out.
    let attention = if config.attn_softcap.is_some() { "eager" } else { "sdpa" };
    Modules {
        embed: place(names.entry.unwrap_or(names.embed)),
        blocks: place(names.blocks),
        attn: names.out.to_owned(),
        attn_post: names.attn_post.map(str::to_owned),
        mlp_norm: names.mlp_norm.map(str::to_owned),
        mlp: module(names.down),
        mlp_post: names.mlp_post.map(str::to_owned),
        norm: place(names.norm),
        head: head.to_owned(),
        parallel: config.parallel,
        layers: info.layers,
        hidden: info.hidden,
        vocab: info.vocab,
        attention: attention.to_owned(),
        logit_softcap: config.logit_softcap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(family: &str) -> Outline {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families").join(family);
        Outline::open(&folder, family, "main", &Choices::default()).unwrap()
    }

    #[test]
    fn parts_are_where_transformers_keeps_them() {
        let m = of("olmo3").modules;
        assert_eq!(
            (m.blocks.as_str(), m.attn.as_str(), m.mlp.as_str()),
            ("model.layers", "self_attn.o_proj", "mlp")
        );
        assert_eq!(
            (m.mlp_norm.as_deref(), m.mlp_post.as_deref()),
            (None, Some("post_feedforward_layernorm"))
        );
        let m = of("gpt2").modules;
        assert_eq!(
            (m.embed.as_str(), m.blocks.as_str(), m.attn.as_str(), m.norm.as_str()),
            ("transformer.drop", "transformer.h", "attn.c_proj", "transformer.ln_f")
        );
        let m = of("gpt_neox").modules;
        assert!(m.parallel && m.attn == "attention.dense" && m.head == "lm_head");
        assert_eq!((m.embed.as_str(), m.attention.as_str()), ("gpt_neox.emb_dropout", "sdpa"));
        let m = of("gemma2").modules;
        assert!(m.logit_softcap.is_some() && m.attention == "eager");
    }

    #[test]
    fn parameters_are_those_of_the_file() {
        for family in ["llama", "gemma3", "gpt_neox"] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families").join(family);
            let bytes = std::fs::read(file.join("model.safetensors")).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let matrices = tensors.iter().filter(|(_, t)| t.shape().len() == 2);
            let stored: u64 = matrices.map(|(_, t)| t.shape().iter().product::<usize>() as u64).sum();
            assert_eq!(of(family).parameters, stored, "{family}");
        }
    }

    #[test]
    fn it_says_what_the_engine_says() {
        use crate::{Engine, EngineOptions};
        use truenorth_protocol::run::Runner;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families/llama");
        let options =
            EngineOptions { name: "llama".into(), revision: "main".into(), ..EngineOptions::default() };
        let engine = Engine::open(&folder, &options).unwrap();
        let outline = of("llama");
        assert_eq!(outline.info, ModelInfo { path: String::new(), ..engine.info().clone() });
        assert_eq!(outline.words.stop(), engine.stop_tokens());
    }
}
