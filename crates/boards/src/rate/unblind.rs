//! Opening the key, and the numbers of the ratings.

use std::collections::{HashMap, HashSet};

use super::altered::{Issued, Shows};
use super::filled::rows;
use super::rank::{signed_rank_in, turned_p};
use super::sheet::{KEY_FORMAT, SheetKey, SheetSide};
use super::{
    Filled, Params, PredictionResult, RateData, RatedItem, RaterResult, RatingRegistration, Unblinded,
};
use crate::judge::{self, JudgeVerdict, Verdicts, together};
use truenorth_data::NearCopies;
use truenorth_files::sha256_hex;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Null, Number, of};
use truenorth_stats::math::{Seeds, numbered};

/// Opens the key and tests the ratings.
///
/// # Errors
/// When the key is not the sealed one, the registration was changed after it was made or has no
/// predictions, a sheet has other columns, an unknown code or a choice that is none, two raters have one
/// name, or no item is decided. Nothing of the key is told by these errors.
pub(super) fn unblind(
    input: &RateData<'_>,
    params: &Params,
    seeds: &Seeds,
) -> Result<Unblinded, AnalysisError> {
    let RateData { sheets, issued, key, registration } = *input;
    sealed(key, registration)?;
    tested(sheets, issued, key, registration, params, seeds)
}

/// Refuses a key that is not the sealed one, and a registration that was changed or has no predictions.
pub(super) fn sealed(key: &[u8], registration: &RatingRegistration) -> Result<(), AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if registration.predictions.is_empty() {
        return refuse("the registration has no predictions; they come before the key is opened".into());
    }
    if registration.hash()? != registration.sha256 {
        return refuse("the registration was changed after it was made: its hash does not fit".into());
    }
    let found = sha256_hex(key);
    if found != registration.seal.key_sha256 {
        return refuse(format!(
            "the key's SHA-256 is {found}, the sealed one's {}; name the key that was sealed with --key F",
            registration.seal.key_sha256
        ));
    }
    Ok(())
}

/// What the ratings say under a key that is known to be theirs.
pub(super) fn tested(
    sheets: &[Filled],
    issued: Option<&str>,
    key: &[u8],
    registration: &RatingRegistration,
    params: &Params,
    seeds: &Seeds,
) -> Result<Unblinded, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    let key: SheetKey = serde_json::from_slice(key)
        .map_err(|e| AnalysisError::Input(format!("the key can't be read: {e}")))?;
    if key.format != KEY_FORMAT {
        return refuse(format!("the key is of format `{}`, expected `{KEY_FORMAT}`", key.format));
    }
    if let Some((_, s)) =
        sheets.iter().enumerate().find(|(i, s)| sheets[..*i].iter().any(|t| t.rater == s.rater))
    {
        return refuse(format!(
            "rater `{}` has two sheets, the second {}; give each rater one, with a name of its own",
            s.rater, s.file
        ));
    }
    let place: HashMap<&str, usize> =
        key.items.iter().enumerate().map(|(i, k)| (k.code.as_str(), i)).collect();
    let issued =
        Issued::new(&key, issued.filter(|i| sha256_hex(i.as_bytes()) == registration.seal.sheet_sha256));
    let mut shown: Vec<Option<[String; 3]>> = vec![None; key.items.len()];
    let mut given = Vec::with_capacity(sheets.len());
    for sheet in sheets {
        let rows = rows(sheet, &key, &place)?;
        for row in rows.iter().filter(|r| r.choice.is_some()) {
            let steered_right = key.items[row.item].steered == SheetSide::Right;
            let [steered, base] =
                if steered_right { [&row.right, &row.left] } else { [&row.left, &row.right] };
            shown[row.item].get_or_insert_with(|| [row.prompt.clone(), steered.clone(), base.clone()]);
        }
        given.push(rows);
    }
    let together = item_clusters(&shown, registration)?;
    let mut items: Vec<RatedItem> = key
        .items
        .iter()
        .map(|k| RatedItem { id: k.id.clone(), steered: 0.0, raters: 0, altered: 0 })
        .collect();
    let (mut raters, mut verdicts, mut graded) = (Vec::new(), Vec::new(), false);
    for (sheet, rows) in sheets.iter().zip(&given) {
        let mut own = Verdicts { judge: sheet.rater.clone(), verdicts: Default::default() };
        let (mut strengths, mut clusters, mut lefts, mut blank) = (Vec::new(), Vec::new(), 0, 0);
        for row in rows {
            let (k, item) = (&key.items[row.item], &mut items[row.item]);
            let shows = issued.shows(row);
            if let (Shows::Other(what), true) = (&shows, row.choice.is_some()) {
                return refuse(format!(
                    "{}, the sheet of `{}`: row {} (code `{}`) has {what}, so that its choice can't be told to be of what \
                     the key was made for; put its code, prompt and texts back as the sheet had them, or leave the \
                     choice blank",
                    sheet.file, sheet.rater, row.number, k.code
                ));
            }
            let altered = shows != Shows::Same;
            item.altered += usize::from(altered);
            let Some(right) = row.choice else {
                blank += 1;
                continue;
            };
            let strength = if k.steered == SheetSide::Right { right } else { -right };
            lefts += usize::from(right < 0.0);
            item.steered += strength;
            item.raters += 1;
            strengths.push(strength);
            clusters.push(together.of[row.item]);
            own.verdicts.insert(k.id.clone(), verdict(strength));
        }
        graded |= strengths.iter().any(|s| s.abs() > 1.0);
        raters.push(rater(sheet, (&strengths, &clusters), lefts, (blank, key.items.len() - rows.len()))?);
        verdicts.push(own);
    }
    for item in items.iter_mut().filter(|i| i.raters > 0) {
        item.steered /= item.raters as f64;
    }
    let (rated, clusters): (Vec<f64>, Vec<usize>) =
        items.iter().zip(&together.of).filter(|(i, _)| i.raters > 0).map(|(i, c)| (i.steered, *c)).unzip();
    let Some(steered) = won(&rated, &clusters)? else {
        return refuse("no item is decided: every choice is blank or a tie".into());
    };
    let mut agreement = Vec::new();
    for (i, a) in verdicts.iter().enumerate() {
        for b in &verdicts[i + 1..] {
            if a.verdicts.keys().filter(|k| b.verdicts.contains_key(*k)).count() > 1 {
                agreement.extend(judge::agreement(&[a.clone(), b.clone()], params.permutations, seeds)?);
            }
        }
    }
    let predictions = registration
        .predictions
        .iter()
        .map(|p| {
            let inside = |v: f64| p.share_above.is_none_or(|b| v > b) && p.share_below.is_none_or(|b| v < b);
            PredictionResult {
                id: p.id.clone(),
                claim: p.claim.clone(),
                held: inside(steered.value),
                clear: steered.interval.is_some_and(|i| inside(i.low) && inside(i.high)),
            }
        })
        .collect();
    let registered = !registration.predictions.is_empty();
    let ranked = ranked(&rated, &clusters)?;
    let apart = clusters.iter().collect::<HashSet<_>>().len();
    Ok(Unblinded {
        question: key.question,
        copies: registration.seal.copies.clone(),
        clusters: Some(apart).filter(|n| *n < rated.len()),
        common_prompt: together.common_prompt,
        registration_sha256: registered.then(|| registration.sha256.clone()),
        registered_at: registered.then(|| registration.registered_at.clone()),
        ties: rated.iter().filter(|s| **s == 0.0).count(),
        signed_rank_p: ranked.filter(|_| graded || sheets.len() > 1),
        steered,
        predictions,
        raters,
        agreement,
        items,
        not_shown: vec![
            "That raters were blind to style: a push that leaves marks in the text can be recognised.".into(),
            "What other people would say; the interval is over items, not over raters.".into(),
            "When the predictions were made: only a hash published in time shows that.".into(),
        ],
    })
}

fn verdict(strength: f64) -> JudgeVerdict {
    if strength > 0.0 {
        JudgeVerdict::First
    } else if strength < 0.0 {
        JudgeVerdict::Second
    } else {
        JudgeVerdict::Abstain
    }
}

/// Items in clusters.
struct ItemClusters {
    /// The cluster of each item of the key.
    of: Vec<usize>,
    common_prompt: Option<String>,
}

/// Which items belong together, by the prompt, the steered text and the other as the first sheet shows them on which each
/// is rated; items that nobody rated count for nothing.
fn item_clusters(
    shown: &[Option<[String; 3]>],
    registration: &RatingRegistration,
) -> Result<ItemClusters, AnalysisError> {
    let near = match &registration.seal.copies {
        Some(copies) => NearCopies::new(copies.threshold)?,
        None => NearCopies::default(),
    };
    let rated: Vec<[&str; 3]> =
        shown.iter().flatten().map(|[prompt, a, b]| [prompt.as_str(), a.as_str(), b.as_str()]).collect();
    if rated.is_empty() {
        return Ok(ItemClusters { of: (0..shown.len()).collect(), common_prompt: None });
    }
    let found = together::texts(&rated, near)?;
    let mut clusters = found.clusters.into_iter();
    let unrated = rated.len()..;
    let of = shown.iter().zip(unrated).map(|(s, own)| match s {
        Some(_) => clusters.next().unwrap_or(own),
        None => own,
    });
    Ok(ItemClusters { of: of.collect(), common_prompt: found.common_prompt })
}

/// The sign test, clusters turned as wholes; none where nothing is decided.
fn won(strengths: &[f64], clusters: &[usize]) -> Result<Option<Number>, AnalysisError> {
    let decided: Vec<(bool, usize)> =
        strengths.iter().zip(clusters).filter(|(s, _)| **s != 0.0).map(|(s, c)| (*s > 0.0, *c)).collect();
    if decided.is_empty() {
        return Ok(None);
    }
    let (wins, clusters): (Vec<bool>, Vec<usize>) = decided.into_iter().unzip();
    let (won, n) = (wins.iter().filter(|w| **w).count(), wins.len());
    let apart = clusters.iter().collect::<HashSet<_>>().len();
    let what = "either text wins equally often, exact binomial (sign test)";
    Ok(Some(match apart {
        apart if apart == n => stat::share_against(won, n, 0.5, (stat::Test::RatedSign, what))?,
        // One cluster turned either way is as far from one half: p would be 1 whatever was said.
        1 => Number::bare(won as f64 / n as f64, n, "none: one cluster has no spread"),
        _ => {
            let dense = numbered(clusters.iter().copied());
            let found =
                stat::share_in_clusters(&wins, &dense, together::OF_TEXTS).map_err(|e| of("ratings", &e))?;
            let signs = wins.iter().map(|w| if *w { 1 } else { -1 });
            found.against(Null {
                test: stat::Test::RatedSign,
                what: "either text wins equally often, clusters turned as wholes, exact".into(),
                expected: 0.5,
                range: None,
                p: turned_p(signs.zip(dense)),
                draws: None,
            })
        }
    }))
}

/// The signed-rank test, clusters turned as wholes; none where nothing is decided, or of one cluster.
fn ranked(strengths: &[f64], clusters: &[usize]) -> Result<Option<f64>, AnalysisError> {
    let mut decided = strengths.iter().zip(clusters).filter(|(s, _)| **s != 0.0).map(|(_, c)| *c);
    let first = decided.next();
    let several = decided.clone().next().is_none() || decided.any(|c| Some(c) != first);
    let p = signed_rank_in(strengths, clusters).map_err(|e| of("ratings", &e))?;
    Ok(p.filter(|_| several))
}

fn rater(
    sheet: &Filled,
    (strengths, clusters): (&[f64], &[usize]),
    lefts: usize,
    (blank, missing): (usize, usize),
) -> Result<RaterResult, AnalysisError> {
    let ties = strengths.iter().filter(|s| **s == 0.0).count();
    let decided = strengths.len() - ties;
    let graded = strengths.iter().any(|s| s.abs() > 1.0);
    Ok(RaterResult {
        rater: sheet.rater.clone(),
        rated: strengths.len(),
        blank,
        missing,
        ties,
        steered: won(strengths, clusters)?,
        left: match decided {
            0 => None,
            n => Some(stat::share_against(
                lefts,
                n,
                0.5,
                (stat::Test::RatedSide, "either side equally often, exact binomial"),
            )?),
        },
        signed_rank_p: ranked(strengths, clusters)?.filter(|_| graded),
    })
}
