//! Shared helpers of the command line tests: a working folder, small data sets, and readers for the outputs.

mod completion;
pub(crate) mod processes;
mod settings;
mod sheet;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

pub(crate) use self::completion::{completion, drawn};
pub(crate) use self::settings::Settings;
pub(crate) use self::sheet::{Row, Sheet};

/// Tables of a run, each as `.csv` and `.parquet`.
pub(crate) const TABLES: [&str; 9] =
    ["records", "calls", "levels", "accuracy", "strong_calls", "fees", "calibration", "reliability", "frontier"];

/// Timeout after which a command counts as hung.
const PATIENCE: Duration = Duration::from_mins(5);

/// Contents of the files below a folder, by relative path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Temporary working folder. Nothing is read or written outside it.
pub(crate) struct Project {
    folder: TempDir,
}

/// Output and exit status of a command.
pub(crate) struct CommandOutput {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// Creates a folder with `questions.jsonl` (30 problems in 10 groups) and these settings as `trial.toml`.
    pub(crate) fn with(settings: &Settings) -> Self {
        let project = Self::new();
        project.write("questions.jsonl", problems(10, 3));
        project.write("trial.toml", settings.text());
        project
    }

    /// Creates a folder with the repository's `datasets/` and `configs/`.
    pub(crate) fn shipped() -> Self {
        let project = Self::new();
        for folder in ["datasets", "configs"] {
            for (name, bytes) in files(&repository().join(folder)) {
                project.write(&format!("{folder}/{name}"), bytes);
            }
        }
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder");
        std::fs::write(path, contents).expect("written");
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Reads a table of the run in `folder` from its CSV file.
    pub(crate) fn sheet(&self, folder: &str, table: &str) -> Sheet {
        Sheet::from_csv(self.text(&format!("{folder}/{table}.csv")).as_bytes())
    }

    /// Reads every file of the project.
    pub(crate) fn files(&self) -> Files {
        files(self.folder.path())
    }

    /// Reads the tables, figures, `strategies.jsonl`, `summary.md` and `recommendation.json` of the run in `folder`.
    pub(crate) fn reports(&self, folder: &str) -> Files {
        let mut found = files(&self.path(folder));
        found.retain(|name, _| !name.starts_with("set-aside-") && is_report(name));
        found
    }

    /// Returns the program, in this folder, without API keys and without a source of weights.
    pub(crate) fn command(&self) -> Command {
        self.prepared(std::process::Command::new(program()))
    }

    /// Prepares another command with the same folder and environment.
    pub(crate) fn prepared(&self, mut command: std::process::Command) -> Command {
        command
            .current_dir(self.folder.path())
            .env("INTERCASCADE_CACHE", self.path("cache"))
            .env("INTERCASCADE_CONFIG", self.path("config-folder"))
            .env("INTERCASCADE_WEIGHTS_URL", "http://127.0.0.1:9")
            .env_remove("COLUMNS")
            .env_remove("SLURM_ARRAY_TASK_ID")
            .env_remove("SLURM_ARRAY_TASK_COUNT")
            .env_remove("JOB_COMPLETION_INDEX")
            .env_remove("INTERCASCADE_SHARDS")
            .env_remove("OPENAI_API_KEY")
            .env_remove("GEMINI_API_KEY");
        let mut command = Command::from_std(command);
        command.timeout(PATIENCE);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::of(self.command().args(arguments))
    }

    /// Runs `run --config trial.toml --out OUT` with further arguments. The run does not share answers with other runs.
    pub(crate) fn trial(&self, out: &str, arguments: &[&str]) -> CommandOutput {
        self.run(&[&["run", "--config", "trial.toml", "--out", out, "--alone"], arguments].concat())
    }
}

impl CommandOutput {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self {
            code: output.status.code().expect("it ends by itself"),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Asserts that the command succeeded.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// Returns the error of a command that could not run: exit status 2, nothing on stdout, one error on stderr.
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.code, 2, "{}{}", self.out, self.err);
        assert_eq!(self.out, "");
        assert!(!self.err.contains("panicked"), "{}", self.err);
        assert_eq!(self.err.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{}", self.err);
        self.err
    }

    /// Like `refused`, and asserts that stderr has only the one line of the error.
    pub(crate) fn refused_in_one_line(self) -> String {
        let error = self.refused();
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
        error
    }

    /// Returns the number of calls that a run reports.
    pub(crate) fn calls_made(&self) -> usize {
        let line = self.out.lines().find(|line| line.contains("calls made")).expect("a line on calls");
        line.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

/// Asserts that a text contains each of these parts.
#[track_caller]
pub(crate) fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// Returns the path of the program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_intercascade"))
}

/// Returns the root folder of this repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads every file below a folder; keys are relative paths with `/` as separator.
pub(crate) fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder").to_string_lossy().replace('\\', "/");
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

fn is_report(name: &str) -> bool {
    let tables = TABLES.iter().any(|table| name.strip_prefix(table).is_some_and(|ending| ending.starts_with('.')));
    let figure = name.starts_with("figure-");
    tables || figure || ["strategies.jsonl", "summary.md", "recommendation.json"].contains(&name)
}

/// Returns GSM8K-style problems: `groups` kinds with `variants` wordings each, with ids and groups.
pub(crate) fn problems(groups: usize, variants: usize) -> String {
    const THINGS: [&str; 12] = [
        "apples", "pencils", "tickets", "chairs", "lamps", "stamps", "ropes", "books", "maps", "shells", "coins",
        "kites",
    ];
    const PEOPLE: [&str; 4] = ["Maya", "Omar", "Ingrid", "Chen"];
    let mut text = String::new();
    for (group, variant) in (0..groups).flat_map(|group| (0..variants).map(move |variant| (group, variant))) {
        let (thing, person) = (THINGS[group % THINGS.len()], PEOPLE[variant % PEOPLE.len()]);
        let (count, price) = (group + 2, variant + 3);
        let total = count * price;
        let row = serde_json::json!({
            "id": format!("{thing}{group}-{variant}"),
            "group": format!("{thing}{group}"),
            "question": format!("{person} wants {count} {thing} at {price} dollars each. What do the {thing} cost?"),
            "answer": format!("The {thing} cost {count}*{price}=<<{count}*{price}={total}>>{total} dollars.\n#### {total}"),
        });
        writeln!(text, "{row}").expect("written");
    }
    text
}

/// Returns MMLU-style questions with a header, explanations, ids and groups. The answer is always the capital.
pub(crate) fn choices(groups: usize, variants: usize) -> String {
    let mut text = "question,choice0,choice1,choice2,choice3,answer,id,group,explanation\n".to_owned();
    for (group, variant) in (0..groups).flat_map(|group| (0..variants).map(move |variant| (group, variant))) {
        let answer = (group + variant) % 4;
        let choice = |index| if index == answer { format!("town {group}") } else { format!("village {group}{index}") };
        writeln!(
            text,
            "\"In form {variant}, which is the capital of land {group}?\",{},{},{},{},{answer},c{group}-{variant},c{group},\
             The capital of land {group} is town {group}.",
            choice(0),
            choice(1),
            choice(2),
            choice(3)
        )
        .expect("written");
    }
    text
}
