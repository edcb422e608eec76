//! The program outside its repository: built-in files, files of the user that win over them, and the first steps.

use crate::support::{Project, Settings, holds};

#[test]
fn commands_of_the_documents_work_in_an_empty_folder() {
    let project = Project::new();
    let plan = project.run(&["run", "--config", "configs/quickstart.toml", "--dry-run"]).done().out;
    holds(
        &plan,
        &[
            "config configs/quickstart.toml (built in)",
            "models configs/models.toml (built in)",
            "data sets datasets/catalogue.toml (built in)",
        ],
    );
    holds(&project.run(&["datasets", "list"]).done().out, &["gsm-templates"]);
    holds(
        &project.run(&["ablate", "--config", "configs/ablations/pair-teaching.toml", "--dry-run"]).done().out,
        &["weights all-minilm-l6-v2"],
    );
    holds(&project.run(&["datasets", "check", "datasets/gsm-templates/dev.jsonl"]).done().out, &["248 good rows"]);
    holds(&project.run(&["run", "--config", "configs/none.toml"]).refused_in_one_line(), &["configs/none.toml"]);
    assert!(!project.path("configs").exists() && !project.path("datasets").exists(), "nothing is written here");
}

#[test]
fn the_headline_replays_in_an_empty_folder() {
    let project = Project::new();
    let output = project.run(&["reproduce", "headline", "--offline"]).done().out;
    holds(&output, &["+28.3 [+20.7, +35.7]", "33.06"]);
}

#[test]
fn files_of_the_user_win_over_those_of_the_program() {
    let project = Project::with(&Settings::simulated().without("dataset.path").set("dataset.name", "mine"));
    project.write(
        "own/datasets/catalogue.toml",
        "[[dataset]]\nname = \"mine\"\nformat = \"gsm8k\"\nsummary = \"s\"\nlicence = \"none\"\n[[dataset.split]]\nname = \
         \"test\"\nfile = \"../../questions.jsonl\"\n",
    );
    let in_own = |arguments: &[&str]| {
        let output = project.command().env("INTERCASCADE_CONFIG", project.path("own")).args(arguments).output();
        String::from_utf8(output.expect("the program starts").stdout).expect("UTF-8")
    };
    let plan = in_own(&["run", "--config", "trial.toml", "--dry-run"]);
    holds(&plan, &["data sets ", "own/datasets/catalogue.toml,", "30 items"].map(|part| part.trim_end_matches(',')));
    assert!(!plan.contains("built in"), "{plan}");
    project.write(
        "own/models.toml",
        "[[model]]\nname = \"tiny\"\nbackend = \"simulated\"\nsimulated = { accuracy = 0.5 }\n",
    );
    let text = project.text("trial.toml").replace("levels = [\"small\"", "levels = [\"tiny\"");
    project.write("trial.toml", text);
    holds(&in_own(&["run", "--config", "trial.toml", "--dry-run"]), &["own/models.toml", "tiny"]);
    project.write("own/prompts/short.toml", project_prompt());
    holds(&in_own(&["prompts", "list"]), &["short"]);
}

/// A prompt file of a user: a built-in one under another name.
fn project_prompt() -> String {
    let text = std::fs::read_to_string(crate::support::repository().join("configs/prompts/plain.toml")).expect("there");
    text.replacen("name = \"plain\"", "name = \"short\"", 1)
}

#[test]
fn built_in_files_are_not_changed_by_a_check() {
    let project = Project::new();
    let error = project.run(&["models", "check", "smollm2-135m", "--write"]).refused();
    holds(&error, &["smollm2-135m"]);
}

#[test]
fn init_writes_a_config_that_the_program_reads() {
    let project = Project::new();
    let init = [
        "init",
        "study",
        "--weak",
        "ollama/llama3.2:1b",
        "--strong",
        "openai/gpt-4.1-mini",
        "--strong-price",
        "0.4,1.6",
    ];
    let output = project.run(&init).done().out;
    holds(&output, &["wrote study/run.toml", "wrote study/questions.jsonl", "OPENAI_API_KEY", "--dry-run"]);
    let mut plan = project.command();
    plan.env("OPENAI_API_KEY", "key").args(["run", "--config", "study/run.toml", "--dry-run"]);
    let plan = String::from_utf8(plan.output().expect("starts").stdout).expect("UTF-8");
    holds(&plan, &["4 items in 2 groups", "config study/run.toml", "data study/questions.jsonl"]);
    let error = project.run(&init).refused_in_one_line();
    holds(&error, &["study/run.toml exists and is not overwritten"]);
}

#[test]
fn init_names_what_it_needs() {
    let project = Project::with(&Settings::simulated());
    for (arguments, parts) in [
        (&["--weak", "ollama/x"][..], ["name the strong model", "--strong PRESET/MODEL"]),
        (&["--weak", "olama/x", "--strong", "ollama/y"], ["did you mean `ollama`", "The presets are openai"]),
        (&["--weak", "azure/x", "--strong", "ollama/y"], ["needs the address of your account", "--weak-address"]),
        (&["--weak", "ollama/x", "--strong", "ollama/y", "--weak-price", "1"], ["INPUT,OUTPUT", "two prices"]),
        (
            &["--weak", "ollama/x", "--strong", "ollama/y", "--questions", "none.jsonl"],
            ["there is no file none.jsonl", ""],
        ),
    ] {
        holds(&project.run(&[&["init", "new"], arguments].concat()).refused(), &parts);
        assert!(!project.path("new").exists(), "{arguments:?}");
    }
    let own = ["init", "new", "--weak", "ollama/x", "--strong", "ollama/y", "--questions", "questions.jsonl"];
    project.run(&own).done();
    holds(
        &project.run(&["run", "--config", "new/run.toml", "--dry-run"]).done().out,
        &["20 items", "data questions.jsonl"],
    );
    holds(&project.text("new/run.toml"), &["# max_fee_usd", "limit = 20"]);
}

#[test]
fn the_demonstration_explains_each_row_of_its_table() {
    let project = Project::new();
    let output = project.run(&["demo"]).done().out;
    for arm in ["weak-only: ", "strong-only: ", "cascade: ", "inter-cascade: ", "inter-cascade-random: "] {
        holds(&output, &[&format!("\n  {arm}")]);
    }
    // The sentences have the figures of the tables.
    let accuracy = project.sheet("results/demo", "accuracy");
    let taught = accuracy.rows().find(|row| row.text("arm") == "inter-cascade").expect("a row");
    holds(&output, &[&format!("for {:.1} %", taught.number("weak_accuracy") * 100.0), "intercascade init"]);
}

#[test]
fn without_arguments_the_first_steps_are_shown() {
    let output = Project::new().run(&[]).done().out;
    holds(&output, &["intercascade demo", "intercascade init", "--help"]);
}
