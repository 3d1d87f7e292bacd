//! What reading a large result costs in memory, counted by the allocator.

use std::alloc::{GlobalAlloc, Layout};
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use truenorth_protocol::graph::{answer_read, answer_to_bytes};
use truenorth_protocol::nnsight::read_binary_update;
use truenorth_protocol::pickle::{self, Call, Global, PickleValue};
use truenorth_protocol::torch_file::{FileLimits, TorchValue, read_from};
use truenorth_protocol::{Answer, DType, Tensor, frame};

use crate::alone::alone;
use crate::archive::{archive, text};
use crate::scarce::Scarce;

/// Counts what [`Scarce`] gives; of that there is plenty unless the other test says how much.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the other allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { Scarce.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { Scarce.dealloc(at, layout) }
    }

    // The system grows a large block in place or by moving its pages, so it is there once.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        let now = HELD.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { Scarce.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Peak of what is held while `f` runs, beyond what was held before.
fn peak<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let out = f();
    (out, PEAK.load(Ordering::Relaxed) - before)
}

const BYTES: usize = 64 << 20;

// Alone, since what others allocate would be counted too.
#[test]
fn a_large_result_costs_little_more_than_itself() {
    alone("cost::a_large_result_costs_little_more_than_itself", costs_little);
}

fn costs_little() {
    let floats = (BYTES / 4) as i64;
    let global = |module: &str, name: &str| Global { module: module.into(), name: name.into() };
    let storage = PickleValue::Tuple(vec![
        text("storage"),
        PickleValue::Global(global("torch", "FloatStorage")),
        text("0"),
        text("cpu"),
        PickleValue::Int(floats),
    ]);
    let tensor = PickleValue::Call(Box::new(Call {
        global: global("torch._utils", "_rebuild_tensor_v2"),
        bare: false,
        args: vec![
            PickleValue::Persistent(Box::new(storage)),
            PickleValue::Int(0),
            PickleValue::Tuple(vec![PickleValue::Int(floats)]),
            PickleValue::Tuple(vec![PickleValue::Int(1)]),
            PickleValue::Bool(false),
            PickleValue::None,
        ],
        items: vec![],
        appended: vec![],
        state: None,
    }));
    let one = pickle::write(&tensor, &|_, _| true).unwrap();
    let file = archive(&one, &vec![1; BYTES]);
    let (value, peak_of_one) = peak(|| read_from(Cursor::new(&file), &FileLimits::default()).unwrap());
    assert!(matches!(value, TorchValue::Tensor(t) if t.data.len() == BYTES));
    assert!(peak_of_one < BYTES + (4 << 20), "{peak_of_one} bytes for a tensor of {BYTES}");
    drop(file);

    // In a status frame the result stands in the pickle, which has to be read whole.
    let status = PickleValue::Dict(vec![
        (text("id"), text("a")),
        (text("status"), text("COMPLETED")),
        (text("data"), PickleValue::Bytes(vec![7; BYTES])),
    ]);
    let frame = archive(&pickle::write(&status, &|_, _| true).unwrap(), b"");
    drop(status);
    let ((_, data), peak_of_frame) = peak(|| read_binary_update(&frame).unwrap());
    assert_eq!(data.unwrap().len(), BYTES);
    assert!(peak_of_frame < 2 * BYTES + (4 << 20), "{peak_of_frame} bytes for a frame of {BYTES}");
    drop(frame);

    // Our own answers, unpacked as they stream in.
    let mut answer = Answer::default();
    let tensor = Tensor::from_bytes(DType::F32, vec![BYTES / 4], vec![1; BYTES]).unwrap();
    answer.values.insert("x".into(), truenorth_protocol::Value::Tensor { tensor, rows: None });
    let packed = frame::compress(&answer_to_bytes(&answer).unwrap()).unwrap();
    let read = || answer_read(frame::FrameReader::new(&packed[..], 2 * BYTES).unwrap()).unwrap();
    let (read, peak_of_answer) = peak(read);
    assert!(read == answer && peak_of_answer < BYTES + (4 << 20), "{peak_of_answer} bytes for {BYTES}");
}
