//! What the command line and other programs ask for: the flows over all floors below.

pub mod audit;
pub mod data_sets;
pub mod dataset_check;
pub mod export;
pub mod model_check;
pub mod shown_prompt;
pub mod transfers;
pub mod waits;
