//! Hosted models: the same graphs, sent away.
