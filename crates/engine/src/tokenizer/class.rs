//! Which of transformers' tokenizer classes reads a folder, by version.

use super::files::TokenizerFiles;
use crate::Transformers;

/// A tokenizer class, as far as classes differ in what they make of `tokenizer.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `TokenizersBackend`, in version 4 `PreTrainedTokenizerFast`: the file as it is.
    Generic,
    Gpt2,
    GptNeoX,
    Qwen2,
    Gemma,
    Llama,
    CodeLlama,
}

/// Names that mean the generic class.
const GENERIC: [&str; 5] = [
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
    "PythonBackend",
    "MistralCommonBackend",
];

impl Class {
    /// The class of a folder, and its name where it is none that is known here.
    pub(super) fn of(files: &TokenizerFiles, rules: Transformers) -> (Self, Option<String>) {
        let named = files.class();
        let class = match rules {
            Transformers::V4_57 => named.map_or_else(|| of_model_4(&files.model_type), by_name),
            Transformers::V5_23 => of_5(files, named),
        };
        let known = |name: &str| by_name(name) != Self::Generic || GENERIC.contains(&name);
        let foreign = named.filter(|name| !known(name) && class == Self::Generic);
        (class, foreign.map(str::to_owned))
    }

    /// Its name in transformers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Generic => "PreTrainedTokenizerFast",
            Self::Gpt2 => "GPT2Tokenizer",
            Self::GptNeoX => "GPTNeoXTokenizer",
            Self::Qwen2 => "Qwen2Tokenizer",
            Self::Gemma => "GemmaTokenizer",
            Self::Llama => "LlamaTokenizer",
            Self::CodeLlama => "CodeLlamaTokenizer",
        }
    }

    /// The names of tokens that the class has where the files are silent.
    pub(super) fn default_tokens(self, rules: Transformers) -> &'static [(&'static str, &'static str)] {
        const END: &str = "<|endoftext|>";
        match (self, rules) {
            (Self::Generic, _) => &[],
            (Self::Gpt2, _) | (Self::GptNeoX, Transformers::V4_57) => {
                &[("bos_token", END), ("eos_token", END), ("unk_token", END)]
            }
            (Self::GptNeoX, Transformers::V5_23) => {
                &[("bos_token", END), ("eos_token", END), ("unk_token", END), ("pad_token", "<|padding|>")]
            }
            (Self::Qwen2, _) => &[("eos_token", END), ("unk_token", END), ("pad_token", END)],
            (Self::Gemma, Transformers::V4_57) => &[
                ("bos_token", "<bos>"),
                ("eos_token", "<eos>"),
                ("unk_token", "<unk>"),
                ("pad_token", "<pad>"),
            ],
            (Self::Gemma, Transformers::V5_23) => &[
                ("bos_token", "<bos>"),
                ("eos_token", "<eos>"),
                ("unk_token", "<unk>"),
                ("pad_token", "<pad>"),
                ("mask_token", "<mask>"),
            ],
            (Self::Llama | Self::CodeLlama, _) => {
                &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]
            }
        }
    }
}

impl Class {
    /// Special tokens that the class adds by names of its own, with their texts where the files are silent.
    pub(super) fn own_tokens(self, rules: Transformers) -> &'static [(&'static str, &'static str)] {
        const INFILLING: [(&str, &str); 5] = [
            ("prefix_token", "▁<PRE>"),
            ("middle_token", "▁<MID>"),
            ("suffix_token", "▁<SUF>"),
            ("eot_token", "▁<EOT>"),
            ("fill_token", "<FILL_ME>"),
        ];
        match (self, rules) {
            (Self::CodeLlama, Transformers::V4_57) => &INFILLING[..4],
            (Self::CodeLlama, Transformers::V5_23) => &INFILLING,
            _ => &[],
        }
    }
}

fn plain(name: &str) -> &str {
    name.strip_suffix("Fast").unwrap_or(name)
}

fn by_name(name: &str) -> Class {
    match plain(name) {
        // CodeGen's differs in what it does to decoded text.
        "GPT2Tokenizer" | "CodeGenTokenizer" => Class::Gpt2,
        "GPTNeoXTokenizer" => Class::GptNeoX,
        "Qwen2Tokenizer" => Class::Qwen2,
        "GemmaTokenizer" => Class::Gemma,
        "LlamaTokenizer" => Class::Llama,
        "CodeLlamaTokenizer" => Class::CodeLlama,
        _ => Class::Generic,
    }
}

/// The class that version 4 takes for a kind of model where no file names one.
fn of_model_4(model_type: &str) -> Class {
    match model_type {
        "llama" | "mistral" => Class::Llama,
        "qwen2" | "qwen3" => Class::Qwen2,
        "gemma2" | "gemma3" | "gemma3_text" => Class::Gemma,
        "olmo2" | "gpt_neox" => Class::GptNeoX,
        "olmo3" | "gpt2" => Class::Gpt2,
        _ => Class::Generic,
    }
}

/// The class that version 5 keeps for a kind of model: `None` where it keeps none.
fn of_model_5(model_type: &str) -> Option<Class> {
    match model_type {
        "qwen2" | "qwen3" => Some(Class::Qwen2),
        "gemma2" | "gemma3" | "gemma3_text" => Some(Class::Gemma),
        "gpt2" => Some(Class::Gpt2),
        "gpt_neox" => Some(Class::GptNeoX),
        "mistral" | "olmo2" | "olmo3" => Some(Class::Generic),
        _ => None,
    }
}

fn of_5(files: &TokenizerFiles, named: Option<&str>) -> Class {
    let kept = of_model_5(&files.model_type);
    let Some(name) = named else { return kept.unwrap_or(Class::Generic) };
    let class = by_name(name);
    // Beside code of the folder's own, which is not run, a class is taken at its word.
    if files.own_code().is_some() {
        return class;
    }
    // Version 5 distrusts what is said beside Qwen 2, and a Llama class over bytes.
    if files.model_type == "qwen2" {
        return Class::Qwen2;
    }
    if class == Class::Llama && files.byte_level() {
        return Class::Generic;
    }
    match kept {
        Some(Class::Generic) => Class::Generic,
        _ => class,
    }
}
