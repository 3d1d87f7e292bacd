//! Golden folders, recording hooks, tiny untrained models.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use truenorth_protocol::Site;

use crate::Choices;
use crate::config::Config;
use crate::error::EngineError;
use crate::hooks::{Flow, Hooks, SiteActivation};
use crate::layout::{ActivationRow, Need, TokenBatch};
use crate::load::{LoadOptions, Source};
use crate::model::Model;
use crate::sample::Sampler;

pub(super) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families").join(name)
}

pub(super) fn load(name: &str) -> Model {
    load_as(name, &LoadOptions::default())
}

pub(super) fn load_as(name: &str, options: &LoadOptions) -> Model {
    let source = Arc::new(Source::open_folder(&folder(name)).unwrap());
    Model::load(&source, options, &Device::Cpu).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub(super) struct Reference {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) notes: Value,
}

impl Reference {
    pub(super) fn of(name: &str) -> Self {
        Self::at(&format!("families/{name}"))
    }

    pub(super) fn at(folder: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder);
        let tensors =
            candle_core::safetensors::load(path.join("reference.safetensors"), &Device::Cpu).unwrap();
        let notes = std::fs::read(path.join("reference.json")).unwrap();
        Self { tensors: tensors.into_iter().collect(), notes: serde_json::from_slice(&notes).unwrap() }
    }

    pub(super) fn lists(&self, key: &str) -> Vec<Vec<u32>> {
        serde_json::from_value(self.notes[key].clone()).unwrap()
    }

    pub(super) fn rows(&self, key: &str) -> Vec<Vec<f32>> {
        self.tensors[key].to_vec2().unwrap()
    }

    pub(super) fn steering(&self) -> Steer {
        let direction: Vec<f32> = self.tensors["direction"].to_vec1().unwrap();
        let alpha = self.notes["steering"]["alpha"].as_f64().unwrap();
        Steer {
            site: self.notes["steering"]["site"].as_str().unwrap().parse().unwrap(),
            #[allow(clippy::cast_possible_truncation)]
            vector: direction.iter().map(|d| (f64::from(*d) * alpha) as f32).collect(),
        }
    }
}

/// Adds a vector at every row of a site.
#[derive(Clone, Debug)]
pub(super) struct Steer {
    pub(super) site: Site,
    pub(super) vector: Vec<f32>,
}

/// Keeps every site it is asked for, and steers.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) sites: Vec<Site>,
    pub(super) steer: Option<Steer>,
    pub(super) got: BTreeMap<String, (Vec<ActivationRow>, Vec<Vec<f32>>)>,
    pub(super) order: Vec<Site>,
}

impl Recorder {
    pub(super) fn of(sites: impl IntoIterator<Item = Site>) -> Self {
        Self { sites: sites.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn steered(mut self, steer: &Steer) -> Self {
        self.steer = Some(steer.clone());
        self
    }

    pub(super) fn values(&self, site: Site) -> &[Vec<f32>] {
        &self.got[&site.to_string()].1
    }
}

impl Hooks for Recorder {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains(&site) || self.steer.as_ref().is_some_and(|s| s.site == site)
    }

    fn at(&mut self, site: Site, x: &mut SiteActivation<'_>) -> Result<Flow, EngineError> {
        if let Some(steer) = self.steer.as_ref().filter(|s| s.site == site) {
            x.edit(|_, values| {
                values.iter_mut().zip(&steer.vector).for_each(|(v, d)| *v += d);
                true
            })?;
        }
        self.order.push(site);
        let rows: Vec<usize> = (0..x.rows().len()).collect();
        let values = x.read(&rows)?.chunks(x.width()).map(<[f32]>::to_vec).collect();
        self.got.insert(site.to_string(), (x.rows().all().to_vec(), values));
        Ok(Flow::Continue)
    }
}

/// The largest difference over the largest value, of all rows together and of the worst row.
pub(super) fn relative(got: &[Vec<f32>], want: &[Vec<f32>]) -> (f64, f64) {
    assert_eq!(got.len(), want.len(), "rows");
    let max = |v: &mut dyn Iterator<Item = f64>| v.fold(0.0, f64::max);
    let size = |row: &[f32]| max(&mut row.iter().map(|x| f64::from(x.abs())));
    let off = |(a, b): (&Vec<f32>, &Vec<f32>)| {
        assert_eq!(a.len(), b.len(), "width");
        assert!(a.iter().all(|x| x.is_finite()));
        max(&mut a.iter().zip(b).map(|(x, y)| f64::from((x - y).abs())))
    };
    let all = max(&mut got.iter().zip(want).map(off)) / max(&mut want.iter().map(|r| size(r)));
    let row = max(&mut got.iter().zip(want).map(|p| off(p) / size(p.1)));
    (all, row)
}

/// Logits of every row of a batch, without a cache.
pub(super) fn logits(model: &Model, prompts: &[Vec<u32>], steer: Option<&Steer>) -> Vec<Vec<f32>> {
    let mut hooks = Recorder { steer: steer.cloned(), ..Recorder::default() };
    let batch = TokenBatch::of(prompts).unwrap();
    let logits = model.forward(&batch, None, &Need::all(Site::Logits), &mut hooks).unwrap();
    logits.unwrap().tensor.to_vec2().unwrap()
}

/// Greedy tokens of all prompts in one batch with a cache. Each prompt may end at a length of its own.
pub(super) fn generate(
    model: &Model,
    prompts: &[Vec<u32>],
    lengths: &[usize],
    steer: Option<&Steer>,
) -> Vec<Vec<u32>> {
    let mut cache = model.cache(prompts.len(), 3);
    let mut out = vec![Vec::new(); prompts.len()];
    let mut batch = TokenBatch::of(prompts).unwrap();
    while batch.rows() > 0 {
        let mut hooks = Recorder { steer: steer.cloned(), ..Recorder::default() };
        let step = model.forward(&batch, Some(&mut cache), &Need::next_token(), &mut hooks).unwrap();
        let step = step.unwrap();
        let values: Vec<Vec<f32>> = step.tensor.to_vec2().unwrap();
        batch = TokenBatch::new();
        for (row, values) in step.rows.all().iter().zip(&values) {
            let mut sampler = Sampler::new(0.0, 1.0, 0, 0).unwrap();
            let token = sampler.pick(values).unwrap().token;
            out[row.seq].push(token);
            if out[row.seq].len() < lengths[row.seq] {
                batch.push(row.seq, &[token]).unwrap();
            } else {
                cache.forget(row.seq);
            }
        }
    }
    out
}

/// A config of a family small enough for many random runs, with everything the family has.
pub(super) fn tiny(family: &str) -> Value {
    match family {
        "gpt2" => {
            json!({"model_type": "gpt2", "vocab_size": 53, "n_embd": 24, "n_layer": 3, "n_head": 3, "n_positions": 48})
        }
        "gpt_neox" => {
            json!({"model_type": "gpt_neox", "vocab_size": 53, "hidden_size": 24, "intermediate_size": 40,
            "num_hidden_layers": 3, "num_attention_heads": 3, "rotary_pct": 0.5, "max_position_embeddings": 48})
        }
        other => json!({"model_type": other, "vocab_size": 53, "hidden_size": 24, "intermediate_size": 40,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
            "sliding_window": if other == "llama" || other == "olmo2" || other.starts_with("qwen") { Value::Null } else { 5.into() },
            "max_position_embeddings": 48}),
    }
}

pub(super) fn untrained(config: &Value, seed: u64) -> Model {
    let mut config = Config::parse(config, &Choices::default()).unwrap();
    // Large enough that attention is far from uniform.
    config.init_std = 0.25;
    Model::random_init(config, seed, &LoadOptions::default(), &Device::Cpu).unwrap()
}
