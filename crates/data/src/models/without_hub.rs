//! In place of the hub where its client is not built in.

use super::spec::Repository;
use super::{ModelsError, ResolveOptions, Resolved};

pub(super) fn resolve(repository: &Repository, _: bool, _: &ResolveOptions) -> Result<Resolved, ModelsError> {
    Err(ModelsError::HubNotBuilt { repository: repository.id.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::{ResolveOptions, resolve};

    #[test]
    fn a_repository_is_known_and_the_feature_named() {
        let error = resolve("hf:org/toy", &ResolveOptions::new("nowhere")).unwrap_err();
        assert!(error.is_bad_request() && error.to_string().contains("hf:org/toy"), "{error}");
        assert!(error.hint().unwrap().contains("--features hub"));
    }
}
