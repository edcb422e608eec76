//! `--shard`: any number of shards merges to the tables of the whole run, a missing shard is listed, and folders that
//! do not belong together are refused.

use serde_json::Value;

use crate::support::{CommandOutput, Files, Project, Settings, Sheet, files, holds, problems};

/// Settings with a threshold that is calibrated for each learning arm on its own.
fn calibrated() -> Settings {
    let calibrate: toml::Table = toml::from_str("calibrate = { alpha = 0.6, min_accepted = 5 }").expect("TOML");
    Settings::simulated()
        .set("dataset.calibration", 10)
        .set("deferral.threshold", calibrate)
        .set("deferral.calibrate_per_arm", true)
        .set("model.small.simulated.accuracy", 0.7)
}

/// Runs one shard of a verb; `arguments` name the shard, if they do.
fn shard(project: &Project, verb: &[&str], out: &str, arguments: &[&str]) -> CommandOutput {
    project.run(&[verb, &["--config", "trial.toml", "--out", out], arguments].concat())
}

/// Runs all shards of a verb, each without the answers of the others.
fn all_shards(project: &Project, verb: &[&str], out: &str, count: usize) {
    // The last shard finishes first: the order of the shards has no meaning.
    for index in (1..=count).rev() {
        let done = shard(project, verb, out, &["--alone", "--shard", &format!("{index}/{count}")]).done();
        if count == 1 {
            holds(&done.err, &["this is shard 1 of 1, the whole run, by --shard"]);
            continue;
        }
        holds(&done.err, &[&format!("this is shard {index} of {count}, by --shard")]);
        holds(&done.out, &[&format!("shard {index} of {count}: "), &format!("intercascade report {out}")]);
    }
}

/// Every output of the run in `folder`, except the manifest, the page and what belongs to shards or was set aside.
fn outputs(project: &Project, folder: &str) -> Files {
    let mut found = files(&project.path(folder));
    found.retain(|name, _| {
        !name.contains('/') && !["journal.", "manifest.", "report."].iter().any(|start| name.starts_with(start))
    });
    found
}

#[track_caller]
fn assert_equal(merged: &Files, whole: &Files) {
    assert_eq!(merged.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (name, bytes) in whole {
        assert!(merged[name] == *bytes, "{name} differs:\n{}", String::from_utf8_lossy(&merged[name]));
    }
}

fn manifest(project: &Project, folder: &str) -> Value {
    serde_json::from_str(&project.text(&format!("{folder}/manifest.json"))).expect("JSON")
}

/// Merges any number of shards of this verb, and compares every file with those of the whole run.
fn merges_to_the_whole(settings: &Settings, verb: &[&str], counts: impl IntoIterator<Item = usize>) {
    let project = Project::with(settings);
    project.write("questions.jsonl", problems(12, 2));
    shard(&project, verb, "whole", &["--alone"]).done();
    let whole = outputs(&project, "whole");
    assert!(whole.contains_key("records.csv") && whole.contains_key("summary.md"));
    for count in counts {
        let out = format!("divided-{count}");
        all_shards(&project, verb, &out, count);
        if count == 1 {
            assert_equal(&outputs(&project, &out), &whole);
            continue;
        }
        assert!(!project.path(&format!("{out}/shard-1-of-{count}/summary.md")).exists());
        let merged = project.run(&["report", &out]).done();
        assert!(!merged.out.contains("ncomplete"), "{}", merged.out);
        assert_equal(&outputs(&project, &out), &whole);
        let (merged, single) = (manifest(&project, &out), manifest(&project, "whole"));
        for same in ["identity", "config", "warnings", "answered_by", "swept", "setting", "prices"] {
            assert_eq!(merged[same], single[same], "{same}");
        }
        // Each shard had its own journal here, so the sum is what was really paid.
        let of = |index: usize| manifest(&project, &format!("{out}/shard-{index}-of-{count}"));
        let sum = |pointer: &str| -> u64 {
            (1..=count).map(|index| of(index).pointer(pointer).and_then(Value::as_u64).unwrap_or(0)).sum()
        };
        assert_eq!(merged["calls_made"].as_u64(), Some(sum("/calls_made")));
        assert_eq!(merged["spent"]["small"]["calls"].as_u64(), Some(sum("/spent/small/calls")));
        assert!(merged["calls_made"].as_u64() >= single["calls_made"].as_u64());
        let page = project.text(&format!("{out}/report.html"));
        assert!(!page.contains("No journal is at hand"), "the journals of the shards have the texts");
    }
}

#[test]
fn a_run_in_any_number_of_shards_equals_the_whole_run() {
    let unreadable = Settings::simulated().set("model.large.simulated.unreadable", 0.2);
    merges_to_the_whole(&unreadable, &["run"], (1..=5).chain([12]));
}

#[test]
fn a_calibrated_run_in_shards_equals_the_whole_run() {
    merges_to_the_whole(&calibrated().set("model.large.simulated.unreadable", 0.2), &["run"], [2, 3]);
}

#[test]
fn a_sweep_in_any_number_of_shards_equals_the_whole_sweep() {
    let settings = Settings::simulated().set("model.large.simulated.unreadable", 0.2);
    merges_to_the_whole(&settings, &["sweep", "--thresholds", "auto:3"], 1..=5);
    merges_to_the_whole(&settings, &["sweep", "--thresholds", "0.4,0.7"], [3]);
}

#[test]
fn an_unreadable_answer_is_listed_once_over_all_shards() {
    let recorded = |name: &str| format!("name = '{name}'\nbackend = 'replay'\nrecording = '{name}.jsonl'");
    let settings = Settings::simulated()
        .set("arms", vec!["weak-only", "strong-only"])
        .model("small", &recorded("small"))
        .model("large", &recorded("large"));
    let project = Project::with(&settings);
    let questions: Vec<Value> = problems(10, 3).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (model, unreadable) in [("small", 4), ("large", 7)] {
        let answer = |(index, question): (usize, &Value)| {
            let text = if index % unreadable == 1 { "I cannot say." } else { "#### 12" };
            format!("{}\n", serde_json::json!({"item_id": question["id"], "text": text, "confidence": 0.5}))
        };
        project.write(&format!("{model}.jsonl"), questions.iter().enumerate().map(answer).collect::<String>());
    }
    shard(&project, &["run"], "whole", &["--alone"]).done();
    let lines = project.text("whole/unparsed.jsonl").lines().count();
    assert_eq!(lines, 8 + 5, "each answer once, whatever the number of orders");
    all_shards(&project, &["run"], "out", 3);
    project.run(&["report", "out"]).done();
    assert_equal(&outputs(&project, "out"), &outputs(&project, "whole"));
}

#[test]
fn a_missing_shard_is_listed_until_it_has_finished() {
    let project = Project::with(&Settings::simulated());
    let run = |index: &str| shard(&project, &["run"], "out", &["--shard", index]).done();
    run("1/4");
    run("3/4");
    let none = project.run(&["report", "nowhere"]).refused();
    holds(&none, &["nowhere"]);
    holds(&project.run(&["compare", "out", "out"]).refused(), &["intercascade report out"]);
    holds(&project.run(&["report", "out/shard-1-of-4"]).refused(), &["only shard 1 of 4", "out"]);

    let partial = project.run(&["report", "out"]);
    assert_eq!(partial.code, 1, "{}{}", partial.out, partial.err);
    let said = [
        "Incomplete: 2 of 4 shards have not finished, so 5 cells are missing",
        "Missing from shard 2 of 4: ",
        "Missing from shard 4 of 4: ",
    ];
    holds(&partial.out, &said);
    let summary = project.text("out/summary.md");
    holds(summary.lines().nth(2).expect("a line below the name"), &["- Incomplete: "]);
    holds(&summary, &said);
    holds(&project.text("out/report.html"), &said);
    let missing = manifest(&project, "out")["merged"]["missing"].as_array().expect("cells").clone();
    let records = project.sheet("out", "records");
    for cell in &missing {
        let (arm, order) = (cell["arm"].as_str().expect("an arm"), cell["order"].to_string());
        assert!(records.rows().all(|row| row.text("arm") != arm || row.text("order") != order), "{cell}");
    }
    // Other verbs read what is there.
    project.run(&["compare", "out", "out"]).done();

    run("2/4");
    run("4/4");
    let complete = project.run(&["report", "out"]).done();
    holds(&complete.out, &["set-aside-1"]);
    shard(&project, &["run"], "whole", &["--alone"]).done();
    assert_equal(&outputs(&project, "out"), &outputs(&project, "whole"));
    holds(&project.run(&["report", "out"]).done().out, &["nothing changed in out"]);
    // The whole run finds the answers of the shards, and the shards do not disturb it.
    let whole = shard(&project, &["run"], "out", &[]).done();
    assert_eq!(whole.calls_made(), 0);
    assert_equal(&outputs(&project, "out"), &outputs(&project, "whole"));
}

#[test]
fn a_sweep_without_one_of_its_shards_reports_the_rest() {
    let project = Project::with(&Settings::simulated());
    for missing in 1..=3 {
        let out = format!("without-{missing}");
        for index in (1..=3).filter(|index| *index != missing) {
            let named = format!("{index}/3");
            shard(&project, &["sweep", "--thresholds", "auto:3"], &out, &["--shard", &named]).done();
        }
        let partial = project.run(&["report", &out]);
        assert_eq!(partial.code, 1, "{}{}", partial.out, partial.err);
        holds(&partial.out, &["Incomplete: 1 of 3", &format!("Missing from shard {missing} of 3: ")]);
        assert!(partial.out.contains("at λ 0."), "{}", partial.out);
    }
}

#[test]
fn folders_that_do_not_belong_together_are_refused_by_name() {
    let project = Project::with(&Settings::simulated());
    let run = |out: &str, arguments: &[&str]| shard(&project, &["run"], out, arguments).done();
    let copy = |from: &str, to: &str| {
        for (name, bytes) in files(&project.path(from)).into_iter().filter(|(name, _)| !name.starts_with("journal")) {
            project.write(&format!("{to}/{name}"), bytes);
        }
    };
    let refused = |out: &str, parts: &[&str]| {
        let error = project.run(&["report", out]).refused();
        holds(&error, parts);
    };
    run("out", &["--shard", "1/2"]);
    run("other-count", &["--shard", "3/3"]);
    copy("out/shard-1-of-2", "other-count/shard-1-of-2");
    refused("other-count", &["other-count/shard-1-of-2", "other-count/shard-3-of-3", "2 shards here and 3 there"]);

    run("other-seed", &["--shard", "2/2", "--set", "seed=8"]);
    copy("out/shard-1-of-2", "other-seed/shard-1-of-2");
    refused("other-seed", &["other-seed/shard-1-of-2", "other-seed/shard-2-of-2", "seed: 8 there, 7 here"]);

    copy("out/shard-1-of-2", "overlapping/shard-1-of-2");
    copy("out/shard-1-of-2", "overlapping/shard-2-of-2");
    refused("overlapping", &["overlapping/shard-1-of-2 and overlapping/shard-2-of-2", "both hold shard 1 of 2"]);
    copy("out/shard-1-of-2", "renamed/shard-2-of-2");
    refused("renamed", &["renamed/shard-2-of-2 holds shard 1 of 2"]);

    run("out", &["--shard", "2/2"]);
    copy("out/shard-1-of-2", "foreign/shard-1-of-2");
    copy("out/shard-2-of-2", "foreign/shard-2-of-2");
    let text = project.text("foreign/shard-2-of-2/manifest.json");
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version));
    project.write("foreign/shard-2-of-2/manifest.json", text.replacen(&version, "\"version\": \"0.0.1\"", 1));
    refused("foreign", &["foreign/shard-1-of-2", "foreign/shard-2-of-2", "version"]);

    // Records of a cell that belongs to another shard.
    copy("out/shard-1-of-2", "swapped/shard-1-of-2");
    copy("out/shard-2-of-2", "swapped/shard-2-of-2");
    for table in ["records", "calls", "levels"] {
        let from = project.path(&format!("out/shard-1-of-2/{table}.parquet"));
        project.write(&format!("swapped/shard-2-of-2/{table}.parquet"), std::fs::read(from).expect("a table"));
    }
    refused("swapped", &["swapped/shard-2-of-2 and shard-1-of-2 overlap"]);

    project.write(
        "unfinished/shard-1-of-2/manifest.json",
        project.text("out/shard-1-of-2/manifest.json").replace("\"ended\": \"", "\"ended_not\": \"").replacen(
            "\"calls_made\"",
            "\"ended\": null,\n  \"calls_made\"",
            1,
        ),
    );
    refused("unfinished", &["no shard in unfinished has finished"]);
}

#[test]
fn the_task_of_a_job_array_names_the_shard() {
    let project = Project::with(&Settings::simulated());
    let task = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = project.command();
        command.args(["run", "--config", "trial.toml", "--out", "out", "--dry-run"]).args(arguments);
        for (name, value) in variables {
            command.env(name, value);
        }
        CommandOutput::of(&mut command)
    };
    let slurm = |id: &'static str, min: &'static str, step: &'static str| {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_STEP", step),
        ]
    };
    for (variables, index) in [(slurm("1", "0", "1"), 2), (slurm("1", "1", "1"), 1), (slurm("7", "1", "2"), 4)] {
        let done = task(&variables, &[]).done();
        holds(&done.err, &[&format!("this is shard {index} of 4, by SLURM_ARRAY_TASK_ID")]);
        holds(&done.out, &[&format!("shard {index} of 4: "), "of 10 cells", "of which other shards also need up to "]);
    }
    let pod = task(&[("JOB_COMPLETION_INDEX", "2"), ("INTERCASCADE_SHARDS", "3")], &[]).done();
    holds(&pod.err, &["this is shard 3 of 3, by JOB_COMPLETION_INDEX 2 and INTERCASCADE_SHARDS 3"]);
    holds(&task(&[("JOB_COMPLETION_INDEX", "2")], &[]).refused(), &["INTERCASCADE_SHARDS"]);
    holds(&task(&slurm("9", "1", "1"), &[]).refused(), &["SLURM_ARRAY_TASK_ID is 9", "--shard"]);
    // The argument decides.
    let named = task(&slurm("9", "1", "1"), &["--shard", "1/1"]).done();
    holds(&named.err, &["this is shard 1 of 1, the whole run, by --shard"]);
    assert!(!named.out.contains("other shards"), "{}", named.out);
    holds(&task(&[], &["--shard", "5/4"]).err, &["shard 5 of 4 does not exist"]);
    assert_eq!(task(&[], &["--shard", "5/4"]).code, 2);
}

#[test]
fn shards_of_one_folder_run_at_the_same_time_and_copy_from_finished_ones() {
    let project = Project::with(&Settings::simulated());
    let start = |index: usize| {
        let mut command = std::process::Command::new(crate::support::program());
        command.current_dir(project.path(".")).env("INTERCASCADE_CACHE", project.path("cache"));
        command.args(["run", "--config", "trial.toml", "--shard", &format!("{index}/4")]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("started")
    };
    let running: Vec<_> = (1..=3).map(start).collect();
    for child in running {
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let last = project.run(&["run", "--config", "trial.toml", "--shard", "4/4"]).done();
    holds(&last.out, &["answers copied from other journals", "results/trial/shard-4-of-4"]);
    project.run(&["report", "results/trial"]).done();
    // A call that was copied was paid for by the shard that made it.
    let copied = manifest(&project, "results/trial/shard-4-of-4")["spent"].clone();
    let calls =
        |spent: &Value| ["small", "large"].iter().filter_map(|model| spent[model]["calls"].as_u64()).sum::<u64>();
    assert_eq!(
        calls(&copied),
        manifest(&project, "results/trial/shard-4-of-4")["calls_made"].as_u64().expect("a number")
    );
    let all = manifest(&project, "results/trial");
    assert_eq!(calls(&all["spent"]), all["calls_made"].as_u64().expect("a number"));
}

const ABLATION: &str = r#"
name = "teaching"
config = "trial.toml"
[[table]]
title = "How many are shown"
variants = [{ name = "none", arm = "cascade" }, { name = "one", set = ["learning.k=1"] }, { name = "two" }]
"#;

#[test]
fn whole_runs_of_an_ablation_are_divided_and_the_ablation_makes_the_table() {
    let project = Project::with(&Settings::simulated());
    project.write("teaching.toml", ABLATION);
    let ablate = |arguments: &[&str]| project.run(&[&["ablate", "--config", "teaching.toml"], arguments].concat());
    ablate(&["--out", "whole", "--alone"]).done();
    let first = ablate(&["--out", "results/out", "--shard", "1/2"]).done();
    holds(&first.out, &["1 of 2 runs are in results/out/shard-1-of-2", "the same command without --shard"]);
    // What is missing is named, as for any missing recording.
    let partial = ablate(&["--out", "results/out", "--offline"]);
    assert_eq!(partial.code, 1, "{}{}", partial.out, partial.err);
    holds(&partial.out, &["left out"]);
    ablate(&["--out", "results/out", "--shard", "2/2"]).done();
    holds(
        &project.run(&["report", "results/out"]).refused(),
        &["results/out/shard-1-of-2 is a shard of `ablate`", "without --shard"],
    );
    let merged = ablate(&["--out", "results/out"]).done();
    holds(&merged.out, &["spent now: 0 calls"]);
    let variants = |folder: &str| Sheet::from_csv(project.text(&format!("{folder}/variants.csv")).as_bytes()).len();
    assert_eq!(variants("results/out"), 3);
    assert_eq!(project.text("results/out/variants.csv"), project.text("whole/variants.csv"));
}
