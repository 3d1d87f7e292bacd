//! The wire of NDIF services: graphs lowered to nnsight programs, values back as `torch.save` writes
//! them.

use std::cell::RefCell;

use truenorth_protocol::nnsight::{ModelKey, PayloadInput};
use truenorth_protocol::plan::resolve;
use truenorth_protocol::{Answer, CheckedGraph, DType, ModelInfo};

use super::Wire;
use crate::client::ClientError;
use crate::client::options::Hosted;
use crate::client::temp::Packed;
use truenorth_protocol::run::RunError;

pub(in crate::client) struct NnsightWire {
    pub hosted: Hosted,
}

impl NnsightWire {
    /// A wire whose model names how it is computed: by whom, with which attention, and in what numbers
    /// come back. All three change digits, so no result of one way may stand for another's.
    pub(in crate::client) fn new(mut hosted: Hosted) -> Self {
        let (attention, read) = (&hosted.modules.attention, &hosted.info.path);
        // The outline's own path tells how the files were read, where that was chosen.
        hosted.info.path = match hosted.reply {
            DType::F32 => format!("nnsight/{attention}{read}"),
            narrow => format!("nnsight/{attention}/{narrow}{read}"),
        };
        Self { hosted }
    }

    /// Token ids by group and prompt, checked against the model's context.
    pub fn tokens(&self, checked: &CheckedGraph) -> Result<Vec<Vec<Vec<u32>>>, ClientError> {
        let words = self.hosted.vocabulary.as_ref();
        resolve(checked, |text, special| words.encode(text, special))
            .map_err(|error| RunError::unresolved(checked.graph(), words, error).into())
    }

    pub fn request<'a>(
        &'a self,
        checked: &'a CheckedGraph,
        tokens: &'a [Vec<Vec<u32>>],
        job: &'a str,
    ) -> PayloadInput<'a> {
        let Hosted { modules, key, reply, .. } = &self.hosted;
        PayloadInput { checked, tokens, modules, key, reply: *reply, job }
    }
}

impl Wire for NnsightWire {
    fn name(&self) -> &'static str {
        "ndif"
    }

    fn info(&self) -> &ModelInfo {
        &self.hosted.info
    }

    fn model_key(&self) -> String {
        self.hosted.key.to_string()
    }

    fn config(&self) -> Option<&serde_json::Value> {
        Some(&self.hosted.config)
    }

    fn hosted(&self) -> Option<&ModelKey> {
        Some(&self.hosted.key)
    }

    fn reply(&self) -> String {
        self.hosted.reply.to_string()
    }

    fn env(&self) -> serde_json::Value {
        serde_json::json!({ "attn_implementation": self.hosted.modules.attention })
    }

    fn repeatable(&self) -> bool {
        false
    }

    fn socket_alone(&self) -> bool {
        true
    }

    fn payload(&self, checked: &CheckedGraph, job: &str) -> Result<Vec<u8>, ClientError> {
        let tokens = self.tokens(checked)?;
        Ok(self.request(checked, &tokens, job).payload()?)
    }

    fn answer(&self, checked: &CheckedGraph, packed: Packed) -> Result<Answer, ClientError> {
        let tokens = self.tokens(checked)?;
        let body = packed.seekable()?;
        let failed = RefCell::new(None);
        let decode = |ids: &[u32]| {
            self.hosted.vocabulary.decode(ids).unwrap_or_else(|error| {
                failed.borrow_mut().get_or_insert(error);
                String::new()
            })
        };
        let answer = self.request(checked, &tokens, "").answer(body, &decode)?;
        failed.into_inner().map_or(Ok(answer), |error| Err(error.into()))
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.hosted.stop.clone()
    }
}
