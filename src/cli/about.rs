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

impl About {
    pub fn this() -> Self {
        let features = [
            ("cli", cfg!(feature = "cli")),
            ("cuda", cfg!(feature = "cuda")),
            ("hub", cfg!(feature = "hub")),
            ("metal", cfg!(feature = "metal")),
            ("parquet", cfg!(feature = "parquet")),
            ("serve", cfg!(feature = "serve")),
        ];
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("TRUENORTH_COMMIT"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            features: features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
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
