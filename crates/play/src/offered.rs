//! The directions that a playground offers.

use truenorth_analyses::monitor::Watched;
use truenorth_analyses::steer::Push;
use truenorth_protocol::Site;

/// A direction that can be chosen: one vector, or one a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// What it is called, on the page and in links; no other has the name.
    pub name: String,
    /// What a positive projection means, in words.
    pub sign: String,
    /// The vectors, in the order of a pass.
    pub members: Vec<OfferedVector>,
}

/// A vector at a site.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedVector {
    /// The site at which it is added.
    pub site: Site,
    /// The direction at the site, `[hidden]`.
    pub vector: Vec<f32>,
    /// What α is a multiple of there; none for units of the residual stream.
    pub norm: Option<f64>,
    /// The mean residual norm of the site, in which projections are told; none for units of the residual stream.
    pub residual_norm: Option<f64>,
}

impl Offered {
    /// What a dose pushes, with how much of it this direction gets.
    pub(crate) fn pushes(&self, coefficient: f64) -> impl Iterator<Item = Push> {
        self.members.iter().map(move |m| Push {
            direction: m.vector.clone(),
            site: m.site,
            coefficient,
            norm: m.norm,
            clamp: None,
            spares_first: false,
        })
    }

    pub(crate) fn watched(&self) -> impl Iterator<Item = Watched> {
        self.members.iter().map(|m| Watched {
            name: self.name.clone(),
            site: m.site,
            direction: m.vector.clone(),
            norm: m.residual_norm,
        })
    }
}

/// A name that a link can carry and that none of these has: letters, digits, `-`, `_` and `.`.
#[must_use]
pub fn free_name(stem: &str, taken: &[Offered]) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let stem: String = stem.chars().take(60).map(plain).collect();
    let stem = if stem.is_empty() { "direction".to_owned() } else { stem };
    let free = |name: &String| taken.iter().all(|o| o.name != *name);
    let mut names = std::iter::once(stem.clone()).chain((2..).map(|i| format!("{stem}-{i}")));
    names.find(free).unwrap_or(stem)
}
