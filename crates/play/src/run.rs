//! One run: both texts, what their tokens project on, what the doses break.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use truenorth_analyses::monitor::{Monitor, MonitorData, Params};
use truenorth_analyses::steer::{Dose, Schedule, Steered, steer};
use truenorth_protocol::Prompt;
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::run::{Runner, Watch};
use truenorth_reading::{
    Analysis as _, AnalysisContext, AnalysisError, EncodedPrompt, NamedPrompt, Reader, Said, Spoken,
};
use truenorth_stats::math::{Seeds, quantile};

use crate::event::{ColourScale, Colours, Event, PlainOrSteered, Projected};
use crate::playground::Playground;
use crate::refused::PlayRefusal;
use crate::settings::Settings;
use crate::spelled::{last_piece, pieces, visible};

pub(crate) type Tell<'a> = &'a (dyn Fn(Event) + Sync);

/// What the projections that are beyond it share the last colour with, as a share of all.
const WITHIN: f64 = 0.95;
/// Steps of the colour scale to either side.
const STEPS: f64 = 4.0;

/// A run's end: by its visitor, who went, or by the clock.
pub(crate) struct RunEnd<'a> {
    /// The visitor has gone.
    pub gone: &'a AtomicBool,
    pub other: AtomicBool,
    pub until: Instant,
}

impl<'a> RunEnd<'a> {
    pub fn new(gone: &'a AtomicBool, until: Instant) -> Self {
        Self { gone, other: AtomicBool::new(false), until }
    }
}

/// Sees how one text is written.
pub(crate) struct Writing<'a> {
    pub runner: &'a dyn Runner,
    pub tell: Tell<'a>,
    pub ends: &'a RunEnd<'a>,
    /// Whose tokens are told; none of work that draws none.
    pub side: Option<PlainOrSteered>,
    drawn: Mutex<Vec<u32>>,
}

impl<'a> Writing<'a> {
    pub fn new(
        runner: &'a dyn Runner,
        tell: Tell<'a>,
        ends: &'a RunEnd<'a>,
        side: Option<PlainOrSteered>,
    ) -> Self {
        Self { runner, tell, ends, side, drawn: Mutex::default() }
    }
}

impl Watch for Writing<'_> {
    fn say(&self, text: &str) {
        (self.tell)(Event::Says { text: text.to_owned() });
    }

    fn warn(&self, text: &str) {
        (self.tell)(Event::Warns { text: text.to_owned() });
    }

    fn drawn(&self, _group: usize, _prompt: usize, token: u32) {
        let Some(side) = self.side else { return };
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.push(token);
        // A token whose text can't be had is shown when the whole text is.
        if let Ok(Some(token)) = last_piece(self.runner, &drawn) {
            (self.tell)(Event::Token { side, token });
        }
    }

    fn interrupted(&self) -> bool {
        let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        set(self.ends.gone) || set(&self.ends.other) || Instant::now() >= self.ends.until
    }
}

/// Runs what is asked and tells it, all but the link.
pub(crate) fn run(
    play: &Playground,
    settings: &Settings,
    gone: &AtomicBool,
    tell: Tell<'_>,
) -> Result<(), PlayRefusal> {
    let ends = RunEnd::new(gone, Instant::now() + play.limits().run_time);
    let done = asked(play, settings, &ends, tell);
    match done {
        Err(_) if Instant::now() >= ends.until => Err(PlayRefusal::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            format!("the run took longer than {} s and was stopped", play.limits().run_time.as_secs()),
        )
        .hint("ask for fewer tokens, or a shorter prompt")),
        done => done,
    }
}

fn asked(
    play: &Playground,
    settings: &Settings,
    ends: &RunEnd<'_>,
    tell: Tell<'_>,
) -> Result<(), PlayRefusal> {
    let runner = play.runner();
    let spoken = play.spoken(settings)?;
    let prompt = NamedPrompt::text("prompt", settings.prompt.as_str());
    let encoded = encoded(play, &spoken, &prompt)?;
    let started = match &encoded.prompt {
        Prompt::Tokens(ids) => pieces(runner, ids)?,
        Prompt::Text(_) => vec![],
    };
    tell(Event::Started { prompt: started });
    let dose = play.dose(settings, vec![settings.alpha]);
    let plain = Dose { alphas: vec![0.0], ablate: false, ..dose.clone() };
    let write = |side: PlainOrSteered, dose: &Dose| -> Result<Steered, PlayRefusal> {
        let watch = Writing::new(runner, tell, ends, Some(side));
        let reader = Reader::new(runner, None).speaking(&spoken);
        let sampling = sampling(runner, settings);
        let written = steer(&reader, std::slice::from_ref(&prompt), dose, &sampling, &watch);
        let row =
            written.map(|mut rows| rows.pop()).inspect_err(|_| ends.other.store(true, Ordering::Relaxed))?;
        let row = row.ok_or_else(|| lost("the text"))?;
        let ids: Vec<u32> = row.tokens.iter().filter_map(|t| u32::try_from(*t).ok()).collect();
        let pieces = pieces(runner, &ids)?;
        let unspelled = runner.spell(&[]).map_err(AnalysisError::from)?.is_none();
        let whole = unspelled.then(|| visible(&row.text));
        tell(Event::Written { side, row: Box::new(row.clone()), pieces, whole });
        Ok(row)
    };
    let (plain, steered) = match settings.changes() {
        false => (write(PlainOrSteered::Plain, &plain)?, None),
        true => std::thread::scope(|scope| {
            let other = scope.spawn(|| write(PlainOrSteered::Steered, &dose));
            let plain = write(PlainOrSteered::Plain, &plain);
            let steered = other.join().unwrap_or_else(|_| Err(lost("the steered text")));
            // Of two errors the one that stopped the other is of use.
            match (plain, steered) {
                (Ok(plain), Ok(steered)) => Ok((plain, Some(steered))),
                (Err(e), Ok(_)) | (Ok(_), Err(e)) => Err(e),
                (Err(a), Err(b)) => Err(if a.hint.is_some() { a } else { b }),
            }
        })?,
    };
    if let Some(colours) = colours(play, settings, &encoded, [Some(&plain), steered.as_ref()], ends, tell)? {
        tell(Event::Colours(colours));
    }
    tell(Event::Doses { doses: play.doses(settings, ends, tell)? });
    Ok(())
}

/// The draws of a text: those that `steer` has with the same settings.
fn sampling(runner: &dyn Runner, settings: &Settings) -> Sampling {
    Sampling {
        max_new_tokens: settings.max_new_tokens,
        temperature: settings.temperature,
        top_p: 1.0,
        seed: settings.seed,
        stop: runner.stop_tokens(),
        first_row: 0,
    }
}

/// The prompt as it goes in, if it is not too long.
pub(crate) fn encoded(
    play: &Playground,
    spoken: &Spoken,
    prompt: &NamedPrompt,
) -> Result<EncodedPrompt, PlayRefusal> {
    let reader = Reader::new(play.runner(), None).speaking(spoken);
    let encoded = reader.encode_turns(std::slice::from_ref(prompt), true)?.pop();
    let encoded = encoded.ok_or_else(|| lost("the prompt"))?;
    let most = play.limits().prompt_tokens;
    match &encoded.prompt {
        Prompt::Tokens(ids) if ids.len() > most => Err(PlayRefusal::wrong(
            format!("the prompt has {} tokens, more than {most}", ids.len()),
            "shorten it",
        )),
        _ => Ok(encoded),
    }
}

/// Reads both texts as `monitor` does, and sets the scales. None where the tokens are not known here.
fn colours(
    play: &Playground,
    settings: &Settings,
    encoded: &EncodedPrompt,
    rows: [Option<&Steered>; 2],
    ends: &RunEnd<'_>,
    tell: Tell<'_>,
) -> Result<Option<Colours>, PlayRefusal> {
    let Prompt::Tokens(prompt) = &encoded.prompt else {
        let text =
            "the tokenizer of this model is not at hand, so tokens can't be read one by one".to_owned();
        tell(Event::Warns { text });
        return Ok(None);
    };
    let whole = |row: &Steered| {
        let drawn = row.tokens.iter().filter_map(|t| u32::try_from(*t).ok());
        let tokens: Vec<u32> = prompt.iter().copied().chain(drawn).collect();
        NamedPrompt { said: Said::Placed(encoded.turns.clone()), ..NamedPrompt::tokens("text", tokens) }
    };
    let texts: Vec<NamedPrompt> = rows.into_iter().flatten().map(whole).collect();
    let chosen = settings.directions.iter().filter_map(|(i, _)| play.offered().get(*i));
    let directions: Vec<_> = chosen.flat_map(|o| o.watched()).collect();
    let (runner, seeds) = (play.runner(), Seeds::new(settings.seed));
    let watch = Writing::new(runner, tell, ends, None);
    let asked = AnalysisContext { reader: Reader::new(runner, None), seeds: &seeds, watch: &watch };
    let found =
        Monitor::run(&MonitorData { texts: &texts, directions: &directions }, &Params::default(), &asked)?;
    let along = |text: usize, d: usize| {
        found
            .texts
            .get(text)
            .into_iter()
            .flat_map(move |t| t.tokens.iter().skip(1).map(move |t| t.projection[d]))
    };
    let scale = |(d, of): (usize, &truenorth_analyses::monitor::DirectionProjections)| {
        let plain: Vec<f64> = along(0, d).collect();
        #[allow(clippy::cast_precision_loss)]
        let centre = plain.iter().sum::<f64>() / plain.len().max(1) as f64;
        let far: Vec<f64> =
            (0..found.texts.len()).flat_map(|t| along(t, d)).map(|v| (v - centre).abs()).collect();
        let reach = quantile(&far, WITHIN).unwrap_or(0.0);
        ColourScale { name: of.name.clone(), site: of.site.clone(), unit: of.unit.clone(), centre, reach }
    };
    let scales: Vec<ColourScale> = found.directions.iter().enumerate().map(scale).collect();
    let mut sides = Vec::new();
    for (text, named) in found.texts.iter().zip(&texts) {
        let Prompt::Tokens(ids) = &named.prompt else { continue };
        let shown = pieces(runner, ids)?;
        let one = |(t, piece): (&truenorth_analyses::monitor::Token, crate::event::ShownToken)| Projected {
            id: t.id,
            shown: piece.shown,
            step: t.projection.iter().zip(&scales).map(|(v, s)| step(*v, s)).collect(),
            projection: t.projection.clone(),
            cosine: t.cosine.clone(),
        };
        sides.push(text.tokens.iter().zip(shown).map(one).collect());
    }
    let mut sides = sides.into_iter();
    let plain: Vec<Projected> = sides.next().unwrap_or_default();
    Ok(Some(Colours {
        directions: scales,
        plain,
        steered: sides.next().unwrap_or_default(),
        given: prompt.len(),
    }))
}

fn step(value: f64, scale: &ColourScale) -> i8 {
    if scale.reach <= 0.0 {
        return 0;
    }
    #[allow(clippy::cast_possible_truncation, reason = "it is from -4 to 4")]
    let step = ((value - scale.centre) / scale.reach * STEPS).round().clamp(-STEPS, STEPS) as i8;
    step
}

pub(crate) fn lost(what: &str) -> PlayRefusal {
    PlayRefusal::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        format!("{what} did not come back: a fault of the program"),
    )
}

impl Playground {
    /// What is done to the model at these doses.
    pub(crate) fn dose(&self, settings: &Settings, alphas: Vec<f64>) -> Dose {
        let chosen = settings.directions.iter().filter_map(|(i, c)| Some((self.offered().get(*i)?, *c)));
        Dose {
            pushes: chosen.flat_map(|(offered, c)| offered.pushes(c)).collect(),
            positions: settings.positions,
            alphas,
            unit: self.unit(),
            ablate: settings.ablate,
            schedule: Schedule::default(),
            when: None,
        }
    }
}
