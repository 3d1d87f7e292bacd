//! What the texts of a cluster of near copies all begin and end with: a system prompt or an instruction that is
//! most of each text makes near copies of texts that have nothing else in common.

use serde::{Deserialize, Serialize};

use truenorth_stats::words::steps;

/// Words that all texts of a cluster begin and end with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedOpening {
    /// Rows of the cluster.
    pub rows: usize,
    /// Words that they all begin with.
    pub first: usize,
    /// Words that they all end with, those counted already left out.
    pub last: usize,
    /// The first of these words, for a reader.
    pub shown: String,
}

/// Fewer words in common than this are a turn of phrase.
const LEAST: usize = 5;
/// How many words are shown.
const SHOWN: usize = 6;

impl SharedOpening {
    /// What the texts of some rows have in common at both ends, where that is half of the shortest at least.
    pub(super) fn of<'a>(rows: usize, texts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let texts: Vec<Vec<String>> = texts.map(|t| steps(t).collect()).collect();
        let (one, others) = texts.split_first()?;
        let shortest = texts.iter().map(Vec::len).min()?;
        let common = |alike: &dyn Fn(&[String], usize) -> bool| {
            (0..shortest).take_while(|i| others.iter().all(|t| alike(t, *i))).count()
        };
        let first = common(&|t, i| t[i] == one[i]);
        let last = common(&|t, i| t[t.len() - 1 - i] == one[one.len() - 1 - i]).min(shortest - first);
        let most = first.max(last) >= LEAST && 2 * (first + last) >= shortest;
        // Texts of one order of words are copies but for signs, and nothing tells them apart.
        (most && first < shortest && others.iter().any(|t| t != one)).then(|| {
            let shown = if first >= last { &one[..first] } else { &one[one.len() - last..] };
            Self { rows, first, last, shown: shown.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(" ") }
        })
    }

    /// What joins the rows, which are so called.
    #[must_use]
    pub fn sentence(&self, unit: &str) -> String {
        let Self { rows, first, last, shown } = self;
        let words = |n: usize| if n == 1 { "word".to_owned() } else { format!("{n} words") };
        let same = match (first, last) {
            (n, 0) => format!("begin with the same {}", words(*n)),
            (0, n) => format!("end with the same {}", words(*n)),
            (n, m) => format!("begin with the same {} and end with the same {}", words(*n), words(*m)),
        };
        format!("{rows} {unit} {same} (`{shown} …`), which makes one cluster of them")
    }
}

/// The remedy for texts that are near copies by a common beginning or end.
pub const OPENING_REMEDY: &str = "take what all of them share out of the texts (of pairs, into --template), or raise \
    --near-copies (in a study near_copies): with 1 only texts of the same words are near copies";
