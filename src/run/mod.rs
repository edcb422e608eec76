//! From a config to a finished run: what its calls go through, what comes of them, and the files that are written.

pub mod resources;
