//! Values to pickles, protocol 4.

use std::collections::HashMap;

use super::opcode as op;
use super::{Call, Global, PickleError, PickleValue};

/// The deepest nesting that is written.
const DEPTH: usize = 64;

/// Writes one pickle. Text and globals that occur more than once are written once and referred to
/// afterwards. `allowed` says of a module and a name whether they may appear, as it does when
/// reading, so that no pickle of ours names what it should not.
///
/// # Errors
/// [`PickleError::Global`] for a global that is not allowed, [`PickleError::TooLarge`] for nesting
/// that no reader would take.
pub fn write(value: &PickleValue, allowed: &dyn Fn(&str, &str) -> bool) -> Result<Vec<u8>, PickleError> {
    let mut seen = HashMap::new();
    count(value, &mut seen, 0)?;
    let mut writer = Writer { out: vec![op::PROTO, 4], seen, memo: HashMap::new(), allowed };
    writer.value(value)?;
    writer.out.push(op::STOP);
    Ok(writer.out)
}

/// What is kept in the memo: values that are the same wherever they stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum MemoKey<'a> {
    Text(&'a str),
    Global(&'a str, &'a str),
}

/// How often each of them is written.
fn count<'a>(
    value: &'a PickleValue,
    seen: &mut HashMap<MemoKey<'a>, u32>,
    depth: usize,
) -> Result<(), PickleError> {
    if depth > DEPTH {
        return Err(PickleError::TooLarge { what: "levels of nesting", limit: DEPTH });
    }
    let mut all = |values: &'a [PickleValue]| values.iter().try_for_each(|v| count(v, seen, depth + 1));
    match value {
        PickleValue::None
        | PickleValue::Bool(_)
        | PickleValue::Int(_)
        | PickleValue::Float(_)
        | PickleValue::Bytes(_) => {}
        PickleValue::Str(s) => *seen.entry(MemoKey::Text(s)).or_default() += 1,
        PickleValue::List(v) | PickleValue::Tuple(v) | PickleValue::Set(v) => all(v)?,
        PickleValue::Dict(entries) => count_entries(entries, seen, depth)?,
        PickleValue::Global(g) => count_global(g, seen),
        PickleValue::Persistent(id) => count(id, seen, depth + 1)?,
        PickleValue::Call(call) => {
            all(&call.args)?;
            all(&call.appended)?;
            count_global(&call.global, seen);
            count_entries(&call.items, seen, depth)?;
            if let Some(state) = &call.state {
                count(state, seen, depth + 1)?;
            }
        }
    }
    Ok(())
}

fn count_entries<'a>(
    entries: &'a [(PickleValue, PickleValue)],
    seen: &mut HashMap<MemoKey<'a>, u32>,
    depth: usize,
) -> Result<(), PickleError> {
    entries.iter().try_for_each(|(k, v)| {
        count(k, seen, depth + 1)?;
        count(v, seen, depth + 1)
    })
}

fn count_global<'a>(global: &'a Global, seen: &mut HashMap<MemoKey<'a>, u32>) {
    let times = seen.entry(MemoKey::Global(&global.module, &global.name)).or_default();
    *times += 1;
    // Its module and name are only written the first time.
    if *times == 1 {
        *seen.entry(MemoKey::Text(&global.module)).or_default() += 1;
        *seen.entry(MemoKey::Text(&global.name)).or_default() += 1;
    }
}

struct Writer<'a> {
    out: Vec<u8>,
    seen: HashMap<MemoKey<'a>, u32>,
    memo: HashMap<MemoKey<'a>, u32>,
    allowed: &'a dyn Fn(&str, &str) -> bool,
}

impl<'a> Writer<'a> {
    fn value(&mut self, value: &'a PickleValue) -> Result<(), PickleError> {
        match value {
            PickleValue::None => self.out.push(op::NONE),
            PickleValue::Bool(true) => self.out.push(op::NEWTRUE),
            PickleValue::Bool(false) => self.out.push(op::NEWFALSE),
            PickleValue::Int(i) => self.int(*i),
            PickleValue::Float(f) => {
                self.out.push(op::BINFLOAT);
                self.out.extend(f.to_be_bytes());
            }
            PickleValue::Str(s) => self.text(s),
            PickleValue::Bytes(b) => {
                self.length(b.len(), op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8);
                self.out.extend(b);
            }
            PickleValue::List(v) => {
                self.out.push(op::EMPTY_LIST);
                self.marked(v, op::APPENDS)?;
            }
            PickleValue::Set(v) => {
                self.out.push(op::EMPTY_SET);
                self.marked(v, op::ADDITEMS)?;
            }
            PickleValue::Tuple(v) => self.tuple(v)?,
            PickleValue::Dict(entries) => {
                self.out.push(op::EMPTY_DICT);
                self.entries(entries)?;
            }
            PickleValue::Global(g) => self.global(g)?,
            PickleValue::Persistent(id) => {
                self.value(id)?;
                self.out.push(op::BINPERSID);
            }
            PickleValue::Call(call) => self.call(call)?,
        }
        Ok(())
    }

    fn int(&mut self, i: i64) {
        if let Ok(b) = u8::try_from(i) {
            self.out.extend([op::BININT1, b]);
        } else if let Ok(w) = u16::try_from(i) {
            self.out.push(op::BININT2);
            self.out.extend(w.to_le_bytes());
        } else if let Ok(w) = i32::try_from(i) {
            self.out.push(op::BININT);
            self.out.extend(w.to_le_bytes());
        } else {
            self.out.extend([op::LONG1, 8]);
            self.out.extend(i.to_le_bytes());
        }
    }

    /// An opcode and a length, in the shortest of the three forms that holds it.
    fn length(&mut self, n: usize, short: u8, medium: u8, long: u8) {
        if let Ok(b) = u8::try_from(n) {
            self.out.extend([short, b]);
        } else if let Ok(w) = u32::try_from(n) {
            self.out.push(medium);
            self.out.extend(w.to_le_bytes());
        } else {
            self.out.push(long);
            self.out.extend((n as u64).to_le_bytes());
        }
    }

    fn text(&mut self, s: &'a str) {
        if self.recall(MemoKey::Text(s)) {
            return;
        }
        self.length(s.len(), op::SHORT_BINUNICODE, op::BINUNICODE, op::BINUNICODE8);
        self.out.extend(s.as_bytes());
        self.remember(MemoKey::Text(s));
    }

    fn global(&mut self, global: &'a Global) -> Result<(), PickleError> {
        let key = MemoKey::Global(&global.module, &global.name);
        if self.recall(key) {
            return Ok(());
        }
        if !(self.allowed)(&global.module, &global.name) {
            let (module, name) = (global.module.clone(), global.name.clone());
            return Err(PickleError::Global { module, name });
        }
        self.text(&global.module);
        self.text(&global.name);
        self.out.push(op::STACK_GLOBAL);
        self.remember(key);
        Ok(())
    }

    fn call(&mut self, call: &'a Call) -> Result<(), PickleError> {
        self.global(&call.global)?;
        self.tuple(&call.args)?;
        self.out.push(if call.bare { op::NEWOBJ } else { op::REDUCE });
        self.entries(&call.items)?;
        self.marked(&call.appended, op::APPENDS)?;
        if let Some(state) = &call.state {
            self.value(state)?;
            self.out.push(op::BUILD);
        }
        Ok(())
    }

    fn tuple(&mut self, values: &'a [PickleValue]) -> Result<(), PickleError> {
        let code = match values.len() {
            0 => op::EMPTY_TUPLE,
            1 => op::TUPLE1,
            2 => op::TUPLE2,
            3 => op::TUPLE3,
            _ => {
                self.out.push(op::MARK);
                op::TUPLE
            }
        };
        values.iter().try_for_each(|v| self.value(v))?;
        self.out.push(code);
        Ok(())
    }

    /// Values between a mark and an opcode that takes them all; nothing for none.
    fn marked(&mut self, values: &'a [PickleValue], code: u8) -> Result<(), PickleError> {
        if !values.is_empty() {
            self.out.push(op::MARK);
            values.iter().try_for_each(|v| self.value(v))?;
            self.out.push(code);
        }
        Ok(())
    }

    fn entries(&mut self, entries: &'a [(PickleValue, PickleValue)]) -> Result<(), PickleError> {
        if !entries.is_empty() {
            self.out.push(op::MARK);
            for (key, value) in entries {
                self.value(key)?;
                self.value(value)?;
            }
            self.out.push(op::SETITEMS);
        }
        Ok(())
    }

    /// Refers to what was written before, if it was.
    fn recall(&mut self, key: MemoKey<'a>) -> bool {
        let Some(at) = self.memo.get(&key).copied() else { return false };
        if let Ok(b) = u8::try_from(at) {
            self.out.extend([op::BINGET, b]);
        } else {
            self.out.push(op::LONG_BINGET);
            self.out.extend(at.to_le_bytes());
        }
        true
    }

    /// Keeps what was just written, if it will be needed again.
    fn remember(&mut self, key: MemoKey<'a>) {
        if self.seen.get(&key).is_some_and(|n| *n > 1)
            && let Ok(at) = u32::try_from(self.memo.len())
        {
            self.memo.insert(key, at);
            self.out.push(op::MEMOIZE);
        }
    }
}
