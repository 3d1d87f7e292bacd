//! What a playground is: a model, directions, and who may ask what.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;
use truenorth_analyses::steer::{self, DAMAGING, Damage};
use truenorth_protocol::Site;
use truenorth_protocol::hash::sha256_hex;
use truenorth_protocol::run::Runner;
use truenorth_reading::{ChatChoice, NamedPrompt, Reader, Speech, Spoken};

use crate::event::Dosed;
use crate::guard::Hosts;
use crate::lens::{Lens, lenses};
use crate::limits::PlayLimits;
use crate::offered::Offered;
use crate::queue::Queue;
use crate::refused::PlayRefusal;
use crate::run::{RunEnd, Tell, Writing, encoded};
use crate::settings::{Settings, Terms};

/// Tokens of either end of a direction's lens.
const TOKENS: usize = 12;
/// Measured doses that are remembered.
const REMEMBERED: usize = 256;
/// How many times the largest marked dose one may ask for.
const BEYOND: f64 = 10.0;

/// Model, directions, limits and addresses of a playground.
pub struct Setup {
    /// The model, here or elsewhere.
    pub runner: Arc<dyn Runner>,
    /// The directions to choose from; at least one.
    pub directions: Vec<Offered>,
    /// What α is measured in: `norm`, `absolute` or `raw`.
    pub unit: &'static str,
    /// The doses that the slider marks; empty for the usual ones.
    pub marks: Vec<f64>,
    /// How prompts go in where nothing else is asked; a template that is named here is that of every chat.
    pub speech: Speech,
    /// What the page begins with, over the defaults.
    pub start: Start,
    /// The most that is taken of visitors.
    pub limits: PlayLimits,
    /// The path that the routes are nested under, such as `/play`; empty for none.
    pub base: String,
    /// The pages that this one is a part of, to which it links.
    pub within: Option<Within>,
    /// The names by which the page may be reached.
    pub hosts: Hosts,
}

/// Pages that have a playground as a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// What they are called.
    pub title: String,
    /// The address of their first.
    pub href: String,
}

/// The settings that the page opens with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The prompt in the field.
    pub prompt: String,
    /// The most tokens to generate.
    pub max_new_tokens: u32,
    /// 0 is greedy.
    pub temperature: f64,
    /// Seeds the draws.
    pub seed: u64,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            prompt: "The most important thing in life is".into(),
            max_new_tokens: 48,
            temperature: 0.0,
            seed: 0,
        }
    }
}

/// A model, directions, and the line before the model.
pub struct Playground {
    setup: Setup,
    of: String,
    queue: Arc<Queue>,
    lens: OnceCell<Vec<Lens>>,
    measured: Mutex<MeasuredDamage>,
}

/// Doses that were measured, the oldest first.
#[derive(Default)]
struct MeasuredDamage {
    known: HashMap<(String, u64), Damage>,
    order: VecDeque<(String, u64)>,
}

impl Playground {
    /// A playground.
    ///
    /// # Errors
    /// When no direction is offered, or one at the logits, or its prompts could not go in as is asked.
    pub fn new(setup: Setup) -> Result<Self, PlayRefusal> {
        if setup.directions.is_empty() {
            return Err(PlayRefusal::wrong("no direction is offered", "name at least one"));
        }
        let members = setup.directions.iter().flat_map(|o| &o.members);
        if members.clone().any(|m| m.site == Site::Logits) {
            let message = format!(
                "a direction can't be used at {}, which has the width of the vocabulary",
                Site::Logits
            );
            return Err(PlayRefusal::wrong(message, "use directions of the residual stream"));
        }
        let info = setup.runner.info();
        let mut whole = format!("{} {} {}", info.name, info.revision, setup.unit);
        for offered in &setup.directions {
            whole.push_str(&offered.name);
            for member in &offered.members {
                whole.push_str(&format!(" {} {:?} {:?}", member.site, member.norm, member.vector));
            }
        }
        let of = sha256_hex(whole.as_bytes()).chars().take(12).collect();
        let queue = Queue::new(setup.limits.waiting, setup.limits.waiting_each);
        let play = Self { setup, of, queue, lens: OnceCell::new(), measured: Mutex::default() };
        play.spoken(&play.start())?;
        Ok(play)
    }

    pub(crate) fn runner(&self) -> &dyn Runner {
        self.setup.runner.as_ref()
    }

    pub(crate) fn limits(&self) -> &PlayLimits {
        &self.setup.limits
    }

    pub(crate) fn offered(&self) -> &[Offered] {
        &self.setup.directions
    }

    pub(crate) fn unit(&self) -> &'static str {
        self.setup.unit
    }

    pub(crate) fn base(&self) -> &str {
        &self.setup.base
    }

    pub(crate) fn within(&self) -> Option<&Within> {
        self.setup.within.as_ref()
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.setup.hosts
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// What model and directions this is, in a word that a link carries.
    pub(crate) fn of(&self) -> &str {
        &self.of
    }

    /// Whether there is a chat template to go by.
    pub(crate) fn chats(&self) -> bool {
        matches!(self.setup.speech.chat, ChatChoice::Named(_)) || self.runner().chat().is_some()
    }

    pub(crate) fn start(&self) -> Settings {
        let (start, speech) = (&self.setup.start, &self.setup.speech);
        Settings {
            prompt: start.prompt.clone(),
            directions: vec![(0, 1.0)],
            alpha: self.marks(&[(0, 1.0)]).last().copied().unwrap_or(0.0),
            positions: truenorth_protocol::WriteAt::All,
            ablate: false,
            chat: speech.chat.is_on(),
            system: speech.system.clone().unwrap_or_default(),
            max_new_tokens: start.max_new_tokens.min(self.limits().new_tokens),
            temperature: start.temperature,
            seed: start.seed,
        }
    }

    /// The settings of a form or a link; what it does not say is as the page begins.
    pub(crate) fn settings(&self, pairs: &[(String, String)]) -> Result<Settings, PlayRefusal> {
        if pairs.is_empty() {
            return Ok(self.start());
        }
        let marks = self.marks(&[(0, 1.0)]);
        let largest = marks.iter().fold(0.0, |most: f64, a| most.max(a.abs()));
        let alpha = if largest > 0.0 { largest * BEYOND } else { BEYOND };
        let terms = Terms { offered: self.offered(), limits: self.limits(), alpha };
        Settings::read(pairs, &self.start(), &terms)
    }

    /// The address of a page with these settings.
    pub(crate) fn link(&self, settings: &Settings) -> String {
        let home = if self.base().is_empty() { "/" } else { self.base() };
        format!("{home}?{}", settings.query(self.offered(), &self.of))
    }

    /// The doses that the slider marks for these directions, ascending.
    pub(crate) fn marks(&self, directions: &[(usize, f64)]) -> Vec<f64> {
        let mut marks = match self.setup.marks.is_empty() {
            false => self.setup.marks.clone(),
            true => {
                let mut sites: Vec<Site> = directions
                    .iter()
                    .filter_map(|(i, _)| self.offered().get(*i))
                    .flat_map(|o| o.members.iter().map(|m| m.site))
                    .collect();
                sites.sort_by_key(|s| s.order());
                sites.dedup();
                steer::usual_doses(sites.len())
            }
        };
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        marks
    }

    /// How prompts of these settings go in.
    pub(crate) fn spoken(&self, settings: &Settings) -> Result<Spoken, PlayRefusal> {
        let chat = match (&self.setup.speech.chat, settings.chat) {
            (_, false) => ChatChoice::Raw,
            (ChatChoice::Named(name), true) => ChatChoice::Named(name.clone()),
            (_, true) => ChatChoice::Own(true),
        };
        let system = Some(settings.system.clone()).filter(|s| settings.chat && !s.trim().is_empty());
        let speech = Speech { chat, system, special_tokens: self.setup.speech.special_tokens };
        Ok(speech.open(self.runner())?.0)
    }

    /// What the marked doses and the one that is asked for break on the prompt, ascending; what was measured before is remembered.
    pub(crate) fn doses(
        &self,
        settings: &Settings,
        ends: &RunEnd<'_>,
        tell: Tell<'_>,
    ) -> Result<Vec<Dosed>, PlayRefusal> {
        let mut alphas = self.marks(&settings.directions);
        alphas.push(settings.alpha);
        alphas.sort_by(f64::total_cmp);
        alphas.dedup();
        // All that a dose breaks depends on, and nothing else.
        let key = Settings { alpha: 0.0, temperature: 0.0, seed: 0, max_new_tokens: 1, ..settings.clone() };
        let key = key.query(self.offered(), &self.of);
        let known = |alpha: &f64| {
            let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
            measured.known.get(&(key.clone(), alpha.to_bits())).cloned()
        };
        let left: Vec<f64> = alphas.iter().copied().filter(|a| known(a).is_none()).collect();
        if !left.is_empty() {
            let spoken = self.spoken(settings)?;
            let prompt = NamedPrompt::text("prompt", settings.prompt.as_str());
            encoded(self, &spoken, &prompt)?;
            let reader = Reader::new(self.runner(), None).speaking(&spoken);
            let watch = Writing::new(self.runner(), tell, ends, None);
            let found = steer::damage(&reader, &[prompt], &self.dose(settings, left.clone()), &watch)?;
            let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
            for (alpha, damage) in left.iter().zip(found) {
                let entry = (key.clone(), alpha.to_bits());
                if measured.known.insert(entry.clone(), damage).is_none() {
                    measured.order.push_back(entry);
                }
            }
            while measured.order.len() > REMEMBERED {
                if let Some(oldest) = measured.order.pop_front() {
                    measured.known.remove(&oldest);
                }
            }
        }
        let one = |alpha: f64| {
            let damage = known(&alpha)?;
            Some(Dosed { alpha, damaging: damage.kl > DAMAGING, damage })
        };
        Ok(alphas.into_iter().filter_map(one).collect())
    }

    /// What each direction promotes and suppresses; computed once, when first asked for.
    ///
    /// # Errors
    /// When that fails, or the line before the model is full.
    pub async fn lens(self: &Arc<Self>) -> Result<&[Lens], PlayRefusal> {
        let compute = || async {
            let ticket = self.enter(None)?;
            ticket.turn(|_| {}).await;
            let play = self.clone();
            let work = move || {
                let _ticket = ticket;
                let each = play
                    .offered()
                    .iter()
                    .flat_map(|o| o.members.iter().map(|m| (o.name.clone(), m.site, &m.vector[..])));
                let directions: Vec<_> = each.collect();
                let gone = AtomicBool::new(false);
                let ends = RunEnd::new(&gone, Instant::now() + play.limits().run_time);
                let watch = Writing::new(play.runner(), &|_| {}, &ends, None);
                lenses(play.runner(), &directions, TOKENS, &watch).map_err(PlayRefusal::from)
            };
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(crate::run::lost("the tokens")))
        };
        self.lens.get_or_try_init(compute).await.map(Vec::as_slice)
    }

    /// The lens, where it is computed already.
    pub(crate) fn lens_ready(&self) -> Option<&[Lens]> {
        self.lens.get().map(Vec::as_slice)
    }
}
