//! Runs of every shipped config through the command line, against a local server that speaks the config's API dialect
//! and refuses what the dialect does not support.

mod configs;
mod servers;

use intercascade::backend::preset::Preset;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer};

use self::servers::{Answers, ModelService, Refusals};
use crate::support::{CommandOutput, Project};

/// Stand-ins for the API keys. No output may contain them.
const KEYS: [(&str, &str); 3] = [
    ("OPENAI_API_KEY", "sk-proj-trial-0123456789abcdef"),
    ("GEMINI_API_KEY", "AIza-trial-0123456789abcdef"),
    ("TRIAL_GATEWAY", "gateway-trial-0123456789abcdef"),
];

/// Returns the config with the address of each preset written into entries that have none.
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

/// Project with the shipped configs, and one local server that plays all of their servers.
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

    /// Replaces every address in a shipped config by the local server's, with a path that identifies the original
    /// server.
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

    /// Runs a config on six items with the hashed-words embedder and writes to `out`.
    fn run(&self, config: &str, sets: &[&str]) -> CommandOutput {
        self.run_into("out", config, sets)
    }

    fn run_into(&self, out: &str, config: &str, sets: &[&str]) -> CommandOutput {
        let mut command = self.project.command();
        command.envs(KEYS).args(["run", "--alone", "--config", &format!("configs/{config}.toml"), "--out", out]);
        for set in [&["dataset.limit=6", "learning.embedder=hashed-words"], sets].concat() {
            command.args(["--set", set]);
        }
        CommandOutput::of(&mut command)
    }

    /// Returns the requests to one model, in order.
    async fn requests_to(&self, model: &str) -> Vec<ModelService> {
        let requests = self.server.received_requests().await.expect("recorded");
        requests.iter().map(ModelService::of).filter(|served| served.body["model"] == model).collect()
    }

    /// Returns the requests that the servers refused.
    async fn refusals(&self) -> Refusals {
        Refusals::of(&self.server).await
    }

    /// Asserts that no output file of a run, including the journal, contains a key.
    fn assert_no_keys(&self) {
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
