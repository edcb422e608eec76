//! The name that a resolved config had before.

pub use super::resolved::ResolvedConfig as Assembly;
