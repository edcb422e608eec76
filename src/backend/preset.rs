//! Presets: known settings of servers, stored in `configs/dialects.toml`, and their use as defaults of an entry.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};

/// Content of `configs/dialects.toml`, fixed at compile time. A key in the entry overrides its preset.
const DIALECTS: &str = include_str!("../../configs/dialects.toml");

/// Key of an entry that names its preset.
const KEY: &str = "preset";

/// Servers with known settings, by the names used in configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `OpenAI`.
    Openai,
    /// Azure `OpenAI`, through its version 1 interface.
    Azure,
    /// `DeepSeek`.
    Deepseek,
    /// Gemini, through its `OpenAI`-compatible interface.
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
    /// A local llama.cpp server that this program did not start.
    LlamaCpp,
    /// A local server of Hugging Face's text-generation-inference.
    Tgi,
    /// A local `SGLang` server.
    Sglang,
}

/// Known settings of a server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialect {
    /// Address of the documentation that the settings come from.
    pub source: String,
    /// Date on which a stored copy of the documentation was read. `None` if the settings come from another source.
    pub read: Option<String>,
    /// Note on the server, one or two sentences.
    pub note: String,
    /// Maximum number of alternatives per token. `None` if the server returns none.
    pub alternatives: Option<u32>,
    /// Form of the address if each account has its own. `None` if the address is fixed.
    pub address: Option<String>,
    /// Keys of a `[[model]]` entry, with their values.
    pub entry: toml::Table,
}

impl Preset {
    /// All presets, in the order of `configs/dialects.toml`.
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

    /// Name used in configs and outputs.
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

    /// Returns the known settings of the server.
    ///
    /// # Panics
    /// Panics if `configs/dialects.toml` lacks the preset. A test excludes that.
    #[must_use]
    pub fn dialect(self) -> &'static Dialect {
        static ALL: LazyLock<BTreeMap<Preset, Dialect>> =
            LazyLock::new(|| toml::from_str(DIALECTS).expect("configs/dialects.toml is valid"));
        ALL.get(&self).expect("every preset is in configs/dialects.toml")
    }
}

/// Deserializer that passes a struct's fields on and then adds the fields of the named preset that the struct lacks.
pub(super) struct WithPreset<'a, D> {
    /// Deserializer of the struct.
    pub(super) inner: D,
    /// Names of the fields that come from the preset.
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

/// Visitor that appends the preset's fields to a map.
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
            explicit: Vec::new(),
            preset: None,
            rest: None,
            value: None,
            filled: self.filled,
        })
    }
}

/// Map access to the explicit fields, followed by the preset's fields.
struct Fields<'a, A> {
    map: A,
    /// Names of the explicit fields read so far.
    explicit: Vec<String>,
    /// Preset named by the explicit fields. `None` if none is named so far.
    preset: Option<Preset>,
    /// Remaining fields of the preset. `None` while explicit fields are read.
    rest: Option<std::vec::IntoIter<(String, toml::Value)>>,
    /// Value of the preset's field whose key was passed on last.
    value: Option<toml::Value>,
    filled: &'a mut Vec<String>,
}

impl<A> Fields<'_, A> {
    /// Returns the preset's fields that are not explicit. An entry with a preset has backend `openai`.
    fn missing(&self) -> Vec<(String, toml::Value)> {
        let Some(preset) = self.preset else { return Vec::new() };
        let backend = ("backend".to_owned(), toml::Value::String("openai".to_owned()));
        let fields = preset.dialect().entry.clone().into_iter().chain([backend]);
        fields.filter(|(key, _)| !self.explicit.contains(key)).collect()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if self.rest.is_none() {
            let mut seed = Some(seed);
            let recorder = RecordKey { seed: &mut seed, explicit: &mut self.explicit };
            if let Some(key) = self.map.next_key_seed(recorder)? {
                return Ok(Some(key));
            }
            self.rest = Some(self.missing().into_iter());
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
            None if self.explicit.last().is_some_and(|key| key == KEY) => {
                let preset: Preset = self.map.next_value()?;
                self.preset = Some(preset);
                seed.deserialize(toml::Value::String(preset.name().to_owned())).map_err(A::Error::custom)
            }
            None => self.map.next_value_seed(seed),
        }
    }
}

/// Seed that records the name of an explicit field.
struct RecordKey<'a, K> {
    /// Inner seed. `None` after a field was read.
    seed: &'a mut Option<K>,
    explicit: &'a mut Vec<String>,
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for RecordKey<'_, K> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Value, D::Error> {
        let key = String::deserialize(deserializer)?;
        self.explicit.push(key.clone());
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
    fn data_has_exactly_the_presets() {
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
    fn every_preset_gives_a_valid_entry() {
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
    fn entry_key_overrides_preset_in_any_order() {
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
    fn preset_equals_its_values_written_out() {
        for preset in Preset::ALL {
            let dialect = preset.dialect();
            let own = if dialect.address.is_some() { "base_url = 'https://mine.example/v1'\n" } else { "" };
            let resolved = entry(&format!("name = 'm'\npreset = '{}'\n{own}", preset.name()));
            let written = toml::to_string(&dialect.entry).expect("TOML");
            let written = entry(&format!("name = 'm'\nbackend = 'openai'\n{own}{written}"));
            assert_eq!(RawEntry { preset: None, from_preset: Vec::new(), ..resolved }, written);
        }
    }

    #[test]
    fn resolved_entry_round_trips_through_json() {
        let resolved = entry("name = 'm'\npreset = 'groq'");
        let text = serde_json::to_string(&resolved).expect("JSON");
        let reread: RawEntry = serde_json::from_str(&text).expect("an entry");
        assert_eq!(reread, resolved);
        assert!(!reread.from_preset.is_empty());
    }
}
