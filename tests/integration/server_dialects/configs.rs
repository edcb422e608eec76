//! The shipped configs end to end: they run, send the configured requests, and count the tokens of the answers.

use std::collections::BTreeSet;

use intercascade::dataset::catalogue::Catalogue;
use serde_json::Value;

use super::{KEYS, Stage};
use crate::support::{CommandOutput, Project, Settings, holds, problems, repository};

/// Token counts that a server reports for one call: input, cached input, output.
type Tokens = [usize; 3];

/// Expected requests of a level, and the token counts of each call.
struct Level {
    model: &'static str,
    server: &'static str,
    key: Option<&'static str>,
    /// Fields that every request body has, with their values.
    sent: &'static [(&'static str, &'static str)],
    /// Fields that no request body has.
    left_out: &'static [&'static str],
    tokens: Tokens,
}

const GPT_41_MINI: Level = Level {
    model: "gpt-4.1-mini",
    server: "openai",
    key: Some("OPENAI_API_KEY"),
    sent: &[("max_tokens", "512"), ("temperature", "0.0"), ("logprobs", "true"), ("top_logprobs", "1")],
    left_out: &["max_completion_tokens", "reasoning_effort", "stream", "n"],
    tokens: [100, 64, 20],
};

const GEMINI: Level = Level {
    model: "gemini-3.8-flash",
    server: "gemini",
    key: Some("GEMINI_API_KEY"),
    sent: &[("max_tokens", "4096"), ("reasoning_effort", "\"low\"")],
    left_out: &["temperature", "stop", "logprobs", "top_logprobs", "max_completion_tokens"],
    tokens: [100, 0, 50],
};

const fn local(model: &'static str, server: &'static str, weak: bool) -> Level {
    const PLAIN: &[(&str, &str)] = &[("max_tokens", "512"), ("temperature", "0.0")];
    const SCORED: &[(&str, &str)] = &[("max_tokens", "512"), ("temperature", "0.0"), ("logprobs", "true")];
    let left_out: &[&str] = if weak { &["max_completion_tokens"] } else { &["max_completion_tokens", "logprobs"] };
    Level { model, server, key: None, sent: if weak { SCORED } else { PLAIN }, left_out, tokens: [100, 0, 20] }
}

/// Runs a shipped config and checks the requests and token counts of both levels.
async fn run_and_check(config: &str, sets: &[&str], levels: [&Level; 2]) -> Stage {
    let stage = Stage::new().await;
    stage.redirect(config);
    stage.run(config, sets).done();
    assert_eq!(stage.refusals().await.0, Vec::<String>::new());
    for level in levels {
        let requests = stage.requests_to(level.model).await;
        assert!(!requests.is_empty(), "{} was not asked", level.model);
        for served in &requests {
            assert_eq!(served.server, level.server);
            let expected = level.key.and_then(|variable| KEYS.iter().find(|(name, _)| *name == variable));
            assert_eq!(served.key, expected.map(|(_, key)| format!("Bearer {key}")), "{}", level.model);
            for (field, value) in level.sent {
                assert_eq!(
                    served.body[field],
                    serde_json::from_str::<Value>(value).expect("JSON"),
                    "{}: {field}",
                    level.model
                );
            }
            for field in level.left_out {
                assert!(served.body.get(field).is_none(), "{}: {field} was sent", level.model);
            }
        }
    }
    assert_counts(&stage, levels).await;
    stage.assert_no_keys();
    stage
}

/// Asserts that the fees count each answer's tokens as its server reported them, under the model names of the config.
async fn assert_counts(stage: &Stage, levels: [&Level; 2]) {
    let calls = stage.project.sheet("out", "calls");
    let fees = stage.project.sheet("out", "fees");
    for (index, level) in levels.into_iter().enumerate() {
        let rows: Vec<_> = calls.rows().filter(|call| call.text("level") == index.to_string()).collect();
        let keys: BTreeSet<&str> = rows.iter().map(|call| call.text("journal_key")).collect();
        assert_eq!(keys.len(), stage.requests_to(level.model).await.len(), "no call is made twice");
        let name = rows.first().expect("a call").text("model");
        let [read, cached, written] = level.tokens;
        for total in fees.rows().filter(|row| row.text("model") == name && row.text("purpose") == "total") {
            let call_count = total.count("calls");
            let counts = ["input_tokens", "cached_input_tokens", "output_tokens"].map(|column| total.count(column));
            assert_eq!(
                counts,
                [call_count * read, call_count * cached, call_count * written],
                "{name}, {}",
                total.text("arm")
            );
        }
    }
    let records = stage.project.sheet("out", "records");
    assert_eq!(records.len(), 6 * 5);
    let cascade: Vec<_> = records.rows().filter(|row| row.text("arm") == "cascade").collect();
    // The servers answer every second item with low confidence.
    assert_eq!(cascade.iter().filter(|row| row.flag("deferred")).count(), 3);
    assert!(records.rows().all(|row| row.text("score") == "correct"));
}

/// Returns the fee of one call at the price in a shipped config. `None` if the config has no price.
fn fee(config: &str, model: &str, tokens: Tokens) -> Option<f64> {
    let text = std::fs::read_to_string(repository().join(format!("configs/{config}.toml"))).expect("readable");
    let config: toml::Table = toml::from_str(&text).expect("TOML");
    let entries = config["model"].as_array().expect("models");
    let entry = entries.iter().find(|entry| entry["name"].as_str() == Some(model)).expect("a model");
    let price = entry.get("price")?;
    let part =
        |key: &str| price.get(key).or_else(|| price.get("input")).and_then(toml::Value::as_float).expect("a price");
    let [read, cached, written] = tokens.map(|count| f64::from(u32::try_from(count).expect("a count")));
    Some(((read - cached) * part("input") + cached * part("cached_input") + written * part("output")) / 1e6)
}

/// Asserts that the total fee of each model is its number of calls times the fee of a call.
fn assert_fees(stage: &Stage, config: &str, levels: [(&str, &Level); 2]) {
    for row in stage.project.sheet("out", "fees").rows().filter(|row| row.text("purpose") == "total") {
        let Some((name, level)) = levels.iter().find(|(name, _)| *name == row.text("model")) else { continue };
        let expected = fee(config, name, level.tokens).map(|fee| fee * row.number("calls"));
        match (row.optional("fee_usd"), expected) {
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() < 1e-12, "{name}: {found} instead of {expected}");
            }
            (found, expected) => assert_eq!(found, expected, "{name}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_config_runs() {
    let strong = Level {
        model: "gpt-6-sol",
        sent: &[("max_completion_tokens", "4096"), ("reasoning_effort", "\"low\"")],
        left_out: &["max_tokens", "temperature", "stop", "logprobs", "top_logprobs"],
        tokens: [100, 64, 50],
        ..GPT_41_MINI
    };
    let stage = run_and_check("openai", &[], [&GPT_41_MINI, &strong]).await;
    assert_fees(&stage, "openai", [("weak", &GPT_41_MINI), ("strong", &strong)]);
    assert!(fee("openai", "strong", strong.tokens).is_some());
    let manifest: Value = serde_json::from_str(&stage.project.text("out/manifest.json")).expect("JSON");
    assert_eq!(manifest["answered_by"]["weak"][0], "gpt-4.1-mini-2026-01-01");
    assert_eq!(manifest["config"]["model"][0]["api_key_env"], "OPENAI_API_KEY", "the variable's name, not the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gemini_config_runs() {
    let weak = local("llama3.2:1b", "ollama", true);
    let stage = run_and_check("gemini", &[], [&weak, &GEMINI]).await;
    assert_fees(&stage, "gemini", [("weak", &weak), ("strong", &GEMINI)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vllm_config_runs() {
    let levels = [
        local("Qwen/Qwen2.5-1.5B-Instruct", "vllm-weak", true),
        local("Qwen/Qwen2.5-7B-Instruct", "vllm-strong", false),
    ];
    let stage = run_and_check("vllm", &[], [&levels[0], &levels[1]]).await;
    assert_fees(&stage, "vllm", [("weak", &levels[0]), ("strong", &levels[1])]);
    // The end marker, with a log-probability of -9, does not lower the confidence.
    let records = stage.project.sheet("out", "records");
    assert!(records.rows().filter_map(|row| row.optional("confidence")).all(|confidence| confidence > 0.4));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ollama_config_runs() {
    let levels = [local("llama3.2:1b", "ollama", true), local("llama3.1:8b", "ollama", false)];
    let stage = run_and_check("ollama", &[], [&levels[0], &levels[1]]).await;
    let summary = stage.project.text("out/summary.md");
    holds(&summary, &["Model `weak` has no price", "Model `strong` has no price"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_config_runs() {
    let stage = run_and_check("live", &[], [&GPT_41_MINI, &GEMINI]).await;
    assert_fees(&stage, "live", [("gpt-4.1-mini", &GPT_41_MINI), ("gemini-3.8-flash", &GEMINI)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_config_runs_with_the_successor_of_its_weak_model() {
    let luna = Level {
        model: "gpt-6-luna",
        sent: &[
            ("max_completion_tokens", "512"),
            ("temperature", "0.0"),
            ("logprobs", "true"),
            ("reasoning_effort", "\"none\""),
        ],
        left_out: &["max_tokens", "stop"],
        ..GPT_41_MINI
    };
    let stage = run_and_check("live", &["levels=[\"gpt-6-luna\", \"gemini-3.8-flash\"]"], [&luna, &GEMINI]).await;
    assert_fees(&stage, "live", [("gpt-6-luna", &luna), ("gemini-3.8-flash", &GEMINI)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_pair_of_the_paper_is_refused_as_retired() {
    let stage = Stage::new().await;
    stage.redirect("paper-pair");
    let error = stage.run("paper-pair", &[]).refused_in_one_line();
    holds(
        &error,
        &["configs/paper-pair.toml", "model `gpt-3.5-turbo`", "ended it on 2026-10-23: use `gpt-5.6-terra` instead"],
    );
    assert!(!stage.project.path("out").exists());
    assert!(stage.server.received_requests().await.is_some_and(|requests| requests.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_a_retired_model_replays_without_a_key() {
    let stage = Stage::new().await;
    stage.redirect("live");
    stage.run("live", &[]).done();
    let requests = stage.server.received_requests().await.expect("recorded").len();
    let config = stage.project.text("configs/live.toml");
    let ended = config
        .replace("api_key_env = \"GEMINI_API_KEY\"", "api_key_env = \"GEMINI_API_KEY\"\nretired = \"2026-11-01\"");
    assert_ne!(ended, config);
    stage.project.write("configs/live.toml", ended);
    holds(&stage.run_into("again", "live", &[]).refused_in_one_line(), &["its provider ended it on 2026-11-01"]);
    let set = ["--set", "dataset.limit=6", "--set", "learning.embedder=hashed-words"];
    let recorded = ["--journal", "out/journal.sqlite", "--offline", "--out", "again"];
    stage.project.run(&[&["run", "--config", "configs/live.toml"], &set[..], &recorded].concat()).done();
    for table in ["records", "fees"] {
        let name = format!("{table}.csv");
        assert_eq!(stage.project.text(&format!("again/{name}")), stage.project.text(&format!("out/{name}")));
    }
    assert_eq!(stage.server.received_requests().await.expect("recorded").len(), requests, "no call is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_config_family_runs_end_to_end() {
    let stage = Stage::new().await;
    stage.redirect("live");
    let text = stage.project.text("configs/paper/families.toml");
    let set = "config = \"../live.toml\"\nset = [\"dataset.limit=6\", \"learning.embedder=hashed-words\"]";
    stage.project.write("configs/paper/families.toml", text.replace("config = \"../live.toml\"", set));
    let mut command = stage.project.command();
    command.envs(KEYS).args(["reproduce", "pipeline", "fees", "--family", "live", "--out", "out"]);
    let output = CommandOutput::of(&mut command).done();
    holds(&output.err, &["1 of 1: live, calling its models"]);
    assert_eq!(stage.refusals().await.0, Vec::<String>::new());
    for level in [&GPT_41_MINI, &GEMINI] {
        assert!(!stage.requests_to(level.model).await.is_empty(), "{}", level.model);
    }
    assert_eq!(stage.project.sheet("out", "pipeline").len(), 5);
    assert!(stage.project.sheet("out", "fees").rows().all(|row| row.number("fee_usd") > 0.0));
    holds(&stage.project.text("out/pipeline.md"), &["No reproduction.", "our choice: everything"]);

    // A family of retired models gets no calls, and nothing of it is looked up.
    let mut command = stage.project.command();
    command.envs(KEYS).args(["reproduce", "--family", "paper-pair", "--out", "pair"]);
    let refused = CommandOutput::of(&mut command);
    assert_eq!(refused.code, 2);
    holds(&refused.err, &["paper-pair", "ended it on 2026-10-23"]);
    let listed = stage.project.run(&["reproduce", "--family", "paper-pair", "--list"]).done();
    holds(&listed.out, &["only recordings of them can answer", "paper-pair"]);
}

/// Returns the names of the shipped configs whose text contains `part`.
fn shipped(part: &str) -> BTreeSet<String> {
    let mut configs = crate::support::files(&repository().join("configs"));
    let is_list = |name: &str| name.contains('/') || ["dialects.toml", "models.toml", "weights.toml"].contains(&name);
    configs.retain(|name, bytes| !is_list(name) && String::from_utf8_lossy(bytes).contains(part));
    configs.into_keys().map(|name| name.trim_end_matches(".toml").to_owned()).collect()
}

#[test]
fn every_shipped_config_with_a_server_is_tested() {
    let served = ["gemini", "live", "ollama", "openai", "paper-pair", "vllm"];
    let named: BTreeSet<String> = shipped("base_url").union(&shipped("preset = ")).cloned().collect();
    assert_eq!(named, served.map(str::to_owned).into());
}

#[test]
fn every_shipped_config_passes_its_check() {
    let project = Project::shipped();
    project.write("questions.jsonl", problems(10, 3));
    let before = project.files();
    let catalogue = Catalogue::find(Some(&repository().join("Cargo.toml"))).expect("the project's catalogue");
    let fetched: Vec<&str> =
        catalogue.entries.iter().filter(|entry| entry.source.is_some()).map(|entry| entry.name.as_str()).collect();
    for config in shipped("").difference(&shipped("retired = ")) {
        let path = format!("configs/{config}.toml");
        let check = |sets: &[&str]| {
            let mut command = project.command();
            CommandOutput::of(command.envs(KEYS).args(["run", "--dry-run", "--config", &path]).args(sets))
        };
        let settings: toml::Table = toml::from_str(&project.text(&path)).expect("TOML");
        let name = settings["dataset"].get("name").and_then(toml::Value::as_str).unwrap_or_default();
        let output = if fetched.contains(&name) {
            holds(
                &check(&[]).refused_in_one_line(),
                &["is missing; fetch it with", &format!("datasets fetch {name}`")],
            );
            // The rest of the config is checked with another data file.
            let sets = ["path=questions.jsonl", "split=", "subjects=", "sample_groups="];
            check(&sets.map(|set| format!("--set=dataset.{set}")).each_ref().map(String::as_str))
        } else {
            check(&[])
        };
        holds(&output.done().out, &["weak level: ", "strong level: ", " calls, about "]);
    }
    assert!(project.files() == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_request_fields_are_refused_with_the_fix() {
    for (model, key, mend) in [
        ("gpt-6-sol", "token_limit_key", "token_limit_key = \"max_completion_tokens\""),
        ("gpt-6-sol", "send_temperature", "send_temperature = false"),
    ] {
        let stage = Stage::new().await;
        stage.redirect("openai");
        let config = Settings::read(&stage.project.text("configs/openai.toml"));
        let config = match key {
            "token_limit_key" => config.set("model.strong.token_limit_key", "max_tokens"),
            _ => config.without(&format!("model.strong.{key}")),
        };
        stage.project.write("configs/openai.toml", config.text());
        let error = stage.run("openai", &[]).refused();
        holds(&error, &["model `strong`", model, "400", mend]);
        assert_eq!(stage.refusals().await.0.len(), 1, "a refusal is not tried again");
        assert!(stage.project.reports("out").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_gets_its_extra_header_and_field() {
    let stage = Stage::new().await;
    stage.redirect("ollama");
    let entry = format!(
        "name = 'strong'\nbackend = 'openai'\nbase_url = '{}/gateway/v1'\nmodel = 'behind-the-gateway'\nlogprobs = false\n\
         headers_env = {{ x-gateway-team = 'TRIAL_GATEWAY' }}\nextra_body = {{ routing = {{ region = 'eu' }} }}",
        stage.server.uri()
    );
    let config = Settings::read(&stage.project.text("configs/ollama.toml")).model("strong", &entry);
    stage.project.write("configs/gateway.toml", config.text());
    stage.run("gateway", &[]).done();
    assert_eq!(stage.refusals().await.0, Vec::<String>::new());
    assert!(!stage.requests_to("behind-the-gateway").await.is_empty());
    stage.assert_no_keys();
    for (key, words) in [("headers_env", "x-gateway-team is required"), ("extra_body", "routing.region")] {
        stage.project.write(
            "configs/bare.toml",
            config.clone().without(&format!("model.strong.{key}")).set("name", "bare").text(),
        );
        let error = stage.run_into(key, "bare", &[]).refused();
        holds(&error, &["model `strong`", "400", words]);
    }
}
