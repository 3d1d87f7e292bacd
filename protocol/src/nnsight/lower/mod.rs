//! A checked graph as an nnsight program: Python text, and the values it starts from.

mod error;

use std::io::{Read, Seek};

pub use error::LowerError;

use super::{ModelKey, Modules, ReplyError};
use crate::{Answer, Checked, DType};

/// What a payload is made of.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The graph.
    pub checked: &'a Checked,
    /// Token ids by group and prompt, also of groups that the graph gives as token ids. Tokenized
    /// here, so that both sides agree on positions whatever the service's tokenizer adds.
    pub tokens: &'a [Vec<Vec<u32>>],
    /// Where the model keeps its parts.
    pub modules: &'a Modules,
    /// Which model.
    pub key: &'a ModelKey,
    /// [`DType::F32`], [`DType::Bf16`] or [`DType::F16`]: what floats are narrowed to on the server
    /// before they are saved. Text, ids, and values that the graph itself cast stay as they are.
    pub reply: DType,
    /// A unique name of the job; services cache sources by it.
    pub job: &'a str,
}

impl Request<'_> {
    /// The payload: a pickle of the program and its values, not compressed.
    ///
    /// # Errors
    /// What the service could not run, before anything is sent.
    pub fn payload(&self) -> Result<Vec<u8>, LowerError> {
        Err(LowerError::Reply(self.reply))
    }

    /// The answer out of a result: a `torch.save` archive of names and values, not compressed.
    /// `decode` turns generated ids into text, special tokens left out.
    ///
    /// # Errors
    /// A [`ReplyError`] if the result is not what the graph asked for, in names, types or shapes.
    pub fn answer(
        &self,
        body: impl Read + Seek,
        decode: &dyn Fn(&[u32]) -> String,
    ) -> Result<Answer, ReplyError> {
        super::reply::answer(self, body, decode)
    }
}
