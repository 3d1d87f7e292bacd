//! The stack machine: bytes to a graph of nodes.

use std::collections::HashMap;

use super::opcode as op;
use super::tree::{CallNode, PickleId, PickleNode, PickleTree, add, copied, extend};
use super::{Global, PickleError, PickleLimits, PickleValue};

/// As [`read`](super::read), of bytes that go on behind the pickle, which no limit counts; also says how many are the pickle's.
///
/// # Errors
/// As [`read`](super::read).
pub fn read_first(
    bytes: &[u8],
    limits: &PickleLimits,
    allowed: &dyn Fn(&str, &str) -> bool,
) -> Result<(PickleValue, usize), PickleError> {
    let mut machine = PickleMachine {
        bytes,
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        limits,
        allowed,
    };
    let root = machine.run()?;
    let end = machine.at;
    Ok((PickleTree::new(&machine.nodes, limits)?.build(root, 0)?, end))
}

/// Characters of a refused global's name that its error shows.
const SHOWN: usize = 200;

struct PickleMachine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<PickleNode>,
    stack: Vec<PickleId>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, PickleId>,
    limits: &'a PickleLimits,
    allowed: &'a dyn Fn(&str, &str) -> bool,
}

impl<'a> PickleMachine<'a> {
    fn malformed(&self, what: &'static str) -> PickleError {
        PickleError::Malformed { at: self.at, what }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], PickleError> {
        let end = self.at.checked_add(n).filter(|e| *e <= self.bytes.len());
        let slice = end
            .and_then(|e| self.bytes.get(self.at..e))
            .ok_or(PickleError::Truncated { at: self.bytes.len() })?;
        self.at += n;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let slice = self.take(N)?;
        slice.try_into().map_err(|_| PickleError::Truncated { at: self.at })
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[b]| b)
    }

    /// A length of four bytes.
    fn length4(&mut self) -> Result<usize, PickleError> {
        let n = u32::from_le_bytes(self.array()?);
        usize::try_from(n).map_err(|_| self.malformed("length too large"))
    }

    /// A length of eight bytes.
    fn length8(&mut self) -> Result<usize, PickleError> {
        let n = u64::from_le_bytes(self.array()?);
        usize::try_from(n).map_err(|_| self.malformed("length too large"))
    }

    fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end =
            rest.iter().position(|b| *b == b'\n').ok_or(PickleError::Truncated { at: self.bytes.len() })?;
        let line = self.take(end)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| self.malformed("a name that is not UTF-8"))
    }

    fn push(&mut self, node: PickleNode) -> Result<(), PickleError> {
        if self.nodes.len() >= self.limits.values {
            return Err(PickleError::TooLarge { what: "values", limit: self.limits.values });
        }
        add(&mut self.stack, self.nodes.len())?;
        add(&mut self.nodes, node)
    }

    /// Puts a node that is there already on the stack. That makes no new one, and the stack itself must stay
    /// bounded too.
    fn again(&mut self, id: PickleId) -> Result<(), PickleError> {
        if self.stack.len() >= self.limits.values {
            return Err(PickleError::TooLarge { what: "values", limit: self.limits.values });
        }
        add(&mut self.stack, id)
    }

    fn leaf(&mut self, value: PickleValue) -> Result<(), PickleError> {
        self.push(PickleNode::Leaf(value))
    }

    fn text(&mut self, n: usize) -> Result<(), PickleError> {
        let bytes = self.take(n)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.malformed("text that is not UTF-8"))?;
        self.leaf(PickleValue::Str(copied(text)?))
    }

    fn byte_string(&mut self, n: usize) -> Result<(), PickleError> {
        let taken = self.take(n)?;
        let mut bytes = Vec::new();
        extend(&mut bytes, taken)?;
        self.push(PickleNode::Bytes(bytes.into()))
    }

    fn long(&mut self, n: usize) -> Result<(), PickleError> {
        let bytes = self.take(n)?;
        if n > 8 {
            return Err(self.malformed("an integer of more than 64 bits"));
        }
        // Two's complement, little-endian, sign in the last byte.
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        wide.iter_mut().zip(bytes).for_each(|(w, b)| *w = *b);
        self.leaf(PickleValue::Int(i64::from_le_bytes(wide)))
    }

    /// The top of the stack, which must lie above the last mark.
    fn pop(&mut self) -> Result<PickleId, PickleError> {
        if self.marks.last().is_some_and(|m| self.stack.len() <= *m) {
            return Err(self.malformed("a mark where a value is needed"));
        }
        self.stack.pop().ok_or_else(|| self.malformed("an empty stack"))
    }

    fn top(&mut self) -> Result<PickleId, PickleError> {
        let id = self.pop()?;
        self.again(id)?;
        Ok(id)
    }

    /// Everything above the last mark, which is removed.
    fn pop_mark(&mut self) -> Result<Vec<PickleId>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("no mark"))?;
        let mark = mark.min(self.stack.len());
        let mut above = Vec::new();
        extend(&mut above, &self.stack[mark..])?;
        self.stack.truncate(mark);
        Ok(above)
    }

    fn pop_entries(&mut self) -> Result<Vec<(PickleId, PickleId)>, PickleError> {
        let flat = self.pop_mark()?;
        if !flat.len().is_multiple_of(2) {
            return Err(self.malformed("a key without a value"));
        }
        let mut entries = Vec::new();
        entries.try_reserve_exact(flat.len() / 2)?;
        entries.extend(flat.chunks_exact(2).map(|c| (c[0], c[1])));
        Ok(entries)
    }

    fn tuple(&mut self, n: usize) -> Result<(), PickleError> {
        let mut ids = Vec::with_capacity(n);
        for _ in 0..n {
            ids.push(self.pop()?);
        }
        ids.reverse();
        self.push(PickleNode::Tuple(ids))
    }

    fn append(&mut self, more: &[PickleId]) -> Result<(), PickleError> {
        let target = self.top()?;
        match self.nodes.get_mut(target) {
            Some(PickleNode::List(items)) => extend(items, more)?,
            Some(PickleNode::Call(call)) => extend(&mut call.appended, more)?,
            _ => return Err(self.malformed("append to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, more: &[(PickleId, PickleId)]) -> Result<(), PickleError> {
        let target = self.top()?;
        match self.nodes.get_mut(target) {
            Some(PickleNode::Dict(items)) => extend(items, more)?,
            Some(PickleNode::Call(call)) => extend(&mut call.items, more)?,
            _ => return Err(self.malformed("set an item of what is no dictionary")),
        }
        Ok(())
    }

    fn put(&mut self, key: u32) -> Result<(), PickleError> {
        let id = self.top()?;
        self.memo.try_reserve(1)?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn get(&mut self, key: u32) -> Result<(), PickleError> {
        let id =
            self.memo.get(&key).copied().ok_or_else(|| self.malformed("a memo entry that was not stored"))?;
        self.again(id)
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        if !(self.allowed)(module, name) {
            let short = |text: &str| text.chars().take(SHOWN).collect();
            return Err(PickleError::Global { module: short(module), name: short(name) });
        }
        self.leaf(PickleValue::Global(Global { module: copied(module)?, name: copied(name)? }))
    }

    fn stack_global(&mut self) -> Result<(), PickleError> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (self.nodes.get(module), self.nodes.get(name)) {
            (Some(PickleNode::Leaf(PickleValue::Str(m))), Some(PickleNode::Leaf(PickleValue::Str(n)))) => {
                let (m, n) = (copied(m)?, copied(n)?);
                self.global(&m, &n)
            }
            _ => Err(self.malformed("a global whose name is no text")),
        }
    }

    fn call(&mut self, bare: bool) -> Result<(), PickleError> {
        let (args, callee) = (self.pop()?, self.pop()?);
        if !matches!(self.nodes.get(args), Some(PickleNode::Tuple(_))) {
            return Err(self.malformed("arguments that are no tuple"));
        }
        match self.nodes.get(callee) {
            Some(PickleNode::Leaf(PickleValue::Global(global))) => {
                let global = global.clone();
                self.push(PickleNode::Call(Box::new(CallNode {
                    global,
                    bare,
                    args,
                    items: Vec::new(),
                    appended: Vec::new(),
                    state: None,
                })))
            }
            _ => Err(self.malformed("a call of what is no global")),
        }
    }

    fn build(&mut self) -> Result<(), PickleError> {
        let given = self.pop()?;
        let target = self.top()?;
        match self.nodes.get_mut(target) {
            Some(PickleNode::Call(call)) => call.state = Some(given),
            _ => return Err(self.malformed("state for what was not built by a call")),
        }
        Ok(())
    }

    fn run(&mut self) -> Result<PickleId, PickleError> {
        loop {
            let start = self.at;
            let code = self.byte()?;
            match code {
                op::STOP => {
                    let root = self.pop()?;
                    return if self.stack.is_empty() && self.marks.is_empty() {
                        Ok(root)
                    } else {
                        Err(self.malformed("values left on the stack"))
                    };
                }
                op::PROTO => {
                    if self.byte()? > 5 {
                        return Err(self.malformed("a protocol above 5"));
                    }
                }
                op::FRAME => {
                    self.take(8)?;
                }
                op::MARK => {
                    if self.marks.len() >= self.limits.values {
                        return Err(PickleError::TooLarge { what: "values", limit: self.limits.values });
                    }
                    add(&mut self.marks, self.stack.len())?;
                }
                op::POP => {
                    if self.marks.last() == Some(&self.stack.len()) {
                        self.marks.pop();
                    } else {
                        self.pop()?;
                    }
                }
                op::POP_MARK => {
                    self.pop_mark()?;
                }
                op::DUP => {
                    let id = self.top()?;
                    self.again(id)?;
                }
                op::NONE => self.leaf(PickleValue::None)?,
                op::NEWTRUE => self.leaf(PickleValue::Bool(true))?,
                op::NEWFALSE => self.leaf(PickleValue::Bool(false))?,
                op::BININT => {
                    let v = i32::from_le_bytes(self.array()?);
                    self.leaf(PickleValue::Int(v.into()))?;
                }
                op::BININT1 => {
                    let v = self.byte()?;
                    self.leaf(PickleValue::Int(v.into()))?;
                }
                op::BININT2 => {
                    let v = u16::from_le_bytes(self.array()?);
                    self.leaf(PickleValue::Int(v.into()))?;
                }
                op::LONG1 => {
                    let n = self.byte()?;
                    self.long(n.into())?;
                }
                op::LONG4 => {
                    let n = self.length4()?;
                    self.long(n)?;
                }
                op::BINFLOAT => {
                    let v = f64::from_be_bytes(self.array()?);
                    self.leaf(PickleValue::Float(v))?;
                }
                op::SHORT_BINUNICODE | op::SHORT_BINSTRING => {
                    let n = self.byte()?;
                    self.text(n.into())?;
                }
                op::BINUNICODE | op::BINSTRING => {
                    let n = self.length4()?;
                    self.text(n)?;
                }
                op::BINUNICODE8 => {
                    let n = self.length8()?;
                    self.text(n)?;
                }
                op::SHORT_BINBYTES => {
                    let n = self.byte()?;
                    self.byte_string(n.into())?;
                }
                op::BINBYTES => {
                    let n = self.length4()?;
                    self.byte_string(n)?;
                }
                op::BINBYTES8 | op::BYTEARRAY8 => {
                    let n = self.length8()?;
                    self.byte_string(n)?;
                }
                op::EMPTY_LIST => self.push(PickleNode::List(Vec::new()))?,
                op::EMPTY_TUPLE => self.push(PickleNode::Tuple(Vec::new()))?,
                op::EMPTY_DICT => self.push(PickleNode::Dict(Vec::new()))?,
                op::EMPTY_SET => self.push(PickleNode::Set(Vec::new()))?,
                op::TUPLE1 => self.tuple(1)?,
                op::TUPLE2 => self.tuple(2)?,
                op::TUPLE3 => self.tuple(3)?,
                op::TUPLE => {
                    let ids = self.pop_mark()?;
                    self.push(PickleNode::Tuple(ids))?;
                }
                op::LIST => {
                    let ids = self.pop_mark()?;
                    self.push(PickleNode::List(ids))?;
                }
                op::FROZENSET => {
                    let ids = self.pop_mark()?;
                    self.push(PickleNode::Set(ids))?;
                }
                op::DICT => {
                    let entries = self.pop_entries()?;
                    self.push(PickleNode::Dict(entries))?;
                }
                op::APPEND => {
                    let id = self.pop()?;
                    self.append(&[id])?;
                }
                op::APPENDS => {
                    let ids = self.pop_mark()?;
                    self.append(&ids)?;
                }
                op::ADDITEMS => {
                    let ids = self.pop_mark()?;
                    let target = self.top()?;
                    match self.nodes.get_mut(target) {
                        Some(PickleNode::Set(items)) => extend(items, &ids)?,
                        _ => return Err(self.malformed("add to what is no set")),
                    }
                }
                op::SETITEM => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[(key, value)])?;
                }
                op::SETITEMS => {
                    let entries = self.pop_entries()?;
                    self.set(&entries)?;
                }
                op::BINPUT => {
                    let key = self.byte()?;
                    self.put(key.into())?;
                }
                op::LONG_BINPUT => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.put(key)?;
                }
                op::MEMOIZE => {
                    let key = u32::try_from(self.memo.len()).map_err(|_| self.malformed("memo too large"))?;
                    self.put(key)?;
                }
                op::BINGET => {
                    let key = self.byte()?;
                    self.get(key.into())?;
                }
                op::LONG_BINGET => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.get(key)?;
                }
                op::GLOBAL => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(module, name)?;
                }
                op::STACK_GLOBAL => self.stack_global()?,
                op::REDUCE => self.call(false)?,
                op::NEWOBJ => self.call(true)?,
                op::BUILD => self.build()?,
                op::BINPERSID => {
                    let id = self.pop()?;
                    self.push(PickleNode::Persistent(id))?;
                }
                code => return Err(PickleError::Opcode { code, at: start }),
            }
        }
    }
}
