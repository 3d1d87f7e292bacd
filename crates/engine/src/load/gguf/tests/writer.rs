//! Small files, byte by byte.

use std::fs;

use super::*;

/// A GGUF file put together by hand.
#[derive(Clone)]
pub(super) struct Writer {
    pairs: Vec<(String, Vec<u8>)>,
    pub(super) tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Writer {
    pub(super) fn set(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.pairs.retain(|(k, _)| k != key);
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(value);
        self.pairs.push((key.to_owned(), bytes));
        self
    }

    pub(super) fn int(self, key: &str, value: u32) -> Self {
        self.set(key, 4, &value.to_le_bytes())
    }

    pub(super) fn float(self, key: &str, value: f32) -> Self {
        self.set(key, 6, &value.to_le_bytes())
    }

    pub(super) fn name(self, key: &str, value: &str) -> Self {
        let mut bytes = Vec::new();
        text(&mut bytes, value);
        self.set(key, 8, &bytes)
    }

    pub(super) fn tensor(mut self, name: &str, shape: &[u64], kind: u32, data: Vec<u8>) -> Self {
        self.tensors.retain(|(n, ..)| n != name);
        let dims = shape.iter().rev().copied().collect();
        self.tensors.push((name.to_owned(), dims, kind, data));
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, value) in &self.pairs {
            text(&mut out, key);
            out.extend(value);
        }
        let mut data = Vec::new();
        for (name, dims, kind, bytes) in &self.tensors {
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    pub(super) fn open(&self) -> Result<Source, LoadError> {
        open_bytes(&self.bytes())
    }
}

pub(super) fn open_bytes(bytes: &[u8]) -> Result<Source, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    Source::open_gguf(&path)
}

pub(super) fn f32s(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// A llama of one block with two heads of width 4, q in Q8_0 blocks.
pub(super) fn tiny() -> Writer {
    let writer = Writer { pairs: vec![], tensors: vec![] };
    // Rows of 32: an f16 scale of one and 32 bytes that count.
    let rows: Vec<u8> = (0..8u8)
        .flat_map(|row| {
            let mut block = vec![0x00, 0x3c];
            block.extend((0..32u8).map(|i| row * 10 + i % 10));
            block
        })
        .collect();
    writer
        .name("general.architecture", "llama")
        .int("llama.block_count", 1)
        .int("llama.embedding_length", 32)
        .int("llama.feed_forward_length", 8)
        .int("llama.context_length", 16)
        .int("llama.attention.head_count", 2)
        .int("llama.attention.key_length", 4)
        .float("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .tensor("token_embd.weight", &[3, 32], 0, f32s((0..96).map(|i| i as f32)))
        .tensor("output_norm.weight", &[32], 0, f32s([1.0; 32]))
        .tensor("blk.0.attn_q.weight", &[8, 32], 8, rows)
}
