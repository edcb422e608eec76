//! intercascade runs the standard LLM cascade and Inter-Cascade side by side and reports accuracy, strong calls
//! and fees.

pub mod chat;
pub mod item;
pub mod model;
