//! Checks before weights are loaded: the file is complete and suits the settings, and it fits into the free memory.
//! Further errors are recognized in the engine's log.

use std::io;
use std::path::Path;

use super::header::Header;
use super::{EngineError, EngineSettings};

/// Memory of an engine besides the weights and the key-value cache, in bytes: the smallest measured value.
const OVERHEAD_BYTES: u64 = 150_000_000;

/// Checks the weights file against the settings and against `free` bytes of memory. `None` skips the memory check.
pub(super) fn before_loading(settings: &EngineSettings, free: Option<u64>) -> Result<(), EngineError> {
    let file = &settings.weights;
    let unusable = |reason: String| EngineError::Weights { file: file.clone(), reason };
    let size = file.metadata().map_err(|error| unusable(error.to_string()))?.len();
    let header = Header::read(file).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => unusable(incomplete()),
        _ => unusable(error.to_string()),
    })?;
    fault(&header, size, settings).map_or(Ok(()), |reason| Err(unusable(reason)))?;
    let needed = size + cache_bytes(&header, settings) + OVERHEAD_BYTES;
    match free {
        Some(free) if free < needed => Err(EngineError::Memory { file: file.clone(), needed, free }),
        _ => Ok(()),
    }
}

/// Returns the error about the weights that the engine's log reports. `None` if the log reports no known error.
pub(super) fn error_from_log(log: &str, file: &Path, engine: &str) -> Option<EngineError> {
    let unusable = |reason| Some(EngineError::Weights { file: file.to_owned(), reason });
    if let Some((_, rest)) = log.split_once("unknown model architecture: '") {
        let name = rest.split('\'').next().unwrap_or_default();
        return unusable(format!("{engine} does not know its architecture `{name}`: use a newer llama-server"));
    }
    if log.contains("not within the file bounds") || log.contains("file is corrupted or incomplete") {
        return unusable(incomplete());
    }
    None
}

fn incomplete() -> String {
    "the file is incomplete: fetch it again".to_owned()
}

/// Returns the reason why the file cannot be used. `None` if it can.
fn fault(header: &Header, size: u64, settings: &EngineSettings) -> Option<String> {
    let name = settings.weights.file_name().unwrap_or_default().to_string_lossy();
    if header.number("split.count").is_some_and(|parts| parts > 1) || is_one_of_several(&name) {
        return Some(
            "the file is one of several parts: join them with llama.cpp's `llama-gguf-split --merge`".to_owned(),
        );
    }
    if header.last_tensor >= size {
        return Some(incomplete());
    }
    if let Some(most) = header.of_architecture("context_length").filter(|most| u64::from(settings.context) > *most) {
        return Some(format!(
            "the model was trained on {most} tokens, so context = {} is too large: lower it",
            settings.context
        ));
    }
    if settings.chat && header.text("tokenizer.chat_template").is_none() {
        return Some("the file has no chat template: set prompt = \"plain\"".to_owned());
    }
    None
}

/// Returns true if a name has the form of llama.cpp's parts of a model, such as `-00001-of-00003.gguf`.
fn is_one_of_several(name: &str) -> bool {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = name.trim_end_matches(".gguf").rsplit('-');
    let [count, of, index] = [parts.next(), parts.next(), parts.next()];
    of == Some("of") && count.is_some_and(digits) && index.is_some_and(digits) && count != Some("00001")
}

/// Estimates the size of the key-value cache for all slots in half precision, in bytes. Returns 0 if the header lacks
/// the shape. The estimate is a lower bound that serves to refuse impossible settings.
fn cache_bytes(header: &Header, settings: &EngineSettings) -> u64 {
    let number = |key: &str| header.of_architecture(key);
    let estimate = || {
        let heads = number("attention.head_count")?;
        let width = || number("embedding_length")?.checked_div(heads);
        let key = number("attention.key_length").or_else(width)?;
        let value = number("attention.value_length").or_else(width)?;
        let each = number("block_count")? * number("attention.head_count_kv").unwrap_or(heads) * (key + value) * 2;
        Some(each * u64::from(settings.context) * u64::from(settings.slots))
    };
    estimate().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Metadata value of a test file.
    enum Entry<'a> {
        Number(u32),
        Text(&'a str),
        /// A list of texts, such as a vocabulary.
        Texts(&'a [&'a str]),
    }

    /// Returns a GGUF file with the metadata and one tensor of 64 numbers that starts 32 bytes into the data.
    fn gguf(entries: &[(&str, Entry)]) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let mut bytes = [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &1_u64.to_le_bytes()].concat();
        bytes.extend((entries.len() as u64).to_le_bytes());
        for (key, entry) in entries {
            bytes.extend(text(key));
            match entry {
                Entry::Number(number) => bytes.extend([4_u32, *number].map(u32::to_le_bytes).concat()),
                Entry::Text(value) => bytes.extend([8_u32.to_le_bytes().to_vec(), text(value)].concat()),
                Entry::Texts(values) => {
                    bytes.extend([9_u32, 8].map(u32::to_le_bytes).concat());
                    bytes.extend((values.len() as u64).to_le_bytes());
                    values.iter().for_each(|value| bytes.extend(text(value)));
                }
            }
        }
        bytes.extend([text("blk.0.weight"), 1_u32.to_le_bytes().to_vec(), 64_u64.to_le_bytes().to_vec()].concat());
        // A tensor type that candle does not know.
        bytes.extend([23_u32.to_le_bytes().to_vec(), 32_u64.to_le_bytes().to_vec()].concat());
        bytes.resize(bytes.len().next_multiple_of(32) + 64, 7);
        bytes
    }

    const METADATA: [(&str, Entry); 8] = [
        ("general.architecture", Entry::Text("llama")),
        ("llama.context_length", Entry::Number(2048)),
        ("llama.block_count", Entry::Number(10)),
        ("llama.embedding_length", Entry::Number(640)),
        ("llama.attention.head_count", Entry::Number(10)),
        ("llama.attention.head_count_kv", Entry::Number(5)),
        ("tokenizer.ggml.tokens", Entry::Texts(&["a", "bc", ""])),
        ("tokenizer.chat_template", Entry::Text("{{ messages }}")),
    ];

    /// Creates a folder with the file, and settings that name the file.
    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, EngineSettings) {
        let folder = tempfile::tempdir().expect("a folder");
        let weights = folder.path().join(name);
        std::fs::write(&weights, bytes).expect("written");
        let settings =
            EngineSettings { weights, context: 1024, slots: 2, threads: 1, chat: true, log: PathBuf::from("unused") };
        (folder, settings)
    }

    /// Returns the error for a file.
    fn error_for(name: &str, bytes: &[u8]) -> String {
        let (_folder, settings) = written(name, bytes);
        before_loading(&settings, None).expect_err("refused").to_string()
    }

    #[test]
    fn complete_file_passes() {
        let (_folder, settings) = written("a.gguf", &gguf(&METADATA));
        before_loading(&settings, None).expect("good");
        before_loading(&settings, Some(1_000_000_000)).expect("room enough");
    }

    #[test]
    fn truncated_file_is_refused_at_any_length() {
        let whole = gguf(&METADATA);
        for length in [8, 20, 40, 200, whole.len() - 64, whole.len() - 32] {
            let error = error_for("a.gguf", &whole[..length]);
            assert!(error.ends_with("a.gguf: the file is incomplete: fetch it again"), "{length}: {error}");
        }
    }

    #[test]
    fn unsupported_files_are_refused() {
        let mut old = gguf(&METADATA);
        old[4] = 1;
        let pieces = [("split.count", Entry::Number(3))];
        let plain = gguf(&METADATA[..7]);
        let several = "the file is one of several parts";
        for (name, bytes, part) in [
            ("a.gguf", b"PK\x03\x04 and more".as_slice(), "the file is not a GGUF file"),
            ("a.gguf", &old, "has GGUF version 1; versions 2 and 3 are supported"),
            ("a.gguf", &gguf(&pieces), several),
            ("a-00001-of-00003.gguf", &gguf(&METADATA), several),
            ("a.gguf", &plain, "the file has no chat template: set prompt = \"plain\""),
        ] {
            let error = error_for(name, bytes);
            assert!(error.contains(part), "{error}");
        }
        let (_folder, settings) = written("a-00001-of-00001.gguf", &plain);
        before_loading(&EngineSettings { chat: false, ..settings }, None).expect("one part with a plain prompt");
    }

    #[test]
    fn excess_context_or_memory_is_refused() {
        let (_folder, settings) = written("a.gguf", &gguf(&METADATA));
        let long = EngineSettings { context: 4096, ..settings.clone() };
        let error = before_loading(&long, None).expect_err("too long").to_string();
        assert!(error.contains("trained on 2048 tokens, so context = 4096 is too large"), "{error}");
        // 10 layers of 5 heads, keys and values of 64 numbers of two bytes, 2,048 tokens: 26 MB, plus the overhead.
        let error = before_loading(&settings, Some(100_000_000)).expect_err("too large").to_string();
        assert!(error.contains("a.gguf: serving it needs about 177 MB of memory, and 100 MB are free"), "{error}");
    }

    #[test]
    fn engine_log_errors_are_recognized() {
        let error_for =
            |log: &str| error_from_log(log, Path::new("a.gguf"), "xllamacpp 1").map(|error| error.to_string());
        let error =
            error_for("llama_model_load: error loading model: unknown model architecture: 'lemma'\n").expect("known");
        assert!(error.contains("xllamacpp 1 does not know its architecture `lemma`"), "{error}");
        let error = error_for("tensor 'a' data is not within the file bounds, model is corrupted or incomplete");
        assert_eq!(error.as_deref(), Some("a.gguf: the file is incomplete: fetch it again"));
        assert_eq!(error_for("something else"), None);
    }
}
