//! Site arguments: `resid_post.12`, and ranges such as `resid_post.4..28:4`.

use crate::analyses::SiteRange;
use truenorth_protocol::Site;

use crate::error::Error;

/// The sites that one argument names. A range has both ends in it, and an optional step.
///
/// # Errors
/// When the site is unknown or the range is empty.
pub fn parse(arg: &str) -> Result<Vec<Site>, String> {
    arg.parse().map(|range: SiteRange| range.sites().to_vec()).map_err(|e| e.to_string())
}

/// The sites of several arguments, each once, in the order given.
pub fn flatten(args: &[Vec<Site>]) -> Vec<Site> {
    let mut seen = std::collections::HashSet::new();
    args.iter().flatten().copied().filter(|s| seen.insert(*s)).collect()
}

/// The sites that a file names, each once, in the order given.
pub fn of_names(names: &[String]) -> Result<Vec<Site>, Error> {
    let parsed = names.iter().map(|n| parse(n)).collect::<Result<Vec<_>, _>>();
    Ok(flatten(&parsed.map_err(Error::request)?))
}
