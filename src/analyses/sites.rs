//! Sites as they are written: `resid_post.12`, and ranges such as `resid_post.4..28:4`.

use truenorth_protocol::Site;
use truenorth_protocol::site::UnknownSite;

use super::AnalysisError;

/// The sites that one argument names. A range has both ends in it, and an optional step.
///
/// # Errors
/// When the site is unknown or the range is empty.
pub fn parse(arg: &str) -> Result<Vec<Site>, String> {
    let unknown = |e: UnknownSite| e.to_string();
    let Some((head, tail)) = arg.split_once("..") else {
        return Ok(vec![arg.parse().map_err(unknown)?]);
    };
    let wrong = || {
        format!(
            "`{arg}` is not a range of sites; expected KIND.FIRST..LAST or KIND.FIRST..LAST:STEP, as in resid_post.4..28:4"
        )
    };
    let (kind, first) = head.rsplit_once('.').ok_or_else(wrong)?;
    let (last, step) = tail.split_once(':').unwrap_or((tail, "1"));
    let number = |s: &str| s.parse::<u32>().map_err(|_| wrong());
    let (first, last, step) = (number(first)?, number(last)?, number(step)?);
    if step == 0 || last < first {
        return Err(wrong());
    }
    // A model has at most some hundred blocks; this keeps a typing error from filling memory.
    if last > 100_000 {
        return Err(format!("block {last} of `{arg}` is beyond any model"));
    }
    (first..=last).step_by(step as usize).map(|l| format!("{kind}.{l}").parse().map_err(unknown)).collect()
}

/// The sites of several arguments, each once, in the order given.
#[must_use]
pub fn flatten(args: &[Vec<Site>]) -> Vec<Site> {
    let mut seen = std::collections::HashSet::new();
    args.iter().flatten().copied().filter(|s| seen.insert(*s)).collect()
}

/// The sites of several texts, each once, in the order given.
///
/// # Errors
/// As [`parse`].
pub fn of_names(names: &[String]) -> Result<Vec<Site>, AnalysisError> {
    let parsed = names.iter().map(|n| parse(n)).collect::<Result<Vec<_>, _>>();
    Ok(flatten(&parsed.map_err(AnalysisError::Input)?))
}

/// A text that names sites, for those who keep the text.
///
/// # Errors
/// As [`parse`].
pub fn text(arg: &str) -> Result<String, String> {
    parse(arg).map(|_| arg.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_both_ends() {
        let blocks: Vec<_> = parse("resid_post.4..12:4").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(blocks, ["resid_post.4", "resid_post.8", "resid_post.12"]);
        assert_eq!(parse("logits").unwrap(), [Site::Logits]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "resid_post.4..",
            "resid_post.9..4",
            "resid_post.1..5:0",
            "embed..3",
            "resid.1..2",
            "logits.0..1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
