//! Settings of the Hugging Face hub.

use std::path::PathBuf;

/// Settings of the hub. `truenorth::settings::hub` has them from the variables that `huggingface_hub` of Python reads
/// (`HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`).
#[derive(Clone, Default)]
pub struct HubOptions {
    /// Address of the hub; <https://huggingface.co> where there is none.
    pub endpoint: Option<String>,
    /// The user's token, which gated repositories ask for. The endpoint alone is shown it.
    pub token: Option<String>,
    /// Folder of the hub's cache; where there is none, `hub` in the cache folder of
    /// [`ResolveOptions`](super::ResolveOptions), which no other program shares.
    pub cache_dir: Option<PathBuf>,
}

impl std::fmt::Debug for HubOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("HubOptions")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("cache_dir", &self.cache_dir)
            .finish()
    }
}
