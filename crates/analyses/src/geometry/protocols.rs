//! The same texts read in several ways: at the last token, by mean, by maximum over tokens, raw and in the chat format.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array1, Array2};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use truenorth_protocol::graph::SINK_MULTIPLE;
use truenorth_protocol::run::Watch;
use truenorth_protocol::{ReadAt, Site};
use truenorth_reading::stat::{self, Number, jackknife};
use truenorth_reading::{AnalysisError, ChatChoice, NamedPrompt, Reader, Speech, Spoken};
use truenorth_stats::estimate::CheckedEstimator;
use truenorth_stats::math::{self, MathError, Seeds};

use super::fit::CategoryContrast;

/// A way to read a text: how it is put before the model, and which of its tokens count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// In the chat format, or raw; none for as all else is read.
    pub chat: Option<bool>,
    /// The tokens; none for the maximum over them.
    pub at: Option<ReadAt>,
}

impl FromStr for Protocol {
    type Err = AnalysisError;

    /// `last`, `mean`, `mean+sink`, `max` or an index, with `raw:` or `chat:` before it.
    fn from_str(text: &str) -> Result<Self, AnalysisError> {
        let (chat, at) = match text.split_once(':') {
            Some(("raw", at)) => (Some(false), at),
            Some(("chat", at)) => (Some(true), at),
            _ => (None, text),
        };
        if at == "max" {
            return Ok(Self { chat, at: None });
        }
        match at.parse::<ReadAt>() {
            Ok(at) if !at.by_token() => Ok(Self { chat, at: Some(at) }),
            _ => Err(AnalysisError::Input(format!(
                "protocol `{text}`; expected last, mean, mean+sink, max or an index, with raw: or chat: before it where \
                 wanted, such as chat:last"
            ))),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chat {
            Some(true) => f.write_str("chat:")?,
            Some(false) => f.write_str("raw:")?,
            None => {}
        }
        match self.at {
            Some(at) => at.fmt(f),
            None => f.write_str("max"),
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Protocol {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

/// Texts read in one way.
#[derive(Clone, Debug)]
pub struct ProtocolReading {
    /// The way.
    pub protocol: Protocol,
    /// The activations, `[texts, width]`.
    pub values: Array2<f64>,
    /// Tokens of all texts that were left out as attention sinks; none of a way that leaves none out.
    pub left_out: Option<u64>,
}

impl Protocol {
    /// Texts read in this way.
    ///
    /// # Errors
    /// When the model has no chat template, or the reading fails.
    pub fn read(
        self,
        reader: &Reader<'_>,
        prompts: &[NamedPrompt],
        site: Site,
        watch: &dyn Watch,
    ) -> Result<ProtocolReading, AnalysisError> {
        let spoken = match self.chat {
            None => None,
            // As the reader's own format has it, where it has one.
            Some(true) if reader.spoken().is_some_and(Spoken::is_chat) => None,
            Some(false) => Some(Spoken::raw()),
            Some(true) => {
                let speech = Speech { chat: ChatChoice::Own(true), ..Speech::default() };
                Some(speech.open(reader.runner()).map_err(|e| self.no_template(e))?.0)
            }
        };
        let reader = spoken.as_ref().map_or(*reader, |s| reader.speaking(s));
        let Some(at) = self.at else {
            let (values, left_out) = maxima(&reader, prompts, site, watch)?;
            return Ok(ProtocolReading { protocol: self, values, left_out: Some(left_out) });
        };
        let lost = || AnalysisError::Answer { name: site.to_string(), prompts: prompts.len() };
        let reading = reader.read(prompts, &[site], at, watch)?.into_iter().next().ok_or_else(lost)?;
        let left_out = at.left_out().map(|_| reading.left_out.iter().map(|n| u64::from(*n)).sum());
        Ok(ProtocolReading { protocol: self, values: reading.values.mapv(f64::from), left_out })
    }

    /// A refused template, with what to do about it here, where no `--chat` need have been given.
    fn no_template(self, error: AnalysisError) -> AnalysisError {
        match error {
            AnalysisError::Asked { what, .. } => AnalysisError::Asked {
                what: format!("the protocol {self} (--protocols): {what}"),
                remedy: "leave protocols with chat: out, or name a markup for them and all else, as in --chat=chatml"
                    .into(),
            },
            other => other,
        }
    }
}

/// Of each text the largest value over its tokens, a coordinate at a time; attention sinks are left out as by `mean`, and
/// counted.
fn maxima(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    site: Site,
    watch: &dyn Watch,
) -> Result<(Array2<f64>, u64), AnalysisError> {
    let mut left_out = 0;
    let lost = || AnalysisError::Answer { name: site.to_string(), prompts: prompts.len() };
    let reading = reader.read(prompts, &[site], ReadAt::All, watch)?.into_iter().next().ok_or_else(lost)?;
    let mut out = Array2::from_elem((reading.rows.len(), reading.values.ncols()), f64::NEG_INFINITY);
    let mut start = 0;
    for (mut to, n) in out.outer_iter_mut().zip(&reading.rows) {
        let rows = start..start + n;
        start += n;
        let norm = |r: usize| math::norm(reading.values.row(r).mapv(f64::from).view());
        let mut norms: Vec<f64> = rows.clone().map(norm).collect();
        norms.sort_by(f64::total_cmp);
        let median = norms.get((norms.len().max(1) - 1) / 2).copied().ok_or_else(lost)?;
        for r in rows {
            if norm(r) <= SINK_MULTIPLE * median {
                to.zip_mut_with(&reading.values.row(r), |a, b| *a = a.max(f64::from(*b)));
            } else {
                left_out += 1;
            }
        }
    }
    Ok((out, left_out))
}

/// The angle between the directions of two protocols.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProtocolAngle {
    /// The protocol of one direction.
    pub a: Protocol,
    /// The protocol of the other.
    pub b: Protocol,
    /// The category that both directions are of.
    pub category: String,
    /// Cosine of the two directions of the same texts.
    pub cosine: Number,
    /// The angle between them, in degrees.
    pub degrees: f64,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high: Option<f64>,
}

/// How many tokens a protocol left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProtocolLeftOut {
    /// The protocol.
    pub protocol: Protocol,
    /// Tokens of all texts, attention sinks by their norm.
    pub tokens: u64,
}

/// Directions of the same texts, read in several ways.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Protocols {
    /// The checkpoint that was read, the last one.
    pub checkpoint: String,
    /// The protocols, in the order asked for.
    pub protocols: Vec<Protocol>,
    /// How many tokens those that leave attention sinks out, `mean` and `max`, left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<ProtocolLeftOut>,
    /// Every two of them, category by category.
    pub angles: Vec<ProtocolAngle>,
}

/// Directions by protocol.
pub(super) fn angles(
    checkpoint: &str,
    read: &[ProtocolReading],
    contrasts: &[CategoryContrast],
    estimator: &CheckedEstimator,
    seeds: &Seeds,
) -> Result<Protocols, AnalysisError> {
    let mut angles = vec![];
    for contrast in contrasts {
        let named = |e: MathError| stat::of(&contrast.name, &e);
        // All texts, then without each fold.
        let fitted: Vec<Vec<Array1<f64>>> = read
            .iter()
            .map(|r| {
                let kept = contrast.fit(&r.values, estimator, &seeds.child(&contrast.name))?;
                Ok(std::iter::once(kept.direction).chain(kept.without).collect())
            })
            .collect::<Result<_, AnalysisError>>()?;
        for (i, a) in read.iter().enumerate() {
            for (j, b) in read.iter().enumerate().skip(i + 1) {
                let cosines: Vec<f64> = fitted[i]
                    .iter()
                    .zip(&fitted[j])
                    .map(|(a, b)| math::cosine(a.view(), b.view()))
                    .collect::<Result<_, _>>()
                    .map_err(named)?;
                let cosine = jackknife(cosines[0], &cosines[1..], [-1.0, 1.0]);
                let degrees = |c: f64| c.clamp(-1.0, 1.0).acos().to_degrees();
                angles.push(ProtocolAngle {
                    a: a.protocol,
                    b: b.protocol,
                    category: contrast.name.clone(),
                    degrees: degrees(cosine.value),
                    low: cosine.interval.map(|i| degrees(i.high)),
                    high: cosine.interval.map(|i| degrees(i.low)),
                    cosine,
                });
            }
        }
    }
    Ok(Protocols {
        checkpoint: checkpoint.to_owned(),
        protocols: read.iter().map(|r| r.protocol).collect(),
        left_out: read
            .iter()
            .filter_map(|r| Some(ProtocolLeftOut { protocol: r.protocol, tokens: r.left_out? }))
            .collect(),
        angles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_written_as_they_are_read() {
        for text in ["last", "mean", "mean+sink", "max", "-3", "raw:max", "chat:last"] {
            assert_eq!(text.parse::<Protocol>().unwrap().to_string(), text);
        }
        for bad in ["all", "loud:last", "chat:", "maximum"] {
            let e = bad.parse::<Protocol>().unwrap_err().to_string();
            assert!(e.contains(&format!("`{bad}`")) && e.contains("chat:last"), "{e}");
        }
    }

    #[test]
    fn what_leaves_sinks_out_counts_them() {
        use crate::fixture::{Tiny, named};
        use truenorth_protocol::run::Unwatched;

        let (tiny, site) = (Tiny::open(), Site::ResidPost(1));
        let prompts = named(&["the old hat", "an old tin on a shelf", "a cat"]);
        let reader = Reader::new(&tiny, None);
        let all = reader.read(&prompts, &[site], ReadAt::All, &Unwatched).unwrap().remove(0);
        let norms: Vec<f64> =
            all.values.outer_iter().map(|row| math::norm(row.mapv(f64::from).view())).collect();
        let (mut start, mut beyond) = (0, 0);
        for n in &all.rows {
            let own = &norms[start..start + n];
            start += n;
            let mut sorted = own.to_vec();
            sorted.sort_by(f64::total_cmp);
            let median = sorted[(sorted.len() - 1) / 2];
            beyond += own.iter().filter(|norm| **norm > SINK_MULTIPLE * median).count() as u64;
        }
        for (text, expected) in [
            ("raw:last", None),
            ("raw:mean+sink", None),
            ("raw:mean", Some(beyond)),
            ("raw:max", Some(beyond)),
        ] {
            let protocol: Protocol = text.parse().unwrap();
            let read = protocol.read(&reader, &prompts, site, &Unwatched).unwrap();
            assert_eq!((read.protocol, read.left_out), (protocol, expected), "{text}");
        }
        let Err(e) = "chat:last".parse::<Protocol>().unwrap().read(&reader, &prompts, site, &Unwatched)
        else {
            panic!("the model has a template");
        };
        let hint = e.hint().unwrap_or_default();
        assert!(hint.contains("protocols with chat:") && !hint.contains("without --chat"), "{hint}");
    }
}
