//! Data sets: those that ship, those that are fetched, and the formats in which files are published.

mod audited;
#[cfg(unix)]
mod drawn;
mod fetching;
mod graded;
mod kinds;
mod server;
mod shapes;
mod shipped;
mod wordings;
