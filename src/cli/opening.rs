//! The flags that decide where and how models are opened, as the record of a study's run has them.

use serde::{Deserialize, Serialize};
use truenorth::engine::Transformers;

use super::args::{
    Common, JOBS_AT_ONCE, ModelArgs, NumericsArgs, On, PlaceArgs, PrecisionArg, ReadingArgs, ServiceArgs,
    SpeechArgs,
};
use super::output::wrong;

/// These flags. Keys of services, folders and what only shows are none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct OpeningFlags {
    on: String,
    host: Option<String>,
    config: Option<String>,
    reply_dtype: PrecisionArg,
    dtype: Option<PrecisionArg>,
    keep_quantized: bool,
    transformers: String,
    accept_config_key: Vec<String>,
}

impl From<&ModelArgs> for OpeningFlags {
    fn from(args: &ModelArgs) -> Self {
        let service = &args.place.service;
        Self {
            on: match &args.place.on {
                On::Local => "local".into(),
                On::Ndif => "ndif".into(),
                On::Url(url) => url.clone(),
            },
            host: service.host.clone(),
            config: service.config.clone(),
            reply_dtype: service.reply_dtype,
            dtype: args.numerics.dtype,
            keep_quantized: args.numerics.keep_quantized,
            transformers: args.numerics.reading.transformers.to_string(),
            accept_config_key: args.numerics.reading.accept_config_key.clone(),
        }
    }
}

impl OpeningFlags {
    /// The flags again, with those that a record does not hold.
    ///
    /// # Errors
    /// When one has a value that this version does not know.
    pub fn args(self, model: &str, seed: u64, common: Common) -> anyhow::Result<ModelArgs> {
        let on = if self.on.is_empty() { "local" } else { &self.on };
        let transformers = match self.transformers.as_str() {
            "" => Transformers::default(),
            version => version.parse().map_err(wrong)?,
        };
        Ok(ModelArgs {
            model: model.to_owned(),
            place: PlaceArgs {
                on: on.parse()?,
                service: ServiceArgs {
                    host: self.host,
                    config: self.config,
                    reply_dtype: self.reply_dtype,
                    jobs_at_once: JOBS_AT_ONCE,
                    ..ServiceArgs::default()
                },
            },
            seed,
            // The study itself says how texts go in.
            speech: SpeechArgs { of_study: true, ..SpeechArgs::default() },
            common,
            numerics: NumericsArgs {
                dtype: self.dtype,
                keep_quantized: self.keep_quantized,
                threads: None,
                reading: ReadingArgs { transformers, accept_config_key: self.accept_config_key },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_back_from_a_record() {
        let common = || Common {
            cache: None,
            no_cache: false,
            offline: true,
            quiet: true,
            dry_run: None,
            once: false,
        };
        let given = OpeningFlags {
            on: "ndif".into(),
            host: Some("http://127.0.0.1:1".into()),
            config: Some("architectures".into()),
            reply_dtype: PrecisionArg::Bf16,
            dtype: Some(PrecisionArg::F16),
            keep_quantized: true,
            transformers: "4.57".into(),
            accept_config_key: vec!["speed".into()],
        };
        for opening in [
            given,
            OpeningFlags { on: "local".into(), transformers: "5.23".into(), ..OpeningFlags::default() },
        ] {
            let written = serde_json::to_value(&opening).unwrap();
            let read: OpeningFlags = serde_json::from_value(written).unwrap();
            assert_eq!(OpeningFlags::from(&read.args("m", 3, common()).unwrap()), opening);
        }
        let args = OpeningFlags::default().args("m", 3, common()).unwrap();
        assert_eq!((args.place.on, args.seed), (On::Local, 3));
        let later = OpeningFlags { transformers: "9.9".into(), ..OpeningFlags::default() };
        assert!(later.args("m", 3, common()).unwrap_err().to_string().contains("9.9"));
    }
}
