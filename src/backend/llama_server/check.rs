//! What is looked at before weights are loaded: that the file is whole and serves what is asked, and that it fits into
//! the memory that is free. What only the engine can tell is read from its log.

use std::io;
use std::path::Path;

use super::header::Header;
use super::{EngineError, EngineSettings};

/// What an engine takes besides the weights and the cache of what it has read: the least that was measured.
const BESIDES: u64 = 150_000_000;

/// Looks at the file, and at `free` bytes of memory where that is known.
pub(super) fn before_loading(settings: &EngineSettings, free: Option<u64>) -> Result<(), EngineError> {
    let file = &settings.weights;
    let wrong = |what: String| EngineError::Weights { file: file.clone(), what };
    let size = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    let header = Header::read(file).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => wrong(cut_off()),
        _ => wrong(error.to_string()),
    })?;
    fault(&header, size, settings).map_or(Ok(()), |what| Err(wrong(what)))?;
    let needed = size + cache_bytes(&header, settings) + BESIDES;
    match free {
        Some(free) if free < needed => Err(EngineError::Memory { file: file.clone(), needed, free }),
        _ => Ok(()),
    }
}

/// What the engine's log says of weights that it cannot load, where it is a known thing.
pub(super) fn told_by(log: &str, file: &Path, engine: &str) -> Option<EngineError> {
    let wrong = |what| Some(EngineError::Weights { file: file.to_owned(), what });
    if let Some((_, rest)) = log.split_once("unknown model architecture: '") {
        let name = rest.split('\'').next().unwrap_or_default();
        return wrong(format!("its architecture is `{name}`, which {engine} does not know: take a newer llama-server"));
    }
    if log.contains("not within the file bounds") || log.contains("file is corrupted or incomplete") {
        return wrong(cut_off());
    }
    None
}

fn cut_off() -> String {
    "it is cut off: fetch it again".to_owned()
}

/// What makes the file unusable, if anything.
fn fault(header: &Header, size: u64, settings: &EngineSettings) -> Option<String> {
    let name = settings.weights.file_name().unwrap_or_default().to_string_lossy();
    if header.number("split.count").is_some_and(|parts| parts > 1) || is_one_of_several(&name) {
        return Some("it is one of several files: join them with llama.cpp's `llama-gguf-split --merge`".to_owned());
    }
    if header.last_tensor >= size {
        return Some(cut_off());
    }
    if let Some(most) = header.of_architecture("context_length").filter(|most| u64::from(settings.context) > *most) {
        return Some(format!("it was trained on {most} tokens: context = {} is too much", settings.context));
    }
    if settings.chat && header.text("tokenizer.chat_template").is_none() {
        return Some("it has no chat template: set prompt = \"plain\"".to_owned());
    }
    None
}

/// Whether a name ends as llama.cpp names the pieces of a model: `-00001-of-00003.gguf`.
fn is_one_of_several(name: &str) -> bool {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = name.trim_end_matches(".gguf").rsplit('-');
    let [count, of, place] = [parts.next(), parts.next(), parts.next()];
    of == Some("of") && count.is_some_and(digits) && place.is_some_and(digits) && count != Some("00001")
}

/// The keys and values of every token that the slots can hold, in half precision. What does not say its shape counts
/// nothing: this is for refusing what cannot be, not for measuring.
fn cache_bytes(header: &Header, settings: &EngineSettings) -> u64 {
    let of = |key: &str| header.of_architecture(key);
    let estimate = || {
        let heads = of("attention.head_count")?;
        let width = || of("embedding_length")?.checked_div(heads);
        let key = of("attention.key_length").or_else(width)?;
        let value = of("attention.value_length").or_else(width)?;
        let each = of("block_count")? * of("attention.head_count_kv").unwrap_or(heads) * (key + value) * 2;
        Some(each * u64::from(settings.context) * u64::from(settings.slots))
    };
    estimate().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A value of a made-up file.
    enum Entry<'a> {
        Number(u32),
        Text(&'a str),
        /// A list of texts, such as a vocabulary.
        Texts(&'a [&'a str]),
    }

    /// A GGUF file with these metadata and one tensor of 64 numbers that begins 32 bytes into the data.
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
        // A type of tensor that candle does not know.
        bytes.extend([23_u32.to_le_bytes().to_vec(), 32_u64.to_le_bytes().to_vec()].concat());
        bytes.resize(bytes.len().next_multiple_of(32) + 64, 7);
        bytes
    }

    const USUAL: [(&str, Entry); 8] = [
        ("general.architecture", Entry::Text("llama")),
        ("llama.context_length", Entry::Number(2048)),
        ("llama.block_count", Entry::Number(10)),
        ("llama.embedding_length", Entry::Number(640)),
        ("llama.attention.head_count", Entry::Number(10)),
        ("llama.attention.head_count_kv", Entry::Number(5)),
        ("tokenizer.ggml.tokens", Entry::Texts(&["a", "bc", ""])),
        ("tokenizer.chat_template", Entry::Text("{{ messages }}")),
    ];

    /// A folder with this file in it, and settings that name it.
    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, EngineSettings) {
        let folder = tempfile::tempdir().expect("a folder");
        let weights = folder.path().join(name);
        std::fs::write(&weights, bytes).expect("written");
        let settings =
            EngineSettings { weights, context: 1024, slots: 2, threads: 1, chat: true, log: PathBuf::from("unused") };
        (folder, settings)
    }

    /// What is said of a file.
    fn said(name: &str, bytes: &[u8]) -> String {
        let (_folder, settings) = written(name, bytes);
        before_loading(&settings, None).expect_err("refused").to_string()
    }

    #[test]
    fn a_whole_file_passes() {
        let (_folder, settings) = written("a.gguf", &gguf(&USUAL));
        before_loading(&settings, None).expect("good");
        before_loading(&settings, Some(1_000_000_000)).expect("room enough");
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_told() {
        let whole = gguf(&USUAL);
        for length in [8, 20, 40, 200, whole.len() - 64, whole.len() - 32] {
            let error = said("a.gguf", &whole[..length]);
            assert!(error.ends_with("a.gguf: it is cut off: fetch it again"), "{length}: {error}");
        }
    }

    #[test]
    fn what_is_no_weights_of_ours_is_told() {
        let mut old = gguf(&USUAL);
        old[4] = 1;
        let pieces = [("split.count", Entry::Number(3))];
        let plain = gguf(&USUAL[..7]);
        let several = "it is one of several files";
        for (name, bytes, part) in [
            ("a.gguf", b"PK\x03\x04 and more".as_slice(), "it is no GGUF file"),
            ("a.gguf", &old, "of version 1, and 2 or 3 is wanted"),
            ("a.gguf", &gguf(&pieces), several),
            ("a-00001-of-00003.gguf", &gguf(&USUAL), several),
            ("a.gguf", &plain, "it has no chat template: set prompt = \"plain\""),
        ] {
            let error = said(name, bytes);
            assert!(error.contains(part), "{error}");
        }
        let (_folder, settings) = written("a-00001-of-00001.gguf", &plain);
        before_loading(&EngineSettings { chat: false, ..settings }, None).expect("one piece, asked plainly");
    }

    #[test]
    fn more_than_the_model_or_the_machine_has_is_refused() {
        let (_folder, settings) = written("a.gguf", &gguf(&USUAL));
        let long = EngineSettings { context: 4096, ..settings.clone() };
        let error = before_loading(&long, None).expect_err("too long").to_string();
        assert!(error.contains("trained on 2048 tokens: context = 4096 is too much"), "{error}");
        // 10 layers of 5 heads, keys and values of 64 numbers of two bytes, 2,048 tokens: 26 MB, and what else it takes.
        let error = before_loading(&settings, Some(100_000_000)).expect_err("too large").to_string();
        assert!(error.contains("a.gguf: needs about 177 MB of memory, and 100 MB are free"), "{error}");
    }

    #[test]
    fn what_the_engine_says_is_understood() {
        let said = |log: &str| told_by(log, Path::new("a.gguf"), "xllamacpp 1").map(|error| error.to_string());
        let error =
            said("llama_model_load: error loading model: unknown model architecture: 'lemma'\n").expect("known");
        assert!(error.contains("its architecture is `lemma`, which xllamacpp 1 does not know"), "{error}");
        let error = said("tensor 'a' data is not within the file bounds, model is corrupted or incomplete");
        assert_eq!(error.as_deref(), Some("a.gguf: it is cut off: fetch it again"));
        assert_eq!(said("something else"), None);
    }
}
