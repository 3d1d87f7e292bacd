//! The flags that decide where and how models are opened, as the record of a study's run has them.

use serde::{Deserialize, Serialize};
use truenorth::engine::Transformers;

use super::args::{
    Common, JOBS_AT_ONCE, ModelArgs, Numerics, On, Place, Precision, Reading, Service, SpeechArgs,
};
use super::output::wrong;

/// These flags. Keys of services, folders and what only shows are none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Opening {
    on: String,
    host: Option<String>,
    config: Option<String>,
    reply_dtype: Precision,
    dtype: Option<Precision>,
    keep_quantized: bool,
    transformers: String,
    accept_config_key: Vec<String>,
}

impl From<&ModelArgs> for Opening {
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

impl Opening {
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
            place: Place {
                on: on.parse()?,
                service: Service {
                    host: self.host,
                    config: self.config,
                    reply_dtype: self.reply_dtype,
                    jobs_at_once: JOBS_AT_ONCE,
                    ..Service::default()
                },
            },
            seed,
            // The study itself says how texts go in.
            speech: SpeechArgs { of_study: true, ..SpeechArgs::default() },
            common,
            numerics: Numerics {
                dtype: self.dtype,
                keep_quantized: self.keep_quantized,
                threads: None,
                reading: Reading { transformers, accept_config_key: self.accept_config_key },
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
        let given = Opening {
            on: "ndif".into(),
            host: Some("http://127.0.0.1:1".into()),
            config: Some("architectures".into()),
            reply_dtype: Precision::Bf16,
            dtype: Some(Precision::F16),
            keep_quantized: true,
            transformers: "4.57".into(),
            accept_config_key: vec!["speed".into()],
        };
        for opening in
            [given, Opening { on: "local".into(), transformers: "5.23".into(), ..Opening::default() }]
        {
            let written = serde_json::to_value(&opening).unwrap();
            let read: Opening = serde_json::from_value(written).unwrap();
            assert_eq!(Opening::from(&read.args("m", 3, common()).unwrap()), opening);
        }
        let args = Opening::default().args("m", 3, common()).unwrap();
        assert_eq!((args.place.on, args.seed), (On::Local, 3));
        let later = Opening { transformers: "9.9".into(), ..Opening::default() };
        assert!(later.args("m", 3, common()).unwrap_err().to_string().contains("9.9"));
    }
}
