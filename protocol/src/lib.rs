//! Values and bytes of intervention graphs.
pub mod site;
pub use site::Site;
