//! Runs whose batches end regularly, their prices, and errors before any call.

use super::provider::{Plan, Provider};
use super::{BATCHED, ITEMS, Stage, entry, settings};
use crate::support::{Project, Settings, holds};

const ARMS: [&str; 4] = ["weak-only", "strong-only", "cascade", "inter-cascade"];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_batches_has_the_records_of_a_direct_run() {
    let stage = Stage::new(Plan::regular(), &ARMS).await;
    let output = stage.run("out").done();
    holds(&output.err, &["submitted batch batch-0", "12 calls"]);
    stage.assert_each_request_once();
    {
        let received = stage.provider.state();
        assert_eq!((received.files.len(), received.batches.len()), (2, 2), "one batch for each level");
        let labels: Vec<&str> =
            received.batches.iter().map(|batch| batch.metadata["intercascade"].as_str().expect("a label")).collect();
        assert_ne!(labels[0], labels[1]);
        let shown = |body: &serde_json::Value| body["messages"].to_string().contains("STRATEGY");
        assert!(!received.direct.is_empty(), "the learning arm's own calls");
        assert!(received.batches.iter().flat_map(|batch| &batch.lines).all(|line| !shown(&line["body"])));
        assert!(received.direct.iter().all(|body| body["model"] == "small" || shown(body)), "{:?}", received.direct);
    }
    let calls = stage.project.sheet("out", "calls");
    for call in calls.rows() {
        match call.text("purpose") {
            "embed" => assert_eq!(call.text("batched"), ""),
            _ if call.text("arm") != "inter-cascade" => {
                assert_eq!((call.text("batched"), call.text("latency_ms")), ("true", ""));
            }
            _ => assert_eq!(call.flag("batched"), call.text("latency_ms").is_empty()),
        }
    }
    for record in stage.project.sheet("out", "records").rows() {
        assert_eq!(
            record.text("latency_ms").is_empty(),
            record.text("arm") != "inter-cascade" || calls_in_batches(&record)
        );
    }
    assert_eq!(stage.count("out", "SELECT count(*) FROM batches WHERE state = 'ended'"), 2);
    let batched = stage.count("out", "SELECT count(*) FROM calls WHERE response LIKE '%,\"batched\":true}'");
    assert_eq!(batched, 2 * i64::try_from(ITEMS).expect("a few"));
    holds(&stage.project.text("out/summary.md"), &["came in batches", "at the list price"]);

    // The same command makes no call and writes the same.
    let before = stage.project.reports("out");
    let requests = stage.provider.bodies().len();
    stage.run("out").done();
    assert_eq!(stage.provider.bodies().len(), requests);
    assert!(stage.project.reports("out") == before);
    stage.assert_as_direct("out");
    assert!(!stage.project.text("direct/summary.md").contains("came in batches"));
}

/// True if a call of a record of a learning arm came in a batch: its time is unknown.
fn calls_in_batches(record: &crate::support::Row<'_>) -> bool {
    record.text("latency_ms").is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_was_paid_has_the_price_of_batches_and_arms_the_list_price() {
    let stage = Stage::new(Plan::regular(), &ARMS).await;
    let output = stage.run("out").done();
    let spent = &stage.manifest("out")["spent"];
    let mut total = 0.0;
    for model in ["small", "large"] {
        let of_model = &spent[model];
        let calls = of_model["calls"].as_u64().expect("a count");
        let batched = of_model["batched"]["calls"].as_u64().expect("a count");
        assert!(batched == ITEMS as u64 && calls >= batched, "{of_model}");
        // Each call reads 9 tokens at 1 USD and writes 2 at 4 USD, per million.
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let fee = 17e-6 * (calls as f64 - 0.5 * batched as f64);
        assert!((of_model["fee_usd"].as_f64().expect("a fee") - fee).abs() < 1e-12, "{of_model}");
        total += fee;
    }
    holds(&output.out, &[&format!("{total:.6} USD")]);
    for row in stage.project.sheet("out", "fees").rows().filter(|row| row.text("model") != "hashed-words") {
        let (fee, in_batches) = (row.number("fee_usd"), row.number("fee_in_batches_usd"));
        let share = if row.text("arm") == "inter-cascade" { 1.0 } else { 0.5 };
        assert!((fee - 17e-6 * row.number("calls")).abs() < 1e-9 || row.text("purpose") != "total", "{fee}");
        assert!((in_batches - share * fee).abs() < 1e-9, "{}: {in_batches} of {fee}", row.text("arm"));
    }
}

/// Settings with calibration items from eight of the ten groups.
fn calibrating(provider: &Provider) -> Settings {
    settings(provider, &ARMS).set("dataset.limit", 30).set("dataset.calibration", 8)
}

#[tokio::test(flavor = "multi_thread")]
async fn calibrations_use_batches() {
    let stage = Stage::with(Plan::regular(), calibrating).await;
    let calibrate = |more: &[&str]| {
        let own = ["calibrate", "--config", "trial.toml", "--alone", "--min-accepted", "2", "--out"];
        stage.project.run(&[&own, more].concat())
    };
    let batched = calibrate(&["out", "--batch"]);
    assert_eq!(stage.provider.sizes(), [8], "the weak level answers the calibration items: {}", batched.err);
    assert!(stage.provider.state().direct.is_empty());
    assert_eq!(batched.code, calibrate(&["direct"]).code);
    assert_eq!(stage.rows("out", "certifiable"), stage.rows("direct", "certifiable"));

    let calibrated = |provider: &Provider| {
        let settings = calibrating(provider).without("deferral.threshold");
        settings.set("deferral.threshold.calibrate.alpha", 0.9).set("deferral.threshold.calibrate.min_accepted", 2)
    };
    let stage = Stage::with(Plan::regular(), calibrated).await;
    stage.run("out").done();
    assert_eq!(stage.provider.sizes()[0], 8, "the calibration comes first");
    stage.assert_each_request_once();
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_use_batches_also_for_thresholds_that_they_choose() {
    let stage = Stage::new(Plan::regular(), &["cascade", "fixed-example", "inter-cascade"]).await;
    let example = "learning.fixed_example={question='2+2?', solution='2+2=4. #### 4', answer='4'}";
    let sweep = |out: &str, more: &[&str]| {
        let own =
            ["sweep", "--config", "trial.toml", "--alone", "--thresholds", "auto:3", "--set", example, "--out", out];
        stage.project.run(&[&own, more].concat())
    };
    sweep("swept", &["--batch"]).done();
    stage.assert_each_request_once();
    let (small, large) = {
        let received = stage.provider.state();
        let lines = || received.batches.iter().flat_map(|batch| &batch.lines);
        let of = |name: &str| lines().filter(|line| line["body"]["model"] == name).count();
        (of("small"), of("large"))
    };
    assert_eq!((small, large), (2 * ITEMS, ITEMS), "alone, with the fixed example, and strong-only");
    sweep("direct", &[]).done();
    for table in ["records", "calls", "accuracy"] {
        assert!(stage.rows("swept", table) == stage.rows("direct", table), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_without_a_batch_api_is_called_directly() {
    let stage = Stage::with(Plan::regular(), |provider| {
        let direct = entry(provider, "small", "price = { input = 1.0, output = 4.0 }");
        settings(provider, &["weak-only", "cascade"]).model("small", &direct)
    })
    .await;
    let output = stage.run("out").done();
    holds(&output.err, &["no batch API is known for `small`: its calls are made directly"]);
    stage.assert_each_request_once();
    let deferred = stage.project.sheet("out", "records").rows().filter(|row| row.flag("deferred")).count();
    assert!(deferred > 0 && deferred < ITEMS, "{deferred}");
    assert_eq!(stage.provider.sizes(), [deferred], "one batch of the strong level, after all weak answers");
    assert_eq!(stage.provider.state().direct.len(), ITEMS);
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_allow_no_batch_are_one_error() {
    let without = "price = { input = 1.0, output = 4.0 }";
    let stage = Stage::with(Plan::regular(), |provider| {
        let [small, large] = ["small", "large"].map(|name| entry(provider, name, without));
        settings(provider, &ARMS).model("small", &small).model("large", &large)
    })
    .await;
    let error = stage.run("out").refused_in_one_line();
    holds(&error, &["`small` and `large`", "batch_api = true", "remove --batch"]);
    assert!(!stage.project.path("out").exists());
    let simulated = Project::with(&crate::support::Settings::simulated());
    holds(&simulated.trial("out", &["--batch"]).refused(), &["`small` and `large`"]);
    let offline = simulated.trial("out", &["--batch", "--offline"]);
    assert_eq!(offline.code, 2);
    let share = simulated.trial("out", &["--set", "model.small.price.batch=1.5"]).refused();
    holds(&share, &["price.batch must be a share"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_fee_with_and_without_batches() {
    let provider = Provider::start(Plan::regular()).await;
    let project = Project::with(&settings(&provider, &["weak-only", "cascade"]));
    let fee = |text: &str, label: &str| -> f64 {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(label)).unwrap_or_else(|| panic!("{text}"));
        line.trim().split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    let output = project.trial("out", &["--dry-run"]).done();
    let (whole, batched) = (fee(&output.out, "total:"), fee(&output.out, "total with --batch:"));
    assert!(whole > 0.0 && (batched - whole / 2.0).abs() <= 1e-4, "{whole} {batched}");
    let learning = project.trial("out", &["--dry-run", "--set", "arms=[\"cascade\", \"inter-cascade\"]"]).done();
    let (whole, batched) = (fee(&learning.out, "total:"), fee(&learning.out, "total with --batch:"));
    assert!(batched > 0.6 * whole && batched < whole, "{whole} {batched}");
    let unknown = BATCHED.replace(", batch = 0.5", "");
    let settings = settings(&provider, &["weak-only"]).model("small", &entry(&provider, "small", &unknown));
    let output = Project::with(&settings).trial("out", &["--dry-run"]).done();
    holds(&output.out.replace('\n', " "), &["no batch price is known for `small`"]);
    let simulated = Project::with(&crate::support::Settings::simulated()).trial("out", &["--dry-run"]).done();
    assert!(!simulated.out.contains("--batch"), "{}", simulated.out);
}
