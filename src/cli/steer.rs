//! `steer`: generation with a direction added or ablated.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use truenorth::analyses::Named;
use truenorth::analyses::steer::{self, DAMAGING, Damage, Dose};
use truenorth::data::{NearCopies, first_prompts};
use truenorth_protocol::WriteAt;
use truenorth_protocol::graph::Sampling;

use super::args::{InputArgs, ModelArgs};
use super::direction::{load, load_for};
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::session::{self, Session};
use super::texts;

/// Generates with a direction added or ablated, in several doses.
///
/// Writes a line a prompt and dose: id, alpha, `alpha_unit`, site, positions, tokens, text,
/// `logprob_mean` (of the generated tokens, under the steered model), prompt, `stopped` (`length` or
/// `end_of_text`), and `damage`: how far the dose moves the next token from the unsteered model's, in nats.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth steer --model smollm2-135m --direction values.safetensors \
    --input prompts.txt --alpha -0.1,0,0.1 --max-new-tokens 48 --out steered.jsonl")]
pub struct Steer {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    /// The direction; its site is where it is added.
    #[arg(long, value_name = "F.safetensors")]
    direction: PathBuf,
    /// Doses α, comma-separated. Default -0.2,-0.1,-0.05,0,0.05,0.1,0.2 in the unit norm; with --ablate 0.
    #[arg(long, value_name = "A,..", value_delimiter = ',', allow_hyphen_values = true)]
    alpha: Vec<f64>,
    /// Leaves out the damage of each dose, for which every prompt is read once more a dose.
    #[arg(long)]
    no_damage: bool,
    /// What α is measured in: mean residual norms of the site, or units of the residual stream.
    #[arg(long, value_enum, default_value_t = Unit::Norm)]
    alpha_unit: Unit,
    /// Prompts that the unit `norm` is measured on; default what the direction's file says.
    #[arg(long, value_name = "F")]
    neutral: Option<PathBuf>,
    /// Which tokens: all, prompt, generated, last (of the prompt), an index such as -3, a range such as 2..5, or of a
    /// conversation response, user, assistant, system, each also as first-user or last-user.
    #[arg(long, value_name = "P", default_value = "all", allow_hyphen_values = true)]
    positions: WriteAt,
    /// Ablates the direction before anything is added.
    #[arg(long)]
    ablate: bool,
    /// How many tokens to generate at most.
    #[arg(long, value_name = "N", default_value_t = 48)]
    max_new_tokens: u32,
    /// 0 is greedy.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    /// The nucleus to draw from; 1 keeps all tokens.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f64,
    /// Goes on past the model's end-of-text token.
    #[arg(long)]
    ignore_eos: bool,
    /// The file to write; default stdout.
    #[arg(long, value_name = "F.jsonl")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Unit {
    /// Multiples of the mean residual norm at the site.
    Norm,
    /// Units of the residual stream.
    Absolute,
}

/// Doses that leave most models readable: the sweep's.
const DOSES: [f64; 7] = [-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2];

/// Says what each dose breaks.
fn table(alphas: &[f64], damage: &[Damage]) {
    let mut rows = vec![["α", "divergence, nats", ""].map(String::from).to_vec()];
    for (alpha, d) in alphas.iter().zip(damage) {
        let says = if d.kl > DAMAGING { "damaging: the next token is another model's" } else { "" };
        rows.push(vec![alpha.to_string(), format!("{:.3}", d.kl), says.to_owned()]);
    }
    output::table(&rows);
}

impl Steer {
    fn check(&self) -> anyhow::Result<()> {
        if self.max_new_tokens == 0 {
            return Err(wrong_hint(
                "--max-new-tokens 0 generates nothing, so there is nothing to steer",
                "give at least 1",
            ));
        }
        if let Some(bad) = self.alpha.iter().find(|a| !a.is_finite()) {
            return Err(wrong_hint(
                format!("--alpha {bad} is no finite number"),
                "give doses such as -0.1,0,0.1",
            ));
        }
        if self.alpha_unit == Unit::Absolute && self.alpha.is_empty() && !self.ablate {
            return Err(wrong_hint(
                "--alpha-unit absolute has no default doses: what is small depends on the site's norm",
                "name them with --alpha, or leave --alpha-unit out",
            ));
        }
        if !(0.0..=1.0).contains(&self.top_p) || self.top_p == 0.0 {
            return Err(wrong_hint(format!("--top-p {}", self.top_p), "give a number above 0 and up to 1"));
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(wrong_hint(
                format!("--temperature {}", self.temperature),
                "give 0 for greedy, or a number above 0",
            ));
        }
        Ok(())
    }

    pub fn run(self) -> anyhow::Result<()> {
        if let Some(out) = &self.out {
            session::writes_rows(out)?;
        }
        self.check()?;
        load(&self.direction)?;
        let (prompts, loaded) = session::prompts(&self.input.input)?;
        let neutral = self.neutral.as_ref().map(|f| texts::at(NearCopies::default()).distinct_prompts(f));
        let neutral = neutral.transpose()?;
        let session = Session::open(&self.model)?;
        let (direction, site) = load_for(&self.direction, session.runner().info())?;
        let reader = session.reader();
        let norm = match (self.alpha_unit, &neutral) {
            (Unit::Absolute, _) => None,
            (Unit::Norm, Some(neutral)) => {
                let bar = Bar::new("measuring norms", 0, "tokens", self.model.common.quiet);
                Some(steer::mean_norm(&reader, site, &neutral.named, &bar)?)
            }
            (Unit::Norm, None) => Some(direction.metadata().residual_norm.ok_or_else(|| {
                wrong_hint(
                    format!("{} does not say the mean residual norm of its site", self.direction.display()),
                    "measure it with --neutral F, or give α in --alpha-unit absolute",
                )
            })?),
        };
        let alphas = match (self.alpha.is_empty(), self.ablate) {
            (false, _) => self.alpha.clone(),
            (true, true) => vec![0.0],
            (true, false) => DOSES.to_vec(),
        };
        let stop = if self.ignore_eos { vec![] } else { session.runner().stop_tokens() };
        let sampling = Sampling {
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.model.seed,
            stop,
            first_row: 0,
        };
        let dose = Dose {
            direction: direction.vector().to_vec(),
            site,
            positions: self.positions,
            alphas,
            norm,
            ablate: self.ablate,
        };
        let bar = Bar::new("steering", 0, "tokens", self.model.common.quiet);
        let mut rows = steer::steer(&reader, &prompts, &dose, &sampling, &bar)?;
        if !self.no_damage {
            bar.say("measuring damage");
            // Every prompt is steered; what a dose breaks is measured on those that differ.
            let firsts = first_prompts(&loaded.rows, NearCopies::default());
            texts::at(NearCopies::default())
                .say_copies(&self.input.input.display().to_string(), &firsts.copies);
            let stands = prompts.iter().zip(firsts.stands()).filter(|(_, s)| *s);
            let distinct: Vec<Named> = stands.map(|(n, _)| n.clone()).collect();
            let damage = steer::damage(&reader, &distinct, &dose, &bar)?;
            for (row, damage) in rows.iter_mut().zip(damage.iter().cycle()) {
                row.damage = Some(damage.clone());
            }
            drop(bar);
            table(&dose.alphas, &damage);
        }
        session::write_rows(self.out.as_deref(), &rows, "Steered generations")
            .context("can't write the generations")
    }
}
