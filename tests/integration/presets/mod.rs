//! Presets of servers: what they fill in, and the check of an entry against stand-ins that refuse one thing each.

mod bodies;
mod check;
mod configs;
mod documents;
mod server;
