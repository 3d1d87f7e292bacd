//! Reads and edits.

use super::*;

/// Against transformers' own numbers.
pub(super) fn references(both: &mut Both) {
    let sites: Vec<Site> = Site::all(both.engine.info().layers).collect();
    let mut b = Builder::new();
    let group = b.tokens(both.reference.tokens("prompts"));
    for site in &sites {
        let read = b.read(group, *site, ReadAt::All);
        b.save(site.to_string(), read);
    }
    let answer = both.send("every site", b.finish(), DType::F32);
    for site in sites {
        let got = answer.tensor(&site.to_string()).unwrap().to_f32().unwrap();
        let far = relative(&got, &both.reference.tensor(&site.to_string()));
        assert!(far < 1e-4, "{} {site}: {far:e}", both.name);
        both.worst = both.worst.max(far);
    }
    for (key, steered) in [("greedy", false), ("steered_greedy", true)] {
        let mut b = Builder::new();
        let group = b.tokens(both.reference.tokens("prompts"));
        if steered {
            let json = &both.reference.json["steering"];
            let d = b.constant(Tensor::vector(&both.reference.tensor("direction")));
            let site = json["site"].as_str().unwrap().parse().unwrap();
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[json["alpha"].as_f64().unwrap()]);
        }
        let tokens = b.generate(group, Sampling::greedy(32));
        b.save("tokens", tokens);
        let answer = both.send(key, b.finish(), DType::F32);
        let want: Vec<i64> = both.reference.tokens(key).concat().into_iter().map(i64::from).collect();
        assert_eq!(answer.tensor("tokens").unwrap().to_i64().unwrap(), want, "{} {key}", both.name);
    }
}

pub(super) fn reads(both: &mut Both) {
    for at in [
        ReadAt::Last,
        ReadAt::Mean,
        ReadAt::MeanSink,
        ReadAt::Sinks,
        ReadAt::Index(1),
        ReadAt::Index(-2),
        ReadAt::All,
    ] {
        for early in [false, true] {
            both.agree(&format!("read {at} early {early}"), |b, both| {
                let group = prompts(b, both);
                for site in Site::all(both.engine.info().layers) {
                    if !early || site.layer() == Some(1) {
                        let read = b.read(group, site, at);
                        b.save(site.to_string(), read);
                    }
                }
            });
        }
        // All of one length: no padding, other text.
        both.agree(&format!("read {at} even"), |b, both| {
            let group = b.tokens(vec![vec![5, 9, 11, 3], vec![7, 7, 2, 60]]);
            for site in Site::all(both.engine.info().layers) {
                let read = b.read(group, site, at);
                b.save(site.to_string(), read);
            }
        });
    }
}

/// Tokens made into sinks, which a mean leaves out: the first of every prompt, and one that stands alone.
pub(super) fn sinks(both: &mut Both) {
    for even in [false, true] {
        both.agree(&format!("means beside sinks, even {even}"), |b, both| {
            let group = match even {
                true => b.tokens(vec![vec![5, 9, 11, 3], vec![7, 7, 2, 60]]),
                false => prompts(b, both),
            };
            for site in [Site::ResidPost(0), Site::Logits] {
                b.write(group, site, WriteAt::Index(0), Steps::ALL, Edit::Scale { factor: 50.0 });
                for at in [ReadAt::Mean, ReadAt::MeanSink, ReadAt::Sinks] {
                    let read = b.read(group, site, at);
                    b.save(format!("{site} {at}"), read);
                }
            }
        });
    }
}

pub(super) fn edits(both: &mut Both) {
    let width = both.hidden();
    let sites: Vec<Site> = Site::all(both.engine.info().layers).collect();
    let vocab = both.engine.info().vocab as usize;
    for at in [WriteAt::All, WriteAt::Prompt, WriteAt::Last, WriteAt::Index(1), WriteAt::Index(-2)] {
        both.agree(&format!("every edit at {at}"), |b, both| {
            // A group a site, so that each edit is seen by itself.
            for (s, site) in sites.iter().enumerate() {
                let width = if *site == Site::Logits { vocab } else { width };
                let group = prompts(b, both);
                let before = b.read(group, *site, ReadAt::All);
                let d = b.constant(direction(width, s));
                let rows = b.constant(matrix(4, width, s));
                let unit = b.constant(Tensor::scalar(0.7));
                let edit = match s % 8 {
                    0 => Edit::Add { direction: d, alpha: vec![1.5], unit: AlphaUnit::Absolute },
                    1 => Edit::Add {
                        direction: d,
                        alpha: vec![0.5, -1.0, 0.0, 2.0],
                        unit: AlphaUnit::Norm(unit),
                    },
                    2 => Edit::Add { direction: rows, alpha: vec![1.0], unit: AlphaUnit::Absolute },
                    3 => Edit::Ablate { direction: d },
                    4 => Edit::Set { value: d },
                    5 => Edit::Set { value: rows },
                    6 => Edit::Scale { factor: -0.75 },
                    _ => Edit::Clamp { direction: d, min: f64::NEG_INFINITY, max: 0.1 },
                };
                b.write(group, *site, at, Steps::ALL, edit);
                let after = b.read(group, *site, ReadAt::All);
                let out = b.read(group, Site::Logits, ReadAt::All);
                let p = b.node(Op::PromptLogProb { logits: out });
                for (name, id) in [("before", before), ("after", after), ("logits", out), ("p", p)] {
                    b.save(format!("{site} {name}"), id);
                }
            }
        });
    }
    both.agree("many edits at one place", |b, both| {
        let group = prompts(b, both);
        let d = b.constant(direction(width, 1));
        for site in [
            Site::Embed,
            Site::ResidPre(0),
            Site::AttnOut(1),
            Site::ResidMid(1),
            Site::MlpOut(1),
            Site::ResidPost(1),
            Site::ResidPre(2),
            Site::FinalNorm,
        ] {
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[0.3]);
            b.write(group, site, WriteAt::Last, Steps::ALL, Edit::Scale { factor: 1.25 });
            b.write(
                group,
                site,
                WriteAt::Prompt,
                Steps::ALL,
                Edit::Clamp { direction: d, min: -0.5, max: 0.5 },
            );
        }
        let last = b.read(group, Site::Logits, ReadAt::Last);
        b.write(group, Site::Logits, WriteAt::Index(2), Steps::ALL, Edit::Scale { factor: 3.0 });
        let changed = b.read(group, Site::Logits, ReadAt::Last);
        b.save("last", last);
        b.save("changed", changed);
    });
    both.agree("edits that reads of the same group make", |b, both| {
        let group = prompts(b, both);
        let early = b.read(group, Site::ResidPost(0), ReadAt::Last);
        let mean = b.mean(early, 0);
        let norms = b.norm(early);
        let norm = b.mean(norms, 0);
        let unit = b.unary(Unary::Unit, mean);
        let edit = Edit::Add { direction: unit, alpha: vec![0.5], unit: AlphaUnit::Norm(norm) };
        b.write(group, Site::ResidMid(1), WriteAt::All, Steps::ALL, edit);
        b.write(group, Site::ResidPost(1), WriteAt::Index(0), Steps::ALL, Edit::Set { value: early });
        b.write(group, Site::MlpOut(2), WriteAt::Last, Steps::ALL, Edit::Ablate { direction: mean });
        let out = b.read(group, Site::Logits, ReadAt::All);
        let p = b.node(Op::PromptLogProb { logits: out });
        b.save("out", out);
        b.save("p", p);
        b.save("norm", norm);
    });
}
