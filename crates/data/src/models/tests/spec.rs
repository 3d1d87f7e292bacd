use super::super::named::TABLE;
use super::super::spec::{ModelSource, Repository, parse};
use super::super::{ModelsError, ResolveOptions, list, resolve};

fn source(spec: &str) -> ModelSource {
    parse(TABLE, spec).unwrap().source
}

fn error(spec: &str) -> ModelsError {
    parse(TABLE, spec).unwrap_err()
}

#[test]
fn named_models_are_found_by_their_name() {
    assert!(matches!(source("smollm2-135m"), ModelSource::Named(model) if model.name == "smollm2-135m"));
    assert!(matches!(source("gemma3-270m"), ModelSource::Named(model) if !model.instruct));
}

#[test]
fn a_mistyped_name_is_answered_with_near_ones() {
    let error = error("smolm2-135");
    assert_eq!(error.to_string(), r#"unknown model "smolm2-135", did you mean smollm2-135m?"#);
    let hint = error.hint().unwrap();
    for form in ["config.json", ".gguf", "hf:org/name[@revision]", "random-init:MODEL#SEED"] {
        assert!(hint.contains(form), "{hint}");
    }
    assert!(error.is_bad_request());
    let ModelsError::Unknown { near, .. } = self::error("zzz") else { panic!() };
    assert!(near.is_empty(), "{near:?}");
}

#[test]
fn paths_with_nothing_there_are_told_from_names() {
    let error = error("/nowhere/model.gguf");
    assert!(matches!(&error, ModelsError::NoSuchPath { repository: false, .. }), "{error:?}");
    assert!(matches!(self::error("weights.gguf"), ModelsError::NoSuchPath { .. }));
    let error = self::error("HuggingFaceTB/SmolLM2-135M");
    assert_eq!(error.hint().unwrap(), "for the repository on the hub write hf:HuggingFaceTB/SmolLM2-135M");
}

#[test]
fn hub_specs_are_taken_apart() {
    let hub = |spec: &str| match source(spec) {
        ModelSource::Hub(Repository { id, revision }) => (id, revision),
        other => panic!("{other:?}"),
    };
    let pair = |id: &str, revision: &str| (id.to_owned(), revision.to_owned());
    assert_eq!(hub("hf:org/name"), pair("org/name", "main"));
    assert_eq!(hub("hf:EleutherAI/pythia-70m@step3000"), pair("EleutherAI/pythia-70m", "step3000"));
    assert_eq!(hub("hf:a/b-c_d.e@refs/pr/1"), pair("a/b-c_d.e", "refs/pr/1"));
    assert_eq!(hub("hf:gpt2"), pair("gpt2", "main"));
    for wrong in
        ["hf:", "hf:/name", "hf:org/", "hf:a/b/c", "hf:../x", "hf:a/..", "hf:a b/c", "hf:a/b@", "hf:a/b@../x"]
    {
        assert!(matches!(error(wrong), ModelsError::BadSpec { .. }), "{wrong}");
    }
}

#[test]
fn random_init_carries_its_seed() {
    let spec = parse(TABLE, "random-init:smollm2-135m#7").unwrap();
    assert_eq!(spec.seed, Some(7));
    assert!(matches!(spec.source, ModelSource::Named(model) if model.name == "smollm2-135m"));
    let spec = parse(TABLE, "random-init:hf:a/b@main#18446744073709551615").unwrap();
    assert_eq!(spec.seed, Some(u64::MAX));
    for wrong in [
        "random-init:smollm2-135m",
        "random-init:smollm2-135m#",
        "random-init:smollm2-135m#-1",
        "random-init:smollm2-135m#18446744073709551616",
        "random-init:random-init:smollm2-135m#1#2",
        "random-init:#1",
        "",
        "  ",
    ] {
        assert!(matches!(error(wrong), ModelsError::BadSpec { .. }), "{wrong}");
    }
}

#[test]
fn the_table_agrees_with_itself() {
    for model in TABLE {
        let members = || model.wheels.iter().flat_map(|wheel| wheel.members);
        let parts = || members().filter(|member| member.role == super::super::named::MemberRole::Part);
        assert_eq!(parts().map(|part| part.size).sum::<u64>(), model.size, "{}", model.name);
        let mut names: Vec<_> = members().map(|member| member.file_name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), members().count(), "two members share a file name");
        let sums = members().map(|member| member.sha256);
        let sums = sums.chain(model.wheels.iter().map(|wheel| wheel.sha256)).chain([model.sha256]);
        for sum in sums {
            assert!(sum.len() == 64 && sum.bytes().all(|c| c.is_ascii_hexdigit()), "{sum}");
        }
        for wheel in model.wheels {
            // PEP 427: NAME-VERSION-…, with underscores for hyphens.
            let stem = format!("{}-{}-", wheel.package.replace('-', "_"), wheel.version);
            assert!(wheel.file.starts_with(&stem), "{}", wheel.file);
        }
    }
}

#[test]
fn the_list_says_what_is_present() {
    let cache = tempfile::tempdir().unwrap();
    let listed = list(cache.path());
    assert_eq!(listed.len(), TABLE.len());
    assert!(listed.iter().all(|model| model.path.is_none()));
    // Half a file is not a model.
    let file = TABLE[0].path(cache.path());
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, b"GGUF").unwrap();
    assert_eq!(list(cache.path())[0].path, None);
    std::fs::File::options().write(true).open(&file).unwrap().set_len(TABLE[0].size).unwrap();
    assert_eq!(list(cache.path())[0].path, Some(file));
}

#[test]
fn offline_without_the_model_names_the_command_that_fetches_it() {
    let cache = tempfile::tempdir().unwrap();
    let options = ResolveOptions { offline: true, ..ResolveOptions::new(cache.path()) };
    let error = resolve("gemma3-270m", &options).unwrap_err();
    assert!(matches!(&error, ModelsError::NotPulled { name } if name == "gemma3-270m"), "{error:?}");
    assert!(error.hint().unwrap().contains("truenorth models pull gemma3-270m"));
}
