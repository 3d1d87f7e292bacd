//! Files of directions as edits: which vector goes where, how strongly, in which unit.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use truenorth_data::artifact::{Direction, Directions};
use truenorth_protocol::graph::Decides;
use truenorth_protocol::run::Watch;
use truenorth_protocol::{ModelInfo, Site};

pub use crate::analyses::steer::Unit;
use crate::analyses::steer::{Clamp, How, Push, When, WhenThreshold, mean_norm, neutral_ranges};
use crate::analyses::{NamedPrompt, NoSites, Reader, SiteRange};
use crate::error::{Error, ErrorContext as _};

fn refused(what: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::request(what).with_hint(remedy)
}

/// Where a direction goes, instead of to its own site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushSites {
    /// Everything that is added to the residual stream.
    Everywhere,
    /// The sites that are named.
    Sites(SiteRange),
}

impl FromStr for PushSites {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "everywhere" => Ok(Self::Everywhere),
            other => other.parse().map(Self::Sites).map_err(|e: NoSites| {
                format!("{e}; or `everywhere` for all that is added to the residual stream")
            }),
        }
    }
}

impl PushSites {
    fn sites(&self, info: &ModelInfo) -> Vec<Site> {
        match self {
            // A site that is named twice is one place, which gets a dose once.
            Self::Sites(range) => {
                let mut sites = Vec::new();
                for site in range.sites() {
                    if !sites.contains(site) {
                        sites.push(*site);
                    }
                }
                sites
            }
            // What the embedding and each block's parts write is all that the stream is the sum of.
            Self::Everywhere => std::iter::once(Site::Embed)
                .chain((0..info.layers).flat_map(|l| [Site::AttnOut(l), Site::MlpOut(l)]))
                .collect(),
        }
    }
}

/// What is known once the model is open.
pub struct PushContext<'a> {
    /// The model, behind the store of what it was asked before.
    pub reader: Reader<'a>,
    /// Texts that norms and neutral ranges are measured on; none for what a file says.
    pub neutral: Option<&'a [NamedPrompt]>,
    /// Is told how far the work is, and may stop it.
    pub watch: &'a dyn Watch,
    /// What α is measured in.
    pub unit: Unit,
    /// How a file of directions is read for a model.
    pub load: &'a LoadDirections<'a>,
}

/// Reads a file of directions, refusing those that a model has no place for.
pub type LoadDirections<'a> = dyn Fn(&Path, &ModelInfo) -> Result<Directions, Error> + 'a;

impl std::fmt::Debug for PushContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("unit", &self.unit).finish_non_exhaustive()
    }
}

/// A vector at a site, and what its file says of it.
struct SiteVector {
    site: Site,
    vector: Vec<f32>,
    coefficient: f64,
    /// What the file says of its own site.
    residual_norm: Option<f64>,
    raw_norm: Option<f64>,
    file: PathBuf,
}

impl SiteVector {
    fn of(direction: &Direction, site: Site, coefficient: f64, file: &Path) -> Self {
        let metadata = direction.metadata();
        Self {
            site,
            vector: direction.vector().to_vec(),
            coefficient,
            residual_norm: metadata.residual_norm.filter(|_| metadata.site == site),
            raw_norm: metadata.extra.get("imported_norm").and_then(|n| n.parse().ok()),
            file: file.to_owned(),
        }
    }
}

impl PushContext<'_> {
    fn info(&self) -> &ModelInfo {
        self.reader.runner().info()
    }

    /// The pushes of files with their coefficients, at their own sites or at others. `needed` where a dose is added, so
    /// that the unit must be known.
    ///
    /// # Errors
    /// When a file can't be read or has no place in the model, its unit is not known, or a reading fails.
    pub fn pushes(
        &self,
        files: &[(PathBuf, f64)],
        at: Option<&PushSites>,
        how: &How,
        needed: bool,
    ) -> Result<Vec<Push>, Error> {
        let mut placed = Vec::new();
        for (file, coefficient) in files {
            let directions = (self.load)(file, self.info())?;
            let sites = at.map(|at| at.sites(self.info()));
            placed.extend(place(&directions, sites.as_deref(), *coefficient, file)?);
        }
        if let Some(site) = placed.iter().map(|p| p.site).find(|s| *s == Site::Logits) {
            return Err(refused(
                format!("a direction can't be used at {site}, which has the width of the vocabulary"),
                "name sites of the residual stream, such as --at resid_post.4..28:4",
            ));
        }
        let clamped = matches!(how.clamp, Some(Clamp::Between(..)));
        let norms = self.norms(&placed, needed || clamped)?;
        let clamps = self.clamps(&placed, &norms, how.clamp)?;
        Ok(placed
            .into_iter()
            .zip(norms)
            .zip(clamps)
            .map(|((p, norm), clamp)| Push {
                direction: p.vector,
                site: p.site,
                coefficient: p.coefficient,
                norm,
                clamp,
                spares_first: how.clamp == Some(Clamp::Neutral),
            })
            .collect())
    }

    /// What α is a multiple of at each place.
    fn norms(&self, placed: &[SiteVector], needed: bool) -> Result<Vec<Option<f64>>, Error> {
        match (self.unit, self.neutral) {
            (Unit::Absolute, _) => Ok(vec![None; placed.len()]),
            (Unit::Raw, _) => {
                let raw = |p: &SiteVector| p.raw_norm.map(Some).ok_or_else(|| no_raw(&p.file));
                placed.iter().map(raw).collect()
            }
            (Unit::Norm, Some(neutral)) => {
                let asked: Vec<_> =
                    placed.iter().map(|p| (p.site, truenorth_protocol::ReadAt::Last)).collect();
                self.reader.ahead(neutral, &asked, self.watch)?;
                let one = |p: &SiteVector| Ok(Some(mean_norm(&self.reader, p.site, neutral, self.watch)?));
                placed.iter().map(one).collect()
            }
            (Unit::Norm, None) => {
                let one = |p: &SiteVector| match p.residual_norm {
                    Some(norm) => Ok(Some(norm)),
                    None if !needed => Ok(None),
                    None => Err(no_norm(&p.file, p.site)),
                };
                placed.iter().map(one).collect()
            }
        }
    }

    fn clamps(
        &self,
        placed: &[SiteVector],
        norms: &[Option<f64>],
        clamp: Option<Clamp>,
    ) -> Result<Vec<Option<[f64; 2]>>, Error> {
        match (clamp, self.neutral) {
            (None, _) => Ok(vec![None; placed.len()]),
            (Some(Clamp::Between(low, high)), _) => {
                Ok(norms.iter().map(|n| Some([low, high].map(|v| v * n.unwrap_or(1.0)))).collect())
            }
            (Some(Clamp::Neutral), Some(neutral)) => {
                let directions: Vec<(Site, &[f32])> =
                    placed.iter().map(|p| (p.site, &p.vector[..])).collect();
                let ranges = neutral_ranges(&self.reader, &directions, neutral, self.watch)?;
                Ok(ranges.into_iter().map(Some).collect())
            }
            (Some(Clamp::Neutral), None) => Err(refused(
                "--clamp neutral is the range that neutral texts have, and there are none",
                "name them with --neutral F, or give the range, as in --clamp -0.1..0.1",
            )),
        }
    }

    /// The condition that a file's direction makes.
    ///
    /// # Errors
    /// As [`PushContext::pushes`], and when it is looked at after something is done.
    pub fn when(&self, file: &Path, how: &WhenThreshold, pushes: &[Push]) -> Result<When, Error> {
        let directions = (self.load)(file, self.info())?;
        let direction =
            directions.one().request(format!("{} can't be the condition of --when", file.display()))?;
        let site = direction.metadata().site;
        let first = pushes.iter().map(|p| p.site).min_by_key(|s| s.order());
        let by_token = how.when_by.0 == Decides::Token;
        if let Some(first) = first.filter(|first| site.order() > first.order()) {
            return Err(refused(
                format!(
                    "--when {} is looked at at {site}, which the model comes to after {first}, where something is done",
                    file.display()
                ),
                if by_token {
                    "use a direction of an earlier site for the condition, or edit later sites with --at"
                } else {
                    "use a direction of an earlier site for the condition, or edit generated tokens alone with --positions \
                     generated"
                },
            ));
        }
        let placed = [SiteVector::of(direction, site, 1.0, file)];
        let norm = self.norms(&placed, how.when_above != 0.0)?[0].unwrap_or(1.0);
        Ok(When {
            direction: direction.vector().to_vec(),
            site,
            above: how.when_above * norm,
            of: how.when_by.0,
        })
    }
}

/// A file's vectors at their own sites, or at these.
fn place(
    directions: &Directions,
    at: Option<&[Site]>,
    coefficient: f64,
    file: &Path,
) -> Result<Vec<SiteVector>, Error> {
    let placed = directions.placed(at).request(format!("can't use {} there", file.display()))?;
    Ok(placed.into_iter().map(|(site, d)| SiteVector::of(d, site, coefficient, file)).collect())
}

fn no_norm(file: &Path, site: Site) -> Error {
    refused(
        format!("{} does not say the mean residual norm of {site}", file.display()),
        "measure it with --neutral F, or give α in --alpha-unit absolute",
    )
}

fn no_raw(file: &Path) -> Error {
    refused(
        format!("{} does not say what norm its vector had before it was made a unit vector", file.display()),
        "--alpha-unit raw is for directions that were imported; give α in norm or absolute",
    )
}
