//! Data sets that cannot be used: the error names the file, line and field.

use super::refusal;
use crate::support::{Project, Settings, choices, holds, problems};

/// Returns the error of a run on `questions.jsonl` or `questions.csv` with these contents.
fn over(name: &str, contents: impl AsRef<[u8]>) -> String {
    let project = Project::with(&Settings::simulated().set("dataset.path", name));
    project.write(name, contents);
    let before = project.files();
    let error = project.trial("out", &[]).refused();
    assert!(project.files() == before && !project.path("out").exists());
    assert!(error.starts_with("error: trial.toml: dataset: "), "{error}");
    error
}

#[test]
fn a_missing_data_file_is_refused() {
    let error = refusal(&Settings::simulated().set("dataset.path", "mine/questions.jsonl"));
    holds(&error, &["trial.toml: dataset: cannot read the data set mine/questions.jsonl", "No such file"]);
}

#[test]
fn a_data_file_of_unknown_format_is_refused() {
    let error = refusal(&Settings::simulated().set("dataset.path", "trial.toml"));
    holds(&error, &["trial.toml", "format = \"gsm8k\" or \"mmlu\""]);
}

#[test]
fn an_id_that_outputs_cannot_represent_is_refused() {
    let row = r#"{"id": "a;b", "question": "How many?", "answer": "Three.\n#### 3"}"#;
    holds(&over("questions.jsonl", format!("{row}\n")), &["line 1", "`id`", "`a;b` contains a `;`"]);
}

#[test]
fn rows_with_invalid_json_or_a_missing_field_are_refused() {
    let good = problems(1, 2);
    for (bad, parts) in [
        ("{\"question\": \"q\", \"answer\":", ["line 3: not a JSON object", "column"]),
        ("{\"question\": \"q", ["line 3: not a JSON object: a text in quotes is not closed", "(column 15)"]),
        ("[1, 2]", ["line 3: not a JSON object", "questions.jsonl"]),
        ("{\"answer\": \"#### 1\"}", ["line 3: field `question`", "is missing"]),
        ("{\"question\": \"q\"}", ["line 3: field `answer`", "is missing"]),
        ("{\"question\": 5, \"answer\": \"#### 1\"}", ["line 3: field `question`", "must be a text, not 5"]),
        ("{\"question\": \" \", \"answer\": \"#### 1\"}", ["line 3: field `question`", "is empty"]),
        ("{\"question\": \"q\", \"answer\": \"It is 1.\"}", ["line 3: field `answer`", "must end in `#### N`"]),
        ("{\"question\": \"q\", \"answer\": \"#### one\"}", ["line 3: field `answer`", "must end in `#### N`"]),
        (
            "{\"question\": \"q\", \"answer\": \"#### 3, 4\"}",
            ["line 3: field `answer`", "with one number N, not `3, 4`"],
        ),
        ("{\"question\": \"q\", \"answer\": \"#### 1 1/2 or 2\"}", ["line 3: field `answer`", "not `1 1/2 or 2`"]),
        ("{\"question\": \"q\", \"answer\": \"#### 3:45\"}", ["line 3: field `answer`", "not `3:45`"]),
    ] {
        let error = over("questions.jsonl", format!("{good}{bad}\n"));
        holds(&error, &["questions.jsonl: line 3"]);
        holds(&error, &parts);
    }
}

#[test]
fn a_question_with_more_options_than_letters_is_refused() {
    let row = |options: usize| {
        let texts: Vec<String> = (0..options).map(|number| format!("option {number}")).collect();
        serde_json::json!({"id": "long", "question": "Which?", "options": texts, "answer": "B"}).to_string()
    };
    let rows = format!("{}\n{}\n", row(26).replace("long", "short"), row(27));
    holds(&over("questions.jsonl", rows), &["questions.jsonl: line 2", "has 27 options", "at most 26"]);
}

#[test]
fn rows_that_are_not_text_are_refused() {
    let mut bytes = problems(1, 2).into_bytes();
    bytes.extend(b"{\"question\": \"\xff\xfe\", \"answer\": \"#### 1\"}\n");
    holds(&over("questions.jsonl", bytes), &["questions.jsonl: line 3:"]);
    let mut bytes = choices(1, 2).into_bytes();
    bytes.extend(b"Which \xff?,a,b,c,d,0,x,x,Because.\n");
    holds(&over("questions.csv", bytes), &["questions.csv: line 4:"]);
}

#[test]
fn rows_of_options_that_contradict_the_header_are_refused() {
    let good = choices(1, 2);
    for (bad, part) in [
        ("Which?,a,b,c,d,4,x,x,Because.", "line 4: field `answer`: must be a number from 0 to 3, not `4`"),
        ("Which?,a,b,c,d,B,x,x,Because.", "line 4: field `answer`: must be a number from 0 to 3, not `B`"),
        ("Which?,a,,c,d,1,x,x,Because.", "line 4: field `choice1`: is empty"),
        ("Which?,a,b,c,1", "line 4: has 5 fields, not 9"),
        ("\"Which?,a,b,c,d,1,x,x,Because.", "line 4: has 1 fields, not 9"),
    ] {
        holds(&over("questions.csv", format!("{good}{bad}\n")), &["questions.csv", part]);
    }
    let error = over("questions.csv", good.replace("choice2", "third"));
    holds(&error, &["line 1: field `choice2`: is missing from the header"]);
    let letters = over("questions.csv", "Which?,a,b,c,d,A\nWhich?,a,b,c,d,E\n");
    holds(&letters, &["line 2: field `answer`: must be a letter from A to D, not `E`"]);
}

#[test]
fn many_faults_are_counted_and_the_first_are_listed() {
    let error = over("questions.jsonl", "{}\n".repeat(9));
    assert_eq!(error.matches("questions.jsonl: line").count(), 5, "{error}");
    holds(&error, &["and 4 more", "datasets check"]);
}

#[test]
fn duplicate_ids_and_files_without_rows_are_refused() {
    let error = over("questions.jsonl", format!("{}\n{}", problems(1, 2), problems(1, 2)));
    for (line, id, first) in [(4, "apples0-0", 1), (5, "apples0-1", 2)] {
        holds(&error, &[&format!("jsonl: line {line}: field `id`: `{id}` is already used on line {first}")]);
    }
    let row = "\"Which\nof these?\",a,b,c,d,0,x,x,Because.\n";
    let error = over("questions.csv", format!("{}{row}{row}", choices(1, 1)));
    holds(&error, &["csv: line 5: field `id`: `x` is already used on line 3"]);
    holds(&over("questions.jsonl", "\n\n"), &["questions.jsonl holds no rows"]);
    holds(&over("questions.csv", "question,choice0,choice1,choice2,choice3,answer\n"), &["holds no rows"]);
}

#[test]
fn duplicate_ids_in_a_folder_are_refused() {
    let project = Project::with(&Settings::simulated().set("dataset.path", "subjects").set("dataset.format", "mmlu"));
    for subject in ["anatomy", "botany"] {
        project.write(&format!("subjects/{subject}_test.csv"), choices(1, 1));
    }
    let error = project.trial("out", &[]).refused();
    holds(
        &error,
        &["botany_test.csv: line 2: field `id`: `c0-0` is already used on line 2 of subjects/anatomy_test.csv"],
    );
}

#[test]
fn a_byte_order_mark_is_ignored() {
    for (name, contents) in [
        ("questions.jsonl", problems(3, 2)),
        ("questions.csv", choices(3, 2)),
        ("plain.csv", "Which?,a,b,c,d,A\n".to_owned()),
    ] {
        let project = Project::new();
        project.write(name, format!("\u{feff}{contents}"));
        let rows = contents.lines().count() - usize::from(contents.starts_with("question,"));
        holds(&project.run(&["datasets", "check", name]).done().out, &[&format!("{rows} good rows")]);
    }
}

#[test]
fn the_reference_refuses_questions_without_a_solution() {
    let project = Project::with(&Settings::reference().set("dataset.path", "questions.csv"));
    project.write("questions.csv", "Which?,a,b,c,d,A\nWhich now?,a,b,c,d,B\n");
    let error = project.trial("out", &[]).refused();
    holds(&error, &["model `large`", "worked solutions", "item `0` has none"]);
    assert!(!project.path("out").exists());
}

#[test]
fn a_data_set_with_another_checksum_is_refused() {
    let project = Project::shipped();
    let text = Settings::simulated()
        .without("dataset.path")
        .set("dataset.name", "gsm-templates")
        .set("dataset.split", "test")
        .text();
    project.write("trial.toml", text);
    let name = "datasets/gsm-templates/test.jsonl";
    let changed = project.text(name).replacen("the", "teh", 1);
    assert_ne!(changed, project.text(name));
    project.write(name, changed);
    let before = project.files();
    let error = project.trial("out", &[]).refused_in_one_line();
    holds(&error, &["gsm-templates/test.jsonl is not the file that the catalogue describes", "sha256", "dataset.path"]);
    assert!(project.files() == before);
}

#[test]
fn names_and_splits_missing_in_the_catalogue_are_refused() {
    let project = Project::shipped();
    let shipped = Settings::simulated().without("dataset.path");
    for (name, split, parts) in [
        ("gsm-template", None, ["no data set is called `gsm-template`", "did you mean `gsm-templates`?"]),
        ("gsm-templates", None, ["several splits", "dev, test"]),
        ("gsm-templates", Some("tset"), ["no split `tset`", "dev, test"]),
    ] {
        let settings = shipped.clone().set("dataset.name", name);
        let settings = split.map_or(settings.clone(), |split| settings.set("dataset.split", split));
        project.write("trial.toml", settings.text());
        holds(&project.trial("out", &[]).refused_in_one_line(), &parts);
    }
}

#[test]
fn generating_overwrites_no_file() {
    let project = Project::shipped();
    let before = project.files();
    let generate = ["datasets", "generate", "gsm-templates", "--seed", "99"];
    let error = project.run(&generate).refused_in_one_line();
    holds(&error, &["exists with other contents and is not overwritten", "--out"]);
    assert!(project.files() == before);
    holds(&project.run(&["datasets", "generate", "gsm"]).refused_in_one_line(), &["no data set is called `gsm`"]);
}
