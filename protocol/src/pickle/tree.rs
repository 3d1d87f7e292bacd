//! The graph that a pickle describes, and the tree it is copied into.

use std::cell::RefCell;

use super::{Call, Global, PickleError, PickleLimits, PickleValue};

/// Index of a node.
pub(super) type PickleId = usize;

/// A value whose parts are other nodes, as parts may still change when they are first seen.
pub(super) enum PickleNode {
    Leaf(PickleValue),
    /// Apart from other leaves, so that they need not be copied where they are used once.
    Bytes(RefCell<Vec<u8>>),
    List(Vec<PickleId>),
    Tuple(Vec<PickleId>),
    Set(Vec<PickleId>),
    Dict(Vec<(PickleId, PickleId)>),
    Persistent(PickleId),
    /// Apart, as most nodes are small and there may be millions.
    Call(Box<CallNode>),
}

/// A call as the machine sees it.
pub(super) struct CallNode {
    pub global: Global,
    pub bare: bool,
    pub args: PickleId,
    pub items: Vec<(PickleId, PickleId)>,
    pub appended: Vec<PickleId>,
    pub state: Option<PickleId>,
}

impl PickleNode {
    /// Tells of each node that this one is made of.
    fn parts(&self, mut tell: impl FnMut(PickleId)) {
        match self {
            Self::Leaf(_) | Self::Bytes(_) => {}
            Self::List(v) | Self::Tuple(v) | Self::Set(v) => v.iter().for_each(|id| tell(*id)),
            Self::Dict(entries) => entries.iter().flat_map(|(k, v)| [*k, *v]).for_each(tell),
            Self::Persistent(id) => tell(*id),
            Self::Call(call) => {
                let CallNode { args, items, appended, state, .. } = &**call;
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
pub(super) struct PickleTree<'a> {
    nodes: &'a [PickleNode],
    /// References to each node.
    uses: Vec<u32>,
    /// Nodes on the path from the root.
    open: Vec<bool>,
    /// How many of these are used more than once: what lies in them comes again.
    shared: usize,
    values: usize,
    text: usize,
    limits: &'a PickleLimits,
}

impl<'a> PickleTree<'a> {
    pub fn new(nodes: &'a [PickleNode], limits: &'a PickleLimits) -> Result<Self, PickleError> {
        let mut uses = filled(0_u32, nodes.len())?;
        for node in nodes {
            node.parts(|id| {
                if let Some(n) = uses.get_mut(id) {
                    *n = n.saturating_add(1);
                }
            });
        }
        let open = filled(false, nodes.len())?;
        Ok(Self { nodes, uses, open, shared: 0, values: 0, text: 0, limits })
    }

    pub fn build(&mut self, id: PickleId, depth: usize) -> Result<PickleValue, PickleError> {
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
        if let PickleNode::Bytes(bytes) = node {
            self.count(bytes.borrow().len())?;
            if self.shared == 0 && !self.comes_again(id) {
                return Ok(PickleValue::Bytes(bytes.take()));
            }
            let bytes = bytes.borrow();
            let mut copy = Vec::new();
            copy.try_reserve_exact(bytes.len())?;
            copy.extend_from_slice(&bytes);
            return Ok(PickleValue::Bytes(copy));
        }
        if let PickleNode::Leaf(value) = node {
            self.count(match value {
                PickleValue::Str(s) => s.len(),
                PickleValue::Global(g) => g.module.len() + g.name.len(),
                _ => 0,
            })?;
            return match value {
                PickleValue::Str(text) => Ok(PickleValue::Str(copied(text)?)),
                other => Ok(other.clone()),
            };
        }
        if std::mem::replace(&mut self.open[id], true) {
            return Err(PickleError::Cycle);
        }
        let shared = usize::from(self.comes_again(id));
        self.shared += shared;
        let value = match node {
            // Taken above.
            PickleNode::Leaf(_) | PickleNode::Bytes(_) => PickleValue::None,
            PickleNode::List(ids) => PickleValue::List(self.all(ids, depth)?),
            PickleNode::Tuple(ids) => PickleValue::Tuple(self.all(ids, depth)?),
            PickleNode::Set(ids) => PickleValue::Set(self.all(ids, depth)?),
            PickleNode::Dict(entries) => PickleValue::Dict(self.entries(entries, depth)?),
            PickleNode::Persistent(id) => PickleValue::Persistent(Box::new(self.build(*id, depth + 1)?)),
            PickleNode::Call(call) => {
                let CallNode { global, bare, args, items, appended, state } = &**call;
                let shared = usize::from(self.comes_again(*args));
                self.shared += shared;
                let args = match nodes.get(*args) {
                    Some(PickleNode::Tuple(ids)) => self.all(ids, depth)?,
                    _ => Vec::new(),
                };
                self.shared -= shared;
                self.text += global.module.len() + global.name.len();
                PickleValue::Call(Box::new(Call {
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
        self.shared -= shared;
        Ok(value)
    }

    /// Whether more than one node refers to this one.
    fn comes_again(&self, id: PickleId) -> bool {
        self.uses.get(id).is_some_and(|n| *n > 1)
    }

    fn count(&mut self, text: usize) -> Result<(), PickleError> {
        self.text += text;
        if self.text > self.limits.text {
            return Err(PickleError::TooLarge { what: "bytes of text", limit: self.limits.text });
        }
        Ok(())
    }

    fn all(&mut self, ids: &[PickleId], depth: usize) -> Result<Vec<PickleValue>, PickleError> {
        let mut all = Vec::new();
        all.try_reserve_exact(ids.len())?;
        for id in ids {
            all.push(self.build(*id, depth + 1)?);
        }
        Ok(all)
    }

    fn entries(
        &mut self,
        entries: &[(PickleId, PickleId)],
        depth: usize,
    ) -> Result<Vec<(PickleValue, PickleValue)>, PickleError> {
        let mut all = Vec::new();
        all.try_reserve_exact(entries.len())?;
        for (k, v) in entries {
            all.push((self.build(*k, depth + 1)?, self.build(*v, depth + 1)?));
        }
        Ok(all)
    }
}
