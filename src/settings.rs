//! The environment: which variables are read, and what they are for. Nothing else reads any.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, ErrorContext as _};

/// Every variable of the environment that this program reads, and what it is for.
pub const VARIABLES: [(&str, &str); 12] = [
    ("TRUENORTH_CACHE", "the folder for models, activations and jobs, where --cache names none"),
    ("TRUENORTH_API_KEY", "the key of a truenorth server, where --api-key-file names no file"),
    ("TRUENORTH_NDIF_PYTHON_VERSION", "the version of Python that NDIF is told, in place of 3.12.0"),
    ("TRUENORTH_NDIF_NNSIGHT_VERSION", "the version of nnsight that NDIF is told, in place of 0.8.1"),
    ("TRUENORTH_JUDGE_KEY", "the key of the endpoint of --judge-url, where --judge-key-file names no file"),
    ("NDIF_HOST", "the address of NDIF, where --host names none"),
    ("NDIF_API_KEY", "the key of NDIF, where --api-key-file names no file"),
    ("NNSIGHT_CONFIG", "nnsight's file of settings, which may hold NDIF's address and key"),
    ("XDG_CONFIG_HOME", "the folder in which nnsight/config.yaml lies, where NNSIGHT_CONFIG names no file"),
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

/// The program of a name in the folders of `PATH`.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = raw("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
