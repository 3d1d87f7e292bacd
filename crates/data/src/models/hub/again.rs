//! Trying again what may pass by itself.

use std::thread::sleep;
use std::time::Duration;

use super::super::ResolveOptions;
use super::error::HubError;

/// How often something is tried that never succeeds, before its failure is told.
const TRIES: u32 = 5;
/// Before the second try; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// How often a wait looks whether the user wants an end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Counts the failures in a row.
pub(super) struct Patience<'a> {
    failed: u32,
    options: &'a ResolveOptions,
}

impl<'a> Patience<'a> {
    pub(super) fn new(options: &'a ResolveOptions) -> Self {
        Self { failed: 0, options }
    }

    /// What came before is forgiven: something was achieved.
    pub(super) fn renew(&mut self) {
        self.failed = 0;
    }

    /// Waits before another try, or gives the failure back where none is worth it.
    pub(super) fn after(&mut self, error: HubError) -> Result<(), HubError> {
        self.failed += 1;
        if !error.may_pass() || self.failed == TRIES {
            return Err(error);
        }
        let mut left = FIRST_WAIT * 2_u32.pow(self.failed - 1);
        while !left.is_zero() {
            self.options.check_cancelled()?;
            let part = left.min(LOOK_EVERY);
            sleep(part);
            left -= part;
        }
        Ok(())
    }
}

/// Tries until it succeeds or no further try is worth it.
pub(super) fn again<T>(
    options: &ResolveOptions,
    mut one: impl FnMut() -> Result<T, HubError>,
) -> Result<T, HubError> {
    let mut patience = Patience::new(options);
    loop {
        options.check_cancelled()?;
        match one() {
            Ok(value) => return Ok(value),
            Err(error) => patience.after(error)?,
        }
    }
}
