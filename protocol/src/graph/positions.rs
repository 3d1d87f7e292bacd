//! Names of positions, as flags, cache keys and saved results spell them.

use std::fmt;
use std::str::FromStr;

use super::{ReadAt, Take, WriteAt, part};

const READ: &str = "last, all, mean, mean+sink, a range such as 2..5, or of a conversation prompt, response, user, assistant, \
                    system, each also as first-user, last-user, mean:user or mean+sink:user";
const WRITE: &str = "all, prompt, generated, last, a range such as 2..5, or of a conversation response, user, assistant, system, \
                     each also as first-user or last-user";

/// A position name that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", unknown(found, expected))]
pub struct UnknownPositions {
    found: String,
    expected: &'static str,
}

fn unknown(found: &str, expected: &'static str) -> String {
    // The one name of steering that reading has not: why, and what is read in its place.
    if expected == READ && found.split(':').any(|part| part == "generated") {
        return format!(
            "`{found}` can't be read: a text that is given has no generated tokens; they are steered (`steer --positions \
             generated`), and what a model wrote is read as the last turn of `messages`, with --chat and response, mean:response \
             or last"
        );
    }
    let ends = found.rsplit(':').next().and_then(part::range);
    if let Some((start, end)) = ends.filter(|(start, end)| part::is_reversed(*start, *end)) {
        return format!("`{found}` ends before it begins; both ends are in a range, as in {end}..{start}");
    }
    format!("unknown positions `{found}`; expected {expected}, or an index such as -3")
}

impl fmt::Display for ReadAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::Mean => f.write_str("mean"),
            Self::MeanSink => f.write_str("mean+sink"),
            Self::Sinks => f.write_str("sinks"),
            Self::All => f.write_str("all"),
            Self::Index(i) => write!(f, "{i}"),
            Self::In(what, take) => part::show(*what, *take, f),
        }
    }
}

impl FromStr for ReadAt {
    type Err = UnknownPositions;

    fn from_str(s: &str) -> Result<Self, UnknownPositions> {
        match s {
            "last" => Ok(Self::Last),
            "mean" => Ok(Self::Mean),
            "mean+sink" => Ok(Self::MeanSink),
            "all" => Ok(Self::All),
            other => match part::parse(other) {
                Some((part, take)) => Ok(Self::In(part, take)),
                None => index(other, READ).map(Self::Index),
            },
        }
    }
}

impl fmt::Display for WriteAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Prompt => f.write_str("prompt"),
            Self::Generated => f.write_str("generated"),
            Self::Last => f.write_str("last"),
            Self::Index(i) => write!(f, "{i}"),
            Self::In(what, take) => part::show(*what, *take, f),
        }
    }
}

impl FromStr for WriteAt {
    type Err = UnknownPositions;

    fn from_str(s: &str) -> Result<Self, UnknownPositions> {
        match s {
            "all" => Ok(Self::All),
            "prompt" => Ok(Self::Prompt),
            "generated" => Ok(Self::Generated),
            "last" => Ok(Self::Last),
            other => match part::parse(other) {
                Some((part, take @ (Take::All | Take::First | Take::Last))) => Ok(Self::In(part, take)),
                _ => index(other, WRITE).map(Self::Index),
            },
        }
    }
}

fn index(s: &str, expected: &'static str) -> Result<i32, UnknownPositions> {
    s.parse().map_err(|_| UnknownPositions { found: s.chars().take(80).collect(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for at in [ReadAt::Last, ReadAt::Mean, ReadAt::MeanSink, ReadAt::All, ReadAt::Index(-3)] {
            assert_eq!(at.to_string().parse(), Ok(at));
        }
        for at in [WriteAt::All, WriteAt::Prompt, WriteAt::Generated, WriteAt::Last, WriteAt::Index(0)] {
            assert_eq!(at.to_string().parse(), Ok(at));
        }
        // What a mean leaves out is asked for beside it, never alone.
        assert!(ReadAt::Sinks.to_string().parse::<ReadAt>().is_err());
        assert!("first".parse::<ReadAt>().is_err());
        for generated in ["generated", "mean:generated"] {
            let says = generated.parse::<ReadAt>().unwrap_err().to_string();
            assert!(says.contains("has no generated tokens") && says.contains("mean:response"), "{says}");
        }
        assert!("mean".parse::<WriteAt>().is_err());
        for (given, meant) in [("5..2", "2..5"), ("mean:-1..-4", "-4..-1")] {
            let says = given.parse::<ReadAt>().unwrap_err().to_string();
            assert!(says.contains(given) && says.contains(meant), "{says}");
        }
        assert!("2..5".parse::<WriteAt>().is_ok() && "5..2".parse::<WriteAt>().is_err());
        assert!("3..-1".parse::<ReadAt>().is_ok(), "from the third to the last");
    }
}
