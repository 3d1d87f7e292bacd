//! The environment: which variables are read, and what they are for. Nothing else reads any.

mod hub;

use std::ffi::OsString;
use std::path::PathBuf;

use truenorth_data::models::HubOptions;

use crate::error::{Error, ErrorContext as _};

/// Every variable of the environment that this program reads, and what it is for.
pub const VARIABLES: [(&str, &str); 20] = [
    ("TRUENORTH_CACHE", "the folder for models, activations and jobs, where --cache names none"),
    ("TRUENORTH_API_KEY", "the key of a truenorth server, where --api-key-file names no file"),
    ("TRUENORTH_NDIF_PYTHON_VERSION", "the version of Python that NDIF is told, in place of 3.12.0"),
    ("TRUENORTH_NDIF_NNSIGHT_VERSION", "the version of nnsight that NDIF is told, in place of 0.8.1"),
    ("TRUENORTH_JUDGE_KEY", "the key of the endpoint of --judge-url, where --judge-key-file names no file"),
    ("NDIF_HOST", "the address of NDIF, where --host names none"),
    ("NDIF_API_KEY", "the key of NDIF, where --api-key-file names no file"),
    ("NNSIGHT_CONFIG", "nnsight's file of settings, which may hold NDIF's address and key"),
    ("XDG_CONFIG_HOME", "the folder in which nnsight/config.yaml lies, where NNSIGHT_CONFIG names no file"),
    ("HF_ENDPOINT", "the address of the Hugging Face hub, in place of https://huggingface.co"),
    ("HF_TOKEN", "the token that the hub is shown"),
    ("HF_TOKEN_PATH", "the file with that token, where HF_TOKEN is not set; else `token` in HF_HOME"),
    ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "set to anything, the hub is shown no token"),
    ("HF_HUB_CACHE", "the folder of the hub's models; else `hub` in HF_HOME"),
    ("HUGGINGFACE_HUB_CACHE", "the older name of HF_HUB_CACHE"),
    ("HF_HOME", "the folder of the hub's files; else `huggingface` in XDG_CACHE_HOME"),
    ("XDG_CACHE_HOME", "the user's cache folder; else .cache in the home folder"),
    ("http_proxy", "the proxy for plain http; all_proxy, HTTP_PROXY and ALL_PROXY are read too"),
    ("PATH", "where `models pull` and `doctor` look for Python"),
    ("TRUENORTH_REHEARSAL", "set by a dry run for its own second process, and not to be set by hand"),
];

/// A variable as it is; none where it is not set.
#[must_use]
pub fn raw(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A variable without blanks around it; none where it is not set, empty or no text.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

/// The names of the variables that are set.
#[must_use]
pub fn set() -> Vec<&'static str> {
    let names = VARIABLES.iter().map(|(name, _)| *name).filter(|name| *name != "PATH");
    names.filter(|name| variable(name).is_some()).collect()
}

/// The folder for models and activations: `TRUENORTH_CACHE`, else `truenorth` in the user's cache folder.
///
/// # Errors
/// When neither is there.
pub fn cache() -> Result<PathBuf, Error> {
    if let Some(dir) = raw("TRUENORTH_CACHE").filter(|d| !d.is_empty()) {
        return Ok(dir.into());
    }
    let user = dirs::cache_dir().context("this user has no cache folder; name one with --cache DIR")?;
    Ok(user.join("truenorth"))
}

/// The hub's address, token and cache, from the variables and files that `huggingface_hub` of Python reads, which
/// shares them.
#[must_use]
pub fn hub() -> HubOptions {
    hub::options(raw, dirs::home_dir())
}

/// The program of a name in the folders of `PATH`.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = raw("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
