//! Tests of the shared journal with a real `PostgreSQL` server, whose programs must be installed:
//! `scripts/check-postgres`, or `cargo test --release --test postgres`.

#![cfg(target_os = "linux")]

mod limits;
mod outages;
mod places;
mod rights;
mod runs;
mod server;
#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use more of it")]
#[path = "../integration/support/mod.rs"]
mod support;
mod workers;
