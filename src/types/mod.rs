//! Data types that all modules share, the trait of a model, and the seeded random generators.

pub mod arm;
pub mod canonical;
pub mod chat;
pub mod check;
pub mod confidence;
pub mod embedding;
pub mod escaped;
pub mod item;
pub mod left_out;
pub mod level;
pub mod marks;
pub mod matrix;
pub mod model;
pub mod noted;
pub mod one_or_many;
pub mod price;
pub mod queue;
pub mod reasoning;
pub mod record;
pub mod recorded;
pub mod seed;
pub mod shard;
pub mod store_rule;
#[doc(hidden)]
pub mod testing;
