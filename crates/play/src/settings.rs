//! What is asked: read from a form or a link, checked, and written back as a link.

use axum::http::StatusCode;
use truenorth_protocol::WriteAt;

use crate::limits::PlayLimits;
use crate::offered::Offered;
use crate::refused::PlayRefusal;

/// What one run is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The prompt, as it was typed.
    pub prompt: String,
    /// The directions, by their place among those offered, each with how much of the dose it gets.
    pub directions: Vec<(usize, f64)>,
    /// The dose, in the unit of the playground; 0 adds nothing.
    pub alpha: f64,
    /// The tokens that are steered.
    pub positions: WriteAt,
    /// Whether the directions are ablated before anything is added.
    pub ablate: bool,
    /// Whether the prompt goes in by a chat template.
    pub chat: bool,
    /// A system turn before the prompt; in chats alone.
    pub system: String,
    /// The most tokens to generate.
    pub max_new_tokens: u32,
    /// 0 is greedy.
    pub temperature: f64,
    /// Seeds the draws.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub offered: &'a [Offered],
    pub limits: &'a PlayLimits,
    pub alpha: f64,
}

/// Settings that appear once.
const SINGLE: [&str; 9] =
    ["prompt", "alpha", "positions", "ablate", "chat", "system", "max-new-tokens", "temperature", "seed"];

/// The start of the names of coefficients.
const COEFFICIENT: &str = "coefficient-";

/// What a link says beside the settings: of which model and directions it is, and that it runs at once.
pub(crate) const OF: &str = "of";
pub(crate) const RUN: &str = "run";

impl Settings {
    /// The settings of a form or a link, over others for what it does not say. Boxes that are not ticked are not said.
    pub(crate) fn read(
        pairs: &[(String, String)],
        base: &Self,
        terms: &Terms<'_>,
    ) -> Result<Self, PlayRefusal> {
        let mut read = Self { directions: vec![], ablate: false, chat: false, ..base.clone() };
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in pairs {
            if SINGLE.contains(&key.as_str()) {
                if seen.contains(&key.as_str()) {
                    return Err(wrong(format!("`{key}` is given twice"), "give it once"));
                }
                seen.push(key);
            }
            read.take(key, value, terms)?;
        }
        for (key, value) in pairs {
            let Some(name) = key.strip_prefix(COEFFICIENT) else { continue };
            let place = place(name, terms)?;
            let coefficient = number(&format!("the coefficient of {name}"), value, "1 or -0.5")?;
            // Of a direction that is not chosen it says nothing.
            for own in read.directions.iter_mut().filter(|(i, _)| *i == place) {
                own.1 = coefficient;
            }
        }
        read.check(terms)?;
        Ok(read)
    }

    fn take(&mut self, key: &str, value: &str, terms: &Terms<'_>) -> Result<(), PlayRefusal> {
        let on = |value: &str| match value {
            "on" | "1" | "true" => Ok(true),
            "" | "0" | "off" | "false" => Ok(false),
            other => Err(wrong(format!("`{key}` is {}", quoted(other)), "give on, or leave it out")),
        };
        match key {
            "prompt" => self.prompt = lines(value),
            "system" => self.system = lines(value),
            "direction" => {
                let place = place(value, terms)?;
                if self.directions.iter().any(|(i, _)| *i == place) {
                    return Err(wrong(format!("the direction {value} is given twice"), "give it once"));
                }
                self.directions.push((place, 1.0));
            }
            "alpha" => self.alpha = number("α", value, "0.1 or -0.05")?,
            "positions" => {
                self.positions =
                    value.trim().parse().map_err(|e: truenorth_protocol::graph::UnknownPositions| {
                        wrong(e.to_string(), "choose all to steer every token")
                    })?;
            }
            "ablate" => self.ablate = on(value)?,
            "chat" => self.chat = on(value)?,
            "max-new-tokens" => self.max_new_tokens = whole("the number of new tokens", value)?,
            "temperature" => self.temperature = number("the temperature", value, "0 for greedy, or 0.8")?,
            "seed" => self.seed = whole("the seed", value)?,
            OF | RUN => {}
            key if key.starts_with(COEFFICIENT) => {}
            other => {
                let known = format!("{}, direction, {COEFFICIENT}NAME", SINGLE.join(", "));
                return Err(wrong(
                    format!("there is no setting {}", quoted(other)),
                    format!("known are {known}"),
                ));
            }
        }
        Ok(())
    }

    fn check(&self, terms: &Terms<'_>) -> Result<(), PlayRefusal> {
        let limits = terms.limits;
        let bytes = self.prompt.len() + self.system.len();
        if bytes > limits.prompt_bytes {
            let message =
                format!("prompt and system text have {bytes} bytes, more than {}", limits.prompt_bytes);
            return Err(PlayRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, message).hint("shorten them"));
        }
        if self.alpha.abs() > terms.alpha {
            return Err(wrong(
                format!("α {} is beyond {} of either sign", self.alpha, terms.alpha),
                "give a smaller dose; long before that nothing readable is left",
            ));
        }
        if self.temperature < 0.0 {
            return Err(wrong(
                format!("the temperature is {}", self.temperature),
                "give 0 for greedy, or more",
            ));
        }
        if self.max_new_tokens == 0 || self.max_new_tokens > limits.new_tokens {
            return Err(wrong(
                format!("{} new tokens are asked for", self.max_new_tokens),
                format!("give from 1 to {}", limits.new_tokens),
            ));
        }
        Ok(())
    }

    /// Refuses settings with which nothing could run.
    pub(crate) fn runnable(&self) -> Result<(), PlayRefusal> {
        if self.prompt.is_empty() {
            return Err(wrong("there is no prompt", "write one"));
        }
        if self.directions.is_empty() {
            return Err(wrong("no direction is chosen", "choose at least one"));
        }
        if !self.chat && !self.system.trim().is_empty() {
            return Err(wrong(
                "a system text is said in conversations alone",
                "tick the chat template, or empty the system text",
            ));
        }
        Ok(())
    }

    /// Whether the steered text could be another than the unsteered one.
    pub(crate) fn changes(&self) -> bool {
        self.ablate || (self.alpha != 0.0 && self.directions.iter().any(|(_, c)| *c != 0.0))
    }

    /// All settings as a query, in one order.
    pub(crate) fn query(&self, offered: &[Offered], of: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("prompt", &self.prompt);
        for (name, coefficient) in
            self.directions.iter().filter_map(|(i, c)| Some((&offered.get(*i)?.name, c)))
        {
            query.append_pair("direction", name);
            if *coefficient != 1.0 {
                query.append_pair(&format!("{COEFFICIENT}{name}"), &coefficient.to_string());
            }
        }
        query.append_pair("alpha", &self.alpha.to_string());
        query.append_pair("positions", &self.positions.to_string());
        if self.ablate {
            query.append_pair("ablate", "on");
        }
        if self.chat {
            query.append_pair("chat", "on");
        }
        if !self.system.is_empty() {
            query.append_pair("system", &self.system);
        }
        query.append_pair("max-new-tokens", &self.max_new_tokens.to_string());
        query.append_pair("temperature", &self.temperature.to_string());
        query.append_pair("seed", &self.seed.to_string());
        query.append_pair(OF, of);
        query.append_pair(RUN, "1");
        query.finish()
    }
}

pub(crate) fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> PlayRefusal {
    PlayRefusal::wrong(message, hint)
}

/// A form sends line breaks as two characters, which the model would see.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn quoted(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    format!("`{start}`")
}

fn place(name: &str, terms: &Terms<'_>) -> Result<usize, PlayRefusal> {
    terms.offered.iter().position(|o| o.name == name).ok_or_else(|| {
        let names: Vec<&str> = terms.offered.iter().map(|o| o.name.as_str()).collect();
        wrong(format!("there is no direction {}", quoted(name)), format!("there are {}", names.join(", ")))
    })
}

fn number(what: &str, text: &str, such: &str) -> Result<f64, PlayRefusal> {
    let found = text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    found.ok_or_else(|| wrong(format!("{what} is {}", quoted(text)), format!("give a number such as {such}")))
}

fn whole<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, PlayRefusal> {
    text.trim()
        .parse()
        .map_err(|_| wrong(format!("{what} is {}", quoted(text)), "give a whole number of at least 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Vec<Offered> {
        ["kind", "old & new"]
            .map(|n| Offered { name: n.into(), sign: String::new(), members: vec![] })
            .to_vec()
    }

    fn base() -> Settings {
        Settings {
            prompt: "Hello".into(),
            directions: vec![(0, 1.0)],
            alpha: 0.1,
            positions: WriteAt::All,
            ablate: false,
            chat: false,
            system: String::new(),
            max_new_tokens: 48,
            temperature: 0.0,
            seed: 0,
        }
    }

    fn read(query: &str) -> Result<Settings, PlayRefusal> {
        let (offered, limits) = (offered(), PlayLimits::default());
        Settings::read(
            &pairs(query.as_bytes()),
            &base(),
            &Terms { offered: &offered, limits: &limits, alpha: 2.0 },
        )
    }

    #[test]
    fn a_link_says_all_settings() {
        let asked = Settings {
            prompt: "a\n b&c=d +é\u{202e}".into(),
            directions: vec![(1, -0.5), (0, 1.0)],
            alpha: -0.05,
            positions: WriteAt::Index(-3),
            ablate: true,
            chat: true,
            system: "be brief".into(),
            max_new_tokens: 7,
            temperature: 0.7,
            seed: u64::MAX,
        };
        assert_eq!(read(&asked.query(&offered(), "abc")).unwrap(), asked);
        assert_eq!(read(&base().query(&offered(), "abc")).unwrap(), base());
        // What a form sends of line breaks is not what was typed.
        assert_eq!(read("prompt=a%0D%0Ab&direction=kind").unwrap().prompt, "a\nb");
    }

    #[test]
    fn what_is_no_setting_is_refused_with_its_value() {
        let long = format!("prompt={}", "a".repeat(9000));
        for (query, says) in [
            ("alpha=x", "`x`"),
            ("alpha=inf", "`inf`"),
            ("alpha=3", "α 3 is beyond 2"),
            ("alpha=1&alpha=2", "twice"),
            ("direction=kind&direction=kind", "twice"),
            ("direction=cruel", "`cruel`"),
            ("coefficient-cruel=1", "`cruel`"),
            ("direction=kind&coefficient-kind=", "the coefficient of kind is ``"),
            ("alhpa=1", "`alhpa`"),
            ("positions=middle", "middle"),
            ("max-new-tokens=0", "0 new tokens"),
            ("max-new-tokens=257", "257 new tokens"),
            ("max-new-tokens=-1", "`-1`"),
            ("temperature=-1", "-1"),
            ("temperature=nan", "`nan`"),
            ("seed=1.5", "`1.5`"),
            ("ablate=maybe", "`maybe`"),
            (&long, "9000 bytes"),
        ] {
            let refused = read(query).unwrap_err();
            assert!(refused.message.contains(says) && refused.hint.is_some(), "{query}: {refused:?}");
        }
        let idle = |s: Settings| s.runnable().unwrap_err().message;
        assert!(idle(read("alpha=1").unwrap()).contains("no direction"));
        assert!(idle(read("direction=kind&prompt=").unwrap()).contains("no prompt"));
        assert!(idle(read("direction=kind&system=x").unwrap()).contains("conversations"));
        assert!(!read("direction=kind&alpha=0").unwrap().changes());
        assert!(!read("direction=kind&coefficient-kind=0").unwrap().changes());
        assert!(read("direction=kind&alpha=0&ablate=on").unwrap().changes());
    }
}
