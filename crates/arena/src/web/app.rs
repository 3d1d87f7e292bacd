//! What every request is answered from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use truenorth_remote::server::ServerLimits;

use super::cache::PageCache;
use super::captcha::Captcha;
use super::metrics::ArenaMetrics;
use super::nested::Nested;
use super::sessions::Sessions;
use super::templates::Templates;
use super::tries::Tries;
use crate::error::ArenaError;
use crate::live::Live;
use crate::season::{Folder, Season};
use crate::store;

/// Submissions of one address in a minute that are looked at, taken or not.
const TRIES: u32 = 120;

/// Address, keys and limits of an arena that is served.
#[derive(Clone)]
pub struct ArenaOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether other machines may come.
    pub open: bool,
    /// The addresses under which people reach it, such as `https://arena.example.org`; loopback always counts.
    pub public: Vec<String>,
    /// Proxies in front that are trusted, each of which adds an address to `X-Forwarded-For`.
    pub hops: usize,
    /// SHA-256 of the operator's keys; without any there is no operator's page.
    pub operator_keys: Vec<[u8; 32]>,
    /// The service that tells people from programs; none asks for nothing.
    pub captcha: Option<Captcha>,
    /// The most that the HTTP server takes, of one client and of all.
    pub limits: ServerLimits,
    /// Hears what an operator may want to know, a line at a time; without texts and addresses.
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
    /// The playground, which pages then link to.
    pub play: Option<Nested>,
}

impl ArenaOptions {
    /// On loopback, nobody trusted, no operator.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            open: false,
            public: vec![],
            hops: 0,
            operator_keys: vec![],
            captcha: None,
            limits: ServerLimits { connections_per_address: 512, ..ServerLimits::default() },
            notice: Arc::new(|_| {}),
            play: None,
        }
    }
}

/// The keys of a file, a key a line, as hashes.
///
/// # Errors
/// When it can't be read, can be read by others, or a key has fewer than 16 characters.
pub(crate) fn keys(path: &Path) -> Result<Vec<[u8; 32]>, ArenaError> {
    let text = std::fs::read_to_string(path).map_err(ArenaError::file("read", path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_err(ArenaError::file("read", path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(ArenaError::asked(
                format!("{} can be read or written by others (mode {:o})", path.display(), mode & 0o777),
                format!("keep it to yourself: chmod 600 {}", path.display()),
            ));
        }
    }
    let keys: Vec<&str> =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    if keys.is_empty() || keys.iter().any(|k| k.len() < 16) {
        return Err(ArenaError::asked(
            format!("{} has no key, or one of fewer than 16 characters", path.display()),
            "write a long random key on a line of its own, such as what `openssl rand -hex 24` prints",
        ));
    }
    Ok(keys.into_iter().map(|k| Sha256::digest(k).into()).collect())
}

impl ArenaOptions {
    /// Reads the operator's keys.
    ///
    /// # Errors
    /// When the file can't be read, others can read it, or a key is too short.
    pub fn operator_key_file(&mut self, path: &Path) -> Result<(), ArenaError> {
        self.operator_keys = keys(path)?;
        Ok(())
    }
}

/// What every request is answered from.
pub struct App {
    pub(super) folder: Folder,
    pub(super) live: Arc<Live>,
    pub(super) options: ArenaOptions,
    pub(super) templates: Templates,
    pub(super) cache: PageCache,
    pub(super) metrics: ArenaMetrics,
    pub(super) sessions: Sessions,
    pub(super) tries: Tries,
    /// What tokens of forms are made with; another after each start.
    pub(super) secret: String,
    earlier: RwLock<BTreeMap<String, Arc<Season>>>,
}

impl App {
    /// The arena of a folder, with the season that is served.
    #[must_use]
    pub fn new(folder: Folder, live: Arc<Live>, options: ArenaOptions) -> Arc<Self> {
        Arc::new(Self {
            folder,
            live,
            options,
            templates: Templates::default(),
            cache: PageCache::default(),
            metrics: ArenaMetrics::default(),
            sessions: Sessions::default(),
            tries: Tries::of(TRIES),
            secret: store::secret(),
            earlier: RwLock::default(),
        })
    }

    pub(super) fn season(&self) -> &Season {
        &self.live.season
    }

    /// Another season of the folder, opened once.
    pub(super) fn earlier(&self, name: &str) -> Result<Arc<Season>, ArenaError> {
        if let Some(season) = self.earlier.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(season.clone());
        }
        let season = Arc::new(self.folder.season(name)?);
        let mut all = self.earlier.write().unwrap_or_else(PoisonError::into_inner);
        Ok(all.entry(name.to_owned()).or_insert(season).clone())
    }

    /// Says something to the operator.
    pub(super) fn notice(&self, text: &str) {
        (self.options.notice)(text);
    }
}

/// Does what may wait for a disk or a model on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, ArenaError> + Send + 'static,
) -> Result<T, super::refusal::WebRefusal> {
    let app = app.clone();
    match tokio::task::spawn_blocking(move || work(&app)).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(super::refusal::WebRefusal::broken("a part of the arena stopped")),
    }
}
