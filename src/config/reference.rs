//! The reference of all config keys, from the schema of the structs that read them: Markdown for people, JSON for editors.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::ablation::Ablation;
use super::schema::Config;

/// Title of the generated schema.
const TITLE: &str = "intercascade config";

/// The sections of a config in the order of the reference: heading, pointer to the section's schema, introduction.
const SECTIONS: [(&str, &str, &str); 9] = [
    ("Top level", "", "Keys before the first section."),
    ("`[dataset]`", "DatasetConfig", "The questions, and which of them are used."),
    ("`[deferral]`", "DeferralConfig", "The confidence signal, the threshold λ and the checks of the deferral gate."),
    (
        "`deferral.threshold.calibrate`",
        "Calibrate",
        "In place of a stated threshold: `threshold = { calibrate = { alpha = 0.15 } }`, with `dataset.calibration = N`.",
    ),
    ("`[learning]`", "LearningConfig", "What is stored of deferred queries, and how it is retrieved."),
    ("`[learning.fixed_example]`", "FixedExample", "The worked example of the arm `fixed-example`."),
    ("`[limits]`", "LimitsConfig", "Limits on calls in flight and on fees."),
    (
        "`[[model]]`",
        "RawEntry",
        "One entry for each model; `levels` names two of them. Entries in a file `models.toml` beside the config can be named too. A \
         key that only some backends know names them first.",
    ),
    ("`price`", "Price", "A model's price: `price = { input = 0.40, output = 1.60 }`."),
];

/// Returns the JSON schema of a config, draft 7.
#[must_use]
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>().to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), TITLE.into());
    }
    schema
}

/// Returns the reference as Markdown: each key with its type, default and meaning.
#[must_use]
pub fn markdown() -> String {
    let schema = schema();
    let ablation = SchemaSettings::draft07().into_generator().into_root_schema_for::<Ablation>().to_value();
    let mut text = "# Config keys\n\nGenerated from the program by `intercascade config keys`; a test compares. `intercascade config \
                    schema` prints the same as a JSON schema for editors ([config.schema.json](config.schema.json)). Every key can be overridden for one command: `--set \
                    dataset.limit=20`, `--set model.NAME.max_tokens=256`; an empty value removes the key.\n"
        .to_owned();
    for (heading, name, introduction) in SECTIONS {
        let section = if name.is_empty() { &schema } else { &schema["definitions"][name] };
        let _ = write!(text, "\n## {heading}\n\n{introduction}\n\n{}", keys(section, &schema));
    }
    let _ = write!(
        text,
        "\n## Ablation files\n\n`intercascade ablate --config FILE` reads such a file.\n\n{}",
        keys(&ablation, &ablation)
    );
    for (heading, name) in [("`[[table]]`", "Table"), ("`variants`", "Variant")] {
        let _ = write!(text, "\n### {heading}\n\n{}", keys(&ablation["definitions"][name], &ablation));
    }
    text += "\n# Values\n\nValues of keys that allow a list of names.\n";
    for (name, definition) in definitions(&schema) {
        let values = values(definition);
        if !values.is_empty() {
            let _ = write!(text, "\n## {name}\n\n| value | meaning |\n| --- | --- |\n");
            for (value, meaning) in values {
                let _ = writeln!(text, "| `{value}` | {} |", cell(&meaning));
            }
        }
    }
    text
}

fn definitions(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["definitions"].as_object().into_iter().flat_map(Map::iter)
}

/// Returns the table of a section's keys.
fn keys(section: &Value, root: &Value) -> String {
    let mut text = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    let required: Vec<&str> = section["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, value) in section["properties"].as_object().into_iter().flat_map(Map::iter) {
        let default = match &value["default"] {
            Value::Null if required.contains(&key.as_str()) => "required".to_owned(),
            Value::Null | Value::Object(_) => String::new(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(text, "| `{key}` | {} | {default} | {} |", kind(value, root), cell(&meaning(value, root)));
    }
    text
}

/// Returns the description of a key, or of its type if the key has none.
fn meaning(value: &Value, root: &Value) -> String {
    let own = value["description"].as_str();
    own.or_else(|| definition(value, root)?.1["description"].as_str()).unwrap_or_default().to_owned()
}

/// Returns name and schema of the definition that a value refers to. `None` for a plain type.
fn definition<'a>(value: &'a Value, root: &'a Value) -> Option<(&'a str, &'a Value)> {
    let mut parts = value["allOf"].as_array().into_iter().chain(value["anyOf"].as_array()).flatten();
    let reference = value["$ref"].as_str().or_else(|| parts.find_map(|part| part["$ref"].as_str()))?;
    let name = reference.rsplit('/').next()?;
    Some((name, &root["definitions"][name]))
}

/// Returns the type in words. A list of names and a section are links.
fn kind(value: &Value, root: &Value) -> String {
    if let Some((name, definition)) = definition(value, root) {
        if !values(definition).is_empty() {
            return format!("[{name}](#{})", name.to_lowercase());
        }
        if SECTIONS.iter().any(|(_, section, _)| *section == name) {
            return format!("[table](#{})", anchor(name));
        }
        return kind(definition, root);
    }
    if let Some(value) = value["const"].as_str() {
        return format!("`\"{value}\"`");
    }
    let of = |kind: &str| match kind {
        "array" => format!("list of {}", kind_of_items(value, root)),
        "object" => "table".to_owned(),
        "boolean" => "true or false".to_owned(),
        "null" => "optional".to_owned(),
        other => other.to_owned(),
    };
    match (&value["type"], value["anyOf"].as_array()) {
        (Value::String(kind), _) => of(kind),
        (Value::Array(kinds), _) => kinds.iter().filter_map(Value::as_str).map(of).collect::<Vec<_>>().join(", "),
        (_, Some(forms)) => forms.iter().map(|form| kind(form, root)).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn kind_of_items(value: &Value, root: &Value) -> String {
    kind(&value["items"], root)
}

/// Returns the anchor of the section that documents a table.
fn anchor(name: &str) -> String {
    let heading = SECTIONS.iter().find(|(_, section, _)| *section == name).map_or(name, |(heading, ..)| heading);
    heading.to_lowercase().chars().filter(|one| one.is_alphanumeric() || "-_".contains(*one)).collect()
}

/// Returns the values of an enumeration with their meanings. Empty for other types.
fn values(definition: &Value) -> Vec<(String, String)> {
    let described = definition["oneOf"].as_array().into_iter().flatten().filter_map(|one| {
        let value = one["const"].as_str().or_else(|| one["enum"].as_array()?.first()?.as_str())?;
        Some((value.to_owned(), one["description"].as_str().unwrap_or_default().to_owned()))
    });
    let plain = definition["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    described.chain(plain.map(|value| (value.to_owned(), String::new()))).collect()
}

/// Escapes a text for one cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace("[`", "`").replace("`]", "`")
}
