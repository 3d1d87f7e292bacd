//! Tables that have keys of their own beside the parameters of an analysis.

use serde::de::{Error as _, MapAccess};
use serde::{Deserialize, Deserializer};

use super::beside::{self, TableWithParams};
use super::parts::{GeometryTable, JudgeTable, MonitorTable, SteerTable, SweepTable, TransferTable};
use crate::analyses::{geometry, judge, monitor, steer, sweep, transfer};

/// A name, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a name or a list of names")]
enum NameOrNames {
    One(String),
    Many(Vec<String>),
}

impl<'de> TableWithParams<'de> for SweepTable {
    type Params = sweep::Params;
    const OWN: &'static [&'static str] = &["estimator", "estimators", "keywords"];

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "estimator" | "estimators" if self.estimator.is_empty() => {
                self.estimator = match map.next_value()? {
                    NameOrNames::One(name) => vec![name],
                    NameOrNames::Many(names) => names,
                };
            }
            "estimator" | "estimators" => {
                return Err(A::Error::custom("`estimator` and `estimators` are one key; give one of them"));
            }
            _ => self.keywords = map.next_value()?,
        }
        Ok(())
    }

    fn with(self, params: sweep::Params) -> Self {
        Self { params, ..self }
    }
}

impl<'de> TableWithParams<'de> for SteerTable {
    type Params = steer::How;
    const OWN: &'static [&'static str] = &["alphas", "max_new_tokens", "prompts", "positions", "when"];

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "alphas" => self.alphas = map.next_value()?,
            "max_new_tokens" => self.max_new_tokens = map.next_value()?,
            "prompts" => self.prompts = map.next_value()?,
            "when" => self.when = Some(map.next_value()?),
            _ => self.positions = map.next_value::<String>()?.parse().map_err(serde::de::Error::custom)?,
        }
        Ok(())
    }

    fn with(self, how: steer::How) -> Self {
        Self { how, ..self }
    }
}

impl<'de> TableWithParams<'de> for MonitorTable {
    type Params = monitor::Params;
    const OWN: &'static [&'static str] = &["prompts"];

    fn take<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        self.prompts = Some(map.next_value()?);
        Ok(())
    }

    fn with(self, params: monitor::Params) -> Self {
        Self { params, ..self }
    }
}

impl<'de> TableWithParams<'de> for TransferTable {
    type Params = transfer::Params;
    const OWN: &'static [&'static str] = &["models"];

    fn take<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        self.models = map.next_value()?;
        Ok(())
    }

    fn with(self, params: transfer::Params) -> Self {
        Self { params, ..self }
    }
}

impl<'de> TableWithParams<'de> for GeometryTable {
    type Params = geometry::Params;
    const OWN: &'static [&'static str] =
        &["checkpoints", "protocols", "steer_into", "judge", "delete_fetched"];

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "checkpoints" => self.checkpoints = map.next_value()?,
            "protocols" => self.protocols = map.next_value()?,
            "judge" => self.judge = Some(map.next_value()?),
            "delete_fetched" => self.delete_fetched = map.next_value()?,
            _ => self.steer_into = map.next_value()?,
        }
        Ok(())
    }

    fn with(self, params: geometry::Params) -> Self {
        Self { params, ..self }
    }
}

impl<'de> TableWithParams<'de> for JudgeTable {
    type Params = judge::Params;
    const OWN: &'static [&'static str] = &["model", "questions"];

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "model" => self.model = map.next_value()?,
            _ => self.questions = map.next_value()?,
        }
        Ok(())
    }

    fn with(self, params: judge::Params) -> Self {
        Self { params, ..self }
    }
}

/// Each of these reads its own keys beside the parameters, and an error keeps its place in the file.
macro_rules! beside {
    ($($table:ty),*) => {$(
        impl<'de> Deserialize<'de> for $table {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                beside::read(d)
            }
        }
    )*};
}

beside!(SteerTable, MonitorTable, SweepTable, TransferTable, GeometryTable, JudgeTable);
