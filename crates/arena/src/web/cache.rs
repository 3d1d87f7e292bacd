//! Pages that were made, as long as nothing changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use tokio::sync::MutexGuard;

/// Pages that are held at most; a page is tens of kilobytes.
const MOST: usize = 512;
/// Pages that are made at a time.
const TURNS: usize = 8;

/// Pages that were made.
#[derive(Debug, Default)]
pub(super) struct PageCache(Mutex<CachedPages>, [tokio::sync::Mutex<()>; TURNS]);

#[derive(Debug, Default)]
struct CachedPages {
    version: u64,
    pages: HashMap<String, Bytes>,
}

impl PageCache {
    /// A page that was made at this version.
    pub fn get(&self, version: u64, key: &str) -> Option<Bytes> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (held.version == version).then(|| held.pages.get(key).cloned()).flatten()
    }

    /// Holds a page that was made from what was there at this version.
    pub fn put(&self, version: u64, key: String, page: Bytes) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.version < version {
            held.version = version;
            held.pages.clear();
        }
        if held.version == version {
            if held.pages.len() >= MOST {
                held.pages.clear();
            }
            held.pages.insert(key, page);
        }
    }

    /// The turn to make a page: of many that ask for one at once the first makes it, and the others find it made.
    pub async fn turn(&self, key: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        self.1[at].lock().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_held_until_something_changes() {
        let cache = PageCache::default();
        cache.put(2, "/".into(), Bytes::from_static(b"two"));
        assert_eq!(cache.get(2, "/").as_deref(), Some(&b"two"[..]));
        assert_eq!(cache.get(3, "/"), None);
        // A page that was begun before the change comes too late.
        cache.put(3, "/a".into(), Bytes::from_static(b"three"));
        cache.put(2, "/".into(), Bytes::from_static(b"two"));
        assert_eq!(cache.get(3, "/"), None);
        assert_eq!(cache.get(2, "/"), None);
        assert!(cache.get(3, "/a").is_some());
    }
}
