//! The numbers of a file that a claim may mean.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::leaves::{Leaf, leaves};
use super::parse::{Claimed, words};
use super::{Candidate, ClaimOutcome, TOLD};

/// What belongs to a number and is not the number: meant only where the claim names it.
const PARTS: [&str; 23] = [
    "low",
    "high",
    "level",
    "n",
    "p",
    "draw",
    "count",
    "expected",
    "range",
    "resample",
    "interval",
    "null",
    "bootstrap",
    "cluster",
    "seed",
    "undefined",
    "unit",
    "fold",
    "band",
    "row",
    "median",
    "shuffled",
    "random",
];

/// The longest text beside a number that says what it is; what is longer is prose.
const LABEL: usize = 60;

/// The value at a pointer against a claimed one.
pub fn at(file: &Value, pointer: &str, claimed: &Value, number: Option<&Claimed>) -> ClaimOutcome {
    let Some(value) = file.pointer(pointer) else { return nothing_at(file, pointer) };
    let candidate = Candidate { pointer: pointer.to_owned(), name: String::new(), value: value.clone() };
    let agrees = number.zip(value.as_f64()).is_some_and(|(claimed, number)| claimed.agrees(number));
    match agrees || value == claimed {
        true => ClaimOutcome::Holds { found: vec![candidate] },
        false => ClaimOutcome::DoesNot { nearest: vec![candidate] },
    }
}

/// How far a pointer leads, and what is there.
fn nothing_at(file: &Value, pointer: &str) -> ClaimOutcome {
    let mut there = "";
    for (end, _) in pointer.match_indices('/').skip(1).chain([(pointer.len(), "")]) {
        match file.pointer(&pointer[..end]) {
            Some(_) => there = &pointer[..end],
            None => break,
        }
    }
    let within = match file.pointer(there) {
        Some(Value::Object(object)) => {
            let keys: Vec<&str> = object.keys().map(String::as_str).collect();
            format!("with the keys {}", keys.join(", "))
        }
        Some(Value::Array(items)) => format!("a list of {}, counted from 0", items.len()),
        Some(_) => "a value that holds no others".into(),
        None => "nothing".into(),
    };
    let place = if there.is_empty() { "the whole file" } else { there };
    let why = format!("nothing is at {pointer}; it leads as far as {place}, {within}");
    ClaimOutcome::NotFound { why, nearest: vec![] }
}

/// A number, with the words that name it.
struct KnownNumber<'a> {
    leaf: Leaf<'a>,
    number: f64,
    /// The words of every key, name, row and column on the way.
    crumbs: Vec<BTreeSet<String>>,
    beside: BTreeSet<String>,
}

/// The numbers that have all the names of a claim.
pub fn named(file: &Value, wanted: &[String], claimed: &Claimed) -> ClaimOutcome {
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let all: Vec<KnownNumber<'_>> =
        leaves(file).into_iter().filter_map(|leaf| KnownNumber::of(file, leaf)).collect();
    let meant: Vec<&KnownNumber<'_>> = all.iter().filter(|k| k.has(&wanted) == wanted.len()).collect();
    if meant.is_empty() {
        return nothing_named(&all, &wanted);
    }
    // What is called just so comes before what is called so among other things.
    let own: Vec<&KnownNumber<'_>> = meant.iter().copied().filter(|k| k.is_whole(&wanted)).collect();
    let least = own.iter().map(|k| k.more(&wanted)).min();
    let (best, further): (Vec<&KnownNumber<'_>>, Vec<&KnownNumber<'_>>) =
        own.into_iter().partition(|k| Some(k.more(&wanted)) == least);
    let (mut agree, others): (Vec<&KnownNumber<'_>>, Vec<&KnownNumber<'_>>) =
        best.into_iter().partition(|k| claimed.agrees(k.number));
    if agree.is_empty() {
        // A number with all the names may be meant, however many more it has: the claim is not false then.
        agree = further.into_iter().filter(|k| claimed.agrees(k.number)).collect();
    }
    let candidates = |known: &[&KnownNumber<'_>]| known.iter().map(|k| k.candidate()).collect();
    match (agree.is_empty(), others.is_empty()) {
        (false, true) => ClaimOutcome::Holds { found: candidates(&agree) },
        (false, false) => ClaimOutcome::Ambiguous { agree: candidates(&agree), others: candidates(&others) },
        (true, _) => {
            let mut nearest = meant;
            nearest.sort_by(|a, b| {
                let part = |k: &KnownNumber<'_>| !k.is_whole(&wanted);
                let far = |k: &KnownNumber<'_>| claimed.distance(k.number);
                part(a).cmp(&part(b)).then(far(a).total_cmp(&far(b)))
            });
            nearest.truncate(TOLD);
            ClaimOutcome::DoesNot { nearest: candidates(&nearest) }
        }
    }
}

fn nothing_named(all: &[KnownNumber<'_>], wanted: &BTreeSet<&str>) -> ClaimOutcome {
    let unknown: Vec<&str> =
        wanted.iter().copied().filter(|w| !all.iter().any(|k| k.has(&BTreeSet::from([*w])) == 1)).collect();
    let why = match (all.is_empty(), unknown.is_empty()) {
        (true, _) => "the file has no numbers".to_owned(),
        (false, false) => format!("no number there has `{}` among its names", unknown.join("` or `")),
        (false, true) => format!(
            "no number there has all of `{}` among its names",
            wanted.iter().copied().collect::<Vec<_>>().join("`, `")
        ),
    };
    let most = all.iter().map(|k| k.has(wanted)).max().unwrap_or(0);
    let near = all.iter().filter(|k| most > 0 && k.has(wanted) == most).take(TOLD);
    ClaimOutcome::NotFound { why, nearest: near.map(KnownNumber::candidate).collect() }
}

impl<'a> KnownNumber<'a> {
    /// A number that says something; how many digits a page prints of another does not.
    fn of(file: &Value, leaf: Leaf<'a>) -> Option<Self> {
        let number = leaf.value.as_f64()?;
        let last = leaf.crumbs.len().checked_sub(1)?;
        if leaf.crumbs[last].name == "digits" {
            return None;
        }
        // That something is a row, a cell or a value is the file's form.
        let said = leaf.crumbs.iter().enumerate().map(|(i, c)| if c.form && i < last { "" } else { &c.name });
        let crumbs = said.map(|name| words(name).into_iter().collect()).collect();
        let beside = beside(file, &leaf.pointer);
        Some(Self { leaf, number, crumbs, beside })
    }

    fn has(&self, wanted: &BTreeSet<&str>) -> usize {
        let known =
            |word: &&&str| self.beside.contains(**word) || self.crumbs.iter().any(|c| c.contains(**word));
        wanted.iter().filter(known).count()
    }

    /// The parts on the way to it that are not named, and whether it is meant: itself, or a part that is named.
    fn parts(&self, wanted: &BTreeSet<&str>) -> (usize, bool) {
        let parts: Vec<&str> = self
            .crumbs
            .iter()
            .filter(|words| words.len() == 1)
            .filter_map(|words| words.iter().map(String::as_str).find(|w| PARTS.contains(w)))
            .collect();
        let unnamed = parts.iter().filter(|part| !wanted.contains(**part)).count();
        // The lower end is of the interval, whether or not that is said.
        (unnamed, parts.last().is_none_or(|part| wanted.contains(part)))
    }

    /// Whether it is the number itself, or a part of it that is named.
    fn is_whole(&self, wanted: &BTreeSet<&str>) -> bool {
        self.parts(wanted).1
    }

    /// How many words more than are wanted the names have in which wanted ones are, and parts that are not named.
    fn more(&self, wanted: &BTreeSet<&str>) -> usize {
        let of = |word: &&str| {
            let named = self.crumbs.iter().filter(|c| c.contains(*word));
            // A label beside it says less than a name on the way to it.
            named.map(|c| c.iter().filter(|w| !wanted.contains(w.as_str())).count()).min().unwrap_or(1)
        };
        wanted.iter().map(of).sum::<usize>() + self.parts(wanted).0
    }

    fn candidate(&self) -> Candidate {
        Candidate {
            pointer: self.leaf.pointer.clone(),
            name: self.leaf.name(),
            value: self.leaf.value.clone(),
        }
    }
}

/// The words of short texts in the objects and rows around a value.
fn beside(file: &Value, pointer: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut take = |value: &Value| {
        if let Some(text) = value.as_str().filter(|t| t.len() <= LABEL) {
            all.extend(words(text));
        }
    };
    for (end, _) in pointer.match_indices('/') {
        match file.pointer(&pointer[..end]) {
            Some(Value::Object(object)) => object.values().for_each(&mut take),
            Some(Value::Array(cells)) => {
                cells.iter().filter_map(|c| c.get("type").and(c.get("value"))).for_each(&mut take);
            }
            _ => {}
        }
    }
    all
}
