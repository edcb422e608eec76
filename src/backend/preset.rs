//! Presets: the settings that are known of a server, as data in `configs/dialects.toml`, and how an entry takes them over.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};

/// The data. A file of that name beside a config is not read: a key in the entry wins over its preset.
const DIALECTS: &str = include_str!("../../configs/dialects.toml");

/// The key of an entry that names its preset.
const KEY: &str = "preset";

/// The servers whose settings are known, by the names that stand in configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `OpenAI`.
    Openai,
    /// Azure `OpenAI`, by its version 1 interface.
    Azure,
    /// `DeepSeek`.
    Deepseek,
    /// Gemini, by its `OpenAI`-compatible interface.
    Gemini,
    /// Groq.
    Groq,
    /// Mistral.
    Mistral,
    /// `OpenRouter`.
    Openrouter,
    /// A local Ollama.
    Ollama,
    /// A local vLLM server.
    Vllm,
    /// A local llama.cpp server that somebody else runs.
    LlamaCpp,
    /// A local server of Hugging Face's text-generation-inference.
    Tgi,
    /// A local `SGLang` server.
    Sglang,
}

/// What is known of a server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialect {
    /// The address of the documentation that the settings come from.
    pub source: String,
    /// The day on which a stored copy of it was read; `None` if the settings are known otherwise.
    pub read: Option<String>,
    /// What to know of the server, in a sentence or two.
    pub note: String,
    /// The most alternatives to a token that it gives; `None` if it gives none.
    pub alternatives: Option<u32>,
    /// The form of the address, where each account has one of its own.
    pub address: Option<String>,
    /// Keys of a `[[model]]` with their values.
    pub entry: toml::Table,
}

impl Preset {
    /// All of them, in the order of the data.
    pub const ALL: [Self; 12] = [
        Self::Openai,
        Self::Azure,
        Self::Deepseek,
        Self::Gemini,
        Self::Groq,
        Self::Mistral,
        Self::Openrouter,
        Self::Ollama,
        Self::Vllm,
        Self::LlamaCpp,
        Self::Tgi,
        Self::Sglang,
    ];

    /// The name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Azure => "azure",
            Self::Deepseek => "deepseek",
            Self::Gemini => "gemini",
            Self::Groq => "groq",
            Self::Mistral => "mistral",
            Self::Openrouter => "openrouter",
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama-cpp",
            Self::Tgi => "tgi",
            Self::Sglang => "sglang",
        }
    }

    /// What is known of the server.
    ///
    /// # Panics
    /// If `configs/dialects.toml` lacks the preset, which a test rules out.
    #[must_use]
    pub fn dialect(self) -> &'static Dialect {
        static ALL: LazyLock<BTreeMap<Preset, Dialect>> =
            LazyLock::new(|| toml::from_str(DIALECTS).expect("configs/dialects.toml is valid"));
        ALL.get(&self).expect("every preset is in configs/dialects.toml")
    }
}

/// Hands a struct's fields on, and after them those of the preset that it names, as far as they were not given.
pub(super) struct WithPreset<'a, D> {
    /// Where the fields come from.
    pub(super) inner: D,
    /// The names of the fields that the preset filled in.
    pub(super) filled: &'a mut Vec<String>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WithPreset<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Filling { visitor, filled: self.filled })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, Filling { visitor, filled: self.filled })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Visits a map that goes on with the preset's fields.
struct Filling<'a, V> {
    visitor: V,
    filled: &'a mut Vec<String>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Filling<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Fields {
            map,
            given: Vec::new(),
            preset: None,
            rest: None,
            value: None,
            filled: self.filled,
        })
    }
}

/// The fields given, then those of the preset.
struct Fields<'a, A> {
    map: A,
    /// The names of the fields given so far.
    given: Vec<String>,
    /// The preset that is named among them.
    preset: Option<Preset>,
    /// The preset's fields that are still to come; `None` while fields are given.
    rest: Option<std::vec::IntoIter<(String, toml::Value)>>,
    /// The value that belongs to the preset's field handed on last.
    value: Option<toml::Value>,
    filled: &'a mut Vec<String>,
}

impl<A> Fields<'_, A> {
    /// The preset's fields that were not given; a preset is a server, and so are its entries.
    fn lacking(&self) -> Vec<(String, toml::Value)> {
        let Some(preset) = self.preset else { return Vec::new() };
        let backend = ("backend".to_owned(), toml::Value::String("openai".to_owned()));
        let fields = preset.dialect().entry.clone().into_iter().chain([backend]);
        fields.filter(|(key, _)| !self.given.contains(key)).collect()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if self.rest.is_none() {
            let mut seed = Some(seed);
            let noted = AnswerNotes { seed: &mut seed, given: &mut self.given };
            if let Some(key) = self.map.next_key_seed(noted)? {
                return Ok(Some(key));
            }
            self.rest = Some(self.lacking().into_iter());
            return match seed {
                Some(seed) => self.next_key_seed(seed),
                None => Ok(None),
            };
        }
        let Some((key, value)) = self.rest.as_mut().and_then(Iterator::next) else { return Ok(None) };
        if key != "backend" {
            self.filled.push(key.clone());
        }
        self.value = Some(value);
        let key: StringDeserializer<A::Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None if self.given.last().is_some_and(|key| key == KEY) => {
                let preset: Preset = self.map.next_value()?;
                self.preset = Some(preset);
                seed.deserialize(toml::Value::String(preset.name().to_owned())).map_err(A::Error::custom)
            }
            None => self.map.next_value_seed(seed),
        }
    }
}

/// Notes the name of a field that is given.
struct AnswerNotes<'a, K> {
    /// Taken if there is a field.
    seed: &'a mut Option<K>,
    given: &'a mut Vec<String>,
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for AnswerNotes<'_, K> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Value, D::Error> {
        let key = String::deserialize(deserializer)?;
        self.given.push(key.clone());
        let seed = self.seed.take().ok_or_else(|| D::Error::custom("a field is read twice"))?;
        let key: StringDeserializer<D::Error> = key.into_deserializer();
        seed.deserialize(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::entry::ModelEntry;
    use crate::backend::raw::{BackendKind, RawEntry};
    use crate::fetch::weights::Catalogue;

    fn entry(text: &str) -> RawEntry {
        toml::from_str(text).expect("an entry")
    }

    #[test]
    fn the_data_has_every_preset_and_no_other() {
        let data: toml::Table = toml::from_str(DIALECTS).expect("TOML");
        let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
        let mut listed: Vec<&str> = data.keys().map(String::as_str).collect();
        assert_eq!(listed.len(), names.len());
        listed.retain(|name| !names.contains(name));
        assert_eq!(listed, Vec::<&str>::new());
        for preset in Preset::ALL {
            let read: Preset = toml::Value::String(preset.name().to_owned()).try_into().expect("a preset");
            assert_eq!(read, preset);
        }
    }

    #[test]
    fn every_preset_makes_an_entry_that_passes_its_check() {
        for preset in Preset::ALL {
            let dialect = preset.dialect();
            assert!(dialect.source.starts_with("https://") && !dialect.note.is_empty(), "{}", preset.name());
            assert_eq!(dialect.alternatives.is_some(), dialect.entry.get("logprobs").is_none(), "{}", preset.name());
            let address = if dialect.address.is_some() { "base_url = 'https://mine.example/v1'\n" } else { "" };
            let entry = entry(&format!("name = 'm'\npreset = '{}'\n{address}", preset.name()));
            ModelEntry::resolve(entry.clone(), Catalogue::builtin()).expect("a valid entry");
            assert_eq!((entry.backend, entry.preset), (BackendKind::Openai, Some(preset)));
            assert!(dialect.entry.keys().all(|key| entry.from_preset.contains(key)), "{:?}", entry.from_preset);
        }
    }

    #[test]
    fn a_key_of_the_entry_wins_wherever_it_stands() {
        for text in [
            "timeout_s = 7.0\nlogprobs = true\npreset = 'gemini'\nname = 'm'",
            "preset = 'gemini'\nname = 'm'\nlogprobs = true\ntimeout_s = 7.0",
        ] {
            let entry = entry(text);
            assert!(entry.logprobs);
            assert_eq!(entry.timeout_s, Some(7.0));
            assert_eq!(entry.from_preset, ["api_key_env", "base_url"]);
        }
    }

    #[test]
    fn an_entry_is_the_same_whether_its_values_are_written_or_taken() {
        for preset in Preset::ALL {
            let dialect = preset.dialect();
            let own = if dialect.address.is_some() { "base_url = 'https://mine.example/v1'\n" } else { "" };
            let taken = entry(&format!("name = 'm'\npreset = '{}'\n{own}", preset.name()));
            let written = toml::to_string(&dialect.entry).expect("TOML");
            let written = entry(&format!("name = 'm'\nbackend = 'openai'\n{own}{written}"));
            assert_eq!(RawEntry { preset: None, from_preset: Vec::new(), ..taken }, written);
        }
    }

    #[test]
    fn what_was_resolved_is_read_back_as_it_was() {
        let taken = entry("name = 'm'\npreset = 'groq'");
        let text = serde_json::to_string(&taken).expect("JSON");
        let again: RawEntry = serde_json::from_str(&text).expect("an entry");
        assert_eq!(again, taken);
        assert!(!again.from_preset.is_empty());
    }
}
