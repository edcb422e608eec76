//! Presets of servers: what they fill in, and the check of an entry against stand-ins that refuse one thing each.

mod check;
mod configs;
mod server;
