//! `models check` of an entry: every preset against a server that is as the preset says, and against one fault each.

use intercascade::backend::preset::Preset;

use super::server::{Fault, MODEL, Stage, StandIn};
use crate::support::holds;

/// Whether the preset's server is known to give log-probabilities.
fn gives_logprobs(preset: Preset) -> bool {
    preset.dialect().entry.get("logprobs").is_none()
}

/// The line that a fault must bring, and the key that must be named with its value.
fn found(stand_in: &StandIn, fault: Fault) -> [String; 2] {
    let other = stand_in.right_limit_key().unwrap_or("max_tokens");
    let (line, key) = match fault {
        Fault::TokenLimit => ("token limit        NO: refused", format!("set token_limit_key = \"{other}\"")),
        Fault::UnknownLimit => ("is ignored: 54 tokens instead of 16", format!("set token_limit_key = \"{other}\"")),
        Fault::IgnoredLimit => {
            ("is ignored: 54 tokens instead of 16", "token_limit_key: neither name is kept".to_owned())
        }
        Fault::Temperature => ("temperature        NO: refused", "set send_temperature = false".to_owned()),
        Fault::Stop => ("stop texts         NO: refused", "set send_stop = false".to_owned()),
        Fault::System => ("system role        NO: refused", "-> ".to_owned()),
        Fault::Logprobs => ("log-probabilities  NO: refused", "set logprobs = false".to_owned()),
        Fault::NoLogprobs => ("log-probabilities  NO: asked for, and none came", "set logprobs = false".to_owned()),
        Fault::ZeroLogprobs => ("log-probabilities  NO: each is 0", "set logprobs = false".to_owned()),
        Fault::PositiveLogprobs => ("above 0", "set logprobs = false".to_owned()),
        Fault::Uncounted => ("usage              NO: the answer does not count", "no key helps".to_owned()),
        Fault::Key => ("key                NO: refused with 401", "api_key_env: ".to_owned()),
        Fault::Address => ("address            NO: 404", format!("{}\"", stand_in.path())),
        Fault::Model => ("model              NO: 404", format!("model: it has {MODEL}")),
        Fault::Busy => ("limits             NO: 429", "requests_per_minute: ".to_owned()),
        Fault::IgnoredStop | Fault::Alternatives => unreachable!("no harm to a run"),
    };
    [line.to_owned(), key]
}

/// Checks an entry of the preset against a server with this fault.
async fn finds(preset: Preset, fault: Fault) {
    let stand_in = StandIn::new(preset, &[fault]);
    let stage = Stage::new(&stand_in, "").await;
    let said = stage.check(&[]);
    assert_eq!(said.code, 1, "{}, {fault:?}: {}{}", preset.name(), said.out, said.err);
    let [line, key] = found(&stand_in, fault);
    holds(&said.out, &[&line, &key]);
    // The one fault, and nothing else.
    let wrong = said.out.lines().filter(|line| line.contains("NO: ")).count();
    let unread = usize::from(fault == Fault::Uncounted);
    assert_eq!(wrong, 1 + unread, "{}, {fault:?}: {}", preset.name(), said.out);
    assert!(stage.asked().await <= 8, "{}, {fault:?}: {} calls", preset.name(), stage.asked().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_as_its_preset_says_passes_in_a_few_calls() {
    for preset in Preset::ALL {
        let stage = Stage::new(&StandIn::new(preset, &[]), "price = { input = 1.0, output = 2.0 }").await;
        let said = stage.check(&[]).done();
        let logprobs = if gives_logprobs(preset) {
            "log-probabilities  given for all 16 tokens, from -0.250 to -0.250"
        } else {
            "log-probabilities  given, though the entry says logprobs = false"
        };
        let name = format!("preset `{}`", preset.name());
        holds(
            &said.out,
            &[
                &name,
                "reachable          yes, ",
                "model              answered as served-model",
                "temperature        accepted",
                "stop texts         honoured",
                "system role        accepted",
                "usage              tokens are counted; cached tokens: not told",
                "token limit        kept (16 tokens, ",
                "limits             x-ratelimit-remaining-requests: 41",
                logprobs,
                " USD",
            ],
        );
        assert!(!said.out.contains("NO: ") && !said.out.contains("--write"), "{}", said.out);
        assert_eq!(stage.asked().await, if gives_logprobs(preset) { 2 } else { 3 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_key_is_found_for_every_preset() {
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
async fn log_probabilities_that_are_refused_missing_or_implausible_are_found_for_every_preset_that_has_them() {
    for preset in Preset::ALL.into_iter().filter(|preset| gives_logprobs(*preset)) {
        for fault in [Fault::Logprobs, Fault::NoLogprobs, Fault::ZeroLogprobs, Fault::PositiveLogprobs] {
            finds(preset, fault).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_key_mends_is_said_too() {
    for fault in [Fault::IgnoredLimit, Fault::Uncounted, Fault::Busy] {
        finds(Preset::Openai, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_no_harm_is_a_note() {
    let stand_in = StandIn::new(Preset::Vllm, &[Fault::IgnoredStop, Fault::Alternatives]);
    let said = Stage::new(&stand_in, "").await.check(&[]).done();
    holds(&said.out, &["stop texts         accepted and ignored", "alternatives       more than one is refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_wrong_keys_are_found_where_the_server_does_not_say_what_it_refuses() {
    for faults in [
        vec![Fault::Temperature],
        vec![Fault::Stop, Fault::Logprobs],
        vec![Fault::TokenLimit, Fault::Temperature, Fault::System],
    ] {
        let stand_in = StandIn { is_silent: true, ..StandIn::new(Preset::Azure, &faults) };
        let said = Stage::new(&stand_in, "").await.check(&[]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        for fault in &faults {
            let [line, key] = found(&stand_in, *fault);
            holds(&said.out, &[&line, &key]);
        }
        assert_eq!(said.out.lines().filter(|line| line.contains("NO: ")).count(), faults.len(), "{}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_values_are_written_and_the_next_check_passes() {
    let stand_in = StandIn::new(Preset::Openai, &[Fault::TokenLimit, Fault::Temperature, Fault::NoLogprobs]);
    let stage = Stage::new(&stand_in, "logprobs = true      # a weak level\nsend_temperature = true").await;
    let before = stage.project.text("trial.toml");
    let said = stage.check(&["--write"]).done();
    holds(
        &said.out,
        &[
            "written to trial.toml:",
            "\n-logprobs = true      # a weak level\n-send_temperature = true\n+logprobs = false      # a weak level\n\
             +send_temperature = false\n+token_limit_key = \"max_tokens\"\n",
            "(Unsupported parameter: 'temperature' is not supported.)",
        ],
    );
    let wanted = before
        .replace("logprobs = true ", "logprobs = false ")
        .replace("send_temperature = true\n", "send_temperature = false\ntoken_limit_key = \"max_tokens\"\n");
    assert_eq!(stage.project.text("trial.toml"), wanted);
    let files: Vec<String> = stage.project.files().into_keys().collect();
    assert_eq!(files, ["trial.toml"]);
    holds(&stage.check(&["--write"]).done().out, &["nothing to write"]);
    assert_eq!(stage.project.text("trial.toml"), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_level_without_logprobs_fails_unless_its_signal_needs_none() {
    let stand_in = StandIn::new(Preset::Openai, &[Fault::NoLogprobs]);
    for (deferral, status) in [("threshold = 0.9", 1), ("threshold = 0.9\nsignal = \"verbalised\"", 0)] {
        let stage = Stage::new(&stand_in, "logprobs = true").await;
        let head = "name = \"trial\"\narms = [\"weak-only\", \"strong-only\", \"cascade\"]\nlevels = [\"m\", \"other\"]\n\
                    dataset = { name = \"gsm-templates\", split = \"dev\" }\n";
        stage
            .project
            .write("trial.toml", format!("{head}[deferral]\n{deferral}\n{}", stage.project.text("trial.toml")));
        // Written once, the entry still fails: a run of the config would be refused.
        for arguments in [&["--write"][..], &[]] {
            let said = stage.check(arguments);
            assert_eq!(said.code, status, "{}{}", said.out, said.err);
            assert_eq!(said.out.contains("NO: `m` is the first level of trial.toml"), status == 1, "{}", said.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_written_right() {
    let stage = Stage::new(&StandIn::new(Preset::Groq, &[Fault::Address]), "").await;
    stage.check(&["--write"]).done();
    assert!(stage.project.text("trial.toml").contains(&format!("base_url = \"{}/openai/v1\"", stage.server.uri())));
    stage.check(&[]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_set_and_a_server_that_is_not_there() {
    let stage = Stage::new(&StandIn::new(Preset::Openai, &[]), "").await;
    let said = stage.project.run(&["models", "check", "m", "--config", "trial.toml"]);
    assert_eq!(said.code, 1);
    holds(&said.out, &["entry              NO: ", "OPENAI_API_KEY, which is not set", "-> api_key_env: "]);
    assert_eq!(stage.asked().await, 0);

    let gone = stage.project.text("trial.toml").replace(&stage.server.uri(), "http://127.0.0.1:9");
    stage.project.write("trial.toml", gone);
    let said = stage.check(&[]);
    assert_eq!(said.code, 1);
    holds(&said.out, &["reachable          NO: ", "-> base_url: check the address, and that the server runs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_entry_of_a_server_are_refused() {
    let stage = Stage::new(&StandIn::new(Preset::Openai, &[]), "").await;
    let run = |arguments: &[&str]| stage.project.run(&[&["models", "check"], arguments].concat()).refused_in_one_line();
    holds(&run(&["othr", "--config", "trial.toml"]), &["trial.toml", "`othr`", "did you mean `other`?"]);
    holds(&run(&["other", "--config", "trial.toml"]), &["trial.toml", "`reference`", "`openai`"]);
    holds(&run(&["smol"]), &["--config FILE"]);
    holds(&run(&["smol", "--write"]), &["--config"]);
    stage.project.write("configs/models.toml", stage.project.text("trial.toml"));
    holds(&run(&["other"]), &["configs/models.toml", "`reference`"]);
}
