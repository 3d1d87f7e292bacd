//! How large an edit is, in units that compare: what it moves of the residual stream.

use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::{Binary, Builder, GroupId, NodeId, Unary};
use truenorth_protocol::{Answer, Site, Tensor, Value};

use super::dose::Dose;
use super::graph::{Around, along, rows};
use truenorth_reading::AnalysisError;

/// How large an edit is at a site, on the prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditSize {
    /// The site of the edit.
    pub site: String,
    /// At first tokens, which many models use as sinks of attention and give a far larger norm; none where none is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<TokenMeans>,
    /// At all other tokens; none where none is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<TokenMeans>,
}

/// Means over the tokens that an edit moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenMeans {
    /// Tokens that are moved.
    pub tokens: usize,
    /// Tokens that there are.
    pub of: usize,
    /// Norm of what is added, as a share of the residual's norm before.
    pub norm: f64,
    /// Angle by which the residual turns, in degrees.
    pub angle: f64,
    /// Cosine of the residual with the direction before.
    pub along_before: f64,
    /// Cosine of the residual with the direction after.
    pub along_after: f64,
}

/// How many times as large the angle of one edit may be as that of another that it stands beside.
pub const COMPARABLE: f64 = 5.0;

/// The measures that are taken of each token, in the order of [`TokenMeans`].
const MEASURES: [&str; 4] = ["norm", "angle", "before", "after"];

/// Notes the stream around the edits of a group, and saves what they move.
pub(super) struct Meter<'a> {
    pub group: GroupId,
    pub dose: &'a Dose,
    before: Option<NodeId>,
}

impl<'a> Meter<'a> {
    pub fn new(group: GroupId, dose: &'a Dose) -> Self {
        Self { group, dose, before: None }
    }

    /// What is asked before and after the edits of a site.
    pub fn around(&mut self, b: &mut Builder, site: Site, around: Around) {
        let read = rows(b, self.group, site);
        if around == Around::Before {
            self.before = Some(read);
            return;
        }
        let Some(before) = self.before.take() else { return };
        let after = read;
        let moved = b.binary(Binary::Sub, after, before);
        let (moved, size) = (b.norm(moved), b.norm(before));
        let norm = b.binary(Binary::Div, moved, size);
        // The chord between unit vectors: an arc cosine would lose small angles to rounding.
        let (from, to) = (b.unary(Unary::Unit, before), b.unary(Unary::Unit, after));
        let chord = b.binary(Binary::Sub, to, from);
        let chord = b.norm(chord);
        let direction = b.constant(Tensor::vector(&along(self.dose, site)));
        let (from, to) = (b.cosine(before, direction), b.cosine(after, direction));
        for (measure, node) in MEASURES.into_iter().zip([norm, chord, from, to]) {
            b.save(format!("{site}.{measure}"), node);
        }
    }
}

/// Sums over the tokens of one dose at one site.
#[derive(Clone, Copy, Debug, Default)]
struct DoseSums {
    of: usize,
    tokens: usize,
    sums: [f64; 4],
}

impl DoseSums {
    fn add(&mut self, measures: [f64; 4]) {
        self.of += 1;
        if measures[0] > 0.0 {
            self.tokens += 1;
            self.sums.iter_mut().zip(measures).for_each(|(sum, m)| *sum += m);
        }
    }

    fn moved(&self) -> Option<TokenMeans> {
        #[allow(clippy::cast_precision_loss)]
        let [norm, angle, along_before, along_after] = self.sums.map(|s| s / self.tokens.max(1) as f64);
        (self.tokens > 0).then_some(TokenMeans {
            tokens: self.tokens,
            of: self.of,
            norm,
            angle,
            along_before,
            along_after,
        })
    }
}

/// What was measured of several doses, batch after batch.
pub(super) struct MeasuredDoses {
    sites: Vec<Site>,
    /// By site, then by dose: first tokens, later ones.
    sums: Vec<Vec<[DoseSums; 2]>>,
}

impl MeasuredDoses {
    pub fn new(dose: &Dose) -> Self {
        let sites = dose.sites();
        let sums = vec![vec![[DoseSums::default(); 2]; dose.alphas.len()]; sites.len()];
        Self { sites, sums }
    }

    /// Takes an answer whose rows are so many prompts a dose.
    pub fn add(&mut self, answer: &Answer, prompts: usize) -> Result<(), AnalysisError> {
        for (site, sums) in self.sites.iter().zip(&mut self.sums) {
            let name = |measure: &str| format!("{site}.{measure}");
            let lost = || AnalysisError::Answer { name: site.to_string(), prompts };
            let Some(Value::Tensor { rows: Some(counts), .. }) = answer.values.get(&name(MEASURES[0])) else {
                return Err(lost());
            };
            let total: usize = counts.iter().map(|n| *n as usize).sum();
            let mut all = Vec::with_capacity(MEASURES.len());
            for measure in MEASURES {
                let found = answer.tensor(&name(measure)).and_then(|t| t.to_f32().ok());
                all.push(found.filter(|v| v.len() == total).ok_or_else(lost)?);
            }
            if counts.len() != prompts * sums.len() {
                return Err(lost());
            }
            let mut token = 0;
            for (row, count) in counts.iter().enumerate() {
                for place in 0..*count {
                    let of = |m: usize| f64::from(all[m][token]);
                    // Rounding can take a chord beyond the diameter.
                    let angle = 2.0 * (of(1) / 2.0).clamp(0.0, 1.0).asin().to_degrees();
                    let measures = [of(0), angle, of(2), of(3)];
                    if measures.iter().any(|m| m.is_nan()) {
                        return Err(AnalysisError::NotFinite { name: site.to_string(), id: None });
                    }
                    sums[row / prompts][usize::from(place > 0)].add(measures);
                    token += 1;
                }
            }
        }
        Ok(())
    }

    /// A size a site of each dose; sites at which nothing is moved are left out.
    pub fn sizes(&self) -> Vec<Vec<EditSize>> {
        let doses = self.sums.first().map_or(0, Vec::len);
        let of = |dose: usize| {
            let sites = self.sites.iter().zip(&self.sums);
            let one = |(site, sums): (&Site, &Vec<[DoseSums; 2]>)| {
                let [first, later] = sums[dose].map(|s| s.moved());
                let any = first.is_some() || later.is_some();
                any.then(|| EditSize { site: site.to_string(), first, later })
            };
            sites.filter_map(one).collect()
        };
        (0..doses).map(of).collect()
    }
}

/// The angle of an edit that others are compared by: at later tokens, or where it moves only first ones at these.
fn angle(size: &EditSize) -> Option<f64> {
    size.later.or(size.first).map(|m| m.angle).filter(|a| *a > 0.0)
}

/// What is wrong with standing edits beside each other whose angles differ more than five-fold: doses of one size and two
/// signs, at each site.
#[must_use]
pub fn unlike(alphas: &[f64], sizes: &[Vec<EditSize>]) -> Vec<String> {
    let mut said = Vec::new();
    for (i, alpha) in alphas.iter().enumerate().filter(|(_, a)| **a > 0.0) {
        let Some(j) = alphas.iter().position(|b| *b == -alpha) else { continue };
        for size in &sizes[i] {
            let other = sizes[j].iter().find(|s| s.site == size.site).and_then(angle);
            let (Some(up), Some(down)) = (angle(size), other) else { continue };
            let ratio = (up / down).max(down / up);
            if ratio > COMPARABLE {
                said.push(format!(
                    "at {}, α {alpha} turns the residual by {up:.2}° and α {} by {down:.2}°, {ratio:.0} times as much or as \
                     little: what differs between them may be the size of the edit",
                    size.site, -alpha
                ));
            }
        }
    }
    said
}
