//! `steer`: generation with a direction added or ablated.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::NamedPrompt;
use truenorth::analyses::steer::{
    self, Clamp, DAMAGING, Damage, Dose, EditSize, How, TokenMeans, WhenThreshold, unlike,
};
use truenorth::data::{NearCopies, first_prompts};
use truenorth_protocol::graph::{PromptPart, Sampling, Take};
use truenorth_protocol::{ModelInfo, WriteAt};

use super::args::{InputArgs, ModelArgs};
use super::desk::ours;
use super::direction::{load_all, load_all_for};
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::pushes::{PushContext, PushSites, UnitArg};
use super::session::{self, Session};
use super::texts;

/// Generates with a direction added or ablated, in several doses.
///
/// Writes one line per prompt and dose: id, alpha, `alpha_unit`, site, positions, tokens, text,
/// `logprob_mean` (of the generated tokens, under the steered model), prompt, `stopped` (`length` or
/// `end_of_text`), and `damage`: how far the dose moves the next token from the unsteered model's, in nats, and `size`:
/// how far it moves the residual at each site, in shares of its norm, degrees and cosines with the direction, first tokens
/// and later ones apart.
///
/// The table has a row per dose. `along` is the cosine of residual and direction, before and after; `first tokens` is the angle
/// at the first token of each prompt, which the other sizes leave out.
///
/// A file with several sites is steered at all of them at once; several directions are added together.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth steer --model smollm2-135m --direction values.safetensors \
    --input prompts.txt --alpha -0.1,0,0.1 --max-new-tokens 48 --out steered.jsonl\n  truenorth steer --model M \
    --direction refusal.safetensors --at everywhere --ablate --input prompts.txt\n  truenorth steer --model M \
    --direction kind.safetensors --direction formal.safetensors --coefficient 1,-0.5 --alpha 0.1 --decay 0.9 \
    --when harm.safetensors@resid_post.8 --when-above 0.05 --input prompts.txt")]
pub struct Steer {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    /// The direction; its site, or its sites, are where it is added. Repeatable: several are added together. One site of
    /// a file with several is F.safetensors@SITE.
    #[arg(long, value_name = "F.safetensors", required = true)]
    direction: Vec<PathBuf>,
    /// How much of each dose each direction gets, in their order; default 1.
    #[arg(long, value_name = "C,..", value_delimiter = ',', allow_hyphen_values = true)]
    coefficient: Vec<f64>,
    /// Sites to use the direction at, in place of its own, as `resid_post.4..28:4`, or `everywhere`: all that is added to
    /// the residual stream (`embed` and every `attn_out` and `mlp_out`), as refusal is ablated.
    #[arg(long, value_name = "S,..")]
    at: Option<PushSites>,
    /// Doses α, comma-separated. Default -0.2,-0.1,-0.05,0,0.05,0.1,0.2 in the unit norm, each shared by the sites where
    /// there are several; with --ablate or --clamp 0.
    #[arg(long, value_name = "A,..", value_delimiter = ',', allow_hyphen_values = true)]
    alpha: Vec<f64>,
    /// Leaves out the damage of each dose, for which every prompt is read once more a dose.
    #[arg(long)]
    no_damage: bool,
    /// What α is measured in: mean residual norms of the site, units of the residual stream, or for imported directions
    /// the vector as its file had it.
    #[arg(long, value_enum, default_value_t = UnitArg::Norm)]
    alpha_unit: UnitArg,
    /// Prompts that the unit `norm` is measured on; default what the direction's file says.
    #[arg(long, value_name = "F")]
    neutral: Option<PathBuf>,
    /// Which tokens: all, prompt, generated, last (of the prompt), an index such as -3, a range such as 2..5, or of a
    /// conversation response, user, assistant, system, each also as first-user or last-user.
    /// Default all; the clamp of `--clamp neutral` then leaves out the first token of each prompt, as its range does.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    positions: Option<WriteAt>,
    #[command(flatten)]
    how: How,
    /// A direction that decides: nothing is done where the projection on it, at its own site, is not above --when-above.
    #[arg(long, value_name = "F.safetensors")]
    when: Option<PathBuf>,
    #[command(flatten)]
    threshold: WhenThreshold,
    /// How many tokens to generate at most.
    #[arg(long, value_name = "N", default_value_t = 48)]
    max_new_tokens: u32,
    /// 0 is greedy. What the model's generation_config.json asks for besides its end tokens is not followed, and said.
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

/// The site at which an edit turns later tokens most.
fn largest(sizes: &[EditSize]) -> Option<&EditSize> {
    let angle = |s: &EditSize| s.later.or(s.first).map_or(0.0, |m| m.angle);
    sizes.iter().max_by(|a, b| angle(a).total_cmp(&angle(b)))
}

/// What the numbers are of, where that is not the edit of the prompts as it is in every step.
fn measured_on(damage: &[Damage]) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(step) = damage.iter().find_map(|d| d.largest_step) {
        let at = match step.pass {
            0 => "at the prompt".to_owned(),
            pass => format!("with generated token {pass}"),
        };
        said.push(format!(
            "α changes with the tokens: divergence and size are of its largest step, {} times α, {at}",
            step.factor
        ));
    }
    if let Some(damage) = damage.iter().find(|d| d.stand_in) {
        said.push(format!(
            "the prompts stay as they are, and nothing of them is damaged: divergence and size are of the same edit of \
             the prompts' tokens ({}) in place of generated ones",
            damage.positions
        ));
    }
    said
}

/// So many of something, by its name in the singular.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Whether positions that are named hold the first token of a prompt.
fn holds_first(positions: WriteAt) -> bool {
    match positions {
        WriteAt::All | WriteAt::Prompt | WriteAt::Index(0) => true,
        WriteAt::In(PromptPart::Prompt | PromptPart::Range(0, _), take) => take != Take::Last,
        _ => false,
    }
}

/// Says what each dose breaks and how large it is.
fn table(alphas: &[f64], damage: &[Damage]) {
    let head = ["α", "divergence, nats", "size, of the norm", "angle", "along", "first tokens", ""];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (alpha, d) in alphas.iter().zip(damage) {
        let says = if d.kl > DAMAGING { "damaging: the next token is another model's" } else { "" };
        let size = largest(&d.size);
        let later = |cell: &dyn Fn(&TokenMeans) -> String| {
            size.and_then(|s| s.later.as_ref()).map_or_else(|| "-".into(), cell)
        };
        rows.push(vec![
            alpha.to_string(),
            format!("{:.3}", d.kl),
            later(&|m| format!("{:.3}", m.norm)),
            later(&|m| format!("{:.1}°", m.angle)),
            later(&|m| format!("{:.3} to {:.3}", m.along_before, m.along_after)),
            size.and_then(|s| s.first.as_ref()).map_or_else(|| "-".into(), |m| format!("{:.1}°", m.angle)),
            says.to_owned(),
        ]);
    }
    output::table(&rows);
    let sizes: Vec<Vec<EditSize>> = damage.iter().map(|d| d.size.clone()).collect();
    for line in measured_on(damage) {
        eprintln!("{line}");
    }
    if let Some(several) = sizes.iter().map(Vec::len).max().filter(|n| *n > 1) {
        eprintln!("sizes are those of the site that turns most, of {several}; `damage.size` has all");
    }
    for warning in unlike(alphas, &sizes) {
        eprintln!("warning: {warning}");
    }
}

impl Steer {
    /// Whether something is done without a dose.
    fn only_edits(&self) -> bool {
        self.how.ablate || self.how.clamp.is_some()
    }

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
        self.how.check()?;
        self.threshold.check()?;
        let n = self.direction.len();
        if !self.coefficient.is_empty() && self.coefficient.len() != n {
            return Err(wrong_hint(
                format!(
                    "--coefficient has {} for {}",
                    counted(self.coefficient.len(), "number"),
                    counted(n, "direction")
                ),
                "give one a direction, in their order, or leave it out",
            ));
        }
        if let Some(bad) = self.coefficient.iter().find(|c| !c.is_finite()) {
            return Err(wrong_hint(
                format!("--coefficient {bad} is no finite number"),
                "give numbers such as 1,-0.5",
            ));
        }
        if self.when.is_none() && self.threshold != WhenThreshold::default() {
            return Err(wrong_hint(
                "--when-above and --when-by are of a condition, and there is none",
                "name the direction that decides with --when F.safetensors",
            ));
        }
        if self.alpha_unit != UnitArg::Norm && self.alpha.is_empty() && !self.only_edits() {
            return Err(wrong_hint(
                format!(
                    "--alpha-unit {} has no default doses: what is small depends on the site's norm",
                    self.alpha_unit.name()
                ),
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
        for file in self.direction.iter().chain(&self.when) {
            load_all(file)?;
        }
        let (prompts, loaded) = session::prompts(&self.input.input)?;
        let neutral = self.neutral.as_ref().map(|f| texts::at(NearCopies::default()).distinct_prompts(f));
        let neutral = neutral.transpose()?;
        if let Some(PushSites::Sites(sites)) = &self.at {
            sites.notes().iter().for_each(|note| eprintln!("note: {note}"));
        }
        let session = Session::open(&self.model)?;
        let reader = session.reader();
        let bar = Bar::new("measuring norms", 0, "tokens", self.model.common.quiet);
        let load = |file: &Path, info: &ModelInfo| load_all_for(file, info).map_err(ours);
        let opened = PushContext {
            reader,
            neutral: neutral.as_ref().map(|n| &n.named[..]),
            watch: &bar,
            unit: self.alpha_unit.into(),
            load: &load,
        };
        let coefficients = self.coefficient.iter().copied().chain(std::iter::repeat(1.0));
        let files: Vec<(PathBuf, f64)> = self.direction.iter().cloned().zip(coefficients).collect();
        let added = !self.only_edits() || self.alpha.iter().any(|a| *a != 0.0);
        let mut pushes = opened.pushes(&files, self.at.as_ref(), &self.how, added)?;
        let when = self.when.as_ref().map(|file| opened.when(file, &self.threshold, &pushes)).transpose()?;
        drop(bar);
        if self.how.clamp == Some(Clamp::Neutral) {
            match self.positions {
                None => eprintln!(
                    "note: --clamp neutral leaves out the first token of each prompt, as the neutral range does; --positions \
                     all clamps it too"
                ),
                Some(named) if holds_first(named) => eprintln!(
                    "warning: --positions {named} clamps first tokens to a range that is measured without them; where they \
                     are sinks of attention this breaks the model; leave --positions out, or name 1..-1 or generated"
                ),
                Some(_) => {}
            }
            // Positions that are named are followed.
            pushes.iter_mut().for_each(|p| p.spares_first = self.positions.is_none());
        }
        let mut dose = Dose {
            pushes,
            positions: self.positions.unwrap_or(WriteAt::All),
            alphas: vec![0.0],
            unit: self.alpha_unit.name(),
            ablate: self.how.ablate,
            schedule: self.how.to_schedule(),
            when,
        };
        if dose.schedule.runs(dose.positions, self.max_new_tokens.max(1)).is_empty() && !self.only_edits() {
            return Err(wrong_hint(
                format!("by its schedule the dose is 0 wherever there are tokens at `{}`", dose.positions),
                "the first factor of --schedule is of the prompt, the others of generated tokens: name one that is not 0 for \
                 those that --positions takes, or take other positions",
            ));
        }
        let sites = dose.sites().len();
        if !self.alpha.is_empty() {
            dose.alphas.clone_from(&self.alpha);
        } else if !self.only_edits() {
            dose.alphas = steer::usual_doses(sites);
            if sites > 1 {
                eprintln!(
                    "note: the default doses are shared by {sites} sites; --alpha names what each of them gets"
                );
            }
        }
        let stop = if self.ignore_eos { vec![] } else { session.runner().stop_tokens() };
        let sampling = Sampling {
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.model.seed,
            stop,
            first_row: 0,
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
            let distinct: Vec<NamedPrompt> = stands.map(|(n, _)| n.clone()).collect();
            // Factors of tokens that are not generated change nothing.
            let run = Dose { schedule: dose.schedule.within(self.max_new_tokens), ..dose.clone() };
            let damage = steer::damage(&reader, &distinct, &run, &bar)?;
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

#[cfg(test)]
mod tests {
    use truenorth::analyses::steer::LargestStep;

    use super::*;

    #[test]
    fn what_is_measured_is_said_where_it_is_not_the_edit_of_every_step() {
        let plain = Damage {
            kl: 0.1,
            prompts: 2,
            positions: "all".into(),
            largest_step: None,
            stand_in: false,
            size: vec![],
        };
        assert!(measured_on(std::slice::from_ref(&plain)).is_empty());
        let largest_step = Some(LargestStep { pass: 0, factor: 10.0 });
        let said = measured_on(&[Damage { largest_step, ..plain.clone() }]);
        assert!(said.len() == 1 && said[0].contains("10 times α, at the prompt"), "{said:?}");
        let largest_step = Some(LargestStep { pass: 1, factor: 1.0 });
        let said = measured_on(&[Damage { largest_step, stand_in: true, ..plain }]);
        assert!(said[0].contains("1 times α, with generated token 1"), "{said:?}");
        assert!(said[1].starts_with("the prompts stay as they are"), "{said:?}");
    }

    #[test]
    fn positions_that_hold_first_tokens_are_known() {
        let holds = |text: &str| holds_first(text.parse().unwrap());
        for text in ["all", "prompt", "0", "0..-1"] {
            assert!(holds(text), "{text}");
        }
        for text in ["1..-1", "generated", "last", "response", "3"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!([counted(1, "direction"), counted(2, "number")], ["1 direction", "2 numbers"]);
    }
}
