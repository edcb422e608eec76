//! Files by checksum into the cache: downloads, parts of packages, weights; and what all of that needs of the machine.

pub mod download;
pub mod error;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod pip;
pub(crate) mod process;
pub mod tls;
pub mod weights;
