//! How long decoding a result takes, and how much memory: `decode make FILE MIB` writes an answer of
//! that size, `decode answer FILE` and `decode torch FILE` read one, zstd-compressed or not. A file
//! for `torch` comes out of `torch.save({"saved": {"x": tensor}}, FILE)`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, for people at a terminal")]

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write as _};
use std::time::Instant;

use truenorth_protocol::frame::{self, FrameReader};
use truenorth_protocol::graph::{answer_read, answer_write};
use truenorth_protocol::torch_file::{FileLimits, read_from};
use truenorth_protocol::{Answer, Tensor, Value, limits};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let start = Instant::now();
    match args[..] {
        ["make", path, mib] => return make(path, mib.parse()?),
        ["answer", path] => {
            let mut file = BufReader::new(File::open(path)?);
            let answer = if packed(&mut file)? {
                answer_read(FrameReader::new(file, limits::ANSWER_BYTES)?)?
            } else {
                answer_read(file)?
            };
            std::hint::black_box(&answer);
        }
        ["torch", path] => {
            let bounds = FileLimits { tensors: limits::ANSWER_BYTES, ..FileLimits::default() };
            std::hint::black_box(read_from(BufReader::new(File::open(path)?), &bounds)?);
        }
        _ => return Err("expected make FILE MIB, answer FILE or torch FILE".into()),
    }
    println!("{:.2} s, peak {} MiB", start.elapsed().as_secs_f64(), peak()?);
    Ok(())
}

fn packed(file: &mut (impl Read + Seek)) -> std::io::Result<bool> {
    let mut head = [0; 4];
    file.read_exact(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(head == frame::MAGIC)
}

/// Numbers that compress about as badly as activations do.
fn make(path: &str, mib: usize) -> Result<(), Box<dyn Error>> {
    let mut state = 1_u32;
    let values: Vec<f32> = (0..mib << 18)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        })
        .collect();
    let tensor = Tensor::from_f32(vec![mib << 8, 1024], &values)?;
    let mut answer = Answer::default();
    answer.values.insert("x".into(), Value::Tensor { tensor, rows: None });
    let mut file = BufWriter::new(File::create(path)?);
    answer_write(&answer, &mut file)?;
    file.flush()?;
    Ok(())
}

/// The most memory that this process had, in MiB.
fn peak() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).ok_or("no VmHWM on this system")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}
