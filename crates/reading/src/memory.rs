//! What was read in this run, for readers without a store: no prompt goes through the model twice for the
//! same rows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use truenorth_data::store::{Activation, ActivationKey};

/// Bytes of activations that are held at most; what is read beyond them is computed again when asked for.
const MOST: usize = 1 << 28;

/// Activations of this run.
#[derive(Debug, Default)]
pub struct ActivationMemory(Mutex<HeldActivations>);

#[derive(Debug, Default)]
struct HeldActivations {
    activations: HashMap<ActivationKey, Activation>,
    bytes: usize,
}

impl ActivationMemory {
    pub(super) fn get_many(&self, keys: &[ActivationKey]) -> Vec<Option<Activation>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| held.activations.get(key).cloned()).collect()
    }

    /// Holds activations while there is room.
    pub(super) fn put_many(&self, entries: &[(ActivationKey, Activation)]) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, activation) in entries {
            let bytes = size_of_val(activation.values());
            if held.bytes + bytes > MOST {
                return;
            }
            if held.activations.insert(key.clone(), activation.clone()).is_none() {
                held.bytes += bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use truenorth_protocol::{ReadAt, Site};

    use super::super::Reader;
    use super::super::fixture::{Tiny, named, pairs};
    use super::*;
    use crate::extract::LabelledTexts;
    use truenorth_data::Template;
    use truenorth_protocol::run::Unwatched;

    /// A direction and the unit of its doses, both of the same texts.
    #[test]
    fn texts_are_read_once_for_all_that_is_made_of_them() {
        let site = Site::ResidPost(1);
        let question = LabelledTexts::pairs(&pairs(6), &Template::default());
        for at in [ReadAt::Last, ReadAt::Mean, ReadAt::MeanSink, ReadAt::Index(-2)] {
            let (tiny, memory) = (Tiny::open(), ActivationMemory::default());
            let made = |reader: &Reader<'_>| {
                let samples = question.samples(reader, site, at, &Unwatched).unwrap();
                // As the unit of doses does.
                let last = reader.read(&question.prompts, &[site], ReadAt::Last, &Unwatched).unwrap();
                format!("{samples:?} {last:?}")
            };
            let reader = Reader::new(&tiny, None).remembering(&memory);
            reader.ahead(&question.prompts, &[(site, at), (site, ReadAt::Last)], &Unwatched).unwrap();
            assert_eq!(tiny.asked(), 1);
            let remembered = made(&reader);
            assert_eq!((tiny.asked(), tiny.read_again()), (1, vec![]), "{at}");
            assert_eq!(remembered, made(&Reader::new(&Tiny::open(), None)), "{at}");
        }
    }

    #[test]
    fn what_is_beyond_the_room_is_computed_again() {
        let tiny = Tiny::open();
        let memory = ActivationMemory::default();
        memory.0.lock().unwrap().bytes = MOST;
        let reader = Reader::new(&tiny, None).remembering(&memory);
        let prompts = named(&["the hat", "a tin"]);
        let read = || reader.read(&prompts, &[Site::ResidPost(0)], ReadAt::Last, &Unwatched).unwrap();
        assert_eq!(read(), read());
        assert_eq!(tiny.asked(), 2);
    }
}
