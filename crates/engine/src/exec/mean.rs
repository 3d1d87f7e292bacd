//! Means over the tokens of each prompt, with and without attention sinks.

use truenorth_protocol::graph::SINK_MULTIPLE;

/// The mean row of each run of rows.
pub(super) fn of_all(values: &[f32], counts: &[u32], width: usize) -> Vec<f32> {
    runs(values, counts, width).flat_map(|run| mean(run.chunks_exact(width), width)).collect()
}

/// The mean row of each run of rows, those left out that [`sinks`] counts.
pub(super) fn without_sinks(values: &[f32], counts: &[u32], width: usize) -> Vec<f32> {
    let of_run = |run: &[f32]| {
        let sink = which(run, width);
        mean(run.chunks_exact(width).zip(sink).filter(|(_, sink)| !sink).map(|(row, _)| row), width)
    };
    runs(values, counts, width).flat_map(of_run).collect()
}

/// How many rows of each run are sinks.
pub(super) fn sinks(values: &[f32], counts: &[u32], width: usize) -> Vec<f32> {
    let count = |run| which(run, width).iter().map(|sink| f32::from(u8::from(*sink))).sum();
    runs(values, counts, width).map(count).collect()
}

fn runs<'a>(values: &'a [f32], counts: &'a [u32], width: usize) -> impl Iterator<Item = &'a [f32]> {
    let mut rest = values;
    counts.iter().map(move |count| {
        let (head, tail) = rest.split_at(*count as usize * width);
        rest = tail;
        head
    })
}

/// Which rows of a prompt are sinks: a norm of more than [`SINK_MULTIPLE`] times the lower median.
fn which(run: &[f32], width: usize) -> Vec<bool> {
    let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let norms: Vec<f64> = run.chunks_exact(width).map(norm).collect();
    let mut sorted = norms.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = *sorted.get(sorted.len().saturating_sub(1) / 2).expect("a prompt has tokens");
    norms.iter().map(|norm| *norm > SINK_MULTIPLE * median).collect()
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0f64; width], 0u32);
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v));
        count += 1;
    }
    #[allow(clippy::cast_possible_truncation)]
    sums.into_iter().map(|sum| (sum / f64::from(count.max(1))) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_a_row_a_prompt() {
        assert_eq!(of_all(&[1.0, 2.0, 3.0, 4.0, 9.0, 8.0], &[2, 1], 2), [2.0, 3.0, 9.0, 8.0]);
    }

    #[test]
    fn a_token_far_beyond_the_lower_median_is_left_out() {
        let beyond = 1.0 + SINK_MULTIPLE as f32;
        // Three prompts: a sink among three, a sink beside one other, and one token alone.
        let values = [beyond, 1.0, -1.0, 1.0, beyond, 500.0];
        assert_eq!(sinks(&values, &[3, 2, 1], 1), [1.0, 1.0, 0.0]);
        assert_eq!(without_sinks(&values, &[3, 2, 1], 1), [0.0, 1.0, 500.0]);
        assert_eq!(of_all(&values, &[3, 2, 1], 1)[2], 500.0);
    }

    #[test]
    fn a_token_at_the_multiple_is_kept_and_equal_norms_all_are() {
        let at = SINK_MULTIPLE as f32;
        assert_eq!(sinks(&[at, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0], &[3, 4], 1), [0.0, 0.0]);
        // With nothing in more than half of the rows, whatever is not nothing is beyond every multiple.
        assert_eq!(sinks(&[0.0, 0.0, 1.0], &[3], 1), [1.0]);
        assert_eq!(without_sinks(&[0.0, 0.0, 0.0], &[3], 1), [0.0]);
    }
}
