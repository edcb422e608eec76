//! Plain data that every floor shares, and the one place that makes random generators.

pub mod chat;
pub mod item;
pub mod record;
pub mod seed;
pub mod shown;
