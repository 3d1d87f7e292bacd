//! Settings of the Hugging Face hub.

use std::path::PathBuf;

/// Settings of the hub. What is `None` hf-hub takes from its own variables and files
/// (`HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`).
#[derive(Clone, Default)]
pub struct HubOptions {
    /// Address of the hub.
    pub endpoint: Option<String>,
    /// The user's token, which gated repositories ask for.
    pub token: Option<String>,
    /// Folder of the hub's cache.
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
