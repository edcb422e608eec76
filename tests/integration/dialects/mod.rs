//! Every shipped config through the command line, against a local server that speaks its dialect and refuses what
//! that dialect does not take.

mod configs;
mod servers;

use intercascade::backend::preset::Preset;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer};

use self::servers::{Answers, ModelService, Refusals};
use crate::support::{Project, Said};

/// What stands in for the keys; no output may hold them.
const KEYS: [(&str, &str); 3] = [
    ("OPENAI_API_KEY", "sk-proj-trial-0123456789abcdef"),
    ("GEMINI_API_KEY", "AIza-trial-0123456789abcdef"),
    ("TRIAL_GATEWAY", "gateway-trial-0123456789abcdef"),
];

/// A config with the address of every preset written out, where its entry says none.
fn with_addresses(text: &str) -> String {
    let entries = text.split("[[model]]").map(|entry| {
        let named = Preset::ALL.iter().find(|preset| entry.contains(&format!("\npreset = \"{}\"\n", preset.name())));
        let address =
            named.filter(|_| !entry.contains("\nbase_url = ")).map(|preset| preset.dialect().entry["base_url"].clone());
        match address {
            Some(address) => entry.replacen("\npreset = ", &format!("\nbase_url = {address}\npreset = "), 1),
            None => entry.to_owned(),
        }
    });
    entries.collect::<Vec<_>>().join("[[model]]")
}

/// A project with the shipped configs, all their servers played by one.
struct Stage {
    project: Project,
    server: MockServer,
}

impl Stage {
    async fn new() -> Self {
        let server = MockServer::start().await;
        let project = Project::shipped();
        let answers = Answers::of(&project.text("datasets/gsm-templates/test.jsonl"));
        Mock::given(method("POST")).respond_with(answers).mount(&server).await;
        Self { project, server }
    }

    /// Turns every address of a shipped config to the local server, whose path says which server is meant.
    fn redirect(&self, config: &str) {
        let name = format!("configs/{config}.toml");
        let mut text = with_addresses(&self.project.text(&name));
        for (address, path) in servers::ADDRESSES {
            text = text
                .replace(&format!("base_url = \"{address}\""), &format!("base_url = \"{}{path}\"", self.server.uri()));
        }
        let addresses = text.lines().filter(|line| line.starts_with("base_url"));
        assert!(addresses.into_iter().all(|line| line.contains(&self.server.uri())), "{text}");
        self.project.write(&name, text);
    }

    /// Runs a config over six items with hashed words, into `out`.
    fn run(&self, config: &str, sets: &[&str]) -> Said {
        self.run_into("out", config, sets)
    }

    fn run_into(&self, out: &str, config: &str, sets: &[&str]) -> Said {
        let mut command = self.project.command();
        command.envs(KEYS).args(["run", "--alone", "--config", &format!("configs/{config}.toml"), "--out", out]);
        for set in [&["dataset.limit=6", "learning.embedder=hashed-words"], sets].concat() {
            command.args(["--set", set]);
        }
        Said::of(&mut command)
    }

    /// What was asked of one model, in order.
    async fn asked(&self, model: &str) -> Vec<ModelService> {
        let requests = self.server.received_requests().await.expect("recorded");
        requests.iter().map(ModelService::of).filter(|served| served.body["model"] == model).collect()
    }

    /// What the servers refused.
    async fn refusals(&self) -> Refusals {
        Refusals::of(&self.server).await
    }

    /// Asserts that no file that a run has left holds a key, the journal included.
    fn hides_keys(&self) {
        let files = crate::support::files(&self.project.path("out"));
        assert!(files.contains_key("journal.sqlite") && files.contains_key("manifest.json"));
        for (name, bytes) in &files {
            for (variable, key) in KEYS {
                let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
                assert!(!found, "{name} holds the key of {variable}");
            }
        }
    }
}
