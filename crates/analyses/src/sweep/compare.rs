//! Reading beside steering: where the two part.

use rand::seq::SliceRandom;
use serde::Serialize;

use super::SteeringVerdict;
use super::reading::Weighed;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{Number, Test, drawn_null, of, resampled, weighted_mean};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

/// Orders of the sites tried for the null.
const PERMUTATIONS: usize = 10_000;

/// How one site reads and how it steers, pair by pair.
#[derive(Clone, Debug)]
pub struct Halves {
    /// The site, as it is written.
    pub site: String,
    /// Held-out AUROC over all pairs.
    pub auroc: f64,
    /// How many standard deviations of its null that is above the null's mean, so that sites tied at 1 still differ; the
    /// lower end of its interval where no null was run.
    pub margin: f64,
    /// Held-out scores of the steered pairs' chosen texts, then of their rejected ones.
    pub scores: Vec<f64>,
    /// Whether the site reads.
    pub reads: bool,
    /// Slope of the primary measure on α.
    pub slope: f64,
    /// The slope of each pair, in the order of the scores.
    pub slopes: Vec<f64>,
    /// Whether the site steers.
    pub steers: SteeringVerdict,
}

/// How the two curves go together over the sites.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parting {
    /// Spearman's correlation of AUROC and slope over the sites, without an interval. None with fewer than four sites,
    /// or where a curve is flat.
    pub correlation: Option<Number>,
    /// Where 95 % of its values lie if the pairs are drawn anew and the sites kept. No interval: noise in the curves draws
    /// a rank correlation towards 0, and drawing again does so twice (curves that are truly in one order over 8 sites, 40
    /// pairs: the range holds 1 in 8 of 100). That it lies on one side of 0 tells the sign. None where a curve is flat in
    /// most draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resampled: Option<[f64; 2]>,
    /// Sites where the direction reads but is not shown to steer, a null having been run.
    pub reads_not_steers: Vec<String>,
    /// Sites where it steers but does not read.
    pub steers_not_reads: Vec<String>,
    /// Sites where the slope is clear of 0 but was held against no null, or too few draws.
    pub untested: Vec<String>,
    /// The site with the highest held-out AUROC.
    pub best_reading: String,
    /// The site with the steepest slope.
    pub best_steering: String,
    /// What the comparison says, in words.
    pub statement: String,
}

/// Compares the two curves. `clusters` is the cluster of each pair.
///
/// # Errors
/// Without sites, or when scores and slopes are not of the same pairs.
pub fn compare(sites: &[Halves], clusters: &[usize], seeds: &Seeds) -> Result<Parting, AnalysisError> {
    if let Some(s) =
        sites.iter().find(|s| s.slopes.len() != clusters.len() || s.scores.len() != 2 * clusters.len())
    {
        return Err(AnalysisError::Input(format!(
            "{}: {} slopes and {} scores for {} pairs",
            s.site,
            s.slopes.len(),
            s.scores.len(),
            clusters.len()
        )));
    }
    let best = |f: fn(&Halves) -> f64| {
        let found = sites.iter().max_by(|a, b| f(a).total_cmp(&f(b))).map(|s| s.site.clone());
        found.ok_or_else(|| AnalysisError::Input("no sites; a sweep needs at least one".into()))
    };
    let (best_reading, best_steering) = (best(|s| s.margin)?, best(|s| s.slope)?);
    let names = |f: fn(&Halves) -> bool| -> Vec<String> {
        sites.iter().filter(|s| f(s)).map(|s| s.site.clone()).collect()
    };
    let reads_not_steers = names(|s| s.reads && s.steers == SteeringVerdict::NotShown);
    let steers_not_reads = names(|s| s.steers.steers() && !s.reads);
    let untested = names(|s| s.steers == SteeringVerdict::Untested);
    let correlation = correlation(sites, clusters, seeds)?;
    let both = names(|s| s.reads && s.steers.steers()).len();
    let list = |v: &[String]| if v.is_empty() { "none".to_owned() } else { v.join(", ") };
    let together = match &correlation {
        None => "too few sites, or a flat curve, to say whether the curves go together".into(),
        Some((c, range)) => {
            let sign = match range {
                Some([low, _]) if *low > 0.0 => "the curves rise together",
                Some([_, high]) if *high < 0.0 => "the curves go against each other",
                _ => "whether the curves go together is open",
            };
            let drawn = range.map_or_else(String::new, |[low, high]| {
                format!("; with the pairs drawn anew {low:.2} to {high:.2}")
            });
            format!("{sign} (rank correlation {:.2} over {} sites{drawn})", c.value, c.n)
        }
    };
    let open = match untested.len() {
        0 => String::new(),
        _ => format!("; moves the model, but without the nulls that it takes: {}", untested.join(", ")),
    };
    let most = match sites.len() {
        1 => String::new(),
        _ => format!("It reads best at {best_reading} and steers most at {best_steering}; "),
    };
    let statement = format!(
        "The direction reads and steers at {both} of {} sites; reads and is not shown to steer: {}; steers and is \
         not shown to read: {}{open}. {most}{together}.",
        sites.len(),
        list(&reads_not_steers),
        list(&steers_not_reads)
    );
    let (correlation, resampled) = correlation.map_or((None, None), |(c, range)| (Some(c), range));
    Ok(Parting {
        correlation,
        resampled,
        reads_not_steers,
        steers_not_reads,
        untested,
        best_reading,
        best_steering,
        statement,
    })
}

/// The correlation, and where it lies with the pairs drawn anew.
type ResampledCorrelation = (Number, Option<[f64; 2]>);

fn correlation(
    sites: &[Halves],
    clusters: &[usize],
    seeds: &Seeds,
) -> Result<Option<ResampledCorrelation>, AnalysisError> {
    if sites.len() < 4 {
        return Ok(None);
    }
    let named = |e| of("correlation of the curves", &e);
    let weighed: Vec<Weighed> =
        sites.iter().map(|s| Weighed::new(&s.scores)).collect::<Result<_, _>>().map_err(named)?;
    let mut counts = vec![1; clusters.len()];
    // Of the steered pairs alone, as the slopes are.
    let reading: Option<Vec<f64>> = weighed.iter().map(|w| w.auroc(&counts)).collect();
    let mut steering: Vec<f64> = sites.iter().map(|s| s.slope).collect();
    let Some((reading, value)) = reading.and_then(|r| math::spearman(&r, &steering).ok().map(|v| (r, v)))
    else {
        return Ok(None);
    };
    let count = math::dense_count(clusters);
    let range = resampled(count, &mut seeds.stream("parting"), |drawn| {
        for (c, cluster) in counts.iter_mut().zip(clusters) {
            *c = drawn[*cluster];
        }
        let auroc: Option<Vec<f64>> = weighed.iter().map(|w| w.auroc(&counts)).collect();
        let slope: Vec<f64> = sites.iter().map(|s| weighted_mean(&s.slopes, &counts)).collect();
        math::spearman(&auroc?, &slope).ok()
    });
    let mut rng = seeds.stream("parting null");
    let mut draws = Vec::with_capacity(PERMUTATIONS);
    for _ in 0..PERMUTATIONS {
        steering.shuffle(&mut rng);
        draws.push(math::spearman(&reading, &steering).map_err(named)?);
    }
    let null = drawn_null(
        (Test::SitesOrder, "sites in any order; neighbouring sites are alike, so this p is too small"),
        value,
        0.0,
        &draws,
    )
    .map_err(named)?;
    let why = "none: noise in the curves draws a rank correlation over the sites towards 0";
    let found = Number::bare(value, sites.len(), why).against(null);
    Ok(Some((found, range.ok().map(|i| [i.low, i.high]))))
}
