use super::*;
use crate::graph::{CheckLimits, Edit, Steps};
use crate::prompt::{PromptFault, PromptProblem};
use crate::{Builder, ModelInfo, Tensor, WriteAt};

fn checked(build: impl FnOnce(&mut Builder)) -> CheckedGraph {
    let info = ModelInfo {
        name: "t".into(),
        revision: String::new(),
        family: "llama".into(),
        layers: 4,
        hidden: 2,
        vocab: 300,
        context: 64,
        path: String::new(),
    };
    let mut b = Builder::new();
    build(&mut b);
    b.finish().check(&info, &CheckLimits::default()).unwrap()
}

fn nodes(plan: &GroupPlan<'_>) -> Vec<usize> {
    plan.actions.iter().map(|a| a.node).collect()
}

#[test]
fn a_pass_goes_no_further_than_the_last_read() {
    let c = checked(|b| {
        let g = b.texts(["a"]);
        let all = b.read(g, Site::ResidPost(0), ReadAt::All);
        let last = b.read(g, Site::ResidPost(2), ReadAt::Last);
        b.write(g, Site::ResidPost(3), WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
        b.save("a", all);
        b.save("l", last);
    });
    let plan = GroupPlan::new(&c, 0).unwrap();
    let full = Some(Site::ResidPost(0));
    assert_eq!(plan.reach(0), Reach { last: Site::ResidPost(2), full });
    assert!(!plan.whole);
    assert_eq!(nodes(&plan), [0, 1]);
}

#[test]
fn rows_are_kept_up_to_the_last_read_of_more_than_each_prompts_last() {
    let c = checked(|b| {
        let g = b.texts(["a"]);
        let first = b.read(g, Site::ResidPost(0), ReadAt::Last);
        let mean = b.read(g, Site::AttnOut(2), ReadAt::Mean);
        let one = b.read(g, Site::ResidPost(1), ReadAt::Index(0));
        let last = b.read(g, Site::Logits, ReadAt::Last);
        for (name, id) in [("f", first), ("m", mean), ("o", one), ("l", last)] {
            b.save(name, id);
        }
    });
    let plan = GroupPlan::new(&c, 0).unwrap();
    assert_eq!(plan.reach(0), Reach { last: Site::Logits, full: Some(Site::AttnOut(2)) });
    assert_eq!(plan.reach(1), Reach { last: Site::Logits, full: None });
    assert!(plan.only_reads() && !plan.wide());
    assert_eq!(nodes(&plan), [0, 2, 1, 3]);
}

#[test]
fn prompts_are_alike_up_to_the_first_edit() {
    let before = |site, at, read| {
        let c = checked(|b| {
            let g = b.texts(["a"]);
            b.write(g, site, at, Steps::ALL, Edit::Scale { factor: 2.0 });
            let r = b.read(g, read, ReadAt::Last);
            b.save("r", r);
        });
        GroupPlan::new(&c, 0).unwrap().blocks_before_edits(4)
    };
    assert_eq!(before(Site::ResidPost(1), WriteAt::All, Site::Logits), Some(2));
    assert_eq!(before(Site::MlpOut(1), WriteAt::All, Site::Logits), Some(1));
    assert_eq!(before(Site::Embed, WriteAt::Last, Site::Logits), Some(0));
    assert_eq!(before(Site::FinalNorm, WriteAt::All, Site::Logits), Some(4));
    assert_eq!(before(Site::ResidPost(2), WriteAt::All, Site::ResidPre(2)), None);
}

#[test]
fn an_edit_made_of_a_read_keeps_its_group_whole_unless_it_changes_nothing() {
    let whole = |read_after: bool| {
        let c = checked(|b| {
            let g = b.texts(["a", "b"]);
            let r = b.read(g, Site::ResidPost(0), ReadAt::Last);
            let mean = b.mean(r, 0);
            b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, Edit::Set { value: mean });
            b.save("r", r);
            if read_after {
                let out = b.read(g, Site::ResidPost(3), ReadAt::Last);
                b.save("o", out);
            }
        });
        GroupPlan::new(&c, 0).unwrap().whole
    };
    assert!(whole(true) && !whole(false));
}

#[test]
fn what_nobody_asked_for_is_not_planned() {
    let c = checked(|b| {
        let idle = b.texts(["a"]);
        b.write(idle, Site::Embed, WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
        let v = b.constant(Tensor::scalar(1.0));
        b.save("v", v);
    });
    assert!(GroupPlan::new(&c, 0).is_none());
}

#[test]
fn an_edit_at_steps_that_are_not_run_is_not_planned() {
    let c = checked(|b| {
        let g = b.tokens([vec![1, 2]]);
        let late = Steps { start: 3, end: None };
        b.write(g, Site::Embed, WriteAt::All, late, Edit::Scale { factor: 2.0 });
        b.generate(g, Sampling::greedy(5));
        let r = b.read_step(g, Site::ResidPost(1), ReadAt::Last, 2);
        b.save("r", r);
    });
    let plan = GroupPlan::new(&c, 0).unwrap();
    assert_eq!((plan.steps, nodes(&plan)), (3, vec![2]));
    assert!(plan.generate.is_some_and(|(node, _)| node == 1));
}

#[test]
fn a_generation_and_logits_along_the_prompt_are_two_parts() {
    let c = checked(|b| {
        let g = b.tokens([vec![1, 2]]);
        b.write(g, Site::ResidPost(0), WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
        b.write(g, Site::ResidPost(0), WriteAt::Generated, Steps::ALL, Edit::Scale { factor: 3.0 });
        let h = b.read(g, Site::ResidPost(1), ReadAt::All);
        let l = b.read(g, Site::Logits, ReadAt::All);
        let t = b.generate(g, Sampling::greedy(3));
        for (name, id) in [("h", h), ("l", l), ("t", t)] {
            b.save(name, id);
        }
    });
    let plan = GroupPlan::new(&c, 0).unwrap();
    assert!(plan.wide());
    let (first, rest) = plan.parted();
    let first = first.unwrap();
    assert_eq!((nodes(&first), first.steps, first.generate.is_some()), (vec![0, 3], 1, false));
    assert!(first.actions.iter().all(|a| a.passes == (0..1)));
    assert_eq!((nodes(&rest), rest.steps, rest.wide()), (vec![0, 1, 2], 3, false));
}

/// A text whose tokens are its bytes.
fn bytes(text: &str, _: bool) -> Result<Vec<u32>, String> {
    if text == "?" { Err("no".into()) } else { Ok(text.bytes().map(u32::from).collect()) }
}

fn refused(build: impl FnOnce(&mut Builder)) -> PromptFault {
    match resolve(&checked(build), bytes).unwrap_err() {
        ResolveError::Prompt(fault) => fault,
        ResolveError::Encode(error) => panic!("{error}"),
    }
}

#[test]
fn prompts_that_do_not_fit_are_refused_whether_they_are_needed_or_not() {
    let fault = |prompt, problem| PromptFault { group: 1, prompt, problem };
    let with = |text: &str, more: &dyn Fn(&mut Builder, crate::graph::GroupId)| {
        refused(|b| {
            let g = b.tokens([vec![1, 2]]);
            let other = b.texts(["abc", text]);
            let r = b.read(g, Site::Embed, ReadAt::Last);
            b.save("r", r);
            more(b, other);
        })
    };
    let long = with(&"a".repeat(60), &|b, g| {
        b.generate(g, Sampling::greedy(6));
    });
    assert_eq!(long, fault(1, PromptProblem::TooLong { tokens: 60, new: 6, context: 64 }));
    let short = with("a", &|b, g| {
        b.read(g, Site::Embed, ReadAt::Index(-2));
    });
    assert_eq!(short, fault(1, PromptProblem::Position { index: -2, tokens: 1 }));
}

#[test]
fn what_the_tokenizer_makes_is_held_to_the_model() {
    let c = checked(|b| {
        let g = b.texts(["a"]);
        let r = b.read(g, Site::Embed, ReadAt::Last);
        b.save("r", r);
    });
    assert_eq!(resolve(&c, bytes).unwrap(), [[[97]]]);
    let said =
        |ids: &'static [u32]| resolve(&c, |_, _| Ok::<_, String>(ids.to_vec())).unwrap_err().to_string();
    assert_eq!(said(&[]), "prompt 0 of group 0 has no tokens");
    assert!(said(&[5, 300]).contains("is text of which the tokenizer makes token 300"), "{}", said(&[300]));
    let c = checked(|b| {
        let g = b.texts(["?"]);
        let r = b.read(g, Site::Embed, ReadAt::Last);
        b.save("r", r);
    });
    assert!(matches!(resolve(&c, bytes), Err(ResolveError::Encode(_))));
}
