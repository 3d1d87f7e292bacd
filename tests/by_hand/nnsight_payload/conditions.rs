//! Edits under conditions, of every kind, at every position, of prompts of one length and of several.

use super::*;

const EVERY: [WriteAt; 6] =
    [WriteAt::All, WriteAt::Prompt, WriteAt::Generated, WriteAt::Last, WriteAt::Index(1), WriteAt::Index(-2)];

pub(super) fn conditions(both: &mut Both) {
    let kinds = [
        Decides::Token,
        Decides::Prompt(ReadAt::Last),
        Decides::Prompt(ReadAt::Mean),
        Decides::Prompt(ReadAt::MeanSink),
        Decides::Prompt(ReadAt::Index(-2)),
    ];
    for (k, of) in kinds.into_iter().enumerate() {
        for (i, at) in EVERY.into_iter().enumerate() {
            let even = (i + k) % 2 == 0;
            both.agree(&format!("{of:?} decides of edits at {at}, even {even}"), |b, both| {
                one(b, both, (of, at), (i, even));
            });
        }
    }
    both.agree("a condition on a value that the group reads", |b, both| {
        let group = prompts(b, both);
        let early = b.read(group, Site::ResidPost(0), ReadAt::Last);
        let mean = b.mean(early, 0);
        let edit = Edit::Ablate { direction: mean };
        let write = b.write(group, Site::ResidPost(1), WriteAt::All, Steps::ALL, edit);
        b.when(group, Site::ResidMid(1), mean, (Decides::Token, 0.5), &[write]);
        let out = b.read(group, Site::Logits, ReadAt::All);
        b.save("out", out);
    });
}

fn one(b: &mut Builder, both: &Both, (of, at): (Decides, WriteAt), (seed, even): (usize, bool)) {
    let width = both.hidden();
    let group = match even {
        true => b.tokens(vec![vec![5, 9, 11, 3], vec![7, 7, 2, 60], vec![1, 50, 8, 22]]),
        false => prompts(b, both),
    };
    let d = b.constant(direction(width, seed));
    let other = b.constant(direction(width, seed + 5));
    let vocab = b.constant(direction(both.engine.info().vocab as usize, seed));
    let doses: Vec<f64> = (0..if even { 3 } else { 4 }).map(|i| 1.5 - f64::from(i)).collect();
    let writes = [
        b.add(group, Site::ResidPost(0), at, Steps::ALL, d, &doses),
        b.write(group, Site::ResidMid(1), at, Steps::ALL, Edit::Scale { factor: 1.5 }),
        b.write(group, Site::MlpOut(2), at, Steps::ALL, Edit::Clamp { direction: d, min: -0.1, max: 0.1 }),
        b.add(group, Site::Logits, at, Steps::ALL, vocab, &[3.0]),
    ];
    b.when(group, Site::Embed, d, (of, 0.013), &writes);
    b.when(group, Site::ResidMid(1), other, (of, 0.017), &writes[2..]);
    let reads: Vec<_> = [Site::ResidPost(0), Site::ResidMid(1), Site::MlpOut(2), Site::Logits]
        .map(|site| (site, b.read(group, site, ReadAt::All)))
        .to_vec();
    let steps: Vec<_> = (1..5).map(|s| b.read_step(group, Site::ResidPost(2), ReadAt::Last, s)).collect();
    let tokens = b.generate(group, Sampling::greedy(6));
    let p = b.node(Op::GeneratedLogProb { generate: tokens });
    b.save("tokens", tokens);
    b.save("p", p);
    for (site, id) in reads {
        b.save(format!("{site}"), id);
    }
    for (s, id) in steps.into_iter().enumerate() {
        b.save(format!("step {s}"), id);
    }
}
