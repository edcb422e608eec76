//! Tests with real weights and with the real engine. Both are downloaded into the cache if they are missing, so
//! `cargo test` leaves them out: `cargo test --release --test models`.

#![cfg(target_os = "linux")]

mod engine;
mod gguf;
mod llama;
mod minilm;
mod server;
#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use more of it")]
#[path = "../integration/support/mod.rs"]
mod support;
mod weights;
