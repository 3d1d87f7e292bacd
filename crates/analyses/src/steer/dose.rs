//! What is done to a model: where, along what, how much, at which tokens, when.

use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::{Decides, PromptPart, Take};
use truenorth_protocol::{Site, WriteAt};

/// What is done to the model while it writes: directions, doses and where.
#[derive(Clone, Debug)]
pub struct Dose {
    /// The directions, each at a site and with a share of the dose.
    pub pushes: Vec<Push>,
    /// The tokens that are steered.
    pub positions: WriteAt,
    /// The doses: each push adds `α·coefficient·norm` times its direction.
    pub alphas: Vec<f64>,
    /// What α is measured in: `norm`, `absolute` or `raw`.
    pub unit: &'static str,
    /// Whether the directions are ablated before anything is added: at each site all that lies in their span.
    pub ablate: bool,
    /// How α changes with the tokens that are generated.
    pub schedule: Schedule,
    /// Where nothing is done unless it holds.
    pub when: Option<When>,
}

/// A direction at a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// The direction, `[width of the site]`.
    pub direction: Vec<f32>,
    /// Where it is added, ablated or clamped.
    pub site: Site,
    /// Factor of the dose at this site.
    pub coefficient: f64,
    /// What α is a multiple of there: the mean residual norm, or the norm that the vector had in its file; none for
    /// units of the residual stream.
    pub norm: Option<f64>,
    /// The least and the greatest projection that are left, after all else, in units of the residual stream.
    pub clamp: Option<[f64; 2]>,
    /// Whether the clamp leaves out the first token of each prompt where all tokens are edited. Ranges of neutral texts are
    /// measured without it: it may be a sink of attention, which such a range would break.
    pub spares_first: bool,
}

impl Push {
    /// Whether the clamp leaves out first tokens, of an edit at these tokens.
    pub(super) fn spares(&self, positions: WriteAt) -> bool {
        self.spares_first && self.clamp.is_some() && positions == WriteAt::All
    }

    /// At which tokens the clamp is applied, of an edit at these in so many passes; the first of them generates no token
    /// that is read again.
    pub(super) fn clamped(&self, positions: WriteAt, passes: u32) -> Vec<WriteAt> {
        match (self.spares(positions), passes) {
            (false, _) => vec![positions],
            (true, ..2) => vec![AFTER_FIRST],
            (true, _) => vec![AFTER_FIRST, WriteAt::Generated],
        }
    }
}

/// All tokens of a prompt but the first.
pub(super) const AFTER_FIRST: WriteAt = WriteAt::In(PromptPart::Range(1, -1), Take::All);

/// The pass in which a schedule has its largest factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LargestStep {
    /// The pass: 0 runs the prompt, `k` the `k`-th token that was generated.
    pub pass: u32,
    /// By what α is multiplied there.
    pub factor: f64,
}

/// A condition: what is done is done only where the projection on a direction is above a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// The direction that is projected on, `[hidden]`, of any length but 0.
    pub direction: Vec<f32>,
    /// Where the projection is taken, at the earliest edited site or before it.
    pub site: Site,
    /// The threshold, in units of the residual stream.
    pub above: f64,
    /// Whether each token decides for itself, or one for its prompt.
    pub of: Decides,
}

/// Factors of α by forward pass: 0 runs the prompt, `k` the `k`-th token that was generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The factor of each pass, the last one of all that follow; empty for 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<f64>,
    /// By what the factor shrinks with each generated token after the first.
    #[serde(default = "one")]
    pub decay: f64,
}

fn one() -> f64 {
    1.0
}

/// Doses in the unit `norm` that leave most models readable: the sweep's.
const USUAL: [f64; 7] = [-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2];

/// The doses that are used where none are named, in the unit `norm`; several sites share them.
#[must_use]
pub fn usual_doses(sites: usize) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss)]
    let each = |a: f64| a / sites.max(1) as f64;
    USUAL.map(each).to_vec()
}

/// A factor below which a push is left out.
const NOTHING: f64 = 1e-3;

impl Default for Schedule {
    /// α as it is, for every token.
    fn default() -> Self {
        Self { factors: vec![], decay: 1.0 }
    }
}

impl Schedule {
    /// Whether α is the same for all tokens.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.factors.iter().all(|f| *f == 1.0) && self.decay == 1.0
    }

    /// The factor of α in pass `step`; pass 0 runs the prompt.
    #[must_use]
    pub fn factor(&self, step: u32) -> f64 {
        let own = self.factors.get(step as usize).or(self.factors.last()).copied().unwrap_or(1.0);
        own * self.decay.powf(f64::from(step.saturating_sub(1)))
    }

    /// The first pass whose factor is largest in absolute value, of those that touch tokens at these positions.
    #[must_use]
    pub fn largest(&self, positions: WriteAt) -> LargestStep {
        let first = u32::from(positions == WriteAt::Generated);
        // After the last factor that is named, a decay makes all that follow smaller.
        let named = u32::try_from(self.factors.len()).unwrap_or(u32::MAX);
        let last = if of_prompt(positions) { 0 } else { named.max(1) };
        let at = |pass| LargestStep { pass, factor: self.factor(pass) };
        let larger = |a: LargestStep, b: LargestStep| if b.factor.abs() > a.factor.abs() { b } else { a };
        (first + 1..=last).map(at).fold(at(first), larger)
    }

    /// What of it is run where at most so many tokens are generated.
    #[must_use]
    pub fn within(&self, steps: u32) -> Self {
        Self { factors: self.factors.iter().copied().take(steps as usize).collect(), decay: self.decay }
    }

    /// The passes that have tokens at these positions and a factor that is not nothing, as runs of equal ones: first pass,
    /// first one left out, factor.
    #[must_use]
    pub fn runs(&self, positions: WriteAt, steps: u32) -> Vec<(u32, Option<u32>, f64)> {
        if self.is_constant() {
            return vec![(0, None, 1.0)];
        }
        let mut runs: Vec<(u32, Option<u32>, f64)> = Vec::new();
        let (first, last) = match positions {
            WriteAt::All => (0, steps),
            WriteAt::Generated => (1, steps),
            _ => (0, steps.min(1)),
        };
        for step in first..last {
            let factor = self.factor(step);
            if factor.abs() < NOTHING {
                continue;
            }
            match runs.last_mut().filter(|(_, end, f)| *end == Some(step) && *f == factor) {
                Some((_, end, _)) => *end = Some(step + 1),
                None => runs.push((step, Some(step + 1), factor)),
            }
        }
        runs
    }
}

/// Whether positions are tokens of the prompt alone, which pass 0 runs.
fn of_prompt(positions: WriteAt) -> bool {
    !matches!(positions, WriteAt::All | WriteAt::Generated)
}

impl Dose {
    /// Whether generated tokens are touched and no token of the prompt.
    #[must_use]
    pub fn spares_prompt(&self) -> bool {
        let nothing = |pass: LargestStep| pass.factor.abs() < NOTHING;
        let only_adds = !self.ablate && self.pushes.iter().all(|p| p.clamp.is_none());
        match self.positions {
            WriteAt::Generated => true,
            WriteAt::All => {
                let prompt = LargestStep { pass: 0, factor: self.schedule.factor(0) };
                only_adds && nothing(prompt) && !nothing(self.schedule.largest(self.positions))
            }
            _ => false,
        }
    }

    /// The sites at which something is done, in the order of a pass.
    #[must_use]
    pub fn sites(&self) -> Vec<Site> {
        let mut sites: Vec<Site> = self.pushes.iter().map(|p| p.site).collect();
        sites.sort_by_key(|s| s.order());
        sites.dedup();
        sites
    }

    pub(super) fn at(&self, site: Site) -> impl Iterator<Item = &Push> {
        self.pushes.iter().filter(move |p| p.site == site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_factor_a_pass_and_decays_from_the_second_token_on() {
        let all = Schedule { factors: vec![1.0, 2.0], decay: 0.5 };
        assert_eq!([0, 1, 2, 3].map(|s| all.factor(s)), [1.0, 2.0, 1.0, 0.5]);
        assert_eq!(Schedule::default().runs(WriteAt::All, 5), [(0, None, 1.0)]);
        let two = Schedule { factors: vec![1.0, 1.0, 0.0, 3.0], decay: 1.0 };
        assert_eq!(two.runs(WriteAt::All, 6), [(0, Some(2), 1.0), (3, Some(6), 3.0)]);
        // Of positions that a pass has no tokens at, nothing is asked.
        assert_eq!(two.runs(WriteAt::Generated, 6), [(1, Some(2), 1.0), (3, Some(6), 3.0)]);
        assert_eq!(two.runs(WriteAt::Last, 6), [(0, Some(1), 1.0)]);
        assert_eq!(Schedule { factors: vec![0.0, 1.0], decay: 1.0 }.runs(WriteAt::Last, 6), []);
        let short = Schedule { factors: vec![], decay: 0.1 };
        // What is left of a thousandth is left out.
        assert_eq!(short.runs(WriteAt::All, 9).last().map(|r| r.1), Some(Some(5)));
    }

    #[test]
    fn the_largest_step_is_one_that_touches_a_token() {
        let largest = |factors: &[f64], decay, positions| {
            let step = Schedule { factors: factors.to_vec(), decay }.largest(positions);
            (step.pass, step.factor)
        };
        let all = WriteAt::All;
        assert_eq!(largest(&[], 1.0, all), (0, 1.0));
        assert_eq!(largest(&[], 0.1, all), (0, 1.0));
        assert_eq!(largest(&[10.0], 1.0, all), (0, 10.0));
        assert_eq!(largest(&[1.0, -4.0, 2.0], 1.0, all), (1, -4.0));
        assert_eq!(largest(&[1.0, 2.0, 3.0], 0.5, all), (1, 2.0));
        assert_eq!(largest(&[10.0, 2.0], 1.0, WriteAt::Generated), (1, 2.0));
        assert_eq!(largest(&[0.1, 10.0], 1.0, WriteAt::Last), (0, 0.1));
        let short = Schedule { factors: vec![1.0, 1.0, 9.0], decay: 1.0 }.within(2);
        assert_eq!(short.largest(all).factor, 1.0);
    }
}
