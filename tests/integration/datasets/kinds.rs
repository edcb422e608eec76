//! Files read in the way a person would: option columns of every name, keys in every form, headers, delimiters,
//! encodings.

use intercascade::dataset::{Contents, Format, Reading, read};
use intercascade::types::item::Target;

use crate::support::{Project, holds};

fn contents(name: &str, bytes: impl AsRef<[u8]>) -> Contents {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    read(&path, &Reading::of(Format::Mmlu)).expect("readable")
}

/// Returns the options and the index of the correct one, from a file with a single row.
fn only(name: &str, text: &str) -> (Vec<String>, usize) {
    let mut contents = contents(name, text);
    assert!(contents.faults.is_empty(), "{:?}", contents.faults);
    let item = contents.items.pop().expect("a row");
    let Target::Choice(index) = item.target else { panic!("{item:?}") };
    (item.options, index)
}

/// Returns the first fault.
fn fault(name: &str, text: &str) -> String {
    let contents = contents(name, text);
    contents.faults.first().unwrap_or_else(|| panic!("no fault in {text}: {:?}", contents.items)).1.to_string()
}

#[test]
fn all_option_columns_are_read() {
    for (header, row, count, right) in [
        ("Question,A,B,C,D,E,Answer", "q,1,2,3,4,5,E", 5, 4),
        ("question,A,B,C,D,E,F,G,H,I,J,answer", "q,1,2,3,4,5,6,7,8,9,10,J", 10, 9),
        ("question,choice0,choice1,choice2,choice3,choice4,answer", "q,1,2,3,4,5,4", 5, 4),
        ("QUESTION, Choice 1 ,Choice 2,Choice 3,ANSWER", "q,a,b,c,3", 3, 2),
        ("question,option_a,option_b,option_c,answer", "q,x,y,z,(c)", 3, 2),
        ("id,question,opa,opb,opc,opd,cop,choice_type", "7,q,w,x,y,z,2,single", 4, 2),
        ("input,A,B,C,D,target", "q,w,x,y,z,b", 4, 1),
        ("question,ending0,ending1,ending2,ending3,label", "q,w,x,y,z,0", 4, 0),
        ("question,A,B,C,D,E,answer", "q,w,x,y,z,,D", 4, 3),
        ("question,choice0,choice1,answer", "q,3,4,1.0", 2, 1),
        ("question,option1,option2,answer", "q,left,right,right", 2, 1),
    ] {
        let (options, index) = only("a.csv", &format!("{header}\n{row}\n"));
        assert_eq!((options.len(), index), (count, right), "{header}");
    }
}

#[test]
fn option_fields_are_read_in_every_form() {
    for (row, right) in [
        (r#"{"question": "q", "options": {"A": "x", "B": "y", "C": "z"}, "answer": "z", "answer_idx": "C"}"#, 2),
        (
            r#"{"question": "q", "choices": [{"text": "x", "label": "1"}, {"text": "y", "label": "2"}], "answer": "2"}"#,
            1,
        ),
        (r#"{"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "b"}"#, 1),
        (r#"{"question": "q", "options": ["x", "y", "z"], "answer": 2.0}"#, 2),
        (r#"{"question": "q", "options": ["x", "y", "z"], "answer": "B", "answer_index": 1}"#, 1),
        (r#"{"question": "q", "options": ["xx", "yy"], "correct_answer": "yy"}"#, 1),
        (r#"{"question": "q", "options": "[\"x\", \"y\"]", "answer": "B"}"#, 1),
    ] {
        assert_eq!(only("a.jsonl", row).1, right, "{row}");
    }
    let (options, index) = only("a.csv", "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2\nq,r,w,v\n");
    assert_eq!((options.len(), options[index].as_str()), (3, "r"));
}

#[test]
fn an_option_that_would_be_lost_is_reported() {
    for (name, text, parts) in [
        ("a.csv", "question,A,B,C,E,answer\nq,1,2,3,5,A\n", ["line 1", "`D`: is missing from the header"]),
        ("a.csv", "question,A,B,choice0,choice1,answer\nq,1,2,3,4,A\n", ["line 2: field `choice0`", "also in `A`"]),
        ("a.csv", "question,A,B,option_e,answer\nq,1,2,3,A\n", ["line 2: field `option_e`", "options are in `A`"]),
        (
            "a.jsonl",
            r#"{"question": "q", "B": "1", "C": "2", "answer": "B"}"#,
            ["field `B`: looks like", "`A` is missing"],
        ),
        (
            "a.jsonl",
            r#"{"question": "q", "A": "1", "B": "2", "D": "4", "answer": "A"}"#,
            ["field `C`: is missing", "`D`"],
        ),
        (
            "a.jsonl",
            r#"{"question": "q", "choices": ["1", "2"], "option_a": "1", "option_b": "2", "answer": 0}"#,
            ["`option_a`", "also in `choices`"],
        ),
        ("a.csv", "question,A,B,C,answer\nq,1,,3,A\n", ["line 2: field `B`", "is empty"]),
    ] {
        holds(&fault(name, text), &parts);
    }
    let many: Vec<String> = (0..27).map(|n| format!("\"o{n}\"")).collect();
    let row = format!("{{\"question\": \"q\", \"choices\": [{}], \"answer\": 0}}", many.join(","));
    holds(&fault("a.jsonl", &row), &["has 27 options", "at most 26"]);
}

#[test]
fn keys_that_contradict_or_count_from_one_are_faults() {
    let row = r#"{"question": "q", "options": ["x", "y", "z"], "answer": "B", "answer_index": 2}"#;
    holds(&fault("a.jsonl", row), &["field `answer_index`", "names option C", "`answer` names option B"]);
    let rows = |keys: &[usize]| -> String {
        let row = |rows: String, key: &usize| {
            rows + &format!("{{\"question\": \"q\", \"choices\": [\"x\", \"y\", \"z\"], \"answer\": {key}}}\n")
        };
        keys.iter().fold(String::new(), row)
    };
    holds(
        &fault("a.jsonl", &rows(&[1, 2, 3])),
        &["line 3: field `answer`", "none of the file's 3 numbers is 0", "count from 1"],
    );
    holds(&fault("a.jsonl", &rows(&[1; 20])), &["line 1: field `answer`", "count from 1", "write letters"]);
    assert!(contents("a.jsonl", rows(&[1, 2, 0])).faults.is_empty());
    let unsure = contents("a.jsonl", rows(&[1; 5]));
    assert!(unsure.faults.is_empty());
    holds(&unsure.notices.concat(), &["none of the 5 answers", "read as counted from 0"]);
    holds(&fault("a.csv", "question,A,B,answer\nq,x,y,1\n"), &["must be a letter from A to B, not `1`"]);
}

#[test]
fn a_duplicate_column_name_is_a_fault() {
    let row = r#"{"question": "q", "choices": ["x", "y"], "answer": 0, "answer": 1}"#;
    holds(&fault("a.jsonl", row), &["line 1", "`answer` is given twice"]);
    holds(&fault("a.json", &format!("[{row}]")), &["row 1", "`answer` is given twice"]);
    holds(&fault("a.jsonl", r#"{"question": "q", "A": "1", "a": "2", "B": "3", "answer": "A"}"#), &["`A`", "`a`"]);
    holds(&fault("a.csv", "question,A,B,answer,Answer\nq,1,2,A,B\n"), &["line 1", "`Answer` twice", "`answer`"]);
}

#[test]
fn delimiters_are_detected_from_the_header() {
    for (name, text) in [
        ("a.csv", "question;A;B;answer\n\"a, b; or c?\";x;y;B\n"),
        ("a.tsv", "question\tA\tB\tanswer\na, b; or c?\tx\ty\tB\n"),
        ("a.csv", "\"question\",\"A\",\"B\",\"answer\",\"note; more; and; more; still\"\n\"a, b; or c?\",x,y,B,n\n"),
        ("a.csv", "\"a, b; or c?\";w;x;y;z;B\n"),
    ] {
        let contents = contents(name, text);
        assert!(contents.faults.is_empty(), "{text}: {:?}", contents.faults);
        assert_eq!(
            (&*contents.items[0].query, &contents.items[0].target),
            ("a, b; or c?", &Target::Choice(1)),
            "{text}"
        );
    }
}

#[test]
fn other_encodings_are_refused_with_a_conversion_command() {
    let project = Project::new();
    let text = "question,A,B,answer\nCaf\u{e9}?,x,y,B\n";
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    project.write("wide.csv", utf16);
    let error = project.run(&["datasets", "check", "wide.csv"]).refused();
    holds(&error, &["wide.csv", "UTF-16", "iconv -f UTF-16 -t UTF-8 'wide.csv'"]);
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    project.write("latin.csv", &latin);
    let output = project.run(&["datasets", "check", "latin.csv"]);
    assert_eq!(output.code, 1);
    holds(&output.out, &["latin.csv: line 2", "byte 0xE9", "iconv -f WINDOWS-1252 -t UTF-8 'latin.csv'"]);
    project.write("latin.json", b"[{\"question\": \"ok\"},\n{\"question\": \"caf\xe9\"}]");
    holds(&project.run(&["datasets", "check", "latin.json"]).refused(), &["latin.json", "line 2", "WINDOWS-1252"]);
}

#[test]
fn rows_flagged_as_bad_are_kept_and_reported() {
    let row = |error: &str, correct: &str| {
        format!(
            "{{\"question\": \"q\", \"choices\": [\"w\", \"x\", \"y\", \"z\"], \"answer\": 0, \"error_type\": \"{error}\", \
             \"correct_answer\": {correct}}}\n"
        )
    };
    let contents = contents(
        "redux.jsonl",
        [
            row("ok", "null"),
            row("wrong_groundtruth", "\"2\""),
            row("wrong_groundtruth", "\"B\""),
            row("wrong_groundtruth", "\"A or B\""),
            row("bad_question_clarity", "\"\""),
        ]
        .concat(),
    );
    assert!(contents.faults.is_empty(), "{:?}", contents.faults);
    let places: Vec<&Target> = contents.items.iter().map(|item| &item.target).collect();
    assert_eq!(places, [0, 2, 1, 0, 0].map(Target::Choice).iter().collect::<Vec<_>>());
    holds(
        &contents.notices.concat(),
        &["1 bad_question_clarity", "3 wrong_groundtruth (2 graded by `correct_answer`)"],
    );
}

#[test]
fn check_warns_of_equal_options_and_counts_them() {
    let project = Project::new();
    project.write("a.csv", "question,A,B,C,answer\nq,up,down,up,C\np,up,down,,B\n");
    let output = project.run(&["datasets", "check", "a.csv"]).done();
    holds(&output.out, &["2 good rows", "numbers of options: 2 in 1 rows, 3 in 1 rows"]);
    holds(
        &output.out,
        &["note: a.csv: 1 questions have two options with equal text (the first: line 2); in 1 of them"],
    );
}

#[test]
fn archive_members_are_found_behind_a_leading_dot() {
    let project = Project::new();
    let members =
        [("./data/test/anatomy_test.csv", "Which?,a,b,c,d,A\n"), ("./data/dev/anatomy_dev.csv", "What?,a,b,c,d,B\n")];
    let mut tar = tar::Builder::new(Vec::new());
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // Writes the name directly, because the builder removes the leading dot.
        header.as_gnu_mut().expect("GNU").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, text.as_bytes()).expect("written");
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("begun");
        std::io::Write::write_all(&mut zip, text.as_bytes()).expect("written");
    }
    project.write("a.tar", tar.into_inner().expect("closed"));
    project.write("a.zip", zip.finish().expect("closed").into_inner());
    for archive in ["a.tar", "a.zip"] {
        for member in ["data/test", "./data/test", "data/test/anatomy_test.csv"] {
            let output = project.run(&["datasets", "check", archive, "--member", member]).done();
            holds(&output.out, &["1 good rows", "1 subjects"]);
        }
        holds(
            &project.run(&["datasets", "check", archive, "--member", "data/val"]).refused(),
            &["no tables in data/val"],
        );
    }
}
