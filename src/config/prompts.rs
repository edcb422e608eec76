//! Prompt files: those of `configs/prompts/`, which are compiled in, and those in the folder `prompts` next to a
//! config or in the user's config folder. A file has texts for math questions, for questions with options, or for both.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::error::{At as _, ConfigError, ConfigFault, invalid};
use super::parse::{line, message};
use super::suggest;
use crate::fetch::machine::config_folder;
use crate::task::Task;
use crate::task::prompt::{Form, Prompt, Style};
use crate::task::template::{Place, Template};

/// Name of the folder next to a config.
const FOLDER: &str = "prompts";

/// Prompt files that are compiled in: name and text.
const BUILTIN: [(&str, &str); 6] = [
    ("boxed.toml", include_str!("../../configs/prompts/boxed.toml")),
    ("chat.toml", include_str!("../../configs/prompts/chat.toml")),
    ("gsm8k-0-shot.toml", include_str!("../../configs/prompts/gsm8k-0-shot.toml")),
    ("gsm8k-5-shot.toml", include_str!("../../configs/prompts/gsm8k-5-shot.toml")),
    ("mmlu-0-shot.toml", include_str!("../../configs/prompts/mmlu-0-shot.toml")),
    ("plain.toml", include_str!("../../configs/prompts/plain.toml")),
];

/// A prompt file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: u32,
    style: Style,
    source: String,
    #[serde(default)]
    stop: Vec<String>,
    math: Option<PromptTexts>,
    choice: Option<PromptTexts>,
}

/// Texts for one kind of question.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptTexts {
    alone: FormTexts,
    following: FormTexts,
    distil: Option<FormTexts>,
    distil_after: Option<FormTexts>,
    p_true: Option<FormTexts>,
    verbalised: Option<FormTexts>,
    /// Worked examples for the placeholder `{shots}`.
    #[serde(default)]
    shots: Vec<WorkedExample>,
    shot: Option<Spanned<String>>,
    strategy: Option<Spanned<String>>,
    between: Option<String>,
    worked_example: Option<Spanned<String>>,
    question_answer: Option<Spanned<String>>,
    options: Option<Spanned<String>>,
    option: Option<Spanned<String>>,
}

/// A worked example.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkedExample {
    query: String,
    #[serde(default)]
    options: Vec<String>,
    solution: String,
}

/// Messages of one form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormTexts {
    system: Option<String>,
    user: Spanned<String>,
}

/// A prompt file whose placeholders have been validated.
#[derive(Debug, Clone)]
struct Entry {
    file: File,
    math: Option<Prompt>,
    choice: Option<Prompt>,
}

/// Prompts that a config can name.
#[derive(Debug, Clone)]
pub struct Prompts {
    usable: Vec<Entry>,
    broken: Vec<Broken>,
}

/// An invalid prompt file next to the config. It is an error only if a config names it.
#[derive(Debug, Clone)]
struct Broken {
    /// Names that refer to the file: its file name, and the name in the file if it can be read.
    names: Vec<String>,
    /// Error, with the path of the file.
    error: String,
}

impl Prompts {
    /// Reads the prompts that are compiled in, those next to the config and those in the user's config folder. A folder
    /// may contain identical copies of other prompts. An invalid file causes an error only when it is named.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn near(config: Option<&Path>) -> Result<Self, ConfigError> {
        let builtin = BUILTIN.iter().map(|(name, text)| read(text).at(format!("configs/prompts/{name}")));
        let mut prompts = Self { usable: builtin.collect::<Result<_, _>>()?, broken: Vec::new() };
        let folders = [config.and_then(Path::parent).map(Path::to_owned), config_folder()];
        for folder in folders.into_iter().flatten().map(|parent| parent.join(FOLDER)).filter(|folder| folder.is_dir()) {
            prompts.read_folder(&folder)?;
        }
        Ok(prompts)
    }

    /// Adds the prompts of a folder.
    fn read_folder(&mut self, folder: &Path) -> Result<(), ConfigError> {
        let unreadable = |path: &Path| ConfigFault::unreadable(format!("cannot read {}", path.display()));
        let files = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<PathBuf> = files.map_err(unreadable(folder))?.iter().map(DirEntry::path).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
            let text = std::fs::read_to_string(path).map_err(unreadable(path)).map_err(ConfigError::from);
            let mut names = vec![path.file_stem().unwrap_or_default().to_string_lossy().into_owned()];
            let added = text.and_then(|text| read(&text)).and_then(|entry| self.add(entry, &mut names));
            if let Err(error) = added.at(path.display()) {
                self.broken.push(Broken { names, error: error.to_string() });
            }
        }
        Ok(())
    }

    /// Adds a prompt file. Rejects a second, different prompt with the same name.
    fn add(&mut self, entry: Entry, names: &mut Vec<String>) -> Result<(), ConfigError> {
        match self.usable.iter().find(|known| known.file.name == entry.file.name) {
            Some(known) if known.math == entry.math && known.choice == entry.choice => {}
            Some(_) => {
                let name = &entry.file.name;
                names.push(name.clone());
                return Err(invalid(format!("name: another prompt is called `{name}`. Choose another name")));
            }
            None => self.usable.push(entry),
        }
        Ok(())
    }

    /// Finds the prompt with this name for one kind of question.
    ///
    /// # Errors
    /// If no valid prompt has the name, or the prompt has no texts for these questions. The error lists the known
    /// names.
    pub fn find(&self, name: &str, task: Task) -> Result<&Prompt, ConfigError> {
        if let Some(broken) = self.broken.iter().find(|broken| broken.names.iter().any(|own| own == name)) {
            return Err(invalid(broken.error.clone()));
        }
        let entry = suggest::find("prompt", name, &self.usable, |entry| &entry.file.name)?;
        let (words, section) = match task {
            Task::Math => (&entry.math, "math"),
            Task::Choice => (&entry.choice, "choice"),
        };
        let missing = || {
            invalid(format!(
                "the prompt `{name}` has no section [{section}] for these questions. Choose another prompt"
            ))
        };
        words.as_ref().ok_or_else(missing)
    }

    /// Describes each prompt in one line: name, version, style, kinds of questions and source. Invalid files follow.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let kinds = |entry: &Entry| match (&entry.math, &entry.choice) {
            (Some(_), Some(_)) => "math, choice",
            (Some(_), None) => "math",
            _ => "choice",
        };
        let style = |entry: &Entry| if entry.file.style == Style::Chat { "chat" } else { "plain" };
        let line = |entry: &Entry| {
            let File { name, version, source, .. } = &entry.file;
            format!("{name} v{version}  ({}; {})  {source}", style(entry), kinds(entry))
        };
        let broken = self.broken.iter().map(|broken| format!("not usable: {}", broken.error));
        self.usable.iter().map(line).chain(broken).collect()
    }
}

/// Parses a prompt file.
fn read(text: &str) -> Result<Entry, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| ConfigFault::Syntax {
        line: error.span().map(|span| line(text, span.start)),
        key: None,
        message: message(&error),
    })?;
    let words = |section: &str, words: &Option<PromptTexts>| {
        words.as_ref().map(|words| Reader { text, section }.prompt(&file, words)).transpose()
    };
    let (math, choice) = (words("math", &file.math)?, words("choice", &file.choice)?);
    if math.is_none() && choice.is_none() {
        return Err(invalid("the file has neither [math] nor [choice]. Add one of them"));
    }
    Ok(Entry { file, math, choice })
}

/// Parser of one section of a prompt file.
struct Reader<'a> {
    text: &'a str,
    section: &'a str,
}

impl Reader<'_> {
    /// Builds the prompt of the section.
    fn prompt(&self, file: &File, words: &PromptTexts) -> Result<Prompt, ConfigError> {
        use Place::{Answer, Letter, Lines, Option as OptionText, Options, Query, Solution, Strategies, Strategy};
        let optional = |key, texts: &Option<FormTexts>, needed: &[Place]| {
            texts.as_ref().map(|texts| self.form(key, texts, needed)).transpose()
        };
        let template =
            |key, text: &Option<Spanned<String>>, default: &str, needed: &[Place], allowed: &[Place]| match text {
                Some(text) => self.template(key, text, needed, allowed),
                None => Template::parse(default, needed, allowed).map_err(|error| invalid(error.to_string())),
            };
        let shot = template(
            "shot",
            &words.shot,
            "Question: {query}{options}\nAnswer: {solution}",
            &[Query, Solution],
            &[Options],
        )?;
        let mut prompt = Prompt {
            name: file.name.clone(),
            version: file.version,
            sha256: hex::encode(Sha256::digest(self.text)),
            shots: String::new(),
            style: file.style,
            stop: file.stop.clone(),
            alone: self.form("alone", &words.alone, &[Query])?,
            following: self.form("following", &words.following, &[Query, Strategies])?,
            distil: optional("distil", &words.distil, &[Query])?,
            distil_after: optional("distil_after", &words.distil_after, &[Query, Solution])?,
            p_true: optional("p_true", &words.p_true, &[Query, Answer])?,
            verbalised: optional("verbalised", &words.verbalised, &[Query, Answer])?,
            strategy: template("strategy", &words.strategy, "{strategy}", &[Strategy], &[])?,
            between: words.between.clone().unwrap_or_else(|| "\n\n".to_owned()),
            worked_example: template(
                "worked_example",
                &words.worked_example,
                "Question: {query}{options}\nAnswer: {solution}",
                &[Query, Solution],
                &[Options],
            )?,
            question_answer: template(
                "question_answer",
                &words.question_answer,
                "Question: {query}\nAnswer: {answer}",
                &[Query, Answer],
                &[Options],
            )?,
            options: template("options", &words.options, "\n{lines}", &[Lines], &[])?,
            option: template("option", &words.option, "({letter}) {option}", &[Letter, OptionText], &[])?,
        };
        let format = |example: &WorkedExample| {
            let options = prompt.listed(&example.options);
            let solution = example.solution.trim_end();
            shot.fill(&[(Query, &example.query), (Options, &options), (Solution, solution)])
        };
        prompt.shots = words.shots.iter().map(|example| format(example) + &prompt.between).collect();
        Ok(prompt)
    }

    /// Parses the templates of a form.
    fn form(&self, key: &str, texts: &FormTexts, needed: &[Place]) -> Result<Form, ConfigError> {
        let allowed = [Place::Options, Place::Shots, Place::Subject];
        let user = self.template(&format!("{key}.user"), &texts.user, needed, &allowed)?;
        Ok(Form { system: texts.system.clone(), user })
    }

    /// Parses a template. Errors name line and key.
    fn template(
        &self,
        key: &str,
        text: &Spanned<String>,
        needed: &[Place],
        allowed: &[Place],
    ) -> Result<Template, ConfigError> {
        Template::parse(text.get_ref(), needed, allowed).map_err(|error| {
            let (line, key) = (line(self.text, text.span().start), format!("{}.{key}", self.section));
            ConfigFault::Syntax { line: Some(line), key: Some(key), message: error.to_string() }.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::item::{Item, Target};
    use crate::types::testing;

    fn item(options: &[&str]) -> Item {
        Item {
            query: "Which was first?".into(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            target: Target::Choice(0),
            ..testing::item("1", "g")
        }
    }

    fn builtin(name: &str, task: Task) -> Prompt {
        Prompts::near(None).expect("good files").find(name, task).expect("known").clone()
    }

    #[test]
    fn every_shipped_file_is_compiled_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/prompts");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, BUILTIN.map(|(name, _)| name.to_owned()));
    }

    #[test]
    fn plain_prompt_has_no_instructions() {
        let plain = builtin("plain", Task::Choice);
        let messages = plain.answer(&item(&["Sputnik 1", "Luna 1"]), &["Fact: one.", "Fact: two."], false);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].content, "Fact: one.\n\nFact: two.\n\nQuestion: Which was first?\nAnswer:");
        let messages = plain.answer(&item(&["Sputnik 1", "Luna 1"]), &[], true);
        assert_eq!(messages[0].content, "Question: Which was first?\n(A) Sputnik 1\n(B) Luna 1\nAnswer:");
        let messages = builtin("plain", Task::Math).answer(&item(&[]), &[], true);
        assert_eq!(messages[0].content, "Question: Which was first?\nAnswer:");
    }

    #[test]
    fn chat_prompt_lists_options_and_the_answer_format() {
        let chat = builtin("chat", Task::Choice);
        let messages = chat.answer(&item(&["Sputnik 1", "Luna 1"]), &["Fact."], true);
        assert!(messages[0].content.contains("The answer is (X)."));
        assert!(messages[1].content.ends_with("Question: Which was first?\n\n(A) Sputnik 1\n(B) Luna 1"));
        assert!(messages[1].content.contains("<note>\nFact.\n</note>"));
        assert_eq!(chat.markers(), ["note"]);
    }

    #[test]
    fn standard_prompts_of_gsm8k_and_mmlu() {
        let math = |name| builtin(name, Task::Math).answer(&item(&[]), &[], true).remove(0).content;
        assert_eq!(math("gsm8k-0-shot"), "Question: Which was first?\nAnswer:");
        let five = math("gsm8k-5-shot");
        assert_eq!((five.matches("Question: ").count(), five.matches("\n#### ").count()), (6, 5), "{five}");
        assert!(five.ends_with("\n\nQuestion: Which was first?\nAnswer:"), "{five}");
        let mmlu = builtin("mmlu-0-shot", Task::Choice);
        let question = Item { subject: Some("space_history".into()), ..item(&["Sputnik 1", "Luna 1"]) };
        assert_eq!(
            mmlu.answer(&question, &[], true)[0].content,
            "The following are multiple choice questions (with answers) about space history.\n\nWhich was first?\n\
             A. Sputnik 1\nB. Luna 1\nAnswer:"
        );
        assert!(mmlu.names_subject() && !builtin("gsm8k-5-shot", Task::Math).names_subject());
    }

    #[test]
    fn calculations_of_every_shot_are_correct() {
        let shots = builtin("gsm8k-5-shot", Task::Math).shots;
        let checked = crate::task::calculations::check(&shots);
        assert!(checked.written >= 10 && checked.wrong == 0, "{checked:?}");
    }

    #[test]
    fn errors_name_line_and_key() {
        let head = "name = \"mine\"\nversion = 1\nstyle = \"chat\"\nsource = \"me\"\n";
        for (body, what) in [
            (
                "[math]\nalone = { user = \"{quer}\" }\nfollowing = { user = \"{query}{strategies}\" }",
                "line 6: math.alone.user: unknown placeholder {quer}",
            ),
            (
                "[math]\nalone = { user = \"{query}\" }\nfollowing = { user = \"{query}\" }",
                "line 7: math.following.user: the placeholder {strategies} is missing",
            ),
            ("[math]\nalone = { user = \"{query}\" }", "the key `following` is missing"),
            ("[maths]", "line 5: unknown key `maths`"),
            ("", "neither [math] nor [choice]"),
        ] {
            let error = format!("{:#}", read(&format!("{head}{body}")).expect_err("refused"));
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn files_next_to_a_config_add_to_compiled_in_prompts() {
        let folder = tempfile::tempdir().expect("a folder");
        let prompts = folder.path().join("prompts");
        std::fs::create_dir(&prompts).expect("made");
        let mine = "name = \"mine\"\nversion = 3\nstyle = \"plain\"\nsource = \"me\"\n[choice]\nalone = { user = \"{query}\" }\n\
                    following = { user = \"{strategies} {query}\" }\n";
        std::fs::write(prompts.join("mine.toml"), mine).expect("written");
        std::fs::write(prompts.join("chat.toml"), BUILTIN[0].1).expect("written");
        let config = folder.path().join("run.toml");
        let read = Prompts::near(Some(&config)).expect("good files");
        assert_eq!(read.find("mine", Task::Choice).expect("known").version, 3);
        let error = read.find("mine", Task::Math).expect_err("no section").to_string();
        assert!(error.contains("no section [math]"), "{error}");
        assert!(read.lines().iter().any(|line| line == "mine v3  (plain; choice)  me"));
        std::fs::write(prompts.join("chat.toml"), mine.replace("\"mine\"", "\"chat\"")).expect("written");
        std::fs::write(prompts.join("shop.toml"), "name = 7").expect("written");
        let read = Prompts::near(Some(&config)).expect("an invalid file is an error only if named");
        assert!(read.find("mine", Task::Choice).is_ok());
        let error = read.find("chat", Task::Choice).expect_err("two of one name").to_string();
        assert!(error.contains("chat.toml") && error.contains("Choose another name"), "{error}");
        let error = read.find("shop", Task::Choice).expect_err("broken").to_string();
        assert!(error.contains("shop.toml: line 1"), "{error}");
        assert_eq!(read.lines().iter().filter(|line| line.starts_with("not usable: ")).count(), 2);
    }
}
