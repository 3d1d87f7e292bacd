//! What this program is: version, build and the path that it computes by on this CPU.

use std::sync::LazyLock;

use clap::Args;
use serde::Serialize;

use super::settings;

/// This program as it was built, on this machine.
#[derive(Debug, Serialize)]
pub struct About {
    pub version: &'static str,
    /// The commit that it was built from, where the build was told (`TRUENORTH_COMMIT`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<&'static str>,
    /// Optimised or not.
    pub profile: &'static str,
    /// Processor and system.
    pub platform: String,
    pub features: Vec<&'static str>,
    /// The path by which it computes in f32, as results name it.
    pub cpu_path: &'static str,
}

/// The features of `Cargo.toml`, and which of them this build has.
const FEATURES: [(&str, bool); 8] = [
    ("arena", cfg!(feature = "arena")),
    ("cli", cfg!(feature = "cli")),
    ("cuda", cfg!(feature = "cuda")),
    ("hub", cfg!(feature = "hub")),
    ("metal", cfg!(feature = "metal")),
    ("parquet", cfg!(feature = "parquet")),
    ("play", cfg!(feature = "play")),
    ("serve", cfg!(feature = "serve")),
];

impl About {
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("TRUENORTH_COMMIT"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            features: FEATURES.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            cpu_path: truenorth::engine::cpu_path(),
        }
    }

    /// The build in a line.
    pub fn build(&self) -> String {
        let commit = self.commit.map(|c| format!("{c}, ")).unwrap_or_default();
        format!("{commit}{}, {}, with {}", self.profile, self.platform, self.features.join(", "))
    }
}

/// What `--version` says; `-V` says the first line.
pub fn version() -> &'static str {
    static SAID: LazyLock<String> = LazyLock::new(|| {
        let about = About::this();
        format!("{}\nbuild: {}\nCPU path: {}", about.version, about.build(), about.cpu_path)
    });
    &SAID
}

/// The program and its settings, as `--verbose` shows them first. Keys are named and not shown.
pub fn details() -> String {
    let about = About::this();
    let set = settings::set();
    let set = if set.is_empty() { "none".to_owned() } else { set.join(", ") };
    format!(
        "truenorth {} ({}), CPU path {}; variables set: {set}",
        about.version,
        about.build(),
        about.cpu_path
    )
}

/// Flags that every verb has.
#[derive(Args, Debug)]
pub struct Everywhere {
    /// Answers in JSON on stdout, and with nothing else there; rows are JSON lines.
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,
    /// Says more of what is done: the build, the settings, the files of the model, the seconds.
    #[arg(short, long, global = true, display_order = 901)]
    pub verbose: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_of_the_manifest_is_named() {
        let manifest: toml::Table = toml::from_str(include_str!("../../Cargo.toml")).unwrap();
        let features = manifest["features"].as_table().unwrap();
        let mut known: Vec<&str> = features.keys().map(String::as_str).filter(|n| *n != "default").collect();
        known.sort_unstable();
        assert_eq!(FEATURES.map(|(name, _)| name).to_vec(), known);
    }
}
