//! Formats in which data sets are published, each in a small file written for the test.

use std::io::Write;
use std::path::Path;

use intercascade::dataset::{Format, Reading, read, read_clean};
use intercascade::types::item::{Item, Target};
use intercascade::types::seed::Seed;

use crate::support::{Project, Settings, choices, holds, problems, repository};

fn items(name: &str, text: &str, reading: &Reading) -> Vec<Item> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    read_clean(&path, reading).expect("good rows").items
}

fn math(text: &str) -> Vec<Item> {
    items("a.jsonl", text, &Reading::of(Format::Gsm8k))
}

fn fault(name: &str, text: &str, format: Format) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    read(&path, &Reading::of(format)).expect("readable").faults[0].1.to_string()
}

fn number(text: &str) -> Target {
    Target::Number(text.into())
}

#[test]
fn instances_of_a_symbolic_template_form_one_group() {
    let row = |id, instance, original, question| {
        format!(
            "{{\"id\": {id}, \"instance\": {instance}, \"original_id\": {original}, \"question\": \"{question}\", \
             \"answer\": \"2+2=<<2+2=4>>4\\n#### 4\", \"canary\": \"x\", \"original_question\": \"two and two?\"}}\n"
        )
    };
    let items = math(&[row(7, 0, 500, "Ann: 2+2?"), row(7, 1, 500, "Ben: 2+2?"), row(8, 0, 11, "3+1?")].concat());
    let groups: Vec<(&str, &str)> = items.iter().map(|item| (&*item.id.0, &*item.group)).collect();
    assert_eq!(groups, [("7-0", "500"), ("7-1", "500"), ("8-0", "11")]);
    assert_eq!(items[0].target, number("4"));
}

#[test]
fn perturbed_questions_share_the_group_of_their_seed() {
    let row = |question: &str, kind: &str, answer: &str, seed: &str| {
        format!(
            "{{\"question\": \"{question}\", \"solution\": \"Think.\\n#### {answer}\", \"answer\": \"{answer}\", \
             \"perturbation_type\": \"{kind}\", \"seed_question\": \"{seed}\", \"seed_answer\": \"3\"}}\n"
        )
    };
    let text = [
        row("Five pens and some more?", "critical thinking", "None", "Five pens and two more?"),
        row("Fifty pens and two more?", "digit expansion", "52", "Five pens and two more?"),
        row("One pen?", "digit expansion", "4.33", "One pen or two?"),
    ];
    let items = math(&text.concat());
    assert_eq!(items[0].target, Target::Unanswerable);
    assert_eq!((&items[1].target, &items[2].target), (&number("52"), &number("4.33")));
    assert!(items[0].group == items[1].group && items[1].group != items[2].group);
    assert_eq!(items[0].group.len(), 12, "a question as a name is shortened to a hash");
    assert_eq!(items[1].subject.as_deref(), Some("digit expansion"));
    let wrong = fault("a.jsonl", &row("q", "k", "some", "s"), Format::Gsm8k);
    assert_eq!(wrong, "line 1: field `answer`: must be a number, or None if the problem has no answer");
}

#[test]
fn metamath_is_read_from_one_array() {
    let text = "[\n{\"query\": \"2+2?\", \"response\": \"Add.\\n#### 4\\nThe answer is: 4\", \"type\": \"GSM_Rephrased\", \
                \"original_question\": \"two and two?\"},\n{\"query\": \"Which?\", \"response\": \"The answer is: x^2\", \
                \"type\": \"MATH_AnsAug\", \"original_question\": \"two and two?\"}]\n";
    let array = items("a.json", text, &Reading::of(Format::Gsm8k));
    assert_eq!((&array[0].target, &array[1].target), (&number("4"), &Target::Expression("x^2".into())));
    assert!(array[0].group == array[1].group && array[0].id != array[1].id);
    assert_eq!(array[0].subject.as_deref(), Some("GSM_Rephrased"));
    let wrong = fault("a.json", "[{\"query\": \"q\", \"response\": \"4\"}]", Format::Gsm8k);
    assert_eq!(wrong, "row 1: field `response`: must end in `The answer is: N`");

    let backward = math("{\"question\": \"x?\", \"answer\": \"80000\", \"original_question\": \"how much?\"}\n");
    assert_eq!((&backward[0].target, &backward[0].solution), (&number("80000"), &None));
}

#[test]
fn competition_answers_are_numbers_or_terms() {
    let row = |answer: &str, id: &str| {
        format!(
            "{{\"problem\": \"What?\", \"solution\": \"It is $\\\\boxed{{x}}$.\", \"answer\": \"{answer}\", \
             \"subject\": \"Algebra\", \"level\": 2, \"unique_id\": \"test/{id}.json\"}}\n"
        )
    };
    let items = math(&[row("\\\\frac{3}{4}", "1"), row("3,4", "2"), row("1,200", "3"), row("p - q", "4")].concat());
    let targets: Vec<&Target> = items.iter().map(|item| &item.target).collect();
    let term = |text: &str| Target::Expression(text.into());
    assert_eq!(targets, [&number("\\frac{3}{4}"), &term("3,4"), &number("1,200"), &term("p - q")]);
    assert_eq!((&*items[0].id.0, items[0].subject.as_deref()), ("test/1.json", Some("Algebra")));
}

#[test]
fn options_are_read_in_the_forms_of_the_hubs() {
    let fixture = |name: &str| repository().join("tests/fixtures").join(name);
    let reading = Reading::of(Format::Mmlu);
    let pro = read_clean(&fixture("options.parquet"), &reading).expect("good rows").items;
    assert_eq!(pro.iter().map(|item| item.options.len()).collect::<Vec<_>>(), [10, 3, 2]);
    assert_eq!(pro[0].target, Target::Choice(9));
    assert_eq!((&*pro[0].id.0, pro[0].subject.as_deref()), ("70", Some("math")));
    assert_eq!((pro[0].solution.as_deref(), pro[1].solution.as_deref()), (None, Some("Red is one.")));
    let arc = read_clean(&fixture("labelled.parquet"), &reading).expect("good rows").items;
    assert_eq!((&arc[0].target, &arc[1].target), (&Target::Choice(0), &Target::Choice(2)));
    assert_eq!(arc[1].options, ["leaf", "flower", "root"]);
    assert_eq!(Format::of_path(&fixture("labelled.parquet")), Some(Format::Mmlu));

    let text = "{\"id\": \"M1\", \"question\": {\"stem\": \"Which?\", \"choices\": [{\"text\": \"a\", \"label\": \"A\"}, \
                {\"text\": \"b\", \"label\": \"B\"}]}, \"answerKey\": \"B\"}\n\
                {\"id\": \"M2\", \"question\": \"Which now?\", \"subject\": \"anatomy\", \"choices\": [\"a\", \"b\", \"c\", \"d\"], \"answer\": 3}\n";
    let rows = items("a.jsonl", text, &reading);
    assert_eq!((&rows[0].query[..], &rows[0].target), ("Which?", &Target::Choice(1)));
    assert_eq!((rows[1].subject.as_deref(), &rows[1].target), (Some("anatomy"), &Target::Choice(3)));
}

#[test]
fn rows_with_wrong_options_are_reported() {
    for (row, expected) in [
        (
            "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 2}",
            "field `answer`: must be a letter from A to B or a number from 0 to 1, not `2`",
        ),
        (
            "{\"question\": \"q\", \"choices\": [\"a\", null], \"answer\": 1}",
            "field `choices`: option B must be a text, not null",
        ),
        ("{\"question\": \"q\", \"choices\": [\"a\"], \"answer\": 0}", "has fewer than two options"),
        ("{\"question\": \"q\", \"choices\": [\"a\", \"b\"]}", "field `answer`: is missing"),
        (
            "{\"question\": \"q\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\"]}, \"answerKey\": \"A\"}",
            "must hold `text` and `label`",
        ),
        (
            "{\"question\": \"q\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}, \"answerKey\": \"C\"}",
            "`C` is the label of no option",
        ),
        (
            "{\"question\": \"q\", \"correct_answer\": \"a\", \"incorrect_answer_1\": \"a\"}",
            "is also among the incorrect answers",
        ),
        ("{\"question\": \"q\", \"correct_answer\": \"a\"}", "has fewer than two options"),
        ("{\"question\": \"q\"}", "field `choice0`: is missing"),
    ] {
        holds(&fault("a.jsonl", &format!("{row}\n"), Format::Mmlu), &["line 1", expected]);
    }
}

#[test]
fn correct_and_wrong_answers_are_ordered_by_seed() {
    let rows: String = (0..40)
        .fold(String::new(), |rows, row| rows + &format!("Which of {row}?,right,wrong one,wrong two,wrong three\n"));
    let text = format!("question,correct_answer,incorrect_answer_1,incorrect_answer_2,incorrect_answer_3\n{rows}");
    let with = |seed| items("a.csv", &text, &Reading { seed: Seed(seed), ..Reading::of(Format::Mmlu) });
    let first = with(1);
    assert_eq!(first, with(1));
    assert_ne!(first, with(2));
    let mut places = [0; 4];
    for item in &first {
        let Target::Choice(index) = item.target else { panic!("a choice") };
        assert_eq!(item.options[index], "right");
        places[index] += 1;
    }
    assert!(places.iter().all(|count| *count > 3), "{places:?}");
}

fn packed(path: &Path, text: &str) {
    let file = std::fs::File::create(path).expect("made");
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut writer = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        writer.write_all(text.as_bytes()).expect("written");
        writer.finish().expect("closed");
    } else {
        zstd::stream::copy_encode(text.as_bytes(), file, 0).expect("written");
    }
}

#[test]
fn compressed_files_are_read_without_unpacking() {
    let project = Project::new();
    for name in ["problems.jsonl.gz", "problems.jsonl.zst"] {
        packed(&project.path(name), &format!("\u{feff}{}", problems(3, 2)));
        holds(&project.run(&["datasets", "check", name]).done().out, &[name, "6 good rows in 3 groups, 0 faults"]);
    }
    packed(&project.path("choices.csv.gz"), &choices(3, 2));
    holds(&project.run(&["datasets", "check", "choices.csv.gz"]).done().out, &["6 good rows in 3 groups"]);
    project.write("cut.jsonl.gz", &std::fs::read(project.path("problems.jsonl.gz")).expect("there")[..40]);
    holds(&project.run(&["datasets", "check", "cut.jsonl.gz"]).refused(), &["cut.jsonl.gz cannot be read"]);
}

/// Builds an archive of two splits with one subject each.
fn archive(project: &Project) {
    let mut archive = tar::Builder::new(std::fs::File::create(project.path("data.tar")).expect("made"));
    for (name, text) in [
        ("data/test/anatomy_test.csv", "Which?,a,b,c,d,A\nWhat?,a,b,c,d,B\n"),
        ("data/test/astronomy_test.csv", "Which star?,a,b,c,d,C\n"),
        ("data/dev/anatomy_dev.csv", "Which bone?,a,b,c,d,D\n"),
        ("data/README.txt", "no table"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).expect("written");
    }
    archive.finish().expect("closed");
}

#[test]
fn an_archive_is_read_member_by_member_with_subjects() {
    let settings = Settings::simulated().set("dataset.path", "data.tar").set("dataset.member", "data/test");
    let project = Project::with(&settings);
    archive(&project);
    let output = project.run(&["datasets", "check", "data.tar", "--member", "data/test"]).done();
    holds(&output.out, &["3 good rows in 3 groups", "2 subjects: other 2, stem 1"]);
    holds(
        &project.run(&["datasets", "check", "data.tar", "--member", "data/val"]).refused(),
        &["no tables in data/val"],
    );
    let ids = |out: &str| {
        let records = project.sheet(out, "records");
        records.rows().map(|row| row.text("item_id").to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    project.trial("out", &[]).done();
    assert_eq!(Vec::from_iter(ids("out")), ["anatomy/0", "anatomy/1", "astronomy/0"]);
    project.trial("stem", &["--set", "dataset.subjects=[\"stem\"]"]).done();
    assert_eq!(Vec::from_iter(ids("stem")), ["astronomy/0"]);
    let error = project.trial("none", &["--set", "dataset.subjects=[\"botany\"]"]).refused_in_one_line();
    holds(&error, &["dataset: subjects: no item has the subject `botany`; known subjects: anatomy, astronomy"]);
}

#[test]
fn questions_shared_by_two_files_are_counted() {
    let project = Project::new();
    let row = |id: &str, group: &str, question: &str| {
        format!("{{\"id\": \"{id}\", \"group\": \"{group}\", \"question\": \"{question}\", \"answer\": \"#### 4\"}}\n")
    };
    project.write("a.jsonl", [row("a", "x", "What is two and two?"), row("b", "y", "How old is Ann?")].concat());
    project.write("b.jsonl", [row("c", "z", "What is two and two?"), row("d", "w", "Where is the boat?")].concat());
    project.write("c.jsonl", row("e", "y", "When was it?"));
    let against =
        |other| project.run(&["datasets", "check", "a.jsonl", "--against", other, "--embedder", "hashed-words"]);
    let output = against("b.jsonl").done();
    holds(&output.out, &["a and c: 1.000", "0 groups in both; 1 of 2 questions have a near-duplicate"]);
    let output = against("c.jsonl");
    assert_eq!(output.code, 1, "a group in both is a fault");
    holds(&output.out, &["1 groups in both; 0 of 2 questions"]);
}

#[test]
fn ids_exist_on_all_rows_or_on_none() {
    let text =
        "{\"question\": \"q\", \"answer\": \"#### 1\"}\n{\"id\": \"0\", \"question\": \"q\", \"answer\": \"#### 1\"}\n";
    let expected = "line 2: field `id`: is missing on line 1 and present on line 2; all rows must have one, or none";
    assert_eq!(fault("a.jsonl", text, Format::Gsm8k), expected);
}

#[test]
fn a_configured_field_defines_the_groups() {
    let project = Project::new();
    let row = |kind| format!("{{\"question\": \"2+2?\", \"answer\": \"#### 4\", \"kind\": \"{kind}\"}}\n");
    project.write("a.jsonl", [row("one"), row("one"), row("two")].concat());
    let output = project.run(&["datasets", "check", "a.jsonl", "--group", "kind"]).done();
    holds(&output.out, &["3 good rows in 2 groups"]);
    let output = project.run(&["datasets", "check", "a.jsonl", "--group", "sort"]);
    holds(&output.out, &["line 1: field `sort`: is missing, but is set as the field of the groups"]);
}

#[test]
fn the_gsm_plus_config_samples_whole_groups() {
    let project = Project::shipped();
    let perturbations =
        ["numerical substitution", "critical thinking", "digit expansion", "adding operation", "distraction insertion"];
    let file = |groups: usize| -> String {
        let row = |group: usize, perturbation: &str| {
            let answer = if perturbation == "critical thinking" { "None".to_owned() } else { group.to_string() };
            let row = serde_json::json!({
                "question": format!("{perturbation}: what is {group}?"), "solution": "It is.", "answer": answer,
                "perturbation_type": perturbation, "seed_question": format!("What is the number {group}?"),
            });
            format!("{row}\n")
        };
        (0..groups).flat_map(|group| perturbations.map(|perturbation| row(group, perturbation))).collect()
    };
    let run = |groups: usize| {
        project.write("plus.jsonl", file(groups));
        let sets = ["--set", "dataset.path=plus.jsonl", "--set", "dataset.split="];
        project.run(&[&["run", "--dry-run", "--config", "configs/pair-gsm-plus.toml"], &sets[..]].concat())
    };
    holds(
        &run(60).done().out,
        &["qwen-0.5b: 768 calls", "qwen-1.5b: 192 calls", "detectable change of accuracy with 48 independent groups"],
    );
    holds(&run(47).refused_in_one_line(), &["dataset: sample_groups = 48 is too large: there are 47 groups"]);
}
