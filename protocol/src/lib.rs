//! Values and bytes of intervention graphs.
