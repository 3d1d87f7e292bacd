//! What one vector at several sites is held against.

use super::Sequence;
use super::band::{Over, SiteBand};
use crate::fixture::Tiny;
use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rand_distr::{Distribution as _, StandardNormal};
use truenorth_protocol::Site;
use truenorth_protocol::run::Runner as _;
use truenorth_reading::Reader;
use truenorth_stats::math::Seeds;

/// Shifts of 4 probes at two sites, which move nearly alike.
fn shifts(width: usize) -> Vec<Array2<f64>> {
    let mut rng = Seeds::new(3).stream("shifts");
    let first = Array2::from_shape_simple_fn((4, width), || StandardNormal.sample(&mut rng));
    let noise: Array2<f64> = Array2::from_shape_simple_fn((4, width), || StandardNormal.sample(&mut rng));
    vec![first.clone(), first + noise * 0.1]
}

#[test]
fn a_vector_shared_by_sites_is_held_against_vectors_shared_by_sites() {
    let tiny = Tiny::open();
    let (reader, width) = (Reader::new(&tiny, None), tiny.info().hidden as usize);
    let (shifts, sequence) = (shifts(width), Sequence::new("s", "s"));
    let sites = [Site::AttnOut(0), Site::ResidPost(0)];
    let line = |vectors: [&Array1<f64>; 2], over| {
        let all: Array1<f64> = vectors.into_iter().flatten().copied().collect();
        let band = SiteBand::new(&reader, all.view(), (&sites, over)).unwrap();
        (band.is_shared(), band.line(&sequence, &shifts).unwrap())
    };
    let mut rng = Seeds::new(7).stream("vectors");
    let mut draw = || Array1::<f64>::from_shape_simple_fn(width, || StandardNormal.sample(&mut rng));
    let drawn: Vec<[Array1<f64>; 2]> = (0..2000).map(|_| [draw(), draw()]).collect();
    // Neither far from nothing nor beyond all draws.
    let seen = shifts[0].mean_axis(Axis(0)).unwrap() + &drawn[0][0] * 1.2;
    let share = |score: f64, of: &dyn Fn(&[Array1<f64>; 2]) -> f64| {
        drawn.iter().filter(|d| of(d).abs() >= score.abs()).count() as f64 / drawn.len() as f64
    };
    let (shared, own) = line([&seen, &seen], Over::Mean);
    assert!(shared);
    let alike = share(own.row.score, &|[v, _]| line([v, v], Over::Mean).1.row.score);
    assert!((own.row.p_random - alike).abs() < 0.02, "{} and {alike}", own.row.p_random);
    assert!((own.along.mean().unwrap() - own.row.score).abs() < 1e-12 && own.mean.len() == width);
    let bound = (width as f64).sqrt();
    assert!((own.row.z_bound - bound).abs() < 1e-9 && own.row.z.abs() <= bound);
    // A direction of its own a site goes less far by chance where the shifts are alike.
    let (shared, own) = line([&seen, &drawn[1][0]], Over::Mean);
    assert!(!shared && own.mean.len() == 2 * width);
    let apart = share(own.row.score, &|[v, w]| line([v, w], Over::Mean).1.row.score);
    assert!((own.row.p_random - apart).abs() < 0.02, "{} and {apart}", own.row.p_random);
    let (_, worst) = line([&seen, &seen], Over::Worst);
    assert!(worst.of.is_some() && worst.mean.len() == 2 * width);
}

#[test]
fn directions_are_made_as_the_one_that_is_seen() {
    let tiny = Tiny::open();
    let (reader, width) = (Reader::new(&tiny, None), tiny.info().hidden as usize);
    let sites = [Site::AttnOut(0), Site::ResidPost(0)];
    let own: Array1<f32> = (0..2 * width).map(|i| (i % 5) as f32 - 1.5).collect();
    let of = |vector: Array1<f64>, over| SiteBand::new(&reader, vector.view(), (&sites, over)).unwrap();
    let one: Array1<f64> = (0..2 * width).map(|i| (i % width) as f64 + 1.0).collect();
    let two: Array1<f64> = (0..2 * width).map(|i| i as f64 + 1.0).collect();
    let directions = own.view().insert_axis(Axis(0));
    let unit = |part: ArrayView1<'_, f32>| part.mapv(|v| v / part.dot(&part).sqrt());
    let (first, second) = (unit(own.slice(s![..width])), unit(own.slice(s![width..])));
    let close = |a: ArrayView1<'_, f32>, b: &Array1<f32>| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    let apart = of(two, Over::Mean).made_alike(directions);
    assert!(close(apart.slice(s![0, ..width]), &first) && close(apart.slice(s![0, width..]), &second));
    let mean = &first + &second;
    let pooled = of(one.clone(), Over::Mean).made_alike(directions);
    assert!(pooled.ncols() == width && close(pooled.row(0), &mean));
    let worst = of(one, Over::Worst).made_alike(directions);
    assert!(close(worst.slice(s![0, ..width]), &mean) && close(worst.slice(s![0, width..]), &mean));
}
