//! Settings of the command line: flags first, then the environment, then nnsight's file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use truenorth::settings::variable;
pub use truenorth::settings::{VARIABLES, hub, program, set};

use super::output::{RequestContext as _, wrong_hint};
use super::target;

/// NDIF's public address.
pub const NDIF: &str = "https://api.ndif.us";
/// Far above any settings file there is.
const CAP: u64 = 1 << 20;

/// The cache folder: flag, then `TRUENORTH_CACHE`, then the user's cache folder.
pub fn cache_dir(flag: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(dir) = flag {
        return Ok(dir.clone());
    }
    Ok(truenorth::settings::cache()?)
}

/// NDIF's address: flag, then `NDIF_HOST`, then nnsight's settings, then the public service.
pub fn ndif_host(flag: Option<&str>) -> anyhow::Result<String> {
    if let Some(host) = flag.map(str::to_owned).or_else(|| variable("NDIF_HOST")) {
        return Ok(host);
    }
    Ok(nnsight()?.api.host.unwrap_or_else(|| NDIF.to_owned()))
}

/// NDIF's key: a file, then `NDIF_API_KEY`, then nnsight's settings.
pub fn ndif_key(file: Option<&Path>) -> anyhow::Result<Option<KeyWithOrigin>> {
    match key_file(file)?.or_else(|| key_variable("NDIF_API_KEY")) {
        Some(key) => Ok(Some(key)),
        None => {
            let place =
                || Ok::<_, anyhow::Error>(format!("nnsight's settings, {}", nnsight_file()?.display()));
            nnsight()?.api.key.map(|text| Ok(KeyWithOrigin { text, origin: place()? })).transpose()
        }
    }
}

/// The key of a truenorth server: a file, then `TRUENORTH_API_KEY`.
pub fn server_key(file: Option<&Path>) -> anyhow::Result<Option<KeyWithOrigin>> {
    Ok(key_file(file)?.or_else(|| key_variable("TRUENORTH_API_KEY")))
}

/// The key of a judge's endpoint: a file, then `TRUENORTH_JUDGE_KEY`.
pub fn judge_key(file: Option<&Path>) -> anyhow::Result<Option<KeyWithOrigin>> {
    Ok(key_file(file)?.or_else(|| key_variable("TRUENORTH_JUDGE_KEY")))
}

/// A key and where it was found. Only the latter may be shown.
pub struct KeyWithOrigin {
    pub text: String,
    pub origin: String,
}

/// What NDIF is told of the Python and the nnsight of this side, where a user wants it told otherwise.
pub fn ndif_versions() -> anyhow::Result<[Option<String>; 2]> {
    let read = |name: &str, least: usize| {
        let Some(text) = variable(name) else { return Ok(None) };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-_! ()".contains(&b));
        if plain && text.split('.').count() >= least && text.split('.').take(2).all(digits) {
            return Ok(Some(text));
        }
        Err(wrong_hint(
            format!("{name} is `{text}`, which is no version"),
            "give one such as 3.12.0 or 0.8.1",
        ))
    };
    Ok([read("TRUENORTH_NDIF_PYTHON_VERSION", 2)?, read("TRUENORTH_NDIF_NNSIGHT_VERSION", 2)?])
}

/// Where nnsight keeps a user's settings.
pub fn nnsight_file() -> anyhow::Result<PathBuf> {
    if let Some(file) = variable("NNSIGHT_CONFIG") {
        return Ok(file.into());
    }
    let base = match variable("XDG_CONFIG_HOME") {
        Some(base) => base.into(),
        None => {
            dirs::home_dir().context("this user has no home folder; set XDG_CONFIG_HOME")?.join(".config")
        }
    };
    Ok(base.join("nnsight/config.yaml"))
}

/// Writes a key into nnsight's settings, so that both programs use it; all else in the file stays.
/// Only the user may read the file afterwards.
pub fn save_ndif_key(key: &str) -> anyhow::Result<PathBuf> {
    let path = nnsight_file()?;
    let mut all: serde_json::Map<String, serde_json::Value> = match text(&path)? {
        Some(text) if !text.trim().is_empty() => read_yaml(&text, &path)?,
        _ => serde_json::Map::new(),
    };
    let api = all.entry("API").or_insert_with(|| serde_json::json!({}));
    let api = api.as_object_mut().ok_or_else(|| {
        wrong_hint(format!("`API` in {} is no mapping", path.display()), "mend the file, or move it away")
    })?;
    api.insert("APIKEY".into(), key.into());
    let yaml = serde_saphyr::to_string(&all).context("can't write the settings as YAML")?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    truenorth::files::write_private(&path, yaml.as_bytes())
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(path)
}

/// Whether plain http goes through a proxy.
pub fn proxied() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].into_iter().any(|name| variable(name).is_some())
}

/// Names the file in which the second process of a dry run leaves what it found. Set by the first one alone.
pub const REHEARSAL: &str = "TRUENORTH_REHEARSAL";

/// That file, in the second process.
pub fn rehearsal() -> Option<PathBuf> {
    truenorth::settings::raw(REHEARSAL).map(PathBuf::from)
}

fn key_variable(name: &str) -> Option<KeyWithOrigin> {
    variable(name).map(|text| KeyWithOrigin { text, origin: name.into() })
}

fn key_file(file: Option<&Path>) -> anyhow::Result<Option<KeyWithOrigin>> {
    let Some(path) = file else { return Ok(None) };
    target::reads(path)?;
    let text = std::fs::read_to_string(path).request(format!("can't read the key in {}", path.display()))?;
    let key = text.lines().next().unwrap_or_default().trim();
    if key.is_empty() {
        return Err(wrong_hint(
            format!("{} holds no key in its first line", path.display()),
            "put the key there, alone",
        ));
    }
    if let Some(warning) = open_to_others(path) {
        eprintln!("warning: {warning}");
    }
    Ok(Some(KeyWithOrigin { text: key.to_owned(), origin: format!("the file {}", path.display()) }))
}

/// What is wrong with a file of a key that others can write.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o022 != 0).then(|| {
        let path = path.display();
        format!(
            "others than its owner can write {path}, and have your work sent under a key of theirs\nhint: chmod 600 {path}"
        )
    })
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<String> {
    None
}

/// The part of nnsight's settings that we share.
#[derive(Default, Deserialize)]
struct Nnsight {
    #[serde(rename = "API", default)]
    api: Api,
}

#[derive(Default, Deserialize)]
struct Api {
    #[serde(rename = "HOST")]
    host: Option<String>,
    #[serde(rename = "APIKEY")]
    key: Option<String>,
}

fn nnsight() -> anyhow::Result<Nnsight> {
    let path = nnsight_file()?;
    match text(&path)? {
        Some(text) if !text.trim().is_empty() => read_yaml(&text, &path),
        _ => Ok(Nnsight::default()),
    }
}

fn text(path: &Path) -> anyhow::Result<Option<String>> {
    let size = match std::fs::metadata(path) {
        Ok(about) => about.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).request(format!("can't read {}", path.display())),
    };
    target::reads(path)?;
    if size > CAP {
        return Err(wrong_hint(
            format!("{} has {size} bytes, too many for settings", path.display()),
            "mend the file, or move it away",
        ));
    }
    std::fs::read_to_string(path).map(Some).request(format!("can't read {}", path.display()))
}

fn read_yaml<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> anyhow::Result<T> {
    // Its own message may quote the file, and with it the key; the place is enough.
    serde_saphyr::from_str(text).map_err(|e| {
        let place = e.location().map_or_else(String::new, |l| format!(", line {}", l.line()));
        wrong_hint(
            format!("{} is not the YAML of nnsight's settings{place}", path.display()),
            "mend the file, move it away, or set NDIF_API_KEY and NDIF_HOST and an empty NNSIGHT_CONFIG",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_of_a_key_that_others_can_write_is_warned_of() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "abc\n").unwrap();
        for (mode, warned) in [(0o600, false), (0o644, false), (0o666, true), (0o620, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open_to_others(&file).is_some_and(|w| w.contains("chmod 600")), warned, "{mode:o}");
        }
    }

    #[test]
    fn nnsights_settings_are_read_and_a_broken_file_does_not_show_its_key() {
        let path = Path::new("config.yaml");
        let yaml =
            "API:\n  APIKEY: abc\n  HOST: http://127.0.0.1:1\n  COMPRESS: true\nAPP:\n  DEBUG: false\n";
        let read: Nnsight = read_yaml(yaml, path).unwrap();
        assert_eq!(
            (read.api.key.as_deref(), read.api.host.as_deref()),
            (Some("abc"), Some("http://127.0.0.1:1"))
        );
        let null: Nnsight = read_yaml("API:\n  APIKEY: null\n", path).unwrap();
        assert_eq!((null.api.key, null.api.host), (None, None));
        let error = read_yaml::<Nnsight>("API:\n  APIKEY: [s3cret\n", path).err().unwrap();
        let shown = format!("{error:?}");
        assert!(shown.contains("config.yaml") && !shown.contains("s3cret"), "{shown}");
    }
}
