//! Documented response bodies of the presets' servers, read as a run reads them. `scripts/check-dialects` reads the
//! same files with the vendors' own clients.

use std::sync::Arc;

use intercascade::backend::entry::{ModelEntry, Sources};
use intercascade::backend::llama_server::Servers;
use intercascade::backend::preset::Preset;
use intercascade::backend::raw::RawEntry;
use intercascade::backend::settings::Data;
use intercascade::fetch::weights::Catalogue;
use intercascade::gateway::journal::Journal;
use intercascade::task::prompt::Style;
use intercascade::types::chat::{Finish, Generation, Message, Mode, Request, RequestKind, Response, Role};
use intercascade::types::model::ModelError;
use intercascade::types::recorded::RecordedCalls;
use intercascade::types::seed::Seed;
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::repository;

/// Reads the fixture of a preset.
fn file(preset: Preset) -> Value {
    let path = repository().join(format!("tests/fixtures/dialects/{}.json", preset.name()));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// Returns the result of a call to an entry with the preset whose server answers with `body`.
async fn read(preset: Preset, body: &Value) -> Result<Response, ModelError> {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    let entry = format!("name = 'm'\npreset = '{}'\nbase_url = '{}'", preset.name(), server.uri());
    let entry: RawEntry = toml::from_str(&entry).expect("an entry");
    let logprobs = entry.logprobs && !body["choices"][0]["logprobs"].is_null();
    let entry = RawEntry { api_key_env: None, ..entry };
    let entry = ModelEntry::resolve(entry, Catalogue::builtin()).expect("a valid entry");
    let folder = tempfile::tempdir().expect("a folder");
    let journal: Arc<dyn RecordedCalls> =
        Arc::new(Journal::open(&folder.path().join("journal.sqlite")).expect("a journal"));
    let servers = Servers::new(folder.path().to_owned(), Arc::new(|_, _| {}));
    let data = Data { items: &[], sha256: "", seed: Seed(0), weights: Catalogue::builtin(), style: Style::Chat };
    let sources = Sources { recording: None, journal: &journal, servers: &servers, custom: None };
    let model = entry.make(&entry, data, sources).expect("a model");
    let generation = Generation { max_tokens: 64, logprobs, ..Generation::default() };
    model
        .call(&Request {
            item: "0".into(),
            messages: vec![Message { role: Role::User, content: "Three times four?".into() }],
            mode: Mode::Generate(generation),
            wanted: RequestKind::Answer,
            draw: 0,
            strategies: Vec::new(),
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn documented_answers_of_every_preset_are_read() {
    for preset in Preset::ALL {
        let file = file(preset);
        assert_eq!(file["preset"], preset.name());
        for body in file["bodies"].as_array().expect("bodies") {
            let what = format!("{}: {}", preset.name(), body["what"]);
            let answer = read(preset, &body["body"]).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            let expected = &body["reads"];
            assert_eq!(answer.text, expected["text"].as_str().expect("a text"), "{what}");
            assert_eq!(answer.model, expected["model"].as_str().expect("a name"), "{what}");
            assert_eq!(answer.tokens.len() as u64, expected["tokens"].as_u64().expect("a count"), "{what}");
            assert!(answer.tokens.iter().all(|token| token.logprob.is_some()), "{what}");
            let counts = [answer.usage.input, answer.usage.cached_input, answer.usage.output];
            let expected_counts = ["input", "cached", "output"].map(|count| expected[count].as_u64().expect("a count"));
            assert_eq!(counts, expected_counts, "{what}");
            match expected["finish"].as_str() {
                Some("length") => assert_eq!(answer.finish, Finish::Length, "{what}"),
                Some(_) => assert_eq!(answer.finish, Finish::Stop, "{what}"),
                None => {}
            }
        }
    }
}

#[test]
fn every_fixture_states_its_source() {
    for preset in Preset::ALL {
        let file = file(preset);
        assert!(file["source"].as_str().is_some_and(|source| source.starts_with("https://")), "{}", preset.name());
        assert!(file["read"].is_null() || file["read"] == "2026-11-27", "{}", preset.name());
        let note = file["note"].as_str().expect("a note");
        assert_eq!(file["read"].is_null(), note.starts_with("The form follows the vendor's documentation"));
    }
}
