//! What other libraries call the places that are sites here: TransformerLens's hooks, modules of transformers as nnsight
//! and forward hooks name them, and `hidden_states`.

use std::fmt;

use super::Site;

/// The site that another library's name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    site: Site,
    library: &'static str,
    /// Where theirs and ours part, or what else is the same.
    but: Option<String>,
}

impl Meant {
    /// The site to ask for instead.
    #[must_use]
    pub fn site(&self) -> Site {
        self.site
    }

    /// The site, where theirs and ours are one and nothing has to be said beside it.
    #[must_use]
    pub fn certain(&self) -> Option<Site> {
        self.but.is_none().then_some(self.site)
    }

    fn new(site: Site, library: &'static str) -> Self {
        Self { site, library, but: None }
    }

    fn but(self, but: impl Into<String>) -> Self {
        Self { but: Some(but.into()), ..self }
    }
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, library, but } = self;
        write!(f, "in {library} it means what is `{site}` here; write {site}")?;
        but.iter().try_for_each(|but| write!(f, " ({but})"))
    }
}

const TRANSFORMER_LENS: &str = "TransformerLens";
const TRANSFORMERS: &str = "transformers";

/// The site that a name of another library means, where that is certain enough to be said; `None` for names of no
/// such place, such as the inside of attention.
#[must_use]
pub fn meant(name: &str) -> Option<Meant> {
    // `model.layers[3]` and `model.layers.3` are one name.
    let dotted = name.trim().replace('[', ".").replace(']', "");
    let parts: Vec<&str> = dotted.split('.').collect();
    hidden_states(&parts).or_else(|| hooked(&parts)).or_else(|| block(&parts)).or_else(|| ends(&parts))
}

fn number(part: &str) -> Option<u32> {
    part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
}

/// `hidden_states[4]`, with whatever stands before it.
fn hidden_states(parts: &[&str]) -> Option<Meant> {
    let [.., "hidden_states", index] = parts else { return None };
    if *index == "-1" {
        return Some(
            Meant::new(Site::FinalNorm, TRANSFORMERS)
                .but("the last of hidden_states is after the final norm"),
        );
    }
    let index = number(index)?;
    let Some(block) = index.checked_sub(1) else {
        return Some(
            Meant::new(Site::Embed, TRANSFORMERS).but("the first of hidden_states is what enters block 0"),
        );
    };
    Some(Meant::new(Site::ResidPost(block), TRANSFORMERS).but(format!(
        "hidden_states begin with the embedding, so their {index} is what leaves block {block} and enters block {index}, \
         resid_pre.{index}; but of a model of {index} blocks it is the last of them, which is after the final norm: write \
         final_norm there"
    )))
}

/// Names of TransformerLens: `blocks.3.hook_resid_post`, `hook_embed`.
fn hooked(parts: &[&str]) -> Option<Meant> {
    let meant = |site| Some(Meant::new(site, TRANSFORMER_LENS));
    match parts {
        ["blocks", block, hook] => {
            let block = number(block)?;
            meant(match *hook {
                "hook_resid_pre" => Site::ResidPre(block),
                "hook_attn_out" => Site::AttnOut(block),
                "hook_resid_mid" => Site::ResidMid(block),
                "hook_mlp_out" => Site::MlpOut(block),
                "hook_resid_post" => Site::ResidPost(block),
                _ => return None,
            })
        }
        ["hook_embed"] => {
            Some(meant(Site::Embed)?.but("embed has scaling and learned positions in it, hook_embed has not"))
        }
        ["ln_final", "hook_normalized"] => Some(
            meant(Site::FinalNorm)?
                .but("final_norm is after the norm's weight, which hook_normalized is before"),
        ),
        _ => None,
    }
}

/// A module of block L, as `model.layers.3.mlp` or `transformer.h.3`; or the block's number alone.
fn block(parts: &[&str]) -> Option<Meant> {
    if let [alone] = parts {
        let block = number(alone).filter(|_| !alone.is_empty())?;
        return Some(
            Meant::new(Site::ResidPost(block), "most code with layers by number")
                .but(format!("what leaves block {block}; resid_pre.{block} is what enters it")),
        );
    }
    let at = parts.iter().rposition(|p| ["layers", "h", "blocks", "layer"].contains(p))?;
    let block = number(parts.get(at + 1)?).filter(|_| !parts[at + 1].is_empty())?;
    // Of a module's output that is a tuple the first is meant.
    let rest: Vec<&str> = parts[at + 2..].iter().copied().filter(|p| !["output", "0"].contains(p)).collect();
    let meant = |site| Some(Meant::new(site, TRANSFORMERS));
    let normed = |m: Meant| {
        m.but("after the norm that some families have behind that module, Gemma 2 and 3 and OLMo 2 and 3 among them")
    };
    match rest[..] {
        [] => meant(Site::ResidPost(block)),
        ["input" | "inputs"] => meant(Site::ResidPre(block)),
        ["self_attn" | "attn" | "attention"]
        | ["self_attn", "o_proj"]
        | ["attn", "c_proj"]
        | ["attention", "dense"] => meant(Site::AttnOut(block)).map(normed),
        ["mlp"] | ["mlp", "down_proj" | "c_proj" | "dense_4h_to_h"] => meant(Site::MlpOut(block)).map(normed),
        _ => None,
    }
}

/// Modules before and after the blocks.
fn ends(parts: &[&str]) -> Option<Meant> {
    let parts: Vec<&str> = parts.iter().copied().filter(|p| *p != "output").collect();
    let (last, before) = parts.split_last()?;
    let meant = |site| Some(Meant::new(site, TRANSFORMERS));
    match *last {
        "embed_tokens" | "wte" | "embed_in" => {
            Some(meant(Site::Embed)?.but("embed has scaling and learned positions in it"))
        }
        "norm" if before.last() == Some(&"model") => meant(Site::FinalNorm),
        "ln_f" | "final_layer_norm" => meant(Site::FinalNorm),
        "lm_head" | "embed_out" => Some(meant(Site::Logits)?.but("logits are after any soft-cap")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_libraries_are_answered_with_the_site_that_they_mean() {
        for (name, site) in [
            ("blocks.3.hook_resid_post", "resid_post.3"),
            ("blocks.3.hook_resid_pre", "resid_pre.3"),
            ("blocks.3.hook_resid_mid", "resid_mid.3"),
            ("blocks.3.hook_mlp_out", "mlp_out.3"),
            ("blocks.12.hook_attn_out", "attn_out.12"),
            ("hook_embed", "embed"),
            ("ln_final.hook_normalized", "final_norm"),
            ("model.layers.3", "resid_post.3"),
            ("model.layers[3]", "resid_post.3"),
            ("model.model.layers.3.output[0]", "resid_post.3"),
            ("model.layers[3].input", "resid_pre.3"),
            ("model.layers.3.self_attn", "attn_out.3"),
            ("model.layers.3.mlp.down_proj", "mlp_out.3"),
            ("transformer.h.3", "resid_post.3"),
            ("transformer.h[3].attn", "attn_out.3"),
            ("gpt_neox.layers.3", "resid_post.3"),
            ("hidden_states[4]", "resid_post.3"),
            ("outputs.hidden_states[0]", "embed"),
            ("hidden_states[-1]", "final_norm"),
            ("model.norm", "final_norm"),
            ("transformer.ln_f", "final_norm"),
            ("model.embed_tokens", "embed"),
            ("lm_head", "logits"),
            ("12", "resid_post.12"),
        ] {
            let meant = meant(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(meant.site().to_string(), site, "{name}");
            // The name itself is refused, and what the answer says to write is taken.
            let refused = name.parse::<Site>().unwrap_err().to_string();
            assert!(refused.contains(&format!("write {site}")), "{refused}");
            assert_eq!(site.parse::<Site>().unwrap(), meant.site());
        }
        let shifted = meant("hidden_states[4]").unwrap().to_string();
        assert!(shifted.contains("resid_pre.4") && shifted.contains("final_norm"), "{shifted}");
    }

    #[test]
    fn what_no_site_is_has_no_answer() {
        for name in [
            "",
            "blocks.3.attn.hook_z",
            "blocks.x.hook_resid_post",
            "model.layers",
            "model.layers.3.self_attn.q_proj",
            "model.layers.3.post_attention_layernorm",
            "hidden_states[-2]",
            "hidden_states",
            "resid.3",
            "norm",
            ".",
            "h.",
            "99999999999",
        ] {
            assert_eq!(meant(name), None, "{name}");
        }
        let two = "resid_post.1, embed".parse::<Site>().unwrap_err().to_string();
        assert!(two.contains("names 2 sites"), "{two}");
    }
}
