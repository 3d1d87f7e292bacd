//! Files and streams as text.

use std::fmt::Write as _;

use regex::Regex;
use safetensors::{Dtype, SafeTensors};

/// What a stream said; bytes that are no text are counted.
pub fn stream(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("{} bytes\n", bytes.len()), str::to_owned)
}

/// A file: tensors with their metadata, pages by their text, JSON without indentation, other text as it
/// is, and of all else the size. What another program's formats hold is seen where they are imported again.
pub fn file(name: &str, bytes: &[u8]) -> String {
    let dealt = ["/sheet.csv", "/key.json", "/seal.json"];
    if dealt.iter().any(|end| name.ends_with(end)) {
        return shuffled(&stream(bytes));
    }
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "safetensors" => tensors(bytes),
        "html" => page(&stream(bytes)),
        "json" => flush(&stream(bytes)),
        _ => stream(bytes),
    }
}

/// A line for each entry of the metadata, and for each row of a tensor.
fn tensors(bytes: &[u8]) -> String {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let mut metadata: Vec<_> = header.metadata().iter().flatten().collect();
    metadata.sort();
    let mut text = String::new();
    for (key, value) in metadata {
        writeln!(text, "{key} = {value}").unwrap();
    }
    let file = SafeTensors::deserialize(bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    for name in names {
        let tensor = file.tensor(name).unwrap();
        writeln!(text, "{name}: {:?} {:?}", tensor.dtype(), tensor.shape()).unwrap();
        let data = tensor.data();
        let values: Vec<String> = match tensor.dtype() {
            Dtype::F32 => {
                data.as_chunks::<4>().0.iter().map(|b| format!("{:?}", f32::from_le_bytes(*b))).collect()
            }
            Dtype::I64 => {
                data.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b).to_string()).collect()
            }
            // Weights of a model, which are held to what the model computes.
            Dtype::F16 | Dtype::BF16 => continue,
            other => panic!("{name} has numbers that are not shown yet: {other:?}"),
        };
        for row in values.chunks(tensor.shape().last().copied().unwrap_or(1).max(1)) {
            writeln!(text, "{}", row.join(" ")).unwrap();
        }
    }
    text
}

/// The text of a page and of its plots, a line for each piece between tags.
fn page(html: &str) -> String {
    let (mut text, mut rest) = (String::new(), html);
    while let Some((before, after)) = rest.split_once('<') {
        line(&mut text, before);
        // The look of a page is none of its words.
        let skipped = ["style", "script"].iter().find(|t| after.starts_with(**t));
        let end = skipped.map_or(">".to_owned(), |t| format!("</{t}>"));
        rest = after.split_once(end.as_str()).map_or("", |(_, rest)| rest);
    }
    line(&mut text, rest);
    text
}

fn line(text: &mut String, words: &str) {
    if !words.trim().is_empty() {
        *text += &words.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push('\n');
    }
}

/// Without its indentation, which is a fifth of all goldens otherwise.
fn flush(json: &str) -> String {
    json.split('\n').map(|line| line.trim_start_matches(' ')).collect::<Vec<_>>().join("\n")
}

/// What `rate sheet` deals by chance: codes and hashes are named, the two sides and the lines are sorted.
fn shuffled(text: &str) -> String {
    let pattern = |p: &str| Regex::new(p).unwrap();
    let (hash, code) = (pattern(r#""[0-9a-f]{64}""#), pattern(r#""[0-9a-f]{6}""#));
    let side = pattern(r#""steered": "(left|right)""#);
    let line = |line: &str| {
        let line = hash.replace_all(line, "\"<sha256>\"");
        let line = code.replace_all(&line, "\"<code>\"");
        let line = side.replace_all(&line, "\"steered\": \"<side>\"");
        let mut cells: Vec<&str> = line.trim_end_matches(',').split("\",\"").collect();
        if cells.len() > 4 {
            cells[2..4].sort_unstable();
        }
        cells.join("\",\"")
    };
    let mut lines: Vec<String> = text.lines().map(line).collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}
