//! Fetching of files into the cache, verified by checksum: downloads, Python packages and weights, with the
//! properties of the machine that this needs.

pub mod download;
pub mod error;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod pip;
pub(crate) mod process;
pub mod shipped;
pub mod tls;
pub mod weights;
