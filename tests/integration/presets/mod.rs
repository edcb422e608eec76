//! Presets of servers: the settings they fill in, and the check of an entry against stand-ins with one fault each.

mod bodies;
mod check;
mod configs;
mod documents;
mod server;
