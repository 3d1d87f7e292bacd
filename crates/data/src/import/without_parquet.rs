//! In place of the reader of Parquet where it is not built in.

use super::container::Each;
use super::error::{ImportFault, ImportProblem};
use super::record::WantedColumns;

pub(super) fn read(_: &[u8], _: &WantedColumns, _: &mut Each<'_>) -> Result<(), ImportFault> {
    Err(ImportFault::of(ImportProblem::ParquetNotBuilt))
}

#[cfg(test)]
mod tests {
    use super::super::container;
    use super::super::options::ImportSource;
    use super::*;

    #[test]
    fn a_file_is_known_and_the_feature_named() {
        let wanted = WantedColumns::default();
        let fault = container::read(ImportSource::Parquet, b"PAR1", "t.parquet", &wanted, &mut |_| Ok(()))
            .unwrap_err();
        let hint = fault.in_file("f").hint().unwrap();
        assert!(hint.contains("--features parquet"), "{hint}");
    }
}
