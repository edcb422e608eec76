//! The program from outside: one binary, so that polars is linked once.

mod answers;
mod bad_input;
mod datasets;
mod dialects;
mod documents;
mod engine;
mod injections;
mod layers;
mod llama_server;
mod openai;
mod presets;
mod runs;
mod support;
mod transport;
mod with_engine;
mod with_weights;
