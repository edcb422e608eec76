//! The program from outside: one binary, so that polars is linked once.

mod openai;
mod with_weights;
