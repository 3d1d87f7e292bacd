//! Safetensors files that are the same bytes for the same content.

use std::collections::BTreeMap;

use serde_json::Value;

/// The bytes of a safetensors file with the names of its header in order. The format's writer leaves the
/// metadata in the order of a hash map, which differs from run to run; what the file says stays the same.
/// Bytes that are no such file are given back as they are.
#[must_use]
pub fn in_order(bytes: Vec<u8>) -> Vec<u8> {
    let header = || {
        let length = usize::try_from(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)).ok()?;
        let end = length.checked_add(8)?;
        let parsed: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::from_slice(bytes.get(8..end)?).ok()?;
        let mut text = serde_json::to_vec(&parsed).ok()?;
        // Tensors begin at a multiple of eight bytes.
        text.resize(text.len().next_multiple_of(8), b' ');
        Some((text, end))
    };
    let Some((text, end)) = header() else { return bytes };
    let mut out = Vec::with_capacity(8 + text.len() + bytes.len() - end);
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
    out.extend(&bytes[end..]);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::SafeTensors;
    use safetensors::tensor::{Dtype, TensorView, serialize};

    use super::*;

    #[test]
    fn the_same_content_is_the_same_bytes() {
        let data = [0_u8; 12];
        let file = || {
            let views: Vec<(String, _)> = (0..3)
                .map(|i| (format!("t{i}"), TensorView::new(Dtype::F32, vec![3], &data).unwrap()))
                .collect();
            let metadata: HashMap<String, String> =
                (0..20).map(|i| (format!("key {i}"), "v".repeat(i))).collect();
            in_order(serialize(views, Some(metadata)).unwrap())
        };
        let first = file();
        assert!((0..20).all(|_| file() == first));
        let read = SafeTensors::deserialize(&first).unwrap();
        assert_eq!(read.tensor("t1").unwrap().shape(), [3]);
        let (_, header) = SafeTensors::read_metadata(&first).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["key 7"], "v".repeat(7));
        assert_eq!(in_order(b"no such file".to_vec()), b"no such file");
    }
}
