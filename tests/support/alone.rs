//! A test in a process of its own, where what it needs holds for a whole process: its memory, its limits.

use std::process::Command;

/// Names the one test that a process was started for.
const ALONE: &str = "TRUENORTH_TEST_ALONE";

/// Runs this binary again for the test of this name, with its modules, and `test` only there: nothing beside
/// it then counts, or meets its limits.
pub fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var(ALONE).is_ok_and(|asked| asked == name) {
        return test();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let out = command.args([name, "--exact", "--nocapture"]).env(ALONE, name).output().unwrap();
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(out.status.success(), "{name}, in a process of its own: {}\n{said}", out.status);
    // None has a name that is wrong, and none of none fails.
    assert!(said.contains(" 1 passed"), "no test is named {name}:\n{said}");
}
