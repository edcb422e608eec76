//! `--offline`: results without recorded calls are left out by name, and the rest is shown. Recordings can also be
//! swept and calibrated.

use serde_json::Value;

use crate::support::{CommandOutput, Project, Settings, Sheet, holds, problems, repository};

/// Asserts that a command left something out and showed the rest: exit status 1, tables on stdout, no error.
fn left_out(output: CommandOutput) -> String {
    assert_eq!(output.code, 1, "{}{}", output.out, output.err);
    assert!(!output.err.contains("error: "), "{}", output.err);
    let last = output.out.trim_end().lines().last().expect("a line");
    holds(last, &["left out", "not recorded", "--offline", "--journal"]);
    output.out
}

/// Returns the error of a command that could show nothing: exit status 1, one line, no table.
fn nothing_left(output: &CommandOutput) -> String {
    assert_eq!((output.code, &*output.out), (1, ""), "{}{}", output.out, output.err);
    let errors: Vec<&str> = output.err.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", output.err);
    errors[0].to_owned()
}

fn arms(sheet: &Sheet) -> Vec<&str> {
    let mut arms: Vec<&str> = sheet.rows().map(|row| row.text("arm")).collect();
    arms.dedup();
    arms
}

fn manifest(project: &Project, folder: &str) -> Value {
    serde_json::from_str(&project.text(&format!("{folder}/manifest.json"))).expect("JSON")
}

/// Builds a project with recorded calls of the cascade, but not of learning arms.
fn with_cascade_recorded() -> Project {
    let project = Project::with(&Settings::simulated());
    let arms = vec!["weak-only", "strong-only", "cascade"];
    project.write("half.toml", Settings::simulated().set("arms", arms).text());
    project.run(&["run", "--config", "half.toml", "--out", "half"]).done();
    project
}

#[test]
fn a_run_leaves_out_arms_until_their_calls_are_recorded() {
    let project = with_cascade_recorded();
    let out = left_out(project.trial("out", &["--journal", "half/journal.sqlite", "--offline"]));
    holds(
        &out,
        &["inter-cascade is left out", "inter-cascade-random is left out", "hashed-words", "2 arms or thresholds"],
    );
    assert_eq!(arms(&project.sheet("out", "accuracy")), ["weak-only", "strong-only", "cascade"]);
    let (ours, theirs) = (project.reports("out"), project.reports("half"));
    assert!(ours["records.csv"] == theirs["records.csv"], "what is shown is the whole run's");
    let table = project.sheet("out", "left_out");
    assert_eq!(arms(&table), ["inter-cascade", "inter-cascade-random"]);
    assert!(table.rows().all(|row| !row.text("first_missing_item").is_empty()));
    assert_eq!(manifest(&project, "out")["left_out"].as_array().map(Vec::len), Some(2));
    holds(&project.text("out/summary.md"), &["inter-cascade is left out"]);

    // The same command again, and a report from the records.
    let again = left_out(project.trial("out", &["--journal", "half/journal.sqlite", "--offline"]));
    // The run's own journal now contains the replayed answers.
    let without_calls =
        |output: &str| output.lines().filter(|line| !line.contains("calls made")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_calls(&again), without_calls(&out));
    project.run(&["report", "out"]).done();
    assert!(project.reports("out") == ours);

    // With its models, the run is complete and prints no note about missing calls.
    let done = project.trial("out", &[]).done();
    assert!(!done.out.contains("left out"));
    project.trial("whole", &[]).done();
    assert!(project.reports("out") == project.reports("whole"));
    assert!(manifest(&project, "out").get("left_out").is_none());
}

#[test]
fn a_whole_arm_is_left_out_if_one_call_of_one_order_is_missing() {
    let project = Project::with(&Settings::simulated());
    project.trial("one", &["--set", "dataset.orders=1"]).done();
    let out = left_out(project.trial("two", &["--journal", "one/journal.sqlite", "--offline"]));
    holds(&out, &["inter-cascade is left out at λ 0.7: ", "`small` on item `"]);
    let records = project.sheet("two", "records");
    assert!(records.rows().all(|row| !row.text("arm").starts_with("inter-cascade")), "in no order");
    assert!(records.rows().filter(|row| row.text("arm") == "cascade").count() == 60, "in both orders");
    let strategies = project.text("two/strategies.jsonl");
    assert!(strategies.is_empty(), "{strategies}");
    for row in project.sheet("two", "left_out").rows() {
        assert_eq!((row.count("order"), row.text("first_missing_purpose")), (1, "answer"));
    }
}

#[test]
fn if_every_arm_is_left_out_the_error_names_the_first_call() {
    let project = Project::with(&Settings::simulated());
    for verb in ["run", "sweep"] {
        let output = project.run(&[verb, "--config", "trial.toml", "--out", "none", "--offline", "--fresh"]);
        let error = nothing_left(&output);
        holds(&error, &["some calls are not recorded", "on item `", "(answer)", "--journal"]);
        assert!(!project.path("none/records.csv").exists() && !project.path("none/summary.md").exists());
    }
    let calibrate = ["calibrate", "--config", "trial.toml", "--offline", "--out", "none-2"];
    let calibrate = [&calibrate[..], &["--set", "dataset.calibration=5", "--min-accepted", "5"]].concat();
    holds(&nothing_left(&project.run(&calibrate)), &["no arm can be calibrated", "`small` on item `"]);
}

#[test]
fn a_sweep_shows_only_the_recorded_thresholds() {
    let project = Project::with(&Settings::simulated());
    project.trial("whole", &[]).done();
    let sweep = ["sweep", "--config", "trial.toml", "--thresholds", "0.4,0.7,0.85"];
    let out = left_out(
        project.run(&[&sweep[..], &["--out", "swept", "--journal", "whole/journal.sqlite", "--offline"]].concat()),
    );
    holds(&out, &["inter-cascade is left out at λ 0.4, 0.85:"]);
    let accuracy = project.sheet("swept", "accuracy");
    let at = |arm: &str| -> Vec<f64> {
        accuracy.rows().filter(|row| row.text("arm") == arm).filter_map(|row| row.optional("threshold")).collect()
    };
    assert_eq!(at("cascade"), [0.4, 0.7, 0.85], "read off both levels");
    assert_eq!(at("inter-cascade"), [0.7]);
    // The figures equal those of the run.
    let of = |sheet: &Sheet| -> Vec<String> {
        let rows = sheet.rows().filter(|row| row.text("arm") == "inter-cascade");
        rows.map(|row| row.text("accuracy").to_owned()).collect()
    };
    assert_eq!(of(&accuracy), of(&project.sheet("whole", "accuracy")));
    // Without one of the levels there is no curve.
    project.write("weak.toml", Settings::simulated().set("arms", vec!["weak-only"]).text());
    project.run(&["run", "--config", "weak.toml", "--out", "weak"]).done();
    let output =
        project.run(&[&sweep[..], &["--out", "curve", "--journal", "weak/journal.sqlite", "--offline"]].concat());
    holds(&nothing_left(&output), &["the answers of both levels", "`large` on item `"]);
}

#[test]
fn an_ablation_shows_only_the_recorded_rows() {
    let project = Project::with(&Settings::simulated());
    project.write(
        "teaching.toml",
        "name = 'teaching'\nconfig = 'trial.toml'\nset = ['dataset.orders=1']\n[[table]]\ntitle = 'How many'\nvariants = [\n\
         { name = 'none', arm = 'cascade' },\n{ name = 'one', set = ['learning.k=1'] },\n{ name = 'two' },\n\
         { name = 'other questions', arm = 'cascade', set = ['dataset.path=\"others.jsonl\"'] },\n]\n",
    );
    project.write("others.jsonl", problems(10, 3).replace("dollars each", "euros each"));
    project.trial("one", &["--set", "dataset.orders=1", "--set", "learning.k=1"]).done();
    let ablate = ["ablate", "--config", "teaching.toml", "--offline", "--out"];
    let out = left_out(project.run(&[&ablate[..], &["out", "--journal", "one/journal.sqlite"]].concat()));
    holds(
        &out,
        &["The row `How many: two` is left out", "The row `How many: other questions` is left out", "2 of the rows"],
    );
    let rows = project.sheet("out", "variants");
    let names: Vec<&str> = rows.rows().map(|row| row.text("variant")).collect();
    assert_eq!(names, ["none", "one"]);
    holds(&project.text("out/summary.md"), &["The row `How many: two` is left out", "`small` on item `"]);
    holds(
        &nothing_left(&project.run(&[&ablate[..], &["none", "--alone"]].concat())),
        &["no row has all of its calls recorded"],
    );
}

#[test]
fn calibration_leaves_out_arms_and_skips_needless_embeddings() {
    let calibrated = Settings::simulated().set("dataset.calibration", 5);
    let project = Project::with(&calibrated);
    let ask = |out: &str, more: &[&str]| {
        let verb = ["calibrate", "--config", "trial.toml", "--alpha", "0.8", "--min-accepted", "2", "--out", out];
        project.run(&[&verb[..], more].concat())
    };
    // No learning arm runs, so nothing is embedded.
    let made = ask("made", &[]).done();
    let offline = ask("again", &["--journal", "made/journal.sqlite", "--offline"]).done();
    // Only the spending differs.
    let found =
        |out: &str| out.lines().filter(|line| !line.starts_with("spent ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(found(&made.out.replace("made/", "again/")), found(&offline.out));
    let per_arm = ["--journal", "made/journal.sqlite", "--offline", "--set", "deferral.calibrate_per_arm=true"];
    let out = left_out(ask("own", &per_arm));
    holds(&out, &["cascade: with probability 0.9", "inter-cascade is left out", "inter-cascade-random is left out"]);
    // A run also leaves out the arms whose λ is not known.
    let run = ["--set", "deferral.threshold={ calibrate = { alpha = 0.8, min_accepted = 2 } }"];
    project.trial("whole", &run).done();
    let out = left_out(
        project
            .trial("run", &[&run[..], &per_arm[..3], &["--journal", "whole/journal.sqlite"], &per_arm[3..]].concat()),
    );
    holds(&out, &["inter-cascade is left out: ", "inter-cascade-random is left out: ", "`large` on item `"]);
}

#[test]
fn calibration_items_come_from_the_limited_sample() {
    let project = Project::with(&Settings::simulated().set("dataset.orders", 1));
    project.write("questions.jsonl", problems(40, 2));
    let threshold = "deferral.threshold={ calibrate = { alpha = 0.8, min_accepted = 2 } }";
    for (out, arguments, left) in [
        ("limit", &["--set", "dataset.limit=40"][..], 20),
        ("sample", &["--set", "dataset.sample=30"], 10),
        ("one-of-each", &["--set", "dataset.per_group=1", "--set", "dataset.limit=30"], 20),
    ] {
        let plain = format!("{out}-plain");
        project.trial(&plain, arguments).done();
        project.trial(out, &[arguments, &["--set", threshold, "--set", "dataset.calibration=10"]].concat()).done();
        let ids = |folder: &str, table: &str| -> std::collections::BTreeSet<String> {
            project.sheet(folder, table).rows().map(|row| row.text("item_id").to_owned()).collect()
        };
        let (stream, apart, all) = (ids(out, "records"), ids(out, "calibration_items"), ids(&plain, "records"));
        assert!(stream.is_disjoint(&apart) && stream.is_subset(&all) && apart.is_subset(&all), "{out}");
        assert_eq!((apart.len(), stream.len()), (10, left), "{out}: whole groups leave the stream");
    }
    let all = project.trial("all", &["--set", threshold, "--set", "dataset.calibration=40"]).refused_in_one_line();
    holds(&all, &["80 questions", "40 are set apart", "in 40 groups", "0 remain", "dataset.calibration"]);
}

/// The recording of the pair provides every answer for a sweep and a calibration of its config, without a model.
#[test]
fn the_shipped_pair_sweeps_and_calibrates_offline() {
    let project = Project::shipped();
    let journal = repository().join("results/pair-gsm-templates");
    let journal = journal.to_str().expect("UTF-8");
    let shared = ["--config", "configs/pair-gsm-templates.toml", "--journal", journal, "--offline", "--out"];
    let sweep = [&["sweep"], &shared[..], &["swept", "--thresholds", "0.9,0.95"]].concat();
    let out = left_out(project.run(&sweep));
    holds(&out, &["inter-cascade is left out at λ 0.9:"]);
    let accuracy = project.sheet("swept", "accuracy");
    let recorded = accuracy.rows().filter(|row| row.optional("threshold") == Some(0.95)).map(|row| row.text("arm"));
    assert_eq!(recorded.collect::<Vec<_>>(), ["cascade", "inter-cascade", "inter-cascade-random", "retrieval"]);
    let calibrate =
        [&["calibrate"], &shared[..], &["calibrated", "--min-accepted", "5", "--set", "dataset.calibration=40"]]
            .concat();
    let output = project.run(&calibrate).done();
    holds(&output.out, &["certified λ", "the smallest α that can be certified is", "only for the standard cascade"]);
}

/// The examples of the guide, word for word, from the recordings that they name.
#[test]
fn the_documented_threshold_examples_replay() {
    let guide = std::fs::read_to_string(repository().join("docs/GUIDE.md")).expect("the guide");
    let part = guide.split("\n##").find(|part| part.contains("without a model")).expect("a part on replays");
    let commands: Vec<&str> = part.lines().filter_map(|line| line.strip_prefix("    intercascade ")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let project = Project::shipped();
    for command in commands {
        let arguments: Vec<String> = command
            .split(' ')
            .map(|word| match word.strip_prefix("results/") {
                Some(name) => repository().join("results").join(name).display().to_string(),
                None => word.to_owned(),
            })
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert!(arguments.contains(&"--offline"), "{command}");
        let output = project.run(&arguments).done();
        assert!(!output.out.contains("not recorded"), "{command}: {}", output.out);
    }
}
