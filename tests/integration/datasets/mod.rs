//! Data sets: those that ship, those that are fetched, and the shapes in which files are published.

mod audited;
mod fetching;
mod graded;
mod kinds;
mod server;
mod shapes;
mod shipped;
