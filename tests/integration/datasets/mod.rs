//! Data sets: those that ship, those that are fetched, and the shapes in which files are published.

#[cfg(unix)]
mod drawn;
mod fetching;
mod graded;
mod server;
mod shapes;
mod shipped;
mod wordings;
