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
    Call {
        global: Global,
        bare: bool,
        args: Id,
        items: Vec<(Id, Id)>,
        appended: Vec<Id>,
        state: Option<Id>,
    },
}

impl Node {
    /// The nodes that this one is made of.
    fn parts(&self) -> Vec<Id> {
        let flat = |pairs: &[(Id, Id)]| pairs.iter().flat_map(|(k, v)| [*k, *v]).collect::<Vec<_>>();
        match self {
            Self::Leaf(_) | Self::Bytes(_) => vec![],
            Self::List(v) | Self::Tuple(v) | Self::Set(v) => v.clone(),
            Self::Dict(entries) => flat(entries),
            Self::Persistent(id) => vec![*id],
            Self::Call { args, items, appended, state, .. } => {
                [vec![*args], flat(items), appended.clone(), state.iter().copied().collect()].concat()
            }
        }
    }
}

/// Copies the graph into a tree within the limits.
pub(super) struct Tree<'a> {
    nodes: &'a [Node],
    /// How many nodes refer to each.
    uses: Vec<u32>,
    /// Nodes on the path from the root.
    open: Vec<bool>,
    values: usize,
    text: usize,
    limits: &'a Limits,
}

impl<'a> Tree<'a> {
    pub fn new(nodes: &'a [Node], limits: &'a Limits) -> Self {
        let mut uses = vec![0_u32; nodes.len()];
        for id in nodes.iter().flat_map(Node::parts) {
            if let Some(n) = uses.get_mut(id) {
                *n = n.saturating_add(1);
            }
        }
        Self { nodes, uses, open: vec![false; nodes.len()], values: 0, text: 0, limits }
    }

    /// The value of a node.
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
            return Ok(Value::Bytes(if once { bytes.take() } else { bytes.borrow().clone() }));
        }
        if let Node::Leaf(value) = node {
            self.count(match value {
                Value::Str(s) => s.len(),
                Value::Global(g) => g.module.len() + g.name.len(),
                _ => 0,
            })?;
            return Ok(value.clone());
        }
        if std::mem::replace(&mut self.open[id], true) {
            return Err(PickleError::Cycle);
        }
        let value = match node {
            Node::Leaf(value) => value.clone(),
            Node::Bytes(bytes) => Value::Bytes(bytes.borrow().clone()),
            Node::List(ids) => Value::List(self.all(ids, depth)?),
            Node::Tuple(ids) => Value::Tuple(self.all(ids, depth)?),
            Node::Set(ids) => Value::Set(self.all(ids, depth)?),
            Node::Dict(entries) => Value::Dict(self.entries(entries, depth)?),
            Node::Persistent(id) => Value::Persistent(Box::new(self.build(*id, depth + 1)?)),
            Node::Call { global, bare, args, items, appended, state } => {
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
        ids.iter().map(|id| self.build(*id, depth + 1)).collect()
    }

    fn entries(&mut self, entries: &[(Id, Id)], depth: usize) -> Result<Vec<(Value, Value)>, PickleError> {
        entries.iter().map(|(k, v)| Ok((self.build(*k, depth + 1)?, self.build(*v, depth + 1)?))).collect()
    }
}
