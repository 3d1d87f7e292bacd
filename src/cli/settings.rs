//! Settings from the environment, read here and nowhere else.

use std::path::PathBuf;

use anyhow::Context;

/// The cache folder: flag, then `TRUENORTH_CACHE`, then the user's cache folder.
pub fn cache_dir(flag: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(dir) = flag {
        return Ok(dir.clone());
    }
    if let Some(dir) = std::env::var_os("TRUENORTH_CACHE").filter(|d| !d.is_empty()) {
        return Ok(dir.into());
    }
    let user = dirs::cache_dir().context("this user has no cache folder; name one with --cache DIR")?;
    Ok(user.join("truenorth"))
}
