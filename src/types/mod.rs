//! Plain data that every floor shares, and the one place that makes random generators.

pub mod chat;
pub mod confidence;
pub mod item;
pub mod noted;
pub mod reasoning;
pub mod record;
pub mod seed;
pub mod shown;
