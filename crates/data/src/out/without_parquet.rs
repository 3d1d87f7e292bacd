//! In place of the writer of Parquet where it is not built in.

use super::{OutError, OutRow};

pub(super) fn bytes(_: &[OutRow]) -> Result<Vec<u8>, OutError> {
    Err(OutError::NoParquet)
}
