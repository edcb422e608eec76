//! `models check` of an entry: every preset against a server that matches the preset, and against one fault at a time.

use intercascade::backend::preset::Preset;

use super::server::{Fault, MODEL, Stage, StandIn};
use crate::support::holds;

/// True if the preset's server returns log-probabilities.
fn gives_logprobs(preset: Preset) -> bool {
    preset.dialect().entry.get("logprobs").is_none()
}

/// Line that the check must print for a fault, and the key and value that it must suggest.
fn found(stand_in: &StandIn, fault: Fault) -> [String; 2] {
    let other = stand_in.right_limit_key().unwrap_or("max_tokens");
    let (line, key) = match fault {
        Fault::TokenLimit => ("token limit        NO: refused", format!("set token_limit_key = \"{other}\"")),
        Fault::UnknownLimit => ("is ignored: 54 tokens instead of 16", format!("set token_limit_key = \"{other}\"")),
        Fault::IgnoredLimit => {
            ("is ignored: 54 tokens instead of 16", "token_limit_key: the server ignores both names".to_owned())
        }
        Fault::Temperature => ("temperature        NO: refused", "set send_temperature = false".to_owned()),
        Fault::Stop => ("stop texts         NO: refused", "set send_stop = false".to_owned()),
        Fault::System => ("system role        NO: refused", "-> ".to_owned()),
        Fault::Logprobs => ("log-probabilities  NO: refused", "set logprobs = false".to_owned()),
        Fault::NoLogprobs => ("log-probabilities  NO: requested, but not returned", "set logprobs = false".to_owned()),
        Fault::ZeroLogprobs => ("log-probabilities  NO: each is 0", "set logprobs = false".to_owned()),
        Fault::PositiveLogprobs => ("above 0", "set logprobs = false".to_owned()),
        Fault::Uncounted => ("usage              NO: the answer has no token counts", "no key changes this".to_owned()),
        Fault::Key => ("key                NO: refused with 401", "api_key_env: ".to_owned()),
        Fault::Address => ("address            NO: 404", format!("{}\"", stand_in.path())),
        Fault::Model => ("model              NO: 404", format!("model: the server has {MODEL}")),
        Fault::Busy => ("limits             NO: 429", "requests_per_minute: ".to_owned()),
        Fault::IgnoredStop | Fault::Alternatives => unreachable!("no harm to a run"),
    };
    [line.to_owned(), key]
}

/// Checks an entry with the preset against a server with the fault.
async fn finds(preset: Preset, fault: Fault) {
    let stand_in = StandIn::new(preset, &[fault]);
    let stage = Stage::new(&stand_in, "").await;
    let output = stage.check(&[]);
    assert_eq!(output.code, 1, "{}, {fault:?}: {}{}", preset.name(), output.out, output.err);
    let [line, key] = found(&stand_in, fault);
    holds(&output.out, &[&line, &key]);
    // The check reports this fault and no other.
    let wrong = output.out.lines().filter(|line| line.contains("NO: ")).count();
    let unread = usize::from(fault == Fault::Uncounted);
    assert_eq!(wrong, 1 + unread, "{}, {fault:?}: {}", preset.name(), output.out);
    assert!(
        stage.completion_count().await <= 8,
        "{}, {fault:?}: {} calls",
        preset.name(),
        stage.completion_count().await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_matches_its_preset_passes_in_a_few_calls() {
    for preset in Preset::ALL {
        let stage = Stage::new(&StandIn::new(preset, &[]), "price = { input = 1.0, output = 2.0 }").await;
        let output = stage.check(&[]).done();
        let logprobs = if gives_logprobs(preset) {
            "log-probabilities  returned for all 16 tokens, from -0.250 to -0.250"
        } else {
            "log-probabilities  returned, although the entry has logprobs = false"
        };
        let name = format!("preset `{}`", preset.name());
        holds(
            &output.out,
            &[
                &name,
                "reachable          yes, ",
                "model              answered as served-model",
                "temperature        accepted",
                "stop texts         honoured",
                "system role        accepted",
                "usage              tokens are counted; cached tokens: not reported",
                "token limit        respected (16 tokens, ",
                "limits             x-ratelimit-remaining-requests: 41",
                logprobs,
                " USD",
            ],
        );
        assert!(!output.out.contains("NO: ") && !output.out.contains("--write"), "{}", output.out);
        assert_eq!(stage.completion_count().await, if gives_logprobs(preset) { 2 } else { 3 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_wrong_key_is_found_for_every_preset() {
    let faults = [
        Fault::TokenLimit,
        Fault::UnknownLimit,
        Fault::Temperature,
        Fault::Stop,
        Fault::System,
        Fault::Key,
        Fault::Address,
        Fault::Model,
    ];
    for preset in Preset::ALL {
        for fault in faults {
            finds(preset, fault).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_log_probabilities_are_found_for_every_preset() {
    for preset in Preset::ALL.into_iter().filter(|preset| gives_logprobs(*preset)) {
        for fault in [Fault::Logprobs, Fault::NoLogprobs, Fault::ZeroLogprobs, Fault::PositiveLogprobs] {
            finds(preset, fault).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_without_a_config_fix_are_reported() {
    for fault in [Fault::IgnoredLimit, Fault::Uncounted, Fault::Busy] {
        finds(Preset::Openai, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn harmless_findings_are_notes() {
    let stand_in = StandIn::new(Preset::Vllm, &[Fault::IgnoredStop, Fault::Alternatives]);
    let output = Stage::new(&stand_in, "").await.check(&[]).done();
    holds(
        &output.out,
        &["stop texts         accepted but ignored", "alternatives       the server refuses more than one"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_wrong_keys_are_found_despite_vague_refusals() {
    for faults in [
        vec![Fault::Temperature],
        vec![Fault::Stop, Fault::Logprobs],
        vec![Fault::TokenLimit, Fault::Temperature, Fault::System],
    ] {
        let stand_in = StandIn { is_silent: true, ..StandIn::new(Preset::Azure, &faults) };
        let output = Stage::new(&stand_in, "").await.check(&[]);
        assert_eq!(output.code, 1, "{}{}", output.out, output.err);
        for fault in &faults {
            let [line, key] = found(&stand_in, *fault);
            holds(&output.out, &[&line, &key]);
        }
        assert_eq!(output.out.lines().filter(|line| line.contains("NO: ")).count(), faults.len(), "{}", output.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_corrections_make_the_next_check_pass() {
    let stand_in = StandIn::new(Preset::Openai, &[Fault::TokenLimit, Fault::Temperature, Fault::NoLogprobs]);
    let stage = Stage::new(&stand_in, "logprobs = true      # a weak level\nsend_temperature = true").await;
    let before = stage.project.text("trial.toml");
    let output = stage.check(&["--write"]).done();
    holds(
        &output.out,
        &[
            "written to trial.toml:",
            "\n-logprobs = true      # a weak level\n-send_temperature = true\n+logprobs = false      # a weak level\n\
             +send_temperature = false\n+token_limit_key = \"max_tokens\"\n",
            "(Unsupported parameter: 'temperature' is not supported.)",
        ],
    );
    let expected = before
        .replace("logprobs = true ", "logprobs = false ")
        .replace("send_temperature = true\n", "send_temperature = false\ntoken_limit_key = \"max_tokens\"\n");
    assert_eq!(stage.project.text("trial.toml"), expected);
    let files: Vec<String> = stage.project.files().into_keys().collect();
    assert_eq!(files, ["trial.toml"]);
    holds(&stage.check(&["--write"]).done().out, &["nothing to write"]);
    assert_eq!(stage.project.text("trial.toml"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_level_without_needed_logprobs_fails() {
    let stand_in = StandIn::new(Preset::Openai, &[Fault::NoLogprobs]);
    for (deferral, status) in [("threshold = 0.9", 1), ("threshold = 0.9\nsignal = \"verbalised\"", 0)] {
        let stage = Stage::new(&stand_in, "logprobs = true").await;
        let head = "name = \"trial\"\narms = [\"weak-only\", \"strong-only\", \"cascade\"]\nlevels = [\"m\", \"other\"]\n\
                    dataset = { name = \"gsm-templates\", split = \"dev\" }\n";
        stage
            .project
            .write("trial.toml", format!("{head}[deferral]\n{deferral}\n{}", stage.project.text("trial.toml")));
        // The entry still fails after --write, because a run of the config would be refused.
        for arguments in [&["--write"][..], &[]] {
            let output = stage.check(arguments);
            assert_eq!(output.code, status, "{}{}", output.out, output.err);
            assert_eq!(output.out.contains("NO: `m` is the first level of trial.toml"), status == 1, "{}", output.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_corrected() {
    let stage = Stage::new(&StandIn::new(Preset::Groq, &[Fault::Address]), "").await;
    stage.check(&["--write"]).done();
    assert!(stage.project.text("trial.toml").contains(&format!("base_url = \"{}/openai/v1\"", stage.server.uri())));
    stage.check(&[]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unset_key_and_an_unreachable_server_are_reported() {
    let stage = Stage::new(&StandIn::new(Preset::Openai, &[]), "").await;
    let output = stage.project.run(&["models", "check", "m", "--config", "trial.toml"]);
    assert_eq!(output.code, 1);
    holds(&output.out, &["entry              NO: ", "OPENAI_API_KEY, which is not set", "-> api_key_env: "]);
    assert_eq!(stage.completion_count().await, 0);

    let unreachable = stage.project.text("trial.toml").replace(&stage.server.uri(), "http://127.0.0.1:9");
    stage.project.write("trial.toml", unreachable);
    let output = stage.check(&[]);
    assert_eq!(output.code, 1);
    holds(&output.out, &["reachable          NO: ", "-> base_url: check the address, and that the server is running"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_a_server_entry_are_refused() {
    let stage = Stage::new(&StandIn::new(Preset::Openai, &[]), "").await;
    let run = |arguments: &[&str]| stage.project.run(&[&["models", "check"], arguments].concat()).refused_in_one_line();
    holds(&run(&["othr", "--config", "trial.toml"]), &["trial.toml", "`othr`", "did you mean `other`?"]);
    holds(&run(&["other", "--config", "trial.toml"]), &["trial.toml", "`reference`", "`openai`"]);
    holds(&run(&["smol"]), &["--config FILE"]);
    holds(&run(&["smol", "--write"]), &["--config"]);
    stage.project.write("configs/models.toml", stage.project.text("trial.toml"));
    holds(&run(&["other"]), &["configs/models.toml", "`reference`"]);
}
