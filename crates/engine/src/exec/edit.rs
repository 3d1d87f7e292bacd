//! Edits of rows of a site, resolved to numbers.

use truenorth_protocol::graph::{AlphaUnit, Edit, NodeId};

use super::ops::dot;
use super::value::Val;

/// An edit with its inputs at hand.
pub(super) enum ResolvedEdit {
    /// `x + v`, a row a prompt or one for all.
    Add(Vec<Vec<f32>>),
    /// `x - (x·d̂) d̂`
    Ablate(Vec<f32>),
    /// A row a prompt, or one for all.
    Set(Vec<Vec<f32>>),
    /// `c·x`
    Scale(f32),
    /// `x·d̂` brought into the range.
    Clamp(Vec<f32>, f64, f64),
}

/// Why an edit can't be resolved: a direction computed in the graph turned out to be zero, or not
/// finite.
#[derive(Debug, thiserror::Error)]
#[error("the {0} of the edit, computed in the graph, is {1}; check the nodes it comes from")]
pub(super) struct BadInput(&'static str, &'static str);

impl ResolvedEdit {
    /// Resolves an edit.
    pub fn new<'a>(edit: &Edit, input: &impl Fn(NodeId) -> Option<&'a Val>) -> Result<Self, BadInput> {
        let finite = |id: NodeId, what| finite(id, what, input);
        Ok(match edit {
            Edit::Add { direction, alpha, unit } => {
                let d = finite(*direction, "direction")?;
                let unit = match unit {
                    AlphaUnit::Absolute => 1.0,
                    AlphaUnit::Norm(n) => f64::from(finite(*n, "norm unit")?.floats()[0]),
                };
                let directions: Vec<&[f32]> = d.floats().chunks_exact(d.width()).collect();
                let rows = alpha.len().max(directions.len());
                let of = |i: usize, n: usize| if n == 1 { 0 } else { i };
                Self::Add(
                    (0..rows)
                        .map(|i| {
                            let c = alpha[of(i, alpha.len())] * unit;
                            scaled(directions[of(i, directions.len())], c)
                        })
                        .collect(),
                )
            }
            Edit::Set { value } => {
                let v = finite(*value, "value")?;
                Self::Set(v.floats().chunks_exact(v.width()).map(<[f32]>::to_vec).collect())
            }
            Edit::Ablate { direction: d } => Self::Ablate(direction(*d, input)?),
            #[allow(clippy::cast_possible_truncation)]
            Edit::Scale { factor } => Self::Scale(*factor as f32),
            Edit::Clamp { direction: d, min, max } => Self::Clamp(direction(*d, input)?, *min, *max),
        })
    }

    /// Edits one row of prompt `prompt`.
    #[allow(clippy::cast_possible_truncation)]
    pub fn apply(&self, prompt: usize, x: &mut [f32]) {
        let of = |rows: &[Vec<f32>]| if rows.len() == 1 { 0 } else { prompt };
        match self {
            Self::Add(rows) => add(x, &rows[of(rows)], 1.0),
            Self::Set(rows) => x.copy_from_slice(&rows[of(rows)]),
            Self::Scale(c) => x.iter_mut().for_each(|v| *v *= c),
            Self::Ablate(d) => {
                let p = dot(x, d);
                add(x, d, -p as f32);
            }
            Self::Clamp(d, min, max) => {
                let p = dot(x, d);
                add(x, d, (p.clamp(*min, *max) - p) as f32);
            }
        }
    }
}

fn add(x: &mut [f32], d: &[f32], c: f32) {
    x.iter_mut().zip(d).for_each(|(v, d)| *v += c * d);
}

#[allow(clippy::cast_possible_truncation)]
fn scaled(d: &[f32], c: f64) -> Vec<f32> {
    d.iter().map(|v| (f64::from(*v) * c) as f32).collect()
}

fn finite<'a>(
    id: NodeId,
    what: &'static str,
    input: &impl Fn(NodeId) -> Option<&'a Val>,
) -> Result<&'a Val, BadInput> {
    let v = input(id).ok_or(BadInput(what, "not there, which is a fault of truenorth"))?;
    if v.floats().iter().all(|x| x.is_finite()) { Ok(v) } else { Err(BadInput(what, "not finite")) }
}

/// The direction divided by its norm, refused where that is 0 or a number is not finite.
pub(super) fn direction<'a>(
    id: NodeId,
    input: &impl Fn(NodeId) -> Option<&'a Val>,
) -> Result<Vec<f32>, BadInput> {
    let d = finite(id, "direction", input)?;
    let norm = dot(d.floats(), d.floats()).sqrt();
    if norm > 0.0 { Ok(scaled(d.floats(), 1.0 / norm)) } else { Err(BadInput("direction", "zero")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(edit: &Edit, v: &Val) -> ResolvedEdit {
        ResolvedEdit::new(edit, &|_| Some(v)).unwrap()
    }

    #[test]
    fn ablation_leaves_nothing_along_the_direction_and_all_else_alone() {
        let d = Val::f32(vec![2], vec![3.0, 4.0]);
        let mut x = [5.0, 10.0];
        ready(&Edit::Ablate { direction: NodeId(0) }, &d).apply(0, &mut x);
        assert!(dot(&x, d.floats()).abs() < 1e-5);
        assert!((dot(&x, &[-0.8, 0.6]) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn clamp_moves_only_what_is_outside() {
        let d = Val::f32(vec![2], vec![2.0, 0.0]);
        let clamp = ready(&Edit::Clamp { direction: NodeId(0), min: -1.0, max: 1.0 }, &d);
        let (mut out, mut inside) = ([7.0, 3.0], [0.5, 3.0]);
        clamp.apply(0, &mut out);
        clamp.apply(0, &mut inside);
        assert_eq!((out, inside), ([1.0, 3.0], [0.5, 3.0]));
    }

    #[test]
    fn each_prompt_has_its_own_dose() {
        let d = Val::f32(vec![1], vec![2.0]);
        let edit =
            Edit::Add { direction: NodeId(0), alpha: vec![0.0, 1.5], unit: AlphaUnit::Norm(NodeId(0)) };
        let add = ready(&edit, &d);
        let (mut a, mut b) = ([1.0], [1.0]);
        add.apply(0, &mut a);
        add.apply(1, &mut b);
        assert_eq!((a, b), ([1.0], [7.0]));
    }
}
