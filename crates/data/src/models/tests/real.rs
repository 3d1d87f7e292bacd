//! The real packages, through the real pip. Run where there is a network:
//! `TRUENORTH_TEST_CACHE=DIR cargo test --lib models::tests::real -- --ignored`.

use super::super::named::TABLE;
use super::super::{ProgressStage, ResolveOptions, resolve};
use super::{items, watched};

#[test]
#[ignore = "needs the network and 330 MB"]
fn the_named_models_can_be_pulled() {
    let own = tempfile::tempdir().unwrap();
    let cache =
        std::env::var_os("TRUENORTH_TEST_CACHE").map_or_else(|| own.path().into(), std::path::PathBuf::from);
    for model in TABLE {
        let found = resolve(model.name, &ResolveOptions::new(&cache)).unwrap();
        assert_eq!(found.files.path(), model.path(&cache));
        assert_eq!(found.files.path().metadata().unwrap().len(), model.size);
        // A second time nothing is fetched, nor read for its checksum.
        let (options, seen) = watched(&cache);
        assert_eq!(resolve(model.name, &ResolveOptions { offline: true, ..options }).unwrap(), found);
        assert!(items(&seen, ProgressStage::Hashing).is_empty());
    }
}
