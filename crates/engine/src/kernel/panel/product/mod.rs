//! Products of rows with weights, and what is done to a result before it is written.

mod run;
mod tasks;

use super::choose::choose;
use super::pack::Panels;
use crate::config::Act;

pub(super) use run::ProductInput;

/// Slices that do not fit a product.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {found} numbers, not {expected}")]
pub struct PanelError {
    pub what: &'static str,
    pub found: usize,
    pub expected: usize,
}

impl PanelError {
    pub(super) fn check(what: &'static str, found: usize, expected: usize) -> Result<(), Self> {
        if found == expected { Ok(()) } else { Err(Self { what, found, expected }) }
    }
}

/// `x Wᵀ + b`
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    pub w: &'a Panels,
    /// What is added to each row, `[outputs]`.
    pub bias: Option<&'a [f32]>,
}

/// What is done to a product while it is at hand.
#[derive(Clone, Copy, Debug)]
pub enum Then<'a> {
    /// The product as it is.
    Keep,
    /// `act(y)`.
    Act(Act),
    /// `act(g) · y` with the product `g` of the same rows.
    Gate(Act, Affine<'a>),
}

/// A product of rows that other products share.
#[derive(Debug)]
pub struct Product<'a> {
    pub of: Affine<'a>,
    pub then: Then<'a>,
    /// The results, `[rows, outputs]`.
    pub y: &'a mut [f32],
    /// Whether the results are added to what is there.
    pub accumulate: bool,
}

impl Product<'_> {
    fn gate(&self) -> Option<Affine<'_>> {
        if let Then::Gate(_, gate) = self.then { Some(gate) } else { None }
    }

    fn check(&self, rows: usize, first: &Panels) -> Result<(), PanelError> {
        let outputs = self.of.w.outputs;
        PanelError::check("the result of a product", self.y.len(), rows * outputs)?;
        for each in [Some(self.of), self.gate()].into_iter().flatten() {
            PanelError::check("a row of weights", each.w.inputs, first.inputs)?;
            PanelError::check("a row of gates", each.w.outputs, outputs)?;
            if let Some(b) = each.bias {
                PanelError::check("a bias", b.len(), outputs)?;
            }
            if !each.w.goes_with(first) {
                return Err(PanelError { what: "weights of another format", found: 1, expected: 0 });
            }
        }
        Ok(())
    }
}

/// `y = x Wᵀ + b` for `x` `[rows, inputs]`, by weights of one format each: the rows are staged, and
/// the threads called, together once.
///
/// Work is shared out among the threads of the rayon pool this is called in. Called from outside a
/// pool, every product first wakes one: run a whole pass inside a pool.
///
/// # Errors
/// Slices of other sizes, weights that differ in format or inputs, or weights without inputs.
pub fn products(x: &[f32], rows: usize, jobs: &mut [Product]) -> Result<(), PanelError> {
    let Some(first) = jobs.first().map(|j| j.of.w) else { return Ok(()) };
    PanelError::check("the input of a product", x.len(), rows * first.inputs)?;
    jobs.iter().try_for_each(|job| job.check(rows, first))?;
    if rows == 0 {
        return Ok(());
    }
    if first.steps == 0 {
        return Err(PanelError { what: "a row of weights", found: 0, expected: 1 });
    }
    choose(x, rows, jobs, first.kind());
    Ok(())
}
