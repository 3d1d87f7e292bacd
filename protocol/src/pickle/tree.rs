//! The graph that a pickle describes, and the tree it is copied into.

use std::cell::RefCell;

use super::{Call, Global, Limits, PickleError, Value};

/// Index of a node.
pub(super) type Id = usize;

/// A value whose parts are other nodes, as parts may still change when they are first seen.
pub(super) enum Node {
    Leaf(Value),
    /// Apart from other leaves, so that they need not be copied where they are used once.
    Bytes(RefCell<Vec<u8>>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Persistent(Id),
    /// Apart, as most nodes are small and there may be millions.
    Call(Box<Made>),
}

/// A call as the machine sees it.
pub(super) struct Made {
    pub global: Global,
    pub bare: bool,
    pub args: Id,
    pub items: Vec<(Id, Id)>,
    pub appended: Vec<Id>,
    pub state: Option<Id>,
}

impl Node {
    /// Tells of each node that this one is made of.
    fn parts(&self, mut tell: impl FnMut(Id)) {
        match self {
            Self::Leaf(_) | Self::Bytes(_) => {}
            Self::List(v) | Self::Tuple(v) | Self::Set(v) => v.iter().for_each(|id| tell(*id)),
            Self::Dict(entries) => entries.iter().flat_map(|(k, v)| [*k, *v]).for_each(tell),
            Self::Persistent(id) => tell(*id),
            Self::Call(call) => {
                let Made { args, items, appended, state, .. } = &**call;
                let items = items.iter().flat_map(|(k, v)| [*k, *v]);
                [*args].into_iter().chain(items).chain(appended.iter().chain(state).copied()).for_each(tell);
            }
        }
    }
}

/// Adds an element, unless memory runs out.
pub(super) fn add<T>(to: &mut Vec<T>, one: T) -> Result<(), PickleError> {
    to.try_reserve(1)?;
    to.push(one);
    Ok(())
}

/// Adds elements, unless memory runs out.
pub(super) fn extend<T: Copy>(to: &mut Vec<T>, more: &[T]) -> Result<(), PickleError> {
    to.try_reserve(more.len())?;
    to.extend_from_slice(more);
    Ok(())
}

/// A copy of a text, unless memory runs out.
pub(super) fn copied(text: &str) -> Result<String, PickleError> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())?;
    copy.push_str(text);
    Ok(copy)
}

/// So many elements, unless memory runs out.
fn filled<T: Clone>(one: T, n: usize) -> Result<Vec<T>, PickleError> {
    let mut all = Vec::new();
    all.try_reserve_exact(n)?;
    all.resize(n, one);
    Ok(all)
}

/// Copies the graph into a tree within the limits.
pub(super) struct Tree<'a> {
    nodes: &'a [Node],
    /// References to each node.
    uses: Vec<u32>,
    /// Nodes on the path from the root.
    open: Vec<bool>,
    values: usize,
    text: usize,
    limits: &'a Limits,
}

impl<'a> Tree<'a> {
    pub fn new(nodes: &'a [Node], limits: &'a Limits) -> Result<Self, PickleError> {
        let mut uses = filled(0_u32, nodes.len())?;
        for node in nodes {
            node.parts(|id| {
                if let Some(n) = uses.get_mut(id) {
                    *n = n.saturating_add(1);
                }
            });
        }
        let open = filled(false, nodes.len())?;
        Ok(Self { nodes, uses, open, values: 0, text: 0, limits })
    }

    pub fn build(&mut self, id: Id, depth: usize) -> Result<Value, PickleError> {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(PickleError::TooLarge { what: "values", limit: self.limits.values });
        }
        if depth > self.limits.depth {
            return Err(PickleError::TooLarge { what: "levels of nesting", limit: self.limits.depth });
        }
        let nodes = self.nodes;
        let Some(node) = nodes.get(id) else {
            return Err(PickleError::Malformed { at: 0, what: "a value that was never made" });
        };
        if let Node::Bytes(bytes) = node {
            self.count(bytes.borrow().len())?;
            let once = self.uses.get(id).is_none_or(|n| *n <= 1);
            if once {
                return Ok(Value::Bytes(bytes.take()));
            }
            let bytes = bytes.borrow();
            let mut copy = Vec::new();
            copy.try_reserve_exact(bytes.len())?;
            copy.extend_from_slice(&bytes);
            return Ok(Value::Bytes(copy));
        }
        if let Node::Leaf(value) = node {
            self.count(match value {
                Value::Str(s) => s.len(),
                Value::Global(g) => g.module.len() + g.name.len(),
                _ => 0,
            })?;
            return match value {
                Value::Str(text) => Ok(Value::Str(copied(text)?)),
                other => Ok(other.clone()),
            };
        }
        if std::mem::replace(&mut self.open[id], true) {
            return Err(PickleError::Cycle);
        }
        let value = match node {
            // Taken above.
            Node::Leaf(_) | Node::Bytes(_) => Value::None,
            Node::List(ids) => Value::List(self.all(ids, depth)?),
            Node::Tuple(ids) => Value::Tuple(self.all(ids, depth)?),
            Node::Set(ids) => Value::Set(self.all(ids, depth)?),
            Node::Dict(entries) => Value::Dict(self.entries(entries, depth)?),
            Node::Persistent(id) => Value::Persistent(Box::new(self.build(*id, depth + 1)?)),
            Node::Call(call) => {
                let Made { global, bare, args, items, appended, state } = &**call;
                let args = match nodes.get(*args) {
                    Some(Node::Tuple(ids)) => self.all(ids, depth)?,
                    _ => Vec::new(),
                };
                self.text += global.module.len() + global.name.len();
                Value::Call(Box::new(Call {
                    global: global.clone(),
                    bare: *bare,
                    args,
                    items: self.entries(items, depth)?,
                    appended: self.all(appended, depth)?,
                    state: state.map(|s| self.build(s, depth + 1)).transpose()?,
                }))
            }
        };
        self.open[id] = false;
        Ok(value)
    }

    fn count(&mut self, text: usize) -> Result<(), PickleError> {
        self.text += text;
        if self.text > self.limits.text {
            return Err(PickleError::TooLarge { what: "bytes of text", limit: self.limits.text });
        }
        Ok(())
    }

    fn all(&mut self, ids: &[Id], depth: usize) -> Result<Vec<Value>, PickleError> {
        let mut all = Vec::new();
        all.try_reserve_exact(ids.len())?;
        for id in ids {
            all.push(self.build(*id, depth + 1)?);
        }
        Ok(all)
    }

    fn entries(&mut self, entries: &[(Id, Id)], depth: usize) -> Result<Vec<(Value, Value)>, PickleError> {
        let mut all = Vec::new();
        all.try_reserve_exact(entries.len())?;
        for (k, v) in entries {
            all.push((self.build(*k, depth + 1)?, self.build(*v, depth + 1)?));
        }
        Ok(all)
    }
}
