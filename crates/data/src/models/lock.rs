//! One process at a time fetches the same thing.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::error::io;
use super::{ModelsError, ProgressStage, ResolveOptions};

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Waits until no other process fetches `name`. Released when the file is closed, be it by a kill.
pub(super) fn lock(path: &Path, name: &str, options: &ResolveOptions) -> Result<File, ModelsError> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(io("open the lock", path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
            Err(TryLockError::WouldBlock) => {
                options.check_cancelled()?;
                options.report(ProgressStage::Waiting, name, 0, 0);
                sleep(LOOK_EVERY);
            }
        }
    }
}
