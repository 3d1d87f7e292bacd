//! Means over the tokens of each prompt, with and without attention sinks.

use truenorth_protocol::graph::{SINK_MULTIPLE, Take};

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

/// Attention sinks of each run, as numbers.
pub(super) fn sinks(values: &[f32], counts: &[u32], width: usize) -> Vec<f32> {
    let count = |run| which(run, width).iter().map(|sink| f32::from(u8::from(*sink))).sum();
    runs(values, counts, width).map(count).collect()
}

/// A row of each run of rows, of the tokens of it that are marked: their mean, with or without the sinks among
/// them, or how many these are. Sinks are told by the whole run, and count as none where all that is marked are.
pub(super) fn of_parts(
    values: &[f32],
    counts: &[u32],
    width: usize,
    marked: &[Vec<usize>],
    take: Take,
) -> Vec<f32> {
    let of_run = |(run, marked): (&[f32], &Vec<usize>)| -> Vec<f32> {
        let sink = which(run, width);
        let all = marked.iter().all(|at| sink.get(*at) == Some(&true));
        let left_out = |at: usize| !all && sink.get(at) == Some(&true);
        #[allow(clippy::cast_precision_loss, reason = "a count of tokens")]
        if take == Take::Sinks {
            return vec![marked.iter().filter(|at| left_out(**at)).count() as f32];
        }
        let kept = marked.iter().filter(|at| take == Take::MeanSink || !left_out(**at));
        mean(kept.filter_map(|at| run.get(at * width..(at + 1) * width)), width)
    };
    runs(values, counts, width).zip(marked).flat_map(of_run).collect()
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
    fn sinks_of_a_part_are_told_by_the_whole_prompt() {
        let values = [100.0, 1.0, 2.0, 3.0];
        let of = |marked: &[usize], take| of_parts(&values, &[4], 1, &[marked.to_vec()], take);
        assert_eq!(of(&[0, 3], Take::Mean), [3.0]);
        assert_eq!(of(&[0, 3], Take::Sinks), [1.0]);
        assert_eq!(of(&[0, 2], Take::MeanSink), [51.0]);
        // Where nothing else is marked, it is what was asked for.
        assert_eq!((of(&[0], Take::Mean), of(&[0], Take::Sinks)), (vec![100.0], vec![0.0]));
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
