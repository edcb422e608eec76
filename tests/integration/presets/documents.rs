//! The documents on presets: the table matches the data, and the documented commands of the first run work unchanged.

use std::fmt::Write as _;

use intercascade::backend::preset::Preset;

use super::server::{KEY, StandIn};
use crate::support::{CommandOutput, Project, holds, repository};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

fn document(name: &str) -> String {
    std::fs::read_to_string(repository().join("docs").join(name)).expect("readable")
}

/// Builds the table of presets from the data.
fn table() -> String {
    let mut text = "| preset | keys | alternatives | source |\n| --- | --- | --- | --- |\n".to_owned();
    for preset in Preset::ALL {
        let dialect = preset.dialect();
        let keys: Vec<String> = dialect.entry.iter().map(|(key, value)| format!("`{key} = {value}`")).collect();
        let own = dialect.address.as_ref().map(|form| format!("`base_url` is yours: `{form}`; ")).unwrap_or_default();
        let most = dialect.alternatives.map_or("none".to_owned(), |most| most.to_string());
        let read = dialect.read.as_ref().map_or("as known in November 2026".to_owned(), |day| format!("read {day}"));
        let (name, source, note) = (preset.name(), &dialect.source, &dialect.note);
        writeln!(text, "| `{name}` | {own}{} | {most} | <{source}>, {read}. {note} |", keys.join(", "))
            .expect("written");
    }
    text
}

#[test]
fn the_documented_preset_table_matches_the_data() {
    let text = document("SERVERS.md");
    let (_, rest) = text.split_once("<!-- presets -->\n").expect("a mark");
    let (found, _) = rest.split_once("<!-- end -->").expect("a mark");
    assert_eq!(found, table(), "put this table between the marks:\n{}", table());
}

/// Returns the lines of a document that are commands of the program.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("    intercascade "));
    lines.map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_first_run_works() {
    let text = document("FIRST_API_RUN.md");
    let (_, config) = text.split_once("```toml\n").expect("a config");
    let (config, _) = config.split_once("```").expect("its end");
    let server = MockServer::start().await;
    let stand_in = StandIn::new(Preset::Openai, &[]);
    Mock::given(any()).respond_with(stand_in).mount(&server).await;
    let project = Project::shipped();
    let address = format!("preset = \"openai\"\nbase_url = \"{}/v1\"\n", server.uri());
    project.write("first.toml", config.replace("preset = \"openai\"\n", &address));
    let commands = commands(&text);
    assert_eq!(commands.len(), 7);
    for command in commands {
        let mut line = project.command();
        line.env("OPENAI_API_KEY", KEY).args(&command);
        if command[0] == "run" {
            line.args(["--set", "learning.embedder=hashed-words"]);
        }
        let output = CommandOutput::of(&mut line).done();
        assert!(!output.out.contains(KEY) && !output.err.contains(KEY));
        if command.contains(&"--dry-run") {
            holds(
                &output.out,
                &["model `weak`: from preset `openai`: api_key_env, batch_api, token_limit_key", "total: "],
            );
        }
    }
    for file in ["results/first-20/summary.md", "results/first/summary.md", "results/first-20/manifest.json"] {
        assert!(project.path(file).is_file(), "{file}");
    }
    let records = project.sheet("results/first", "records");
    assert_eq!(records.len(), 400);
    let manifest: serde_json::Value = serde_json::from_str(&project.text("results/first/manifest.json")).expect("JSON");
    assert_eq!(manifest["calls_made"], 0, "the last command makes no call");
}
