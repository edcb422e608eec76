//! `datasets fetch` of data sets that a script generates with a Python package. A stand-in for Python on the PATH logs
//! its arguments, "downloads" a wheel that the test built, and acts as the script or passes it to the real Python.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::{CommandOutput, Project, Settings, holds, problems};

const FOLDER: &str = "cache/datasets/drawn";
const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000001";
const VERSION: &str = "echo 3.10";
const DOWNLOAD: &str =
    "cat requirements.txt >> \"$0.asked\"; cp \"$(dirname \"$0\")/family.whl\" family-1.2-py3-none-any.whl";

/// Project whose catalogue has one generated data set.
struct Stage {
    project: Project,
    file: String,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { project: Project::new(), file: problems(5, 4) };
        stage.catalogue(&format!(", rows = 20, sha256 = '{}'", hex::encode(Sha256::digest(&stage.file))));
        stage.project.write("bin/family.whl", "a wheel");
        stage.project.write("bin/drawn", &stage.file);
        stage.python(VERSION, DOWNLOAD, "cp \"$(dirname \"$0\")/drawn\" \"$5\"");
        stage
    }

    fn catalogue(&self, pin: &str) {
        let text = format!(
            "[[dataset]]\nname = 'drawn'\nformat = 'gsm8k'\nsummary = 'drawn'\nlicence = 'MIT'\nsource = 'a package'\n\
             package = {{ name = 'family', version = '1.2', sha256 = '{HASH}', script = 'gsm-symbolic-reimplemented' }}\n\
             split = [{{ name = 'test', file = 'test.jsonl'{pin} }}]\n"
        );
        self.project.write("datasets/catalogue.toml", text);
    }

    /// Writes the stand-in: its behaviour when asked for its version, as pip, and as the script.
    fn python(&self, version: &str, pip: &str, script: &str) {
        let text = format!(
            "#!/bin/sh\necho \"$@\" >> \"$0.asked\"\ncase \"$1\" in\n-c) {version} ;;\n-m) {pip} ;;\n-I) {script} ;;\nesac\n"
        );
        self.project.write("bin/python3", text);
        std::fs::set_permissions(self.project.path("bin/python3"), std::fs::Permissions::from_mode(0o755))
            .expect("made executable");
    }

    /// Returns the program with this PATH before the system's tools, which include no Python of that name.
    fn fetch(&self, further: &[&str]) -> CommandOutput {
        let path = format!("{}:/usr/bin:/bin", self.project.path("bin").display());
        CommandOutput::of(self.project.command().env("PATH", path).args(["datasets", "fetch", "drawn"]).args(further))
    }

    fn refused(&self, parts: &[&str]) {
        holds(&self.fetch(&[]).refused(), &[&["Python package family 1.2: "], parts].concat());
        assert_eq!(self.left(), Vec::<String>::new(), "nothing is left");
    }

    /// Returns the file names in the folder of the data set.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.project.path(FOLDER)).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        let names =
            entries.into_iter().map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn python_log(&self) -> String {
        std::fs::read_to_string(self.project.path("bin/python3.asked")).unwrap_or_default()
    }

    fn run(&self) -> CommandOutput {
        let settings = Settings::simulated().without("dataset.path").set("dataset.name", "drawn");
        self.project.write("trial.toml", settings.text());
        self.project.trial("out", &[])
    }
}

#[test]
fn a_data_set_is_drawn_once_with_the_pinned_package() {
    let stage = Stage::new();
    holds(&stage.project.run(&["datasets", "list"]).done().out, &["test 20, not fetched)"]);
    holds(&stage.run().refused(), &["test.jsonl is missing", "datasets fetch drawn"]);

    let output = stage.fetch(&[]).done();
    holds(&output.out, &["test.jsonl  sha256", "verified"]);
    holds(&output.err, &["fetching Python package family 1.2"]);
    assert_eq!(stage.left(), ["test.jsonl"]);
    assert_eq!(stage.project.text(&format!("{FOLDER}/test.jsonl")), stage.file);
    let logged = stage.python_log();
    holds(
        &logged,
        &[
            &format!("family==1.2 --hash=sha256:{HASH}\n"),
            "-m pip download -d . --require-hashes -r requirements.txt --no-deps",
            "--only-binary=:all:",
            "\n-I -B script.py family-1.2-py3-none-any.whl drawn\n",
        ],
    );

    stage.fetch(&[]).done();
    assert_eq!(stage.python_log(), logged, "an existing file is not drawn again");
    assert!(!stage.project.run(&["datasets", "list"]).done().out.contains("to be fetched"));
    stage.run().done();
    assert_eq!(stage.project.sheet("out", "records").len(), 20 * 2 * 5);
}

#[test]
fn a_drawn_file_with_another_checksum_is_refused() {
    let stage = Stage::new();
    stage.project.write("bin/drawn", problems(5, 3));
    stage.refused(&["has the SHA-256", "instead of", &hex::encode(Sha256::digest(&stage.file))]);
    stage.catalogue("");
    holds(&stage.fetch(&[]).refused(), &["no checksum for the test split of `drawn`", "--unverified"]);
    holds(&stage.fetch(&["--unverified"]).done().out, &["no checksum in the catalogue"]);
    assert_eq!(stage.left(), ["test.jsonl", "test.jsonl.sha256"]);
}

#[test]
fn missing_software_is_reported_with_what_to_install() {
    let stage = Stage::new();
    let install = "install Python with pip (Debian, Ubuntu: `apt install python3-pip`)";
    stage.python("echo 3.9", DOWNLOAD, "true");
    let command = &mut stage.project.command();
    let bare = CommandOutput::of(command.env("PATH", stage.project.path("bin")).args(["datasets", "fetch", "drawn"]));
    holds(&bare.refused(), &["no Python 3.10 or newer on the PATH", install]);
    let command = &mut stage.project.command();
    let none =
        CommandOutput::of(command.env("PATH", stage.project.path("nothing")).args(["datasets", "fetch", "drawn"]));
    holds(&none.refused(), &["no Python 3.10 or newer on the PATH", install]);

    stage.python(VERSION, "echo 'python3: No module named pip' >&2; exit 1", "true");
    stage.refused(&["Python has no pip: install it (Debian, Ubuntu: `apt install python3-pip`)"]);
    stage.python(VERSION, "echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES' >&2; exit 1", "true");
    stage.refused(&["pip: THESE PACKAGES DO NOT MATCH THE HASHES"]);
    stage.python(VERSION, "true", "true");
    stage.refused(&["pip wrote no wheel"]);
    stage.python(VERSION, DOWNLOAD, "echo 'Traceback'; echo 'KeyError: 17' >&2; echo >&2; exit 1");
    stage.refused(&["the script ended with", "KeyError: 17"]);
    stage.python(VERSION, DOWNLOAD, "true");
    stage.refused(&["the script wrote no file"]);
}

/// Modules in the form of the package. Each generator has a list of draws, so repeated draws can be predicted.
const UTILS: &str = "def format_number(number):\n    if number != int(number):\n        raise ValueError(number)\n    return str(int(number))\n\
                     def is_integer(number):\n    return number == int(number)\n";
const LIST: &str = "import no_such_package\ntasks_ok = [\n    57,\n    1,\n]\ntasks_need_fix = [2]\n";
/// Code that both generator files share, since each file is run separately.
const PROBLEM: &str = "def problem(name, number, answer):\n    return {'question': f' {name} has {number} boxes of 3 and 0.5 of one. ', 'answer': answer,\n        \
    'metadata': {'answer_cot': f'{number}*3={answer}\\n#### {answer}'}}\n";
const LOW: &str = "from reasoning_gym.utils import format_number, is_integer\n\
    def generate_1(rng, difficulty):\n    number = rng.randint(2, 9)\n    return problem(rng.choice(['Ada', 'Bo']), number, format_number(number * 3))\n\
    def generate_2(rng, difficulty):\n    raise RuntimeError('not listed')\n";
const HIGH: &str = "from reasoning_gym.utils import format_number\ndraws = []\n\
    def generate_57(rng, difficulty):\n    draws.append(rng.random())\n    number = len(draws)\n    \
    return problem('Cy', number, 'four' if number == 3 else format_number(number * 3 + (0.5 if number == 2 else 0)))\n";

/// Builds a wheel in the form of the package; its own imports would fail.
fn wheel() -> Vec<u8> {
    let mut wheel = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let family = "reasoning_gym/arithmetic/gsm_symbolic";
    let [low, high] = [LOW, HIGH].map(|generators| format!("{PROBLEM}{generators}"));
    for (name, text) in [
        ("reasoning_gym/__init__.py", "import no_such_package\n"),
        ("reasoning_gym/utils.py", UTILS),
        (&format!("{family}/gsm_symbolic.py"), LIST),
        (&format!("{family}/generators_00_49.py"), &low),
        (&format!("{family}/generators_50_99.py"), &high),
    ] {
        wheel.start_file(name, SimpleFileOptions::default()).expect("begun");
        wheel.write_all(text.as_bytes()).expect("written");
    }
    wheel.finish().expect("whole").into_inner()
}

/// Returns the real Python, if this machine has a recent enough version.
fn real_python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let is_new_enough = |python: &Path| {
        let script = "import sys; sys.exit(sys.version_info < (3, 10))";
        std::process::Command::new(python).args(["-c", script]).output().is_ok_and(|output| output.status.success())
    };
    let places = std::env::split_paths(&path).flat_map(|folder| ["python3", "python"].map(|name| folder.join(name)));
    places.filter(|place| place.is_file()).find(|place| is_new_enough(place))
}

#[test]
#[expect(clippy::print_stderr, reason = "says that the script was not run")]
fn the_script_draws_four_problems_of_each_listed_generator() {
    let Some(python) = real_python() else {
        eprintln!("no Python 3.10 or newer here: the script is not run");
        return;
    };
    let stage = Stage::new();
    stage.catalogue("");
    stage.project.write("bin/family.whl", wheel());
    stage.python(VERSION, DOWNLOAD, &format!("exec '{}' \"$@\"", python.display()));
    stage.fetch(&["--unverified"]).done();
    let text = stage.project.text(&format!("{FOLDER}/test.jsonl"));
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let all = |key: &str| rows.iter().map(|row| row[key].as_str().expect("a text")).collect::<Vec<_>>();
    let ids = [
        "template-1-0",
        "template-1-1",
        "template-1-2",
        "template-1-3",
        "template-57-0",
        "template-57-1",
        "template-57-2",
        "template-57-3",
    ];
    assert_eq!(all("id"), ids, "in the order of their numbers, and none that the package does not list");
    assert_eq!(all("group"), ids.map(|id| id.rsplit_once('-').expect("a number").0));
    let (questions, answers) = (all("question"), all("answer"));
    let number = |question: &str| question.split(' ').nth(2).expect("a number").parse::<u32>().expect("a number");
    let numbers: Vec<u32> = questions.iter().map(|question| number(question)).collect();
    assert_eq!(
        numbers[..4].iter().collect::<BTreeSet<_>>().len(),
        4,
        "no two of a group have the same numbers: {numbers:?}"
    );
    assert_eq!(numbers[4..], [1, 4, 5, 6], "2 has half a dollar in its answer, and 3 has no number");
    assert_eq!(questions[4], "Cy has 1 boxes of 3 and 0.5 of one.");
    for (number, answer) in numbers.iter().zip(answers) {
        assert_eq!(answer, format!("{number}*3={0}\n#### {0}", number * 3));
    }
    stage.run().done();
    std::fs::remove_dir_all(stage.project.path(FOLDER)).expect("removed");
    stage.fetch(&["--unverified"]).done();
    assert_eq!(stage.project.text(&format!("{FOLDER}/test.jsonl")), text, "the same again");
}
