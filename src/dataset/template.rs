//! Problems from templates. Variables are drawn by seed, and derived variables are computed. A draw in which a
//! derived variable is not a positive integer is repeated. The worked solution is in GSM8K's notation if the answer
//! is a number. Alternatively, the problem has options, all of them computed. A template may have several wordings,
//! and sentences with an unneeded number.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow, bail};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use regex::{Captures, Regex};
use serde::Deserialize;

use super::facts::shuffled;
use super::wording::{SLOT, Wordings, numbers, slots};
use crate::types::item::{Item, Target};
use crate::types::seed::Seed;

/// Number of draws before the template counts as invalid.
const TRIES: usize = 10_000;

static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new("[a-z][a-z0-9_]*").expect("the pattern is valid"));

/// The template file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Templates {
    lists: BTreeMap<String, Vec<String>>,
    template: Vec<Template>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    id: String,
    steps: usize,
    vars: Vec<Variable>,
    /// One text, or several wordings that the problems use in turn.
    question: Wordings,
    /// Sentences with a number that the answer does not need, one for all wordings or one for each, for the slot
    /// `{extra}`.
    #[serde(default)]
    extra: Vec<String>,
    solution: Vec<String>,
    answer: String,
    /// Variables of the wrong options, if the question has options. No two options may be equal.
    #[serde(default)]
    wrong: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    list: Option<String>,
    from: Option<u32>,
    to: Option<u32>,
    step: Option<u32>,
    is: Option<String>,
}

/// The values of one draw: the text of each variable, and the calculation of each derived variable.
#[derive(Default)]
struct Drawing {
    text: BTreeMap<String, String>,
    calculation: BTreeMap<String, String>,
}

impl Templates {
    /// Reads a template file.
    ///
    /// # Errors
    /// If the text is not valid TOML of this form, or `steps` of a template is not the number of lines of its
    /// solution.
    pub fn parse(text: &str) -> Result<Self> {
        let templates: Self = toml::from_str(text)?;
        for template in &templates.template {
            if ![0, 3].contains(&template.wrong.len()) {
                bail!("template `{}`: three wrong options or none, not {}", template.id, template.wrong.len());
            }
            if template.solution.len() != template.steps {
                bail!(
                    "template `{}`: {} steps, but {} lines of solution",
                    template.id,
                    template.steps,
                    template.solution.len()
                );
            }
            template.check().with_context(|| format!("template `{}`", template.id))?;
        }
        Ok(templates)
    }

    /// Returns `instances` different problems of every template, in the file's order. The group is the template's
    /// id.
    ///
    /// # Errors
    /// Names the template that cannot be drawn.
    pub fn items(&self, seed: Seed, instances: usize) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for template in &self.template {
            let mut random = seed.stream(&["template", &template.id]);
            let mut questions = HashSet::new();
            for instance in 0..instances {
                let item = (0..TRIES)
                    .find_map(|_| match self.draw(template, &mut random) {
                        Ok(Some(drawing)) => match template.item(instance, &drawing, seed) {
                            Ok(item) => item.filter(|item| !questions.contains(&item.query)).map(Ok),
                            Err(error) => Some(Err(error)),
                        },
                        Ok(None) => None,
                        Err(error) => Some(Err(error)),
                    })
                    .unwrap_or_else(|| Err(anyhow!("no new problem in {TRIES} drawings")))
                    .with_context(|| format!("template `{}`", template.id))?;
                questions.insert(item.query.clone());
                items.push(item);
            }
        }
        Ok(items)
    }

    /// Draws the variables once; `None` if a derived variable is not a positive integer.
    fn draw(&self, template: &Template, random: &mut ChaCha8Rng) -> Result<Option<Drawing>> {
        let mut drawing = Drawing::default();
        for variable in &template.vars {
            let text = match variable {
                Variable { list: Some(list), .. } => {
                    let list = self.lists.get(list).ok_or_else(|| anyhow!("list `{list}` does not exist"))?;
                    let free: Vec<&String> = list.iter().filter(|v| !drawing.text.values().any(|t| t == *v)).collect();
                    (*free.choose(random).ok_or_else(|| anyhow!("the list of `{}` is used up", variable.name))?).clone()
                }
                Variable { from: Some(from), to: Some(to), step, .. } if from <= to => {
                    let step = step.unwrap_or(1).max(1);
                    (from + step * random.random_range(0..=(to - from) / step)).to_string()
                }
                Variable { is: Some(expression), .. } => {
                    let calculation = drawing.fill_in(expression)?;
                    let Some(value) = positive_integer(&calculation)? else { return Ok(None) };
                    drawing.calculation.insert(variable.name.clone(), calculation);
                    value.to_string()
                }
                _ => bail!("variable `{}` needs list, from and to, or is", variable.name),
            };
            drawing.text.insert(variable.name.clone(), text);
        }
        Ok(Some(drawing))
    }
}

impl Template {
    /// Checks the wordings against the variables and their uses.
    fn check(&self) -> Result<()> {
        let names: HashSet<&str> = self.vars.iter().map(|variable| variable.name.as_str()).collect();
        let drawn = self.vars.iter().filter(|variable| variable.from.is_some());
        let drawn: Vec<&str> = drawn.map(|variable| variable.name.as_str()).collect();
        let expressions = self.vars.iter().filter_map(|variable| variable.is.as_deref());
        let mut used: HashSet<&str> = expressions.flat_map(|text| NAME.find_iter(text)).map(|n| n.as_str()).collect();
        used.extend(self.solution.iter().flat_map(|line| slots(line)));
        used.extend(self.wrong.iter().map(String::as_str).chain([self.answer.as_str()]));
        self.question.check(&self.extra, &drawn, &names, &used)
    }

    /// Returns the question. `None` if the template has `extra` sentences and the question would state the answer,
    /// or the solution would use the unneeded number.
    fn query(&self, instance: usize, drawing: &Drawing, seed: Seed, solution: &str) -> Result<Option<String>> {
        let question = self.question.question(&self.extra, instance, &self.id, seed);
        let extra = question.extra.map(|sentence| drawing.render(sentence)).transpose()?.unwrap_or_default();
        let query = format!("{}{extra}{}", drawing.render(question.before)?, drawing.render(question.after)?);
        let clear = self.extra.is_empty()
            || !numbers(&query).contains(drawing.value(&self.answer)?)
                && numbers(&extra).is_disjoint(&numbers(solution));
        Ok(clear.then_some(query))
    }

    /// Returns the problem; `None` if two options would be equal, or the question has numbers that it must not
    /// have.
    fn item(&self, instance: usize, drawing: &Drawing, seed: Seed) -> Result<Option<Item>> {
        let lines: Vec<String> = self.solution.iter().map(|line| drawing.render(line)).collect::<Result<_>>()?;
        let id = format!("{}-{instance}", self.id);
        let answer = drawing.value(&self.answer)?;
        let Some(query) = self.query(instance, drawing, seed, &lines.join("\n"))? else { return Ok(None) };
        let mut item = Item {
            group: self.id.as_str().into(),
            query,
            options: Vec::new(),
            solution: Some(format!("{}\n#### {answer}", lines.join("\n"))),
            subject: None,
            target: Target::Number(answer.to_owned()),
            id: id.as_str().into(),
        };
        if !self.wrong.is_empty() {
            let wrong = self.wrong.iter().map(|name| Ok(drawing.value(name)?.to_owned()));
            let wrong = wrong.collect::<Result<Vec<String>>>()?;
            if wrong.iter().enumerate().any(|(at, one)| one == answer || wrong[..at].contains(one)) {
                return Ok(None);
            }
            (item.options, item.target) = shuffled(answer, &wrong, &id, seed);
            item.solution = Some(lines.join("\n"));
        }
        Ok(Some(item))
    }
}

impl Drawing {
    fn value(&self, name: &str) -> Result<&str> {
        self.text
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| anyhow!("variable `{name}` is not defined before its use"))
    }

    /// Fills an expression with the values of its variables, without spaces.
    fn fill_in(&self, expression: &str) -> Result<String> {
        replace(&NAME, expression, |found| Ok(self.value(&found[0])?.to_owned())).map(|text| text.replace(' ', ""))
    }

    /// Fills the slots of a sentence: `{x}` with the value, `{=x}` with the annotated calculation.
    fn render(&self, sentence: &str) -> Result<String> {
        replace(&SLOT, sentence, |found| {
            let value = self.value(&found[2])?;
            if found[1].is_empty() {
                return Ok(value.to_owned());
            }
            let calculation =
                self.calculation.get(&found[2]).ok_or_else(|| anyhow!("variable `{}` is not derived", &found[2]))?;
            Ok(format!("{calculation}=<<{calculation}={value}>>{value}"))
        })
    }
}

/// Replaces every match, or returns the first error of a replacement.
fn replace(pattern: &Regex, text: &str, mut by: impl FnMut(&Captures) -> Result<String>) -> Result<String> {
    let mut failure = None;
    let replaced = pattern.replace_all(text, |found: &Captures| {
        by(found).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            String::new()
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(replaced.into_owned()),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number in range")]
fn positive_integer(calculation: &str) -> Result<Option<u64>> {
    let value: f64 = exmex::eval_str(calculation).map_err(|error| anyhow!("`{calculation}`: {error}"))?;
    Ok((value.fract() == 0.0 && (1.0..1e9).contains(&value)).then_some(value as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [lists]
        person = ["Ada", "Bo"]
        [[template]]
        id = "halves"
        steps = 2
        vars = [
          { name = "who", list = "person" },
          { name = "all", from = 3, to = 40 },
          { name = "half", is = "all / 2" },
          { name = "left", is = "all - half - 5" },
        ]
        question = "{who} has {all} eggs. How many are left?"
        solution = ["Half are {=half}.", "So {=left} are left."]
        answer = "left"
    "#;

    #[test]
    fn problems_have_whole_numbers_and_annotated_calculations() {
        let templates = Templates::parse(FILE).expect("good");
        let items = templates.items(Seed(3), 8).expect("can be drawn");
        assert_eq!(items.len(), 8);
        let questions: HashSet<&str> = items.iter().map(|item| item.query.as_str()).collect();
        assert_eq!(questions.len(), 8, "the problems differ");
        let annotations = Regex::new("<<([^=]+)=([0-9]+)>>([0-9]+)").expect("valid");
        for item in &items {
            let solution = item.solution.as_deref().expect("has a solution");
            assert_eq!(annotations.captures_iter(solution).count(), 2);
            for found in annotations.captures_iter(solution) {
                assert_eq!(found[2], found[3]);
                assert_eq!(positive_integer(&found[1]).expect("evaluates"), found[2].parse().ok());
            }
            assert_eq!(&*item.group, "halves");
        }
    }

    #[test]
    fn options_are_computed_and_all_differ() {
        let options = FILE.replace("answer = \"left\"", "answer = \"left\"\nwrong = [\"half\", \"all\", \"more\"]");
        let options = options
            .replace("{ name = \"left\"", "{ name = \"more\", is = \"all - 19\" },\n          { name = \"left\"");
        let items = Templates::parse(&options).expect("good").items(Seed(3), 6).expect("can be drawn");
        let mut places = HashSet::new();
        for item in &items {
            let Target::Choice(place) = item.target else { panic!("no choice: {item:?}") };
            places.insert(place);
            assert_eq!(item.options.iter().collect::<HashSet<_>>().len(), 4, "{item:?}");
            let solution = item.solution.as_deref().expect("has a solution");
            assert!(solution.ends_with(&format!(">>{} are left.", item.options[place])), "{item:?}");
        }
        assert!(places.len() > 1, "the answer's place varies");
        let two = options.replace("\"half\", \"all\", \"more\"", "\"half\", \"all\"");
        assert!(Templates::parse(&two).expect_err("two").to_string().contains("three wrong options or none, not 2"));
    }

    #[test]
    fn the_extra_number_is_unused_and_the_answer_not_stated() {
        let wordings = "question = [\"{who} has {all} eggs. {extra} How many?\", \"Of {all} eggs, {who} cooks. {extra} How many?\"]";
        let extra = FILE
            .replace("question = \"{who} has {all} eggs. How many are left?\"", wordings)
            .replace("{ name = \"half\"", "{ name = \"odd\", from = 1, to = 9 },\n          { name = \"half\"")
            .replace("answer =", "extra = [\"It is {odd} o'clock.\"]\nanswer =");
        let items = Templates::parse(&extra).expect("good").items(Seed(5), 8).expect("can be drawn");
        let with: Vec<usize> = (0..8).filter(|at| items[*at].query.contains("o'clock. How")).collect();
        assert_eq!(with, [with[0], with[0] + 4]);
        assert!(items.iter().all(|item| !item.query.contains('{') && !item.query.contains("  ")), "{items:?}");
        for (at, item) in items.iter().enumerate() {
            let (solution, answer) = item.solution.as_deref().expect("one").rsplit_once("#### ").expect("an answer");
            assert!(!numbers(&item.query).contains(answer), "{item:?}");
            let unneeded = numbers(&item.query).difference(&numbers(solution)).count();
            assert_eq!(unneeded, usize::from(with.contains(&at)), "{item:?}");
        }
    }

    #[test]
    fn equal_seeds_draw_equal_items() {
        let templates = Templates::parse(FILE).expect("good");
        assert_eq!(templates.items(Seed(3), 5).expect("ok"), templates.items(Seed(3), 5).expect("ok"));
        assert_ne!(templates.items(Seed(3), 5).expect("ok"), templates.items(Seed(4), 5).expect("ok"));
    }

    #[test]
    fn faults_name_the_template() {
        let unknown = FILE.replace("{who} has", "{whom} has");
        let error = Templates::parse(&unknown).expect_err("unknown variable");
        let expected = "template `halves`: wording 1 has the slot `{whom}`, but no variable `whom` exists";
        assert_eq!(format!("{error:#}"), expected);
        let unknown = FILE.replace("all - half - 5", "all - third - 5");
        let error = Templates::parse(&unknown).expect("parses").items(Seed(1), 1).expect_err("unknown variable");
        assert_eq!(format!("{error:#}"), "template `halves`: variable `third` is not defined before its use");
        let none = FILE.replace("question = \"{who} has {all} eggs. How many are left?\"", "question = []");
        let error = Templates::parse(&none).expect_err("no wording");
        assert_eq!(format!("{error:#}"), "template `halves`: `question` needs at least one wording");
        let slot = FILE.replace("answer =", "extra = [\"It is {all}.\"]\nanswer =");
        let error = Templates::parse(&slot).expect_err("no slot");
        assert!(format!("{error:#}").starts_with("template `halves`: wording 1 needs the slot"), "{error:#}");
        let few = FILE.replace("to = 40", "to = 13");
        let error = Templates::parse(&few).expect("parses").items(Seed(1), 8).expect_err("too few problems");
        assert!(format!("{error:#}").contains("no new problem"), "{error:#}");
    }
}
