use crate::sample::{Sampler, greedy};
use truenorth_stats::math::log_sum_exp;

#[test]
fn greedy_takes_the_first_of_equals() {
    assert_eq!(greedy(&[0.5, 2.0, 2.0, -1.0]), Some(1));
    assert_eq!(greedy(&[]), None);
    let mut sampler = Sampler::new(0.0, 1.0, 7, 0).unwrap();
    let pick = sampler.pick(&[0.0, 3.0_f32.ln()]).unwrap();
    assert_eq!(pick.token, 1);
    assert!((pick.logprob - 0.75_f64.ln()).abs() < 1e-7);
}

/// Shares of each token in many draws.
fn shares(logits: &[f32], temperature: f64, top_p: f64) -> Vec<f64> {
    const DRAWS: u32 = 20_000;
    let mut sampler = Sampler::new(temperature, top_p, 3, 0).unwrap();
    let mut counts = vec![0.0; logits.len()];
    for _ in 0..DRAWS {
        counts[sampler.pick(logits).unwrap().token as usize] += 1.0 / f64::from(DRAWS);
    }
    counts
}

#[test]
fn draws_follow_the_tempered_distribution() {
    let logits: Vec<f32> = [0.1_f32, 0.2, 0.3, 0.4].iter().map(|p| p.ln()).collect();
    // 4 standard errors of a share of one half in 20 000 draws.
    let near = |got: &[f64], want: [f64; 4]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.0142);
    assert!(near(&shares(&logits, 1.0, 1.0), [0.1, 0.2, 0.3, 0.4]));
    // Temperature 1/2 squares the probabilities.
    assert!(near(&shares(&logits, 0.5, 1.0), [1.0 / 30.0, 4.0 / 30.0, 9.0 / 30.0, 16.0 / 30.0]));
    // 0.4 + 0.3 reaches 0.7; a hair more needs a third token.
    assert!(near(&shares(&logits, 1.0, 0.699), [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]));
    assert!(near(&shares(&logits, 1.0, 0.71), [0.0, 2.0 / 9.0, 3.0 / 9.0, 4.0 / 9.0]));
    assert!(near(&shares(&logits, 1.0, 0.01), [0.0, 0.0, 0.0, 1.0]));
}

#[test]
fn streams_belong_to_prompts() {
    let logits: Vec<f32> = (0..50_u8).map(|i| f32::from(i % 7)).collect();
    let run = |seed, prompt| {
        let mut sampler = Sampler::new(1.0, 0.9, seed, prompt).unwrap();
        (0..16).map(|_| sampler.pick(&logits).unwrap().token).collect::<Vec<_>>()
    };
    assert_eq!(run(1, 2), run(1, 2));
    assert_ne!(run(1, 2), run(1, 3));
    assert_ne!(run(1, 2), run(2, 2));
}

#[test]
fn log_probabilities_are_those_without_temperature() {
    let logits = [1000.0, 1001.0, 998.5];
    let mut sampler = Sampler::new(0.3, 0.5, 1, 1).unwrap();
    let pick = sampler.pick(&logits).unwrap();
    let want = f64::from(logits[pick.token as usize]) - log_sum_exp(&logits);
    assert!((pick.logprob - want).abs() < 1e-12);
    assert!(want < 0.0 && want.is_finite());
}

#[test]
fn senseless_parameters_and_logits_are_refused() {
    for (temperature, top_p) in
        [(-1.0, 1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0), (1.0, 0.0), (1.0, 1.1), (1.0, f64::NAN)]
    {
        assert!(Sampler::new(temperature, top_p, 0, 0).is_err(), "{temperature} {top_p}");
    }
    let mut sampler = Sampler::new(0.0, 1.0, 0, 0).unwrap();
    assert!(sampler.pick(&[1.0, f32::NAN]).is_err());
    assert!(sampler.pick(&[f32::INFINITY]).is_err());
    assert!(sampler.pick(&[]).is_err());
}
