//! Safetensors files whose bytes are those of their content.

use std::collections::BTreeMap;
use std::fmt::Display;

use safetensors::SafeTensorError;
use safetensors::tensor::{View, serialize};

/// How a header with metadata begins.
const START: &[u8] = b"{\"__metadata__\":";

/// The bytes of a safetensors file with metadata. The library writes these in the order of a hash map, which
/// differs from run to run; here they are in that of their keys.
///
/// # Errors
/// Tensors that do not fit their shape, or a header that is too large.
pub fn safetensors_bytes<S: AsRef<str> + Ord + Display, V: View>(
    tensors: impl IntoIterator<Item = (S, V)>,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<u8>, SafeTensorError> {
    let metadata: BTreeMap<String, String> = metadata.into_iter().collect();
    let sorted = serde_json::to_string(&metadata)?;
    let mut bytes = serialize(tensors, Some(metadata.into_iter().collect()))?;
    // The same entries in another order are as long.
    let (_, header) = bytes.split_at_mut(8);
    assert!(header.starts_with(START), "a header begins with its metadata");
    header[START.len()..START.len() + sorted.len()].copy_from_slice(sorted.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;

    #[test]
    fn the_same_content_is_the_same_bytes() {
        let numbers: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let entry = |i: usize| (format!("key {i}\n\u{e9}"), format!("\"{i}\" \u{1f600}"));
        let write = || {
            let view = TensorView::new(Dtype::F32, vec![2], &numbers).unwrap();
            safetensors_bytes([("t", view)], (0..30).map(entry)).unwrap()
        };
        let bytes = write();
        assert!((0..5).all(|_| write() == bytes));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().clone().unwrap(), (0..30).map(entry).collect());
        assert_eq!(SafeTensors::deserialize(&bytes).unwrap().tensor("t").unwrap().data(), numbers);
    }
}
