//! In place of the reader of Parquet where it is not built in.

use super::container::Each;
use super::error::{Fault, ImportProblem};
use super::record::Wanted;

pub(super) fn read(_: &[u8], _: &Wanted, _: &mut Each<'_>) -> Result<(), Fault> {
    Err(Fault::of(ImportProblem::ParquetNotBuilt))
}

#[cfg(test)]
mod tests {
    use super::super::container;
    use super::super::options::Source;
    use super::*;

    #[test]
    fn a_file_is_known_and_the_feature_named() {
        let wanted = Wanted::default();
        let fault =
            container::read(Source::Parquet, b"PAR1", "t.parquet", &wanted, &mut |_| Ok(())).unwrap_err();
        let hint = fault.in_file("f").hint().unwrap();
        assert!(hint.contains("--features parquet"), "{hint}");
    }
}
