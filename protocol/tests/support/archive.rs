//! Files as `torch.save` makes them, of parts.

use std::io::{Cursor, Write as _};

use truenorth_protocol::pickle::PickleValue;

/// An archive of a pickle and one storage, neither packed.
pub fn archive(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", storage)] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub fn text(s: &str) -> PickleValue {
    PickleValue::Str(s.into())
}
