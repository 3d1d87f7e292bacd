//! Archives as `torch.save` writes them, byte by byte.

use std::io::{Cursor, Write as _};

fn text(s: &str) -> Vec<u8> {
    let mut out = vec![b'X'];
    out.extend((s.len() as u32).to_le_bytes());
    out.extend(s.as_bytes());
    out
}

fn int(n: i32) -> Vec<u8> {
    let mut out = vec![b'J'];
    out.extend(n.to_le_bytes());
    out
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [vec![b'('], items.concat(), vec![b't']].concat()
}

fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = entries.iter().flat_map(|(k, v)| [text(k), v.clone()].concat()).collect();
    [b"}(".to_vec(), items, b"u".to_vec()].concat()
}

fn tensor(key: &str, shape: [i32; 2]) -> Vec<u8> {
    let storage = tuple(&[
        text("storage"),
        global("torch", "FloatStorage"),
        text(key),
        text("cpu"),
        int(shape[0] * shape[1]),
    ]);
    let hooks = [global("collections", "OrderedDict"), b")R".to_vec()].concat();
    let args = tuple(&[
        [storage, vec![b'Q']].concat(),
        int(0),
        tuple(&[int(shape[0]), int(shape[1])]),
        tuple(&[int(shape[1]), int(1)]),
        vec![0x89],
        hooks,
    ]);
    [global("torch._utils", "_rebuild_tensor_v2"), args, vec![b'R']].concat()
}

fn archive(pickle: &[u8], storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut file = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("archive/{name}"), stored).unwrap();
        zip.write_all(bytes).unwrap();
    };
    file("data.pkl", pickle);
    file("byteorder", b"little");
    for (key, bytes) in storages {
        file(&format!("data/{key}"), bytes);
    }
    file("version", b"3\n");
    zip.finish().unwrap().into_inner()
}

/// The result of a program that saved one tensor of equal numbers under `h`.
pub fn result(number: f32, shape: [i32; 2]) -> Vec<u8> {
    let saved = dict(&[("saved", dict(&[("h", tensor("0", shape))]))]);
    let numbers = number.to_le_bytes().repeat((shape[0] * shape[1]) as usize);
    archive(&[b"\x80\x02".to_vec(), saved, b".".to_vec()].concat(), &[("0", numbers)])
}

/// The last frame of a socket, with a result inside.
pub fn completed(id: &str, result: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'B'];
    bytes.extend((result.len() as u32).to_le_bytes());
    bytes.extend(result);
    let entries =
        [("id", text(id)), ("status", text("COMPLETED")), ("description", text("")), ("data", bytes)];
    archive(&[b"\x80\x04".to_vec(), dict(&entries), b".".to_vec()].concat(), &[])
}
