//! Whether a model has the sites that a study names, known before anything is asked of it.

use truenorth_protocol::graph::{Builder, CheckLimits};
use truenorth_protocol::{ModelInfo, ReadAt, Site};

use super::file::StudyFile;
use super::refused;
use crate::analyses::SiteRange;
use crate::error::Error;

/// Refuses a site that the study's own model does not have, with the key that names it.
///
/// # Errors
/// When there is one.
pub fn check(study: &StudyFile, info: &ModelInfo) -> Result<(), Error> {
    if study.site == Site::Logits {
        return Err(refused(
            "site is `logits`, which have the width of the vocabulary; a direction has the model's hidden size",
            "name a site of the residual stream in the study file, such as site = \"resid_post.12\"",
        ));
    }
    one("site", &study.site.to_string(), study.site, info)?;
    let ranges = |key, ranges: &[SiteRange]| {
        ranges
            .iter()
            .flat_map(|range| range.sites().iter().map(move |site| (range, *site)))
            .try_for_each(|(range, site)| one(key, &range.to_string(), site, info))
    };
    study.sweep.iter().try_for_each(|s| ranges("[sweep] sites", &s.params.sites))?;
    study.probing.iter().try_for_each(|p| ranges("[probing] sites", &p.sites))
}

/// Refuses a site of another model.
///
/// # Errors
/// When that model does not have it.
pub fn of_other(site: Site, info: &ModelInfo) -> Result<(), Error> {
    one("[transfer] models: site", &site.to_string(), site, info)
}

fn one(key: &str, written: &str, site: Site, info: &ModelInfo) -> Result<(), Error> {
    let mut b = Builder::new();
    let group = b.texts(["."]);
    let read = b.read(group, site, ReadAt::Last);
    b.save("x", read);
    b.finish().check(info, &CheckLimits::default()).map(|_| ()).map_err(|e| {
        refused(
            format!("{key} is `{written}`, and {} can't be read at {site}: {}", info.name, e.problem),
            format!("name blocks from 0 to {} in the study file", info.layers.saturating_sub(1)),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::Local;
    use truenorth_engine::{Engine, EngineOptions};
    use truenorth_protocol::run::Runner as _;

    /// Each key that names a site, with a block that the model lacks.
    #[test]
    fn a_site_that_the_model_lacks_is_told_by_its_key() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offline/goldens/studies/pairs.toml");
        let study = StudyFile::read(&path, &Local::new("")).unwrap();
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf/llama/model.gguf");
        let tiny = Engine::open(&tiny, &EngineOptions::default()).unwrap();
        let info = tiny.info();
        check(&study, info).unwrap();
        let e = check(&StudyFile { site: Site::Logits, ..study.clone() }, info).unwrap_err();
        assert!(e.to_string().starts_with("site is `logits`") && e.hints()[0].contains("resid_post"), "{e}");
        let said = |study: &StudyFile| {
            let e = check(study, info).unwrap_err();
            assert!(e.hints()[0].contains("blocks from 0 to 1 in the study file"), "{:?}", e.hints());
            e.to_string()
        };
        let what = said(&StudyFile { site: Site::ResidPost(9), ..study.clone() });
        assert!(what.starts_with("site is `resid_post.9`") && what.contains("block 9"), "{what}");
        let mut swept = study.clone();
        swept.sweep.as_mut().unwrap().params.sites = vec!["resid_post.1..4".parse().unwrap()];
        let what = said(&swept);
        assert!(what.starts_with("[sweep] sites is `resid_post.1..4`") && what.contains("block 2"), "{what}");
        let e = of_other(Site::MlpOut(7), info).unwrap_err().to_string();
        assert!(e.contains("[transfer]") && e.contains("mlp_out.7") && !e.contains("node"), "{e}");
    }
}
