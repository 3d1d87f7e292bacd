//! The moments of a pass at which a program looks at the model: one module each, in the order in
//! which the model comes to them.
//!
//! A block's own input is never touched: its arguments hold the cache of keys and values, and a
//! service whose programs run beside the model puts a *copy* of what was read back into it. The
//! stream that enters a block is the output of the block before.

use std::ops::Range;

use crate::Site;
use crate::nnsight::Modules;
use crate::plan::{Action, GroupPlan};

/// The module at which a program stops, and what it holds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The stream that enters block `k`: what the embedding, or the block before, hands out.
    Stream(u32),
    /// What attention of a block adds; its `resid_mid`, if that is edited, goes with it.
    Attn(u32),
    /// The stream between attention and MLP, where it is only read: what enters the norm of the MLP.
    Mid(u32),
    /// What the MLP of a block adds to the stream.
    Mlp(u32),
    /// What the final norm hands out.
    Norm,
    /// What the output matrix hands out.
    Head,
}

/// A moment with what happens there.
#[derive(Clone, Debug)]
pub(super) struct Stop<'a> {
    pub moment: Moment,
    /// Reads and edits in order.
    pub actions: Vec<Action<'a>>,
    /// Forward passes at which something happens, as ranges that may overlap.
    pub during: Vec<Range<u32>>,
    /// Whether a later stop takes the stream from here.
    pub keep: bool,
    /// Whether what is there is changed.
    pub edits: bool,
}

impl Moment {
    fn of(site: Site, mid: Self) -> Self {
        match site {
            Site::Embed => Self::Stream(0),
            Site::ResidPre(l) => Self::Stream(l),
            Site::ResidPost(l) => Self::Stream(l + 1),
            Site::AttnOut(l) => Self::Attn(l),
            Site::ResidMid(_) => mid,
            Site::MlpOut(l) => Self::Mlp(l),
            Site::FinalNorm => Self::Norm,
            Site::Logits => Self::Head,
        }
    }

    /// The first block that has not begun yet, of those that have not run.
    pub fn blocks_left(self, layers: u32) -> Range<u32> {
        match self {
            Self::Stream(k) => k..layers,
            Self::Attn(l) | Self::Mid(l) | Self::Mlp(l) => l + 1..layers,
            Self::Norm | Self::Head => layers..layers,
        }
    }

    /// Whether what is read is wide as the vocabulary.
    pub fn is_head(self) -> bool {
        self == Self::Head
    }
}

/// The moments of a plan in the order of a pass, with what happens at each.
pub(super) fn stops<'a>(plan: &GroupPlan<'a>, modules: &Modules) -> Vec<Stop<'a>> {
    let mut stops: Vec<Stop<'a>> = Vec::new();
    for action in &plan.actions {
        let moment = Moment::of(action.site, mid(plan, modules, action.site));
        match stops.last_mut().filter(|s| s.moment == moment) {
            Some(stop) => {
                stop.actions.push(action.clone());
                stop.during.push(action.passes.clone());
                stop.edits |= action.is_edit();
            }
            None => stops.push(Stop {
                moment,
                actions: vec![action.clone()],
                during: vec![action.passes.clone()],
                keep: false,
                edits: action.is_edit(),
            }),
        }
    }
    keep_streams(&mut stops);
    stops
}

/// Where `resid_mid` of a block is found. A read finds it in one module where the family has a norm
/// there; an edit has to move what attention adds, because the stream itself is no module's output.
fn mid(plan: &GroupPlan<'_>, modules: &Modules, site: Site) -> Moment {
    let Site::ResidMid(l) = site else { return Moment::Head };
    let edited = plan.actions.iter().any(|a| a.site == site && a.is_edit());
    if edited || modules.parallel || modules.mlp_norm.is_none() { Moment::Attn(l) } else { Moment::Mid(l) }
}

/// Adds the stops at which the stream has to be kept for a later `resid_mid`.
fn keep_streams(stops: &mut Vec<Stop<'_>>) {
    let wanted: Vec<(u32, Vec<Range<u32>>)> = stops
        .iter()
        .filter_map(|s| match s.moment {
            Moment::Attn(l) if s.has_mid() => Some((l, s.during.clone())),
            _ => None,
        })
        .collect();
    for (l, during) in wanted {
        let moment = Moment::Stream(l);
        if let Some(stop) = stops.iter_mut().find(|s| s.moment == moment) {
            stop.keep = true;
            stop.during.extend(during);
        } else {
            let at = stops.iter().position(|s| s.moment == Moment::Attn(l)).unwrap_or(stops.len());
            stops.insert(at, Stop { moment, actions: Vec::new(), during, keep: true, edits: false });
        }
    }
}

impl Stop<'_> {
    /// Whether the stream between attention and MLP is among what happens here.
    pub fn has_mid(&self) -> bool {
        self.actions.iter().any(|a| matches!(a.site, Site::ResidMid(_)))
    }
}
