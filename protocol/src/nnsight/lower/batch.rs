//! Which prompts run together on the service.

/// Tokens of one forward pass, padding and tokens to come included.
const TOKENS: usize = 8192;
/// Numbers of logits that are held at once.
const LOGITS: usize = 1 << 27;
/// Bytes of a stream in f32 that may cross to the model at once; what a service takes is four times as
/// much.
const STREAM: usize = 1 << 30;
/// Sequences that generate together.
const SEQUENCES: usize = 128;

/// The prompts of a group, in the batches in which they run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batches {
    /// Places of prompts in their group.
    pub parts: Vec<Vec<usize>>,
    /// Whether in each batch all prompts have one length.
    pub even: bool,
}

/// What the size of a batch depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchBounds {
    /// Passes, 1 without a generation.
    pub steps: usize,
    /// Whether it generates.
    pub generates: bool,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of logits, where they are needed at all.
    pub vocab: Option<usize>,
    /// Whether logits are needed at every token.
    pub wide: bool,
    /// Whether the group has to stay together.
    pub whole: bool,
}

impl Batches {
    /// Prompts of these lengths in batches; sorted by length if there is more than one.
    pub fn new(lengths: &[usize], load: BatchBounds) -> Self {
        let fits = |count: usize, longest: usize| {
            let rows = if load.wide { count * longest } else { count };
            count * (longest + load.steps - 1) <= TOKENS
                && (count * longest).saturating_mul(load.hidden * 4) <= STREAM
                && load.vocab.is_none_or(|v| rows.saturating_mul(v) <= LOGITS)
                && (!load.generates || count <= SEQUENCES)
        };
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        let parts = if load.whole || fits(lengths.len(), longest) {
            vec![order]
        } else {
            order.sort_by_key(|p| lengths.get(*p));
            let mut parts: Vec<Vec<usize>> = vec![];
            for p in order {
                // Sorted, so the one that comes is the longest.
                let longest = lengths[p];
                match parts.last_mut().filter(|part| fits(part.len() + 1, longest)) {
                    Some(part) => part.push(p),
                    None => parts.push(vec![p]),
                }
            }
            parts
        };
        let one_length = |part: &Vec<usize>| {
            part.windows(2).all(|w| matches!(w, [a, b] if lengths.get(*a) == lengths.get(*b)))
        };
        Self { even: parts.iter().all(one_length), parts }
    }

    /// Whether the batches one after the other are the prompts in their order.
    pub fn in_order(&self) -> bool {
        self.parts.iter().flatten().enumerate().all(|(i, p)| i == *p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: BatchBounds =
        BatchBounds { steps: 1, generates: false, hidden: 64, vocab: None, wide: false, whole: false };

    #[test]
    fn little_work_is_one_batch_in_its_own_order() {
        let b = Batches::new(&[3, 1, 2], PLAIN);
        assert_eq!((b.parts.len(), b.even, b.in_order()), (1, false, true));
        assert!(Batches::new(&[4, 4], PLAIN).even);
    }

    #[test]
    fn much_work_is_sorted_and_split_and_nothing_is_lost() {
        let lengths: Vec<usize> = (0..3000).map(|i| 1 + (i * 7919) % 50).collect();
        for load in [
            PLAIN,
            BatchBounds { generates: true, steps: 64, ..PLAIN },
            BatchBounds { vocab: Some(100_000), wide: true, ..PLAIN },
            BatchBounds { vocab: Some(1 << 30), wide: true, ..PLAIN },
            BatchBounds { hidden: 1 << 20, ..PLAIN },
        ] {
            let b = Batches::new(&lengths, load);
            let mut all: Vec<usize> = b.parts.concat();
            assert!(all.windows(2).all(|w| lengths[w[0]] <= lengths[w[1]]) && !b.in_order());
            all.sort_unstable();
            assert!(all.iter().enumerate().all(|(i, p)| i == *p), "{load:?}");
            assert!(
                b.parts.iter().all(|p| p.len() * (lengths[*p.last().unwrap()] + load.steps - 1) <= TOKENS)
            );
        }
        assert_eq!(Batches::new(&lengths, BatchBounds { whole: true, ..PLAIN }).parts.len(), 1);
    }
}
