//! Graphs on the engine against transformers' numbers, for every family of `fixtures/families`.

use std::path::{Path, PathBuf};

use truenorth::engine::load::Kernels;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{Builder, Edit, GroupId, Op, Sampling, Steps};
use truenorth_protocol::{Answer, Prompt, ReadAt, Site, Tensor, Value, WriteAt};

use crate::support::{self, Reference, relative, relative_rows};

fn families() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families");
    let mut all: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("reference.json").exists())
        .collect();
    all.sort();
    assert!(all.len() >= 13, "{all:?}");
    all
}

fn engine(folder: &Path) -> Engine {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let options = EngineOptions { name, revision: "fixture".into(), ..EngineOptions::default() };
    Engine::open(folder, &options).unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
}

fn steer(b: &mut Builder, group: GroupId, r: &Reference) {
    let site: Site = r.json["steering"]["site"].as_str().unwrap().parse().unwrap();
    let alpha = r.json["steering"]["alpha"].as_f64().unwrap();
    let d = b.constant(Tensor::vector(&r.tensor("direction")));
    b.add(group, site, WriteAt::All, Steps::ALL, d, &[alpha]);
}

#[test]
fn every_site_of_every_family_is_that_of_transformers() {
    for folder in families() {
        let (engine, r) = (engine(&folder), Reference::of(&folder));
        let prompts = r.tokens("prompts");
        let rows: usize = prompts.iter().map(Vec::len).sum();
        let sites: Vec<Site> = Site::all(engine.info().layers).collect();
        let mut b = Builder::new();
        let group = b.tokens(prompts);
        for site in &sites {
            let read = b.read(group, *site, ReadAt::All);
            b.save(site.to_string(), read);
        }
        let answer = engine.ask(b.finish(), &Unwatched).unwrap();
        // Weights stored in 16 bits are the same numbers on both sides, but transformers computes
        // those references in f32, as we do.
        for site in sites {
            let got = answer.tensor(&site.to_string()).unwrap().to_f32().unwrap();
            let want = r.tensor(&site.to_string());
            let (all, row) = (relative(&got, &want), relative_rows(&got, &want, rows));
            assert!(all < 1e-4 && row < 2e-4, "{} {site}: {all:e}, worst row {row:e}", folder.display());
        }
    }
}

#[test]
fn greedy_tokens_of_every_family_are_those_of_transformers_steered_and_not() {
    for folder in families() {
        let (engine, r) = (engine(&folder), Reference::of(&folder));
        for (key, steered) in [("greedy", false), ("steered_greedy", true)] {
            let mut b = Builder::new();
            let group = b.tokens(r.tokens("prompts"));
            if steered {
                steer(&mut b, group, &r);
            }
            let tokens = b.generate(group, Sampling::greedy(32));
            b.save("tokens", tokens);
            let answer = engine.ask(b.finish(), &Unwatched).unwrap();
            let got = answer.tensor("tokens").unwrap().to_i64().unwrap();
            let want: Vec<i64> = r.tokens(key).concat().into_iter().map(i64::from).collect();
            assert_eq!(got, want, "{} {key}", folder.display());
        }
    }
}

#[test]
fn steered_logits_are_those_of_transformers() {
    for folder in families() {
        let (engine, r) = (engine(&folder), Reference::of(&folder));
        let mut b = Builder::new();
        let group = b.tokens(r.tokens("prompts"));
        steer(&mut b, group, &r);
        let logits = b.read(group, Site::Logits, ReadAt::All);
        b.save("logits", logits);
        let log_probs = b.node(Op::PromptLogProb { logits });
        b.save("log_probs", log_probs);
        let answer = engine.ask(b.finish(), &Unwatched).unwrap();
        let got = answer.tensor("logits").unwrap().to_f32().unwrap();
        let far = relative(&got, &r.tensor("steered_logits"));
        assert!(far < 1e-4, "{}: {far:e}", folder.display());
        assert!(answer.tensor("log_probs").unwrap().to_f32().unwrap().iter().all(|p| *p <= 0.0));
    }
}

/// Reads of all kinds, of these prompts in one graph: the values of each prompt.
fn read(engine: &Engine, prompts: &[Vec<u32>]) -> Vec<Vec<Vec<f32>>> {
    let mut b = Builder::new();
    let group = b.tokens(prompts.to_vec());
    let last = engine.info().layers - 1;
    let sites = [
        (Site::ResidMid(last - 1), ReadAt::All),
        (Site::ResidPost(last), ReadAt::Last),
        (Site::AttnOut(last), ReadAt::Mean),
        (Site::ResidPost(last - 1), ReadAt::Index(0)),
        (Site::Logits, ReadAt::Last),
    ];
    for (i, (site, at)) in sites.into_iter().enumerate() {
        let value = b.read(group, site, at);
        b.save(format!("{i}"), value);
    }
    by_prompt(&engine.ask(b.finish(), &Unwatched).unwrap(), prompts.len())
}

/// All numbers of an answer, prompt by prompt.
fn by_prompt(answer: &Answer, prompts: usize) -> Vec<Vec<Vec<f32>>> {
    let mut of_prompts = vec![Vec::new(); prompts];
    for value in answer.values.values() {
        let Value::Tensor { tensor, rows } = value else { panic!("numbers") };
        let all = tensor.to_f32().unwrap();
        let width = *tensor.shape().last().unwrap();
        let mut rest = &all[..];
        for (p, of_prompt) in of_prompts.iter_mut().enumerate() {
            let (head, tail) = rest.split_at(rows.as_ref().map_or(1, |r| r[p] as usize) * width);
            of_prompt.push(head.to_vec());
            rest = tail;
        }
    }
    of_prompts
}

/// Prompts of which most begin alike.
fn alike(vocab: u32) -> Vec<Vec<u32>> {
    let tokens = |from: u32, n: u32| (from..from + n).map(|t| (t * 7 + t / 5) % vocab).collect::<Vec<_>>();
    let long = tokens(3, 40);
    let mut prompts: Vec<Vec<u32>> =
        (0..5).map(|i| [long.clone(), tokens(50 + i, 1 + 4 * i)].concat()).collect();
    // One is the beginning of others, one is there twice, one begins like them and parts early, one is alone.
    prompts.extend([
        long[..12].to_vec(),
        prompts[2].clone(),
        [&long[..3], &tokens(90, 9)].concat(),
        tokens(120, 5),
    ]);
    prompts
}

/// Pushes each prompt its own way, reads around the push and generates; each prompt's numbers, those of what
/// it wrote last.
fn pushed(
    engine: &Engine,
    prompts: &[Vec<u32>],
    site: Site,
    at: WriteAt,
    alphas: &[f64],
) -> Vec<Vec<Vec<f32>>> {
    const NEW: u32 = 5;
    let mut b = Builder::new();
    let group = b.tokens(prompts.to_vec());
    let d: Vec<f32> = (0..engine.info().hidden).map(|i| if i % 3 == 0 { 0.3 } else { -0.1 }).collect();
    let d = b.constant(Tensor::vector(&d));
    b.add(group, site, at, Steps::ALL, d, alphas);
    let last = engine.info().layers - 1;
    let reads =
        [(Site::ResidPost(0), ReadAt::All), (site, ReadAt::Last), (Site::ResidPost(last), ReadAt::Mean)];
    for (i, (site, at)) in reads.into_iter().enumerate() {
        let value = b.read(group, site, at);
        b.save(format!("{i}"), value);
    }
    let generate = b.generate(group, Sampling::greedy(NEW));
    let logprobs = b.node(Op::GeneratedLogProb { generate });
    b.save("3", logprobs);
    by_prompt(&engine.ask(b.finish(), &Unwatched).unwrap(), prompts.len())
}

#[test]
fn prompts_that_begin_alike_and_are_pushed_apart_are_as_each_alone() {
    for folder in families() {
        for kernels in [Kernels::Best, Kernels::Candle] {
            let options = EngineOptions { kernels, ..EngineOptions::default() };
            let engine = Engine::open(&folder, &options).unwrap();
            let prompts = alike(engine.info().vocab);
            let alphas: Vec<f64> = (0..prompts.len()).map(|p| p as f64 - 3.0).collect();
            for (site, at) in [
                (Site::ResidPost(0), WriteAt::All),
                (Site::MlpOut(1), WriteAt::Last),
                (Site::FinalNorm, WriteAt::Generated),
            ] {
                let together = pushed(&engine, &prompts, site, at, &alphas);
                for (p, prompt) in prompts.iter().enumerate() {
                    let alone = pushed(&engine, std::slice::from_ref(prompt), site, at, &alphas[p..=p]);
                    assert_eq!(together[p].len(), 4);
                    for (got, want) in together[p].iter().zip(&alone[0]) {
                        let off = relative(got, want);
                        let name = folder.display();
                        assert!(off < 1e-5, "{name} {kernels:?} {site}: prompt {p} is off by {off:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_edit_past_the_last_read_changes_no_row_of_it() {
    for folder in families() {
        let engine = engine(&folder);
        let prompts = alike(engine.info().vocab);
        let alphas: Vec<f64> = (0..prompts.len()).map(|p| p as f64).collect();
        for last in [Site::Embed, Site::ResidPre(1), Site::AttnOut(1)] {
            let ask = |edited: bool| {
                let mut b = Builder::new();
                let group = b.tokens(prompts.clone());
                if edited {
                    let d = b.constant(Tensor::vector(&vec![1.0; engine.info().hidden as usize]));
                    b.add(group, Site::ResidPost(1), WriteAt::All, Steps::ALL, d, &alphas);
                }
                for (i, (site, at)) in
                    [(Site::Embed, ReadAt::All), (last, ReadAt::Last), (last, ReadAt::Index(1))]
                        .into_iter()
                        .enumerate()
                {
                    let value = b.read(group, site, at);
                    b.save(format!("{i}"), value);
                }
                by_prompt(&engine.ask(b.finish(), &Unwatched).unwrap(), prompts.len())
            };
            for (got, want) in ask(true).iter().flatten().zip(ask(false).iter().flatten()) {
                assert!(relative(got, want) < 1e-5, "{} {last}", folder.display());
            }
        }
    }
}

#[test]
fn prompts_that_begin_alike_read_as_each_alone() {
    for folder in families() {
        let engine = engine(&folder);
        let prompts = alike(engine.info().vocab);
        let together = read(&engine, &prompts);
        for (p, prompt) in prompts.iter().enumerate() {
            let alone = read(&engine, std::slice::from_ref(prompt));
            for (got, want) in together[p].iter().zip(&alone[0]) {
                assert_eq!(got.len(), want.len());
                let scale = want.iter().fold(0.0_f32, |m, v| m.max(v.abs())).max(1e-6);
                let off = got.iter().zip(want).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / scale;
                assert!(off < 1e-5, "{}: prompt {p} is off by {off:e}", folder.display());
            }
        }
    }
}

#[test]
fn a_read_is_the_same_whatever_is_read_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families/gpt2");
    for kernels in [Kernels::Best, Kernels::Candle] {
        let engine = Engine::open(&folder, &EngineOptions { kernels, ..EngineOptions::default() }).unwrap();
        let prompts = alike(engine.info().vocab);
        let read = |reads: &[(Site, ReadAt)]| -> Vec<Tensor> {
            let mut b = Builder::new();
            let group = b.tokens(prompts.clone());
            for (i, (site, at)) in reads.iter().enumerate() {
                let value = b.read(group, *site, *at);
                b.save(format!("{i}"), value);
            }
            let answer = engine.ask(b.finish(), &Unwatched).unwrap();
            (0..reads.len()).map(|i| answer.tensor(&format!("{i}")).unwrap().clone()).collect()
        };
        let sites: Vec<Site> = Site::all(engine.info().layers).collect();
        for full in sites.iter().map(|s| (*s, ReadAt::All)) {
            let alone = &read(&[full])[0];
            for last in sites.iter().map(|s| (*s, ReadAt::Last)) {
                let beside = &read(&[full, last])[0];
                assert_eq!(beside.shape(), alone.shape(), "{kernels:?} {full:?} beside {last:?}");
                let off = relative(&beside.to_f32().unwrap(), &alone.to_f32().unwrap());
                assert!(off < 1e-5, "{kernels:?} {full:?} beside {last:?} is off by {off:e}");
            }
        }
    }
}

/// A mean leaves out tokens whose norm is beyond the multiple of the lower median, wherever prompts share
/// their beginnings and whatever computes; a prompt of one token keeps it.
#[test]
fn means_leave_sinks_out_and_count_them() {
    let folder = families().into_iter().find(|f| f.ends_with("llama")).unwrap();
    let prompts =
        vec![vec![5_u32], vec![5, 9], vec![5, 9, 11, 3], vec![5, 9, 11, 3, 8], vec![5, 9, 11, 3, 8, 2]];
    for kernels in [Kernels::Best, Kernels::Candle] {
        let engine = Engine::open(&folder, &EngineOptions { kernels, ..EngineOptions::default() }).unwrap();
        let width = engine.info().hidden as usize;
        for edited in [false, true] {
            let mut b = Builder::new();
            let group = b.tokens(prompts.clone());
            let site = Site::ResidPost(1);
            if edited {
                b.write(group, site, WriteAt::Index(0), Steps::ALL, Edit::Scale { factor: 100.0 });
            }
            for at in [ReadAt::All, ReadAt::Mean, ReadAt::MeanSink, ReadAt::Sinks] {
                let read = b.read(group, site, at);
                b.save(at.to_string(), read);
            }
            let answer = engine.ask(b.finish(), &Unwatched).unwrap();
            let of = |name: &str| answer.tensor(name).unwrap().to_f32().unwrap();
            let (all, mean, every, sinks) = (of("all"), of("mean"), of("mean+sink"), of("sinks"));
            let mut rows = all.chunks(width);
            for (p, prompt) in prompts.iter().enumerate() {
                let tokens: Vec<&[f32]> = rows.by_ref().take(prompt.len()).collect();
                let average = |tokens: &[&[f32]]| -> Vec<f32> {
                    (0..width)
                        .map(|c| tokens.iter().map(|t| t[c]).sum::<f32>() / tokens.len() as f32)
                        .collect()
                };
                let out = usize::from(edited && prompt.len() > 1);
                assert_eq!(sinks[p], out as f32, "prompt {p}, edited {edited}");
                let part = |values: &[f32]| values[p * width..(p + 1) * width].to_vec();
                assert!(relative(&part(&mean), &average(&tokens[out..])) < 1e-5, "prompt {p}");
                assert!(relative(&part(&every), &average(&tokens)) < 1e-5, "prompt {p}");
            }
        }
    }
}

/// An overflow is blamed on its prompt, as its text begins, and not on a number of the batch.
#[test]
fn numbers_that_overflow_are_blamed_on_their_prompt() {
    let engine = Engine::open(Path::new(support::MODEL), &EngineOptions::default()).unwrap();
    let width = engine.info().hidden as usize;
    let mut b = Builder::new();
    let prompts = ["the old hat", "the old tin"].map(|text| Prompt::Text(text.into()));
    let g = b.group(prompts.to_vec());
    let d = b.constant(Tensor::vector(&vec![1.0_f32; width]));
    for _ in 0..2 {
        b.add(g, Site::ResidPost(0), WriteAt::All, Steps::ALL, d, &[0.0, 3e38]);
    }
    let read = b.read(g, Site::ResidPost(0), ReadAt::Last);
    b.save("x", read);
    let error = engine.ask(b.finish(), &Unwatched).unwrap_err();
    assert!(!error.is_request());
    let said = error.to_string();
    assert!(said.starts_with("the prompt `the old tin` makes `resid_post.0` inf at its token"), "{said}");
    assert!(error.hint().unwrap().contains("--alpha"), "{:?}", error.hint());
}
