//! Tests of the program from outside, in one binary, so polars is linked only once.

mod answers;
mod anywhere;
mod bad_input;
mod batches;
mod datasets;
mod documents;
mod engine;
mod injections;
mod language;
mod layers;
mod llama_server;
mod many_servers;
mod openai;
mod presets;
mod runs;
mod server_dialects;
mod server_process;
mod snapshots;
mod support;
mod transport;
