//! The subjects of MMLU and the four groups that its authors use (github.com/hendrycks/test, `categories.py`).

use anyhow::{Result, bail};

use crate::types::item::Item;

/// A group of subjects.
pub struct Group {
    /// Name in configs and outputs.
    pub name: &'static str,
    /// Subjects of the group.
    pub subjects: &'static [&'static str],
}

/// The groups, with 57 subjects in total.
pub const GROUPS: [Group; 4] = [
    Group {
        name: "stem",
        subjects: &[
            "abstract_algebra",
            "astronomy",
            "college_biology",
            "college_chemistry",
            "college_computer_science",
            "college_mathematics",
            "college_physics",
            "computer_security",
            "conceptual_physics",
            "electrical_engineering",
            "elementary_mathematics",
            "high_school_biology",
            "high_school_chemistry",
            "high_school_computer_science",
            "high_school_mathematics",
            "high_school_physics",
            "high_school_statistics",
            "machine_learning",
        ],
    },
    Group {
        name: "humanities",
        subjects: &[
            "formal_logic",
            "high_school_european_history",
            "high_school_us_history",
            "high_school_world_history",
            "international_law",
            "jurisprudence",
            "logical_fallacies",
            "moral_disputes",
            "moral_scenarios",
            "philosophy",
            "prehistory",
            "professional_law",
            "world_religions",
        ],
    },
    Group {
        name: "social-sciences",
        subjects: &[
            "econometrics",
            "high_school_geography",
            "high_school_government_and_politics",
            "high_school_macroeconomics",
            "high_school_microeconomics",
            "high_school_psychology",
            "human_sexuality",
            "professional_psychology",
            "public_relations",
            "security_studies",
            "sociology",
            "us_foreign_policy",
        ],
    },
    Group {
        name: "other",
        subjects: &[
            "anatomy",
            "business_ethics",
            "clinical_knowledge",
            "college_medicine",
            "global_facts",
            "human_aging",
            "management",
            "marketing",
            "medical_genetics",
            "miscellaneous",
            "nutrition",
            "professional_accounting",
            "professional_medicine",
            "virology",
        ],
    },
];

/// Returns the subject in a file's name, without the name of the split: `anatomy` for `anatomy_test`.
#[must_use]
pub fn of_file(stem: &str) -> String {
    ["_test", "_dev", "_val"].iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(stem).to_owned()
}

/// Returns the group of a subject of MMLU; `None` for other subjects.
#[must_use]
pub fn group_of(subject: &str) -> Option<&'static str> {
    GROUPS.iter().find(|group| group.subjects.contains(&subject)).map(|group| group.name)
}

/// Returns the items of these subjects. Each name is a subject of the data set or a group of MMLU.
///
/// # Errors
/// Names a subject that no item has.
pub fn only(mut items: Vec<Item>, names: &[String]) -> Result<Vec<Item>> {
    let is = |item: &Item, name: &str| {
        item.subject.as_deref().is_some_and(|subject| subject == name || group_of(subject) == Some(name))
    };
    for name in names {
        if !items.iter().any(|item| is(item, name)) {
            let mut known: Vec<&str> = items.iter().filter_map(|item| item.subject.as_deref()).collect();
            known.sort_unstable();
            known.dedup();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            bail!("no item has the subject `{name}`; known subjects: {known}");
        }
    }
    items.retain(|item| names.iter().any(|name| is(item, name)));
    Ok(items)
}
