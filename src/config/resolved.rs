//! Resolved config: a config with the items, models, prompts and recordings that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::error::{ConfigError, ConfigFault};
use super::schema::Config;
use crate::backend::entry::ModelEntry;
use crate::backend::raw::RawEntry;
use crate::backend::replay::Recording;
use crate::fetch::weights::Catalogue;
use crate::task::Grader;
use crate::task::confidence::Signal;
use crate::task::prompt::Prompt;
use crate::types::arm::Arm;
use crate::types::item::Item;

/// A config with everything that it names.
pub struct ResolvedConfig {
    /// Config.
    pub config: Config,
    /// All model entries that the config can name.
    pub known: Vec<RawEntry>,
    /// Model entry of the weak level.
    pub weak: ModelEntry,
    /// Model entry of the strong level.
    pub strong: ModelEntry,
    /// Name of the data set in outputs.
    pub dataset: String,
    /// Hexadecimal SHA-256 of the data file.
    pub sha256: String,
    /// Notices about the data files for the reader of the results.
    pub(super) notices: Vec<String>,
    /// True if the licence permits passing on the questions, or if the data are the user's own.
    pub redistributable: bool,
    /// Reads and scores answers.
    pub grader: Grader,
    /// Prompts of the weak and the strong level.
    pub prompts: [Prompt; 2],
    /// All items: the stream, then the calibration items.
    pub items: Arc<[Item]>,
    /// Index ranges of the stream and of the calibration items in `items`.
    pub(super) ranges: [Range<usize>; 2],
    /// Confidence signal. `None` if no arm defers on a confidence and no calibration needs one.
    pub signal: Option<Signal>,
    /// Recordings that replace models, by the name of the model.
    pub recordings: BTreeMap<String, Arc<Recording>>,
    /// Catalogue of weights that models can name.
    pub weights: Catalogue,
}

impl ResolvedConfig {
    /// Items of the stream.
    #[must_use]
    pub fn stream(&self) -> &[Item] {
        &self.items[self.ranges[0].clone()]
    }

    /// Number of groups in the stream.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.stream().iter().map(|item| &*item.group).collect::<BTreeSet<&str>>().len()
    }

    /// Index range of the calibration items in `items`, in the order of drawing.
    #[must_use]
    pub fn calibration(&self) -> Range<usize> {
        self.ranges[1].clone()
    }

    /// Items whose embeddings are needed: none, the stream, or all items.
    #[must_use]
    pub fn embedded(&self) -> &[Item] {
        // With calibration, near-duplicates of calibration items in the stream are reported, which needs all embeddings.
        match (self.learns(), self.config.deferral.calibration_task().asks()) {
            (false, _) => &[],
            (true, false) => self.stream(),
            (true, true) => &self.items,
        }
    }

    /// Checks that both models can be called, without calling them.
    ///
    /// # Errors
    /// If a model cannot be called. The error names the model and the fix.
    pub fn check_models(&self) -> Result<(), ConfigError> {
        for entry in [&self.weak, &self.strong] {
            entry.check_callable().map_err(ConfigFault::model)?;
        }
        Ok(())
    }

    /// True if an arm needs strategies from the strong level.
    pub(super) fn needs_strategies(&self) -> bool {
        self.config.arms.iter().any(|arm| arm.needs_strategies(self.config.learning.content))
    }

    /// True if an arm shows examples in the top level's prompt.
    pub(super) fn shows_to_top(&self) -> bool {
        let arms = &self.config.arms;
        arms.contains(&Arm::StrongWithExamples)
            || (self.config.learning.top_level_examples && arms.iter().any(|arm| arm.shows_examples()))
    }

    /// True if an arm learns.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.config.arms.iter().any(|arm| arm.learning().is_some())
    }

    /// Names of the weights that must be available.
    #[must_use]
    pub fn required_weights(&self) -> BTreeSet<String> {
        let mut names = self.weak.required_weights(&self.weak);
        names.extend(self.strong.required_weights(&self.weak));
        if self.learns() {
            names.extend(self.config.learning.embedder.weights().map(str::to_owned));
        }
        names
    }
}
