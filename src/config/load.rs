//! Loading of a config file into a validated struct.

use std::path::Path;

use super::error::{At as _, ConfigError};
use super::overrides::with_overrides;
use super::parse::{for_another_verb, parse, read};
use super::schema::Config;
use super::validate;

impl Config {
    /// Reads a config file and applies the overrides `sets` (`key.path=value`).
    ///
    /// # Errors
    /// If the file or an override is invalid. The error names file, line and key, and suggests the nearest key for an
    /// unknown one.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self, ConfigError> {
        let config = Self::unchecked(path, sets)?;
        validate::config(&config).at(path.display())?;
        Ok(config)
    }

    /// Reads a config file and applies the overrides `sets` without validating values, because further overrides
    /// follow.
    ///
    /// # Errors
    /// If the file or an override cannot be parsed. The error names file, line and key, and suggests the nearest key
    /// for an unknown one.
    pub fn unchecked(path: &Path, sets: &[String]) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let config: Self = parse(&text, path).map_err(|error| {
            for_another_verb(&text, &["config", "table"], path, "an ablation's file: intercascade ablate")
                .unwrap_or(error)
        })?;
        if sets.is_empty() { Ok(config) } else { with_overrides(&text, path, sets) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::{ConfigFault, SetFault};
    use crate::types::arm::Arm;
    use crate::types::seed::Seed;

    const GOOD: &str = r#"
name = "x"
arms = ["cascade"]
levels = ["a", "b"]
[dataset]
name = "gsm-templates"
[deferral]
threshold = 0.8
"#;

    fn load(text: &str, sets: &[&str]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text).expect("written");
        Config::load(&path, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
    }

    fn error(text: &str, sets: &[&str]) -> String {
        format!("{:#}", load(text, sets).expect_err("refused"))
    }

    #[test]
    fn defaults_are_filled_in() {
        let config = load(GOOD, &[]).expect("good");
        assert_eq!((config.seed, config.dataset.orders, config.learning.k), (Seed(0), 1, 2));
        assert_eq!(config.dataset.limit, None);
    }

    #[test]
    fn set_overrides_values_of_the_file() {
        let config = load(GOOD, &["dataset.limit=5", "name=y", "learning.k=0", "arms=[\"weak-only\"]"]).expect("good");
        assert_eq!((config.dataset.limit, config.name.as_str(), config.learning.k), (Some(5), "y", 0));
        assert_eq!(config.arms, [Arm::WeakOnly]);
    }

    #[test]
    fn set_reaches_a_model_whose_name_has_dots() {
        let text = format!(
            "{GOOD}[[model]]\nname = \"m-0.5\"\nbackend = \"reference\"\n[[model]]\nname = \"m-0\"\nbackend = \"reference\"\n"
        );
        let tokens = |sets: &[&str]| {
            load(&text, sets).expect("good").models.iter().map(|model| model.max_tokens).collect::<Vec<_>>()
        };
        assert_eq!(tokens(&["model.m-0.5.max_tokens=7", "model.m-0.max_tokens=9"]), [7, 9]);
        assert!(error(&text, &["model.m-1.5.max_tokens=7"]).contains("no `model` is called `m-1.5`"));
        assert!(error(&text, &["model.max_tokens=7"]).contains("`model` needs a name"));
    }

    #[test]
    fn unknown_keys_name_file_line_and_the_nearest_key() {
        let text = GOOD.replace("threshold", "treshold");
        let error = error(&text, &[]);
        assert!(error.contains("x.toml: line 8:"), "{error}");
        assert!(error.contains("`treshold`") && error.contains("did you mean `threshold`?"), "{error}");
    }

    #[test]
    fn invalid_values_name_their_key() {
        assert!(error(&GOOD.replace("0.8", "\"high\""), &[]).contains("deferral.threshold"));
        assert!(error(&GOOD.replace("0.8", "1.8"), &[]).contains("deferral.threshold: must be from 0 to 1"));
        assert!(error(&GOOD.replace("[\"cascade\"]", "[\"cascades\"]"), &[]).contains("did you mean `cascade`?"));
        assert!(error(&GOOD.replace("\"a\", \"b\"", "\"a\""), &[]).contains("levels: name two different models"));
        assert!(error(GOOD, &["dataset.limt=5"]).contains("did you mean `limit`?"));
        assert!(error(GOOD, &["dataset.limit"]).contains("must be key.path=value"));
        let config = load(GOOD, &["dataset.limit=5", "dataset.limit=", "dataset.sample=6"]).expect("good");
        assert_eq!((config.dataset.limit, config.dataset.sample), (None, Some(6)));
        assert!(error(GOOD, &["dataset.limit=5", "dataset.sample=5"]).contains("set only one of them"));
        for key in ["limit", "sample"] {
            let error = error(GOOD, &[&format!("dataset.{key}=5"), "dataset.sample_groups=5"]);
            assert!(error.contains(&format!("`{key}` counts items; set only one of them")), "{error}");
        }
        assert!(error(GOOD, &["dataset.sample_groups=0"]).contains("dataset.sample_groups: must be at least 1"));
        assert!(error(GOOD, &["limits.max_fee_usd=-1.0"]).contains("limits.max_fee_usd: must be a number"));
        assert!(error(GOOD, &["dataset.limit=0"]).contains("dataset.limit: must be at least 1"));
    }

    #[test]
    fn type_errors_use_the_terms_of_a_config() {
        for (set, parts) in [
            ("learning.store=allways", ["learning.store: unknown value `allways`", "did you mean `always`?"]),
            ("learning.store=[\"checkd\"]", ["`checkd`", "did you mean `checked`?"]),
            ("learning.store=3", ["learning.store: must be a text or a list of texts, not 3", ""]),
            ("learning.k=two", ["learning.k: must be a whole number from 0 on, not the text \"two\"", ""]),
            ("learning.k=-1", ["learning.k: must be a whole number from 0 on, not -1", ""]),
            ("learning.min_similarity=high", ["learning.min_similarity: must be a number, not the text \"high\"", ""]),
            ("learning.checked_at_least=x", ["must be a number of calculations from 0 on, or \"each-line\"", ""]),
            ("arms=cascade", ["arms: must be a list in brackets", "not the text \"cascade\""]),
            ("deferral.calibrate_per_arm=1", ["deferral.calibrate_per_arm: must be true or false, not 1", ""]),
            ("dataset=5", ["dataset: must be a table, not 5", ""]),
        ] {
            let error = error(GOOD, &["name=y", set]);
            assert!(parts.iter().all(|part| error.contains(part)), "{set}: {error}");
            assert!(!error.contains("usize") && !error.contains("untagged") && !error.contains("struct "), "{error}");
            assert!(error.contains(&format!("x.toml with --set {set}: ")), "only the invalid override: {error}");
        }
    }

    #[test]
    fn faults_can_be_matched_on() {
        let fault = |text: &str, sets: &[&str]| load(text, sets).expect_err("refused");
        let wrong_key = fault(&GOOD.replace("threshold", "treshold"), &[]);
        assert!(
            matches!(wrong_key.fault(), ConfigFault::Syntax { line: Some(8), key: Some(key), .. } if key == "deferral.treshold"),
            "{wrong_key:?}"
        );
        assert!(matches!(fault(&GOOD.replace("0.8", "1.8"), &[]).fault(), ConfigFault::Invalid(_)));
        assert!(matches!(fault(GOOD, &["dataset.limit"]).fault(), ConfigFault::SetForm(set) if set == "dataset.limit"));
        let no_models = fault(GOOD, &["model.a.max_tokens=7"]);
        assert!(matches!(no_models.fault(), ConfigFault::SetKey { fault: SetFault::NoModels, .. }));
        let other = fault("config = \"x.toml\"\n[[table]]\n", &[]);
        assert!(matches!(other.fault(), ConfigFault::OtherVerb { .. }));
        assert!(other.places().eq([other.places().next().expect("a file")]));
        let missing = Config::load(Path::new("no-such.toml"), &[]).expect_err("missing");
        assert!(matches!(missing.fault(), ConfigFault::Unreadable { .. }));
    }
}
