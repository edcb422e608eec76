use super::*;

/// Keys that all backends accept.
const COMMON: [&str; 11] = [
    "name",
    "backend",
    "from_preset",
    "temperature",
    "max_tokens",
    "max_retries",
    "timeout_s",
    "prompt",
    "price",
    "retired",
    "substitute",
];

fn raw(text: &str) -> RawEntry {
    toml::from_str(text).expect("an entry")
}

#[test]
fn every_key_is_common_or_belongs_to_a_backend() {
    let error = toml::from_str::<RawEntry>("no_such_key = 1").expect_err("an unknown key").to_string();
    let (_, names) = error.split_once("expected one of ").expect("a list of keys");
    let mut names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
    let mut known = COMMON.to_vec();
    known.extend(BackendKind::ALL.into_iter().flat_map(|kind| keys(kind).iter().copied()));
    known.sort_unstable();
    known.dedup();
    names.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn entry_round_trips_through_the_flat_form() {
    for text in [
        "name = 'm'\npreset = 'groq'\nmodel = 'x'\nconcurrency = 3\nsend_system = false\ntimeout_s = 5.0",
        "name = 'm'\nbackend = 'openai'\nbase_url = 'http://x/v1'\nprice = { input = 1.0, output = 2.0 }\nretired = '2026-01-01'",
        "name = 'm'\nbackend = 'openai'\nbase_url = ['http://x/v1', 'http://y/v1']\nresolve_all = true\nprefix_margin = 2",
        "name = 'm'\nbackend = 'llama-server'\nweights = 'smollm2-135m-instruct'\nslots = 2\ncontext = 9\nthreads = 1",
        "name = 'm'\nbackend = 'llama-server'\npath = '/none.gguf'\nsha256 = 'ab'",
        "name = 'm'\nbackend = 'gguf'\nweights = 'smollm2-135m-instruct'\nprompt = 'chat'\ntemperature = 0.5",
        "name = 'm'\nbackend = 'reference'\ntokenizer = 'words'\nmax_tokens = 7",
        "name = 'm'\nbackend = 'replay'\nmodel = 'x'\nrecording = 'a.csv'\nmax_retries = 0",
        "name = 'm'\nbackend = 'simulated'\nsimulated = { accuracy = 0.5, gain = 0.1 }",
        "name = 'm'\nbackend = 'custom'\nmodel = '2'\nlogprobs = false",
    ] {
        let raw = raw(text);
        let entry = ModelEntry::resolve(raw.clone(), Catalogue::builtin()).expect("a valid entry");
        assert_eq!(entry.raw(), raw, "{text}");
        assert_eq!(entry.backend.kind(), raw.backend);
        let written = serde_json::to_string(&entry).expect("JSON");
        assert_eq!(written, serde_json::to_string(&raw).expect("JSON"));
    }
}

#[test]
fn foreign_key_error_names_its_backends() {
    for (text, expected) in [
        (
            "backend = 'reference'\nslots = 2",
            "model `m`: the key `slots` is for backend `llama-server`, but the entry has backend `reference`: remove the key",
        ),
        (
            "backend = 'openai'\nbase_url = 'http://x'\nweights = 'w'",
            "model `m`: the key `weights` is for backend `llama-server` or `gguf`, but the entry has backend `openai`: remove the key",
        ),
        ("backend = 'openai'", "model `m`: backend `openai` needs the key `base_url`"),
        ("backend = 'gguf'", "model `m`: backend `gguf` needs the key `weights`"),
    ] {
        let raw = raw(&format!("name = 'm'\n{text}"));
        let error = ModelEntry::resolve(raw, Catalogue::builtin()).expect_err(text);
        assert_eq!(format!("{error:#}"), expected);
        assert!(error.downcast_ref::<EntryError>().is_some(), "{error:?}");
    }
}

#[test]
fn custom_identity_has_name_version_prompt_and_data() {
    let raw = raw("name = 'mine'\nbackend = 'custom'\nmodel = '2'");
    let entry = ModelEntry::resolve(raw, Catalogue::builtin()).expect("a valid entry");
    assert!(entry.capabilities().logprobs);
    assert_eq!(entry.describe(), "mine (backend custom: 2, a model of the calling program)");
    let seed = crate::types::seed::Seed(0);
    let style = crate::task::prompt::Style::Chat;
    let data = Data { items: &[], sha256: "d", seed, weights: Catalogue::builtin(), style };
    let expected = json!({
        "backend": "custom", "dataset": "d", "item": "7", "model": "2", "name": "mine", "prompt": style
    });
    assert_eq!(entry.identity(&entry, data).expect("known").of(&"7".into()), expected);
}

#[test]
fn a_single_address_is_part_of_the_identity_and_a_list_is_not() {
    let identities = |keys: &str| {
        let text = format!("name = 'm'\nbackend = 'openai'\n{keys}");
        let entry = ModelEntry::resolve(raw(&text), Catalogue::builtin()).expect("a valid entry");
        let (seed, style) = (crate::types::seed::Seed(0), crate::task::prompt::Style::Chat);
        let data = Data { items: &[], sha256: "d", seed, weights: Catalogue::builtin(), style };
        let calls = entry.identity(&entry, data).expect("known").of(&"7".into());
        (calls, Value::Object(entry.identity_keys(&entry)))
    };
    let (calls, run) = identities("base_url = 'http://a/v1/'");
    let expected = json!({
        "backend": "openai", "base_url": "http://a/v1", "model": "m", "send_temperature": true, "send_stop": true,
        "token_limit_key": "max_tokens", "extra_body": {}
    });
    assert_eq!(calls, expected);
    assert_eq!(run["base_url"], "http://a/v1/");
    let more = "resolve_all = true\nprefix_margin = 3\nconcurrency = 2";
    assert_eq!(identities(&format!("base_url = 'http://a/v1/'\n{more}")), (calls, run));

    let list = identities("base_url = ['http://a/v1']");
    assert!(list.0.get("base_url").is_none() && list.1.get("base_url").is_none(), "{list:?}");
    for other in ["['http://b/v1']", "['http://b/v1', 'http://a/v1']"] {
        assert_eq!(identities(&format!("base_url = {other}\n{more}")), list);
    }
}
