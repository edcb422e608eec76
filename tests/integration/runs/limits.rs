//! The fee limit: a run stops before the limit is exceeded, and continues with a higher limit.

use crate::support::{Project, Settings, holds};

/// Returns the total fee of a run in USD.
fn spent(project: &Project, out: &str) -> f64 {
    let manifest: serde_json::Value =
        serde_json::from_str(&project.text(&format!("{out}/manifest.json"))).expect("JSON");
    ["small", "large"].iter().map(|model| manifest["spent"][model]["fee_usd"].as_f64().expect("a fee")).sum()
}

#[test]
fn a_fee_limit_stops_a_run_that_a_higher_one_completes() {
    let project = Project::with(&Settings::simulated());
    let all = project.trial("free", &[]).done().calls_made();
    let half = format!("limits.max_fee_usd={}", spent(&project, "free") / 2.0);
    for _ in 0..2 {
        let stopped = project.trial("out", &["--set", &half]);
        assert_eq!(stopped.code, 1, "{}", stopped.err);
        holds(&stopped.err, &["limits.max_fee_usd", "would be exceeded", "raise the limit", "out/journal.sqlite"]);
        assert!(project.reports("out").is_empty(), "no report of half a run");
    }
    let rest = project.trial("out", &["--set", "limits.max_fee_usd=100.0"]).done().calls_made();
    assert!(rest > 0 && rest < all, "{rest} of {all}");
    assert!(project.reports("out") == project.reports("free"));
    assert!((spent(&project, "out") - spent(&project, "free")).abs() < 1e-12);
}

#[test]
fn spending_stays_below_the_limit() {
    let project = Project::with(&Settings::simulated());
    project.trial("free", &[]).done();
    let limit = spent(&project, "free") / 3.0;
    let stopped = project.trial("out", &["--set", &format!("limits.max_fee_usd={limit}")]);
    assert_eq!(stopped.code, 1);
    let text = stopped.err.split_once("would be exceeded: ").and_then(|(_, rest)| rest.split_once(" USD"));
    let paid: f64 = text.and_then(|(paid, _)| paid.parse().ok()).expect("what was spent");
    assert!(paid > 0.0 && paid <= limit, "{paid} of {limit}");
}

#[test]
fn fees_of_other_models_in_a_shared_journal_count() {
    let settings = Settings::simulated();
    let project = Project::with(&settings);
    project.trial("out", &[]).done();
    let spent_before = spent(&project, "out");
    // The same journal with another strong level. This config has no price for the first strong level.
    let other = Settings::simulated().set("model.large.name", "larger").set("levels", vec!["small", "larger"]);
    project.write("other.toml", other.set("limits.max_fee_usd", spent_before * 1.01).text());
    let command = ["run", "--config", "other.toml", "--out", "out", "--fresh"];
    let error = project.run(&command).refused_in_one_line();
    holds(&error, &["limits.max_fee_usd cannot be enforced", "`large`", "models.toml"]);
    let text = settings.text();
    let entry = text.split("[[model]]").find(|entry| entry.contains("name = \"large\"")).expect("an entry");
    project.write("models.toml", format!("[[model]]{entry}"));
    let stopped = project.run(&command);
    assert_eq!(stopped.code, 1, "{}", stopped.err);
    holds(&stopped.err, &["would be exceeded"]);
}

#[test]
fn a_limit_needs_the_price_of_every_model() {
    let project = Project::with(&Settings::simulated().without("model.large.price").set("limits.max_fee_usd", 1.0));
    let error = project.trial("out", &[]).refused_in_one_line();
    holds(&error, &["trial.toml", "limits.max_fee_usd", "`large`"]);
    assert!(!project.path("out").exists());
}

#[test]
fn without_a_price_fees_are_empty_with_a_note() {
    let project = Project::with(&Settings::simulated().without("model.large.price"));
    let output = project.trial("out", &[]).done();
    holds(&output.out, &["Model `large` has no price"]);
    for row in project.sheet("out", "fees").rows() {
        assert_eq!(row.text("fee_usd").is_empty(), row.text("model") == "large");
        assert!(row.count("input_tokens") > 0 || row.text("purpose") == "distil");
    }
}
