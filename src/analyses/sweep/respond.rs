//! What a model answers at one site, under the direction and under its controls.

use truenorth_protocol::graph::{Role, Turn, Turns};
use truenorth_protocol::{Prompt, Site, WriteAt};

use super::super::{AnalysisError, Named, Reader, Said, Spoken};
use super::damage::{DamagePoint, Harm, point};
use super::reading::Read;
use super::rows::{self, Output, Place, Push, Row};
use super::run::{Plan, narrow, random_directions, sides};
use super::trend::Responses;
use super::words::{Lexicon, distinct_2};
use truenorth_protocol::run::Watch;
use truenorth_stats::math::Seeds;

/// `[arms][doses other than 0][units]`.
type ByArm = Vec<Vec<Vec<f64>>>;

/// The questions of a sweep, with what the unsteered model answers: that is the same at every site.
pub(super) struct Asker<'a> {
    reader: &'a Reader<'a>,
    plan: &'a Plan<'a>,
    /// The doses other than 0.
    doses: Vec<f64>,
    /// Which of the pairs are steered.
    steered: Vec<usize>,
    /// Their chosen texts, then their rejected ones.
    texts: Vec<Vec<u32>>,
    /// Tokens that both texts of a pair begin with.
    shared: Vec<usize>,
    neutral: Vec<Vec<u32>>,
    prompts: Vec<Vec<u32>>,
    /// Their turns, of conversations.
    turns: Vec<Turns>,
    /// What the prompts are called.
    names: Vec<String>,
    plain_odds: [Vec<f64>; 2],
    plain_losses: Vec<f64>,
    plain_outputs: Vec<Output>,
}

/// The answers of one site: `[arms][doses other than 0]`, the first arm the direction.
pub(super) struct Answers {
    /// Log-odds and log-odds per token of each pair.
    odds: [ByArm; 2],
    plain_odds: [Vec<f64>; 2],
    harm: Vec<Vec<Harm>>,
    plain_harm: Harm,
    texts: Vec<Vec<Vec<String>>>,
    plain_texts: Vec<String>,
    /// Projections of the generations on the direction, in mean residual norms.
    projections: ByArm,
    plain_projections: Vec<f64>,
    /// Predicted tokens of each neutral text.
    predicted: Vec<usize>,
}

/// Prompts as token ids, which the log-odds are counted in.
pub(super) fn tokens(reader: &Reader<'_>, prompts: &[Named]) -> Result<Vec<Vec<u32>>, AnalysisError> {
    ids(reader, prompts, reader.encode(prompts)?)
}

fn ids(reader: &Reader<'_>, prompts: &[Named], encoded: Vec<Prompt>) -> Result<Vec<Vec<u32>>, AnalysisError> {
    encoded
        .into_iter()
        .zip(prompts)
        .map(|(encoded, named)| match encoded {
            Prompt::Tokens(tokens) => Ok(tokens),
            Prompt::Text(_) => Err(AnalysisError::Input(format!(
                "`{}` has no token ids: the tokenizer of {} is not at hand, and a sweep counts tokens",
                named.id,
                reader.runner().info().name
            ))),
        })
        .collect()
}

impl<'a> Asker<'a> {
    pub fn new(
        reader: &'a Reader<'a>,
        plan: &'a Plan<'a>,
        (steered, all): (&[usize], &[Vec<u32>]),
        watch: &dyn Watch,
    ) -> Result<Self, AnalysisError> {
        let data = &plan.data;
        let pairs = &data.pairs.rows;
        let texts: Vec<Vec<u32>> = sides(steered, pairs.len()).map(|i| all[i].clone()).collect();
        let (chosen, rejected) = texts.split_at(steered.len());
        let shared = steered
            .iter()
            .map(|p| &pairs[*p])
            .zip(chosen.iter().zip(rejected))
            .map(|(pair, (c, r))| {
                if c == r {
                    return Err(AnalysisError::Input(format!(
                        "pair `{}`: both responses are the same tokens to this model",
                        pair.id
                    )));
                }
                let same = c.iter().zip(r).take_while(|(a, b)| a == b).count();
                // Each side keeps a token of its own, also where one text begins with the other.
                Ok(same.min(c.len() - 1).min(r.len() - 1))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let neutral = tokens(reader, data.neutral)?;
        if neutral.iter().all(|t| t.len() < 2) {
            return Err(AnalysisError::Input(
                "no neutral text has two tokens; perplexity needs one that can be predicted".into(),
            ));
        }
        let encoded = reader.encode_turns(data.prompts, true)?;
        reader.fits(data.prompts, &encoded, plan.params.push.as_read(), plan.sampling.max_new_tokens)?;
        let (prompts, turns) =
            encoded.into_iter().map(|e| (e.prompt, e.turns)).unzip::<_, _, Vec<_>, Vec<_>>();
        let prompts = ids(reader, data.prompts, prompts)?;
        let mut asker = Self {
            reader,
            plan,
            doses: plan.alphas.iter().copied().filter(|a| *a != 0.0).collect(),
            steered: steered.to_vec(),
            texts,
            shared,
            neutral,
            prompts,
            turns,
            names: data.prompts.iter().map(|p| p.id.clone()).collect(),
            plain_odds: [vec![], vec![]],
            plain_losses: vec![],
            plain_outputs: vec![],
        };
        let nowhere = Place { site: Site::Embed, positions: WriteAt::All, norm: 1.0 };
        watch.say("asking the unsteered model");
        let log_probs = rows::log_probs(reader, nowhere, &unpushed(&asker.texts), watch)?;
        asker.plain_odds = asker.odds(&log_probs);
        let log_probs = rows::log_probs(reader, nowhere, &unpushed(&asker.neutral), watch)?;
        asker.plain_losses = losses(&log_probs);
        asker.plain_outputs =
            rows::generate(reader, nowhere, &unpushed(&asker.prompts), &plan.sampling, watch)?;
        // They are projected on the direction of every site.
        let places: Vec<_> = plan.sites.iter().map(|site| (*site, data.at)).collect();
        reader.ahead(&asker.continued(&asker.plain_outputs), &places, watch)?;
        Ok(asker)
    }

    /// Generations behind their prompts, as the model reads them.
    fn continued<'o>(&self, outputs: impl IntoIterator<Item = &'o Output>) -> Vec<Named> {
        let context = self.reader.runner().info().context as usize;
        let one = |(i, output): (usize, &Output)| {
            let i = i % self.prompts.len().max(1);
            let mut tokens = [&self.prompts[i][..], &output.tokens].concat();
            tokens.truncate(context);
            let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
            let mut turns = self.turns[i].clone();
            if self.reader.spoken().is_some_and(Spoken::is_chat) {
                // An answer that was begun is gone on with.
                let begun = turns.0.pop_if(|t| t.role == Role::Assistant);
                let start = begun.map_or(count(self.prompts[i].len()), |t| t.start);
                turns.0.push(Turn { role: Role::Assistant, start, end: count(tokens.len()) });
            }
            let id = format!("{} and what was generated", self.names[i]);
            Named { said: Said::Placed(turns), ..Named::tokens(id, tokens) }
        };
        outputs.into_iter().enumerate().map(one).collect()
    }

    /// Log-odds of chosen over rejected of each pair: sums, and means over each side's own tokens.
    fn odds(&self, log_probs: &[Vec<f64>]) -> [Vec<f64>; 2] {
        let (chosen, rejected) = log_probs.split_at(self.shared.len());
        let own = |l: &Vec<f64>, shared: usize| {
            let own = &l[shared..];
            let sum: f64 = own.iter().sum();
            (sum, sum / own.len().max(1) as f64)
        };
        let sides = chosen.iter().zip(rejected).zip(&self.shared).map(|((c, r), s)| (own(c, *s), own(r, *s)));
        sides.map(|(c, r)| (c.0 - r.0, c.1 - r.1)).unzip::<f64, f64, Vec<_>, Vec<_>>().into()
    }

    /// Asks everything at one site.
    pub fn ask(
        &self,
        site: Site,
        norm: f64,
        read: &Read,
        fold_of: &[usize],
        seeds: &Seeds,
        watch: &dyn Watch,
    ) -> Result<Answers, AnalysisError> {
        let place = Place { site, positions: self.plan.params.push, norm };
        let given = Place { positions: WriteAt::All, ..place };
        let whole = narrow(&read.direction);
        let width = self.reader.runner().info().hidden as usize;
        if whole.len() != width {
            return Err(AnalysisError::Input(format!(
                "the direction at {site} has {} numbers, the model is {width} wide",
                whole.len()
            )));
        }
        let without: Vec<Vec<f32>> = read.without.iter().map(narrow).collect();
        let controls = random_directions(width, self.plan.params.random_directions, seeds)?;
        let arms: Vec<&[f32]> =
            std::iter::once(&whole[..]).chain(controls.iter().map(Vec::as_slice)).collect();
        let (n, doses) = (self.shared.len(), self.doses.len());

        // Pairs: the first arm is each pair's own direction, fitted without its fold.
        let mut all = Vec::with_capacity(arms.len() * doses * 2 * n);
        for (a, arm) in arms.iter().enumerate() {
            for alpha in &self.doses {
                for (i, prompt) in self.texts.iter().enumerate() {
                    let fold = self.steered.get(i % n.max(1)).and_then(|p| fold_of.get(*p));
                    let own = fold.and_then(|f| without.get(*f));
                    let direction = if a == 0 { own.map_or(*arm, Vec::as_slice) } else { arm };
                    all.push(Row { prompt, turns: None, push: Some(Push { direction, alpha: *alpha }) });
                }
            }
        }
        let log_probs = rows::log_probs(self.reader, given, &all, watch)?;
        let mut odds: [ByArm; 2] = [vec![], vec![]];
        for arm in log_probs.chunks(doses * 2 * n) {
            let (sums, means) = arm.chunks(2 * n).map(|l| self.odds(l).into()).unzip();
            odds[0].push(sums);
            odds[1].push(means);
        }

        let pushes: Vec<Push<'_>> = arms
            .iter()
            .flat_map(|direction| self.doses.iter().map(move |alpha| Push { direction, alpha: *alpha }))
            .collect();
        let mut rows: Vec<Row<'_>> = Vec::new();
        for push in &pushes {
            rows.extend(self.neutral.iter().map(|prompt| Row { prompt, turns: None, push: Some(*push) }));
        }
        let lost = losses(&rows::log_probs(self.reader, given, &rows, watch)?);
        let kls = rows::divergence(self.reader, given, &self.neutral, &pushes, watch)?;
        rows.clear();
        for push in &pushes {
            let own = self.prompts.iter().zip(&self.turns);
            rows.extend(own.map(|(prompt, turns)| Row { prompt, turns: Some(turns), push: Some(*push) }));
        }
        // The unsteered rows come first; no row of this site draws what another does. Sites draw alike,
        // so that chance does not part them.
        let sampling = self.plan.sampling.from_row(self.prompts.len());
        let outputs = rows::generate(self.reader, place, &rows, &sampling, watch)?;
        let (plain_projections, projections) =
            self.projections(site, norm, read, &outputs, (arms.len(), doses), watch)?;

        let (texts, prompts) = (self.neutral.len(), self.prompts.len());
        let mut harm = Vec::with_capacity(arms.len());
        let mut written = Vec::with_capacity(arms.len());
        for a in 0..arms.len() {
            let (mut h, mut w) = (Vec::with_capacity(doses), Vec::with_capacity(doses));
            for k in a * doses..(a + 1) * doses {
                let outputs = &outputs[k * prompts..(k + 1) * prompts];
                h.push(harm_of(&lost[k * texts..(k + 1) * texts], &kls[k], outputs));
                w.push(outputs.iter().map(|o| o.text.clone()).collect::<Vec<_>>());
            }
            harm.push(h);
            written.push(w);
        }
        Ok(Answers {
            odds,
            plain_odds: self.plain_odds.clone(),
            harm,
            plain_harm: harm_of(&self.plain_losses, &vec![0.0; texts], &self.plain_outputs),
            texts: written,
            plain_texts: self.plain_outputs.iter().map(|o| o.text.clone()).collect(),
            projections,
            plain_projections,
            predicted: self.neutral.iter().map(|t| t.len().saturating_sub(1)).collect(),
        })
    }

    /// The generations behind their prompts, read by the unsteered model and projected on the direction.
    fn projections(
        &self,
        site: Site,
        norm: f64,
        read: &Read,
        outputs: &[Output],
        (arms, doses): (usize, usize),
        watch: &dyn Watch,
    ) -> Result<(Vec<f64>, ByArm), AnalysisError> {
        let n = self.prompts.len();
        if n == 0 {
            return Ok((vec![], vec![vec![vec![]; doses]; arms]));
        }
        let named = self.continued(self.plain_outputs.iter().chain(outputs));
        let readings = self.reader.read(&named, &[site], self.plan.data.at, watch)?;
        let values = readings
            .first()
            .filter(|r| r.values.nrows() == named.len())
            .ok_or_else(|| AnalysisError::Answer { name: site.to_string(), prompts: named.len() })?;
        let projected: Vec<f64> =
            values.values.outer_iter().map(|x| x.mapv(f64::from).dot(&read.direction) / norm).collect();
        let (plain, pushed) = projected.split_at(n);
        let by_dose: Vec<Vec<f64>> = pushed.chunks(n).map(<[f64]>::to_vec).collect();
        Ok((plain.to_vec(), by_dose.chunks(doses.max(1)).map(<[Vec<f64>]>::to_vec).collect()))
    }
}

impl Answers {
    /// Every measure at every dose.
    pub fn responses(
        &self,
        alphas: &[f64],
        (clusters, cluster_name): (&[usize], &'static str),
        keywords: &[(Lexicon, i8)],
    ) -> Vec<Responses> {
        let make = |measure: &str, expected, plain: &[f64], values: &[Vec<Vec<f64>>]| {
            let full = |arm: &Vec<Vec<f64>>| with_zero(alphas, plain, arm);
            Responses {
                measure: measure.to_owned(),
                expected,
                alphas: alphas.to_vec(),
                direction: full(values.first().expect("the first arm is the direction")),
                controls: values.iter().skip(1).map(full).collect(),
                clusters: clusters.to_vec(),
                units: ["pairs", cluster_name],
            }
        };
        let mut out = vec![
            make("log_odds", 1, &self.plain_odds[0], &self.odds[0]),
            make("log_odds_per_token", 1, &self.plain_odds[1], &self.odds[1]),
        ];
        let prompts = self.plain_texts.len();
        if prompts == 0 {
            return out;
        }
        let mut generated = |measure: &str, expected, plain: &[f64], values: &[Vec<Vec<f64>>]| {
            out.push(Responses {
                clusters: (0..prompts).collect(),
                units: ["prompts", "prompts"],
                ..make(measure, expected, plain, values)
            });
        };
        generated("projection", 1, &self.plain_projections, &self.projections);
        let refusal = (Lexicon::refusal(), 0);
        for (lexicon, expected) in std::iter::once(&refusal).chain(keywords) {
            let count = |texts: &[String]| -> Vec<f64> {
                texts.iter().map(|t| f64::from(u8::from(lexicon.found_in(t)))).collect()
            };
            let counted: ByArm =
                self.texts.iter().map(|arm| arm.iter().map(|t| count(t)).collect()).collect();
            generated(&lexicon.name, *expected, &count(&self.plain_texts), &counted);
        }
        out
    }

    /// The damage of every dose.
    pub fn damage(&self, alphas: &[f64], seeds: &Seeds) -> Result<Vec<DamagePoint>, AnalysisError> {
        let mut doses = 0..;
        alphas
            .iter()
            .map(|alpha| {
                if *alpha == 0.0 {
                    return point(0.0, &self.plain_harm, &self.plain_harm, &[], &self.predicted, seeds);
                }
                let k = doses.next().expect("numbers do not run out");
                let controls: Vec<&Harm> = self.harm.iter().skip(1).map(|arm| &arm[k]).collect();
                point(*alpha, &self.harm[0][k], &self.plain_harm, &controls, &self.predicted, seeds)
            })
            .collect()
    }
}

/// The values of every dose, those of dose 0 put in their place.
fn with_zero(alphas: &[f64], plain: &[f64], pushed: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut pushed = pushed.iter();
    let mut next = || pushed.next().expect("every dose but 0 was pushed");
    alphas.iter().map(|a| if *a == 0.0 { plain.to_vec() } else { next().clone() }).collect()
}

fn unpushed(prompts: &[Vec<u32>]) -> Vec<Row<'_>> {
    prompts.iter().map(|prompt| Row { prompt, turns: None, push: None }).collect()
}

/// Negative log-likelihoods; a first token has nothing before it that could predict it.
fn losses(log_probs: &[Vec<f64>]) -> Vec<f64> {
    log_probs.iter().map(|l| -l.iter().skip(1).sum::<f64>()).collect()
}

fn harm_of(losses: &[f64], kls: &[f64], outputs: &[Output]) -> Harm {
    let distinct: Vec<Option<f64>> = outputs.iter().map(|o| distinct_2(&o.tokens)).collect();
    Harm {
        losses: losses.to_vec(),
        kls: kls.to_vec(),
        distinct_2: distinct.iter().flatten().copied().collect(),
        empty: distinct.iter().filter(|d| d.is_none()).count(),
    }
}
