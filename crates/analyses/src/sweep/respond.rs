//! What a model answers at one site, under the direction and under its controls.

use ndarray::Array1;
use truenorth_protocol::graph::{Role, Turn, Turns};
use truenorth_protocol::{Prompt, Site, WriteAt};

use super::answers::{Answers, ByArm};
use super::damage::Harm;
use super::rows::{self, Output, SteeredPrompt, SteeringSite, SweepPush};
use super::run::{SweepPlan, sides};
use super::words::distinct_2;
use truenorth_protocol::run::Watch;
use truenorth_reading::{AnalysisError, NamedPrompt, Reader, Said, Spoken};

/// Bytes of directions that the rows asked at once may hold.
const HELD: usize = 256 << 20;

/// The directions of a site, each `[hidden]`.
pub(super) struct Arms {
    /// That of all pairs.
    pub whole: Vec<f32>,
    /// Fitted without each fold.
    pub without: Vec<Vec<f32>>,
    /// Drawn like the activations.
    pub controls: Vec<Vec<f32>>,
    /// Those of flipped labels, `[draws][folds]`.
    pub flips: Vec<Vec<Vec<f32>>>,
}

/// The questions of a sweep, with what the unsteered model answers: that is the same at every site.
pub(super) struct Asker<'a> {
    reader: &'a Reader<'a>,
    plan: &'a SweepPlan<'a>,
    doses: Vec<f64>,
    steered: Vec<usize>,
    /// Their chosen texts, then their rejected ones.
    texts: Vec<Vec<u32>>,
    /// Tokens that both texts of a pair begin with.
    shared: Vec<usize>,
    neutral: Vec<Vec<u32>>,
    prompts: Vec<Vec<u32>>,
    turns: Vec<Turns>,
    names: Vec<String>,
    plain_odds: [Vec<f64>; 2],
    plain_losses: Vec<f64>,
    plain_outputs: Vec<Output>,
}

/// Prompts as token ids, which the log-odds are counted in.
pub(super) fn tokens(reader: &Reader<'_>, prompts: &[NamedPrompt]) -> Result<Vec<Vec<u32>>, AnalysisError> {
    ids(reader, prompts, reader.encode(prompts)?)
}

fn ids(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    encoded: Vec<Prompt>,
) -> Result<Vec<Vec<u32>>, AnalysisError> {
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
        plan: &'a SweepPlan<'a>,
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
        reader.say_unpredicted(data.neutral, &neutral, watch);
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
        let nowhere = SteeringSite { site: Site::Embed, positions: WriteAt::All, norm: 1.0 };
        watch.say("asking the unsteered model");
        let log_probs = rows::log_probs(reader, nowhere, &unpushed(&asker.texts), watch)?;
        let (chosen, rejected) = log_probs.split_at(asker.shared.len());
        for (pair, (c, r)) in chosen.iter().zip(rejected).enumerate() {
            let odds = asker.odds(pair, c, r);
            asker.plain_odds.iter_mut().zip(odds).for_each(|(all, one)| all.push(one));
        }
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
    fn continued<'o>(&self, outputs: impl IntoIterator<Item = &'o Output>) -> Vec<NamedPrompt> {
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
            NamedPrompt { said: Said::Placed(turns), ..NamedPrompt::tokens(id, tokens) }
        };
        outputs.into_iter().enumerate().map(one).collect()
    }

    /// Log-odds of chosen over rejected of a pair: the sum, and the mean over each side's own tokens.
    fn odds(&self, pair: usize, chosen: &[f64], rejected: &[f64]) -> [f64; 2] {
        let own = |l: &[f64]| {
            let own = &l[self.shared[pair]..];
            let sum: f64 = own.iter().sum();
            [sum, sum / own.len().max(1) as f64]
        };
        let (c, r) = (own(chosen), own(rejected));
        [c[0] - r[0], c[1] - r[1]]
    }

    /// Log-odds of every pair under several arms at every dose. Each pair is pushed by the direction that
    /// `direction` gives of arm and pair; one of zeros pushes nowhere.
    fn pushed<'d>(
        &self,
        place: SteeringSite,
        arms: usize,
        direction: impl Fn(usize, usize) -> &'d [f32],
        watch: &dyn Watch,
    ) -> Result<[ByArm; 2], AnalysisError> {
        let (n, doses) = (self.shared.len(), self.doses.len());
        let mut out = [0, 1].map(|_| vec![vec![vec![0.0; n]; doses]; arms]);
        let of_pair = arms * doses * 2 * self.reader.runner().info().hidden as usize * size_of::<f32>();
        let at_once = (HELD / of_pair.max(1)).max(1);
        let pairs: Vec<usize> = (0..n).collect();
        for pairs in pairs.chunks(at_once) {
            let mut rows = Vec::with_capacity(pairs.len() * arms * doses * 2);
            for pair in pairs {
                for arm in 0..arms {
                    let direction = direction(arm, *pair);
                    let moves = direction.iter().any(|v| *v != 0.0);
                    for alpha in &self.doses {
                        let push = moves.then_some(SweepPush { direction, alpha: *alpha });
                        rows.extend([pair, &(n + pair)].map(|t| SteeredPrompt {
                            prompt: &self.texts[*t],
                            turns: None,
                            push,
                        }));
                    }
                }
            }
            let log_probs = rows::log_probs(self.reader, place, &rows, watch)?;
            let mut found = log_probs.chunks(2);
            for pair in pairs {
                for arm in 0..arms {
                    for dose in 0..doses {
                        let sides = found.next().expect("every row has its log-probabilities");
                        for (out, odds) in out.iter_mut().zip(self.odds(*pair, &sides[0], &sides[1])) {
                            out[arm][dose][*pair] = odds;
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    /// Asks everything at one site. `flipped` says which of all pairs have their labels flipped in which draw.
    pub fn ask(
        &self,
        (site, norm): (Site, f64),
        arms: &Arms,
        flipped: &[Vec<bool>],
        fold_of: &[usize],
        watch: &dyn Watch,
    ) -> Result<Answers, AnalysisError> {
        let place = SteeringSite { site, positions: self.plan.params.push, norm };
        let given = SteeringSite { positions: WriteAt::All, ..place };
        let width = self.reader.runner().info().hidden as usize;
        if arms.whole.len() != width {
            return Err(AnalysisError::Input(format!(
                "the direction at {site} has {} numbers, the model is {width} wide",
                arms.whole.len()
            )));
        }
        // Every pair is pushed by a direction that was fitted without its fold.
        let fold = |pair: usize| fold_of[self.steered[pair]];
        let all = 1 + arms.controls.len();
        let own = |arm: usize, pair: usize| match arm {
            0 => &arms.without[fold(pair)][..],
            _ => &arms.controls[arm - 1][..],
        };
        let odds = self.pushed(given, all, own, watch)?;
        if !flipped.is_empty() {
            watch.say(&format!(
                "steering along {} label flips at {site}: {} doses of {} texts each",
                flipped.len(),
                self.doses.len(),
                self.texts.len()
            ));
        }
        let mut flips =
            self.pushed(given, flipped.len(), |draw, pair| &arms.flips[draw][fold(pair)], watch)?;
        for (arm, flipped) in flips.iter_mut().flat_map(|measure| measure.iter_mut().zip(flipped)) {
            for (pair, _) in self.steered.iter().enumerate().filter(|(_, p)| flipped[**p]) {
                arm.iter_mut().for_each(|dose| dose[pair] = -dose[pair]);
            }
        }

        let followed: Vec<&[f32]> = std::iter::once(&arms.whole)
            .chain(arms.controls.iter().take(self.plan.params.damage_directions))
            .map(Vec::as_slice)
            .collect();
        let doses = self.doses.len();
        let pushes: Vec<SweepPush<'_>> = followed
            .iter()
            .flat_map(|direction| self.doses.iter().map(move |alpha| SweepPush { direction, alpha: *alpha }))
            .collect();
        let mut rows: Vec<SteeredPrompt<'_>> = Vec::new();
        for push in &pushes {
            rows.extend(self.neutral.iter().map(|prompt| SteeredPrompt {
                prompt,
                turns: None,
                push: Some(*push),
            }));
        }
        let lost = losses(&rows::log_probs(self.reader, given, &rows, watch)?);
        let kls = rows::divergence(self.reader, given, &self.neutral, &pushes, watch)?;
        rows.clear();
        for push in &pushes {
            let own = self.prompts.iter().zip(&self.turns);
            rows.extend(own.map(|(prompt, turns)| SteeredPrompt {
                prompt,
                turns: Some(turns),
                push: Some(*push),
            }));
        }
        // The unsteered rows come first; no row of this site draws what another does. Sites draw alike,
        // so that chance does not part them.
        let sampling = self.plan.sampling.from_row(self.prompts.len());
        let outputs = rows::generate(self.reader, place, &rows, &sampling, watch)?;
        let (plain_projections, projections) =
            self.projections((site, norm), &arms.whole, &outputs, (followed.len(), doses), watch)?;

        let (texts, prompts) = (self.neutral.len(), self.prompts.len());
        let mut harm = Vec::with_capacity(followed.len());
        let mut written = Vec::with_capacity(followed.len());
        for a in 0..followed.len() {
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
            flips,
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
        (site, norm): (Site, f64),
        direction: &[f32],
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
        let direction: Array1<f64> = direction.iter().map(|v| f64::from(*v)).collect();
        let projected: Vec<f64> =
            values.values.outer_iter().map(|x| x.mapv(f64::from).dot(&direction) / norm).collect();
        let (plain, pushed) = projected.split_at(n);
        let by_dose: Vec<Vec<f64>> = pushed.chunks(n).map(<[f64]>::to_vec).collect();
        Ok((plain.to_vec(), by_dose.chunks(doses.max(1)).map(<[Vec<f64>]>::to_vec).collect()))
    }
}

fn unpushed(prompts: &[Vec<u32>]) -> Vec<SteeredPrompt<'_>> {
    prompts.iter().map(|prompt| SteeredPrompt { prompt, turns: None, push: None }).collect()
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
