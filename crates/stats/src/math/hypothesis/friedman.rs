//! The same things rated under several conditions.

use super::super::MathError;
use super::super::error::finite;
use super::super::rank::ranks;
use super::over_ties;

/// Friedman's statistic (1937) of blocks `[block][condition]`, ranked within each block and corrected for ties, as
/// scipy has it.
///
/// # Errors
/// With fewer than two blocks or three conditions, blocks of unequal length, a value that is not finite, or where every
/// block is one tie.
pub fn friedman(blocks: &[Vec<f64>]) -> Result<f64, MathError> {
    let k = blocks.first().map_or(0, Vec::len);
    if blocks.len() < 2 {
        return Err(MathError::TooFew { what: "blocks", least: 2, found: blocks.len() });
    }
    if k < 3 {
        return Err(MathError::TooFew { what: "conditions", least: 3, found: k });
    }
    let mut sums = vec![0.0; k];
    let mut ties = 0.0;
    for block in blocks {
        if block.len() != k {
            return Err(MathError::Length { what: "values of a block", expected: k, found: block.len() });
        }
        finite("values", block.as_slice())?;
        for (sum, rank) in sums.iter_mut().zip(ranks(block)?) {
            *sum += rank;
        }
        ties += over_ties(block, |t| t.powi(3) - t);
    }
    let (n, k) = (blocks.len() as f64, k as f64);
    let correction = 1.0 - ties / (k * (k * k - 1.0) * n);
    if correction <= 0.0 {
        return Err(MathError::Constant { what: "value of every block", value: blocks[0][0] });
    }
    let squares: f64 = sums.iter().map(|s| s * s).sum();
    Ok((12.0 / (n * k * (k + 1.0)) * squares - 3.0 * n * (k + 1.0)) / correction)
}

#[cfg(test)]
mod tests {
    use super::friedman;

    #[test]
    fn friedman_is_scipys() {
        // scipy.stats.friedmanchisquare([1, 2, 3, 4], [2, 2, 5, 1], [3, 1, 4, 4]).statistic
        let blocks = [[1.0, 2.0, 3.0], [2.0, 2.0, 1.0], [3.0, 5.0, 4.0], [4.0, 1.0, 4.0]].map(Vec::from);
        assert!((friedman(&blocks).unwrap() - 0.428_571_428_571_428_55).abs() < 1e-12);
        assert!(friedman(&blocks[..1]).is_err());
        assert!(friedman(&[vec![1.0; 3], vec![2.0; 3]]).is_err());
    }
}
