//! Markups of well-known models, for a model whose files have no template. They are used where one is named, and never
//! instead of the model's own.

/// Names of the markups that come with this program.
pub const MARKUPS: [&str; 5] = ["chatml", "llama3", "gemma", "tulu", "mistral"];

/// The Jinja template of a markup; none for a name that is not in [`MARKUPS`].
#[must_use]
pub fn markup(name: &str) -> Option<&'static str> {
    Some(match name {
        "chatml" => include_str!("fallback/chatml.jinja"),
        "llama3" => include_str!("fallback/llama3.jinja"),
        "gemma" => include_str!("fallback/gemma.jinja"),
        "tulu" => include_str!("fallback/tulu.jinja"),
        "mistral" => include_str!("fallback/mistral.jinja"),
        _ => return None,
    })
}
