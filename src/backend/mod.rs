//! Backends: the implementations of the trait [`Model`](crate::types::model::Model) and the settings that a config
//! gives them.

pub mod check;
pub mod custom;
pub mod entry;
pub mod gguf;
pub mod llama_server;
pub mod openai;
pub mod preset;
pub mod raw;
pub mod reference;
pub mod replay;
pub mod settings;
pub mod simulated;
