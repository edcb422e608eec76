//! A config with all that it names: items, models, prompts, recordings.

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

/// A config with all that it names.
pub struct ResolvedConfig {
    /// The config.
    pub config: Config,
    /// All models that it could name.
    pub known: Vec<RawEntry>,
    /// The weak level's entry.
    pub weak: ModelEntry,
    /// The strong level's entry.
    pub strong: ModelEntry,
    /// The data set's name in outputs.
    pub dataset: String,
    /// Hex sha256 of its file.
    pub sha256: String,
    /// What a reader must know of its files.
    pub(super) notices: Vec<String>,
    /// How its answers are read and compared.
    pub grader: Grader,
    /// The weak and the strong level's words.
    pub prompts: [Prompt; 2],
    /// All items: those of the stream, then those set apart for calibration.
    pub items: Arc<[Item]>,
    /// Where the ones and the others stand.
    pub(super) places: [Range<usize>; 2],
    /// How confidence is read; none where no arm is gated by it and none is told.
    pub signal: Option<Signal>,
    /// The recordings that stand in for models, by the model's name.
    pub recordings: BTreeMap<String, Arc<Recording>>,
    /// The weights that can be named.
    pub weights: Catalogue,
}

impl ResolvedConfig {
    /// The items of the stream.
    #[must_use]
    pub fn stream(&self) -> &[Item] {
        &self.items[self.places[0].clone()]
    }

    /// The number of groups of the stream's items.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.stream().iter().map(|item| &*item.group).collect::<BTreeSet<&str>>().len()
    }

    /// Where the calibration items stand among all, in the order in which they were drawn.
    #[must_use]
    pub fn calibration(&self) -> Range<usize> {
        self.places[1].clone()
    }

    /// The items whose embeddings are needed, the first of all.
    #[must_use]
    pub fn embedded(&self) -> &[Item] {
        // Where something is told from the calibration items, what they share with the stream is told too.
        match (self.learns(), self.config.deferral.calibration_task().asks()) {
            (false, _) => &[],
            (true, false) => self.stream(),
            (true, true) => &self.items,
        }
    }

    /// Finds what keeps a model from being asked, before any is.
    ///
    /// # Errors
    /// Names the model and the mend.
    pub fn check_models(&self) -> Result<(), ConfigError> {
        for entry in [&self.weak, &self.strong] {
            entry.check_callable().map_err(ConfigFault::model)?;
        }
        Ok(())
    }

    /// Whether any arm needs the strong level to write strategies.
    pub(super) fn needs_strategies(&self) -> bool {
        self.config.arms.iter().any(|arm| arm.needs_strategies(self.config.learning.content))
    }

    /// Whether the top level is shown examples in any arm.
    pub(super) fn shows_to_top(&self) -> bool {
        let arms = &self.config.arms;
        arms.contains(&Arm::StrongWithExamples)
            || (self.config.learning.top_level_examples && arms.iter().any(|arm| arm.shows_examples()))
    }

    /// Whether any arm learns.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.config.arms.iter().any(|arm| arm.learning().is_some())
    }

    /// The weights that must be there, by name.
    #[must_use]
    pub fn needed_weights(&self) -> BTreeSet<String> {
        let mut names = self.weak.needed_weights(&self.weak);
        names.extend(self.strong.needed_weights(&self.weak));
        if self.learns() {
            names.extend(self.config.learning.embedder.weights().map(str::to_owned));
        }
        names
    }
}
