//! `report.html`: its data agree with the tables, hostile texts are inert, and what it may not or cannot show is named.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;

use super::near;
use crate::support::{Project, Settings, holds};

/// A page, with its facts and its decoded blocks.
struct Page {
    html: String,
    meta: Value,
}

impl Page {
    fn read(project: &Project, folder: &str) -> Self {
        let html = project.text(&format!("{folder}/report.html"));
        let meta = between(&html, "id=\"meta\">", "</script>");
        let meta = serde_json::from_str(meta).expect("JSON");
        Self { html, meta }
    }

    /// Bytes of a block.
    fn block(&self, id: &str) -> Vec<u8> {
        let data = between(&self.html, &format!("id=\"data-{id}\">"), "</script>");
        let mut bytes = Vec::new();
        GzDecoder::new(&STANDARD.decode(data.trim()).expect("base64")[..]).read_to_end(&mut bytes).expect("gzip");
        bytes
    }

    fn json(&self, id: &str) -> Value {
        serde_json::from_slice(&self.block(id)).expect("JSON")
    }

    fn count(&self, key: &str) -> usize {
        usize::try_from(self.meta[key].as_u64().expect("a count")).expect("small")
    }

    /// Columns of the rows as numbers.
    fn columns(&self) -> BTreeMap<String, Vec<f64>> {
        let (bytes, rows) = (self.block("records"), self.count("rows"));
        let mut start = 0;
        let mut columns = BTreeMap::new();
        for column in self.meta["columns"].as_array().expect("a list") {
            let size = match column["type"].as_str().expect("a type") {
                "u8" => 1,
                "u16" => 2,
                _ => 4,
            };
            let values = decoded(&bytes[start..start + rows * size], size, column);
            columns.insert(column["name"].as_str().expect("a name").to_owned(), values);
            start = (start + rows * size).next_multiple_of(8);
        }
        assert_eq!(start, bytes.len(), "the columns are the whole block");
        columns
    }

    /// Texts, and the marks of each.
    fn texts(&self) -> Vec<(String, Value)> {
        let chunks = (0..self.count("chunks")).flat_map(|chunk| {
            let Value::Array(texts) = self.json(&format!("texts-{chunk}")) else { panic!("a list") };
            texts
        });
        let texts: Vec<_> =
            chunks.map(|text| (text[0].as_str().expect("a text").to_owned(), text[1].clone())).collect();
        assert_eq!(texts.len(), self.count("texts"));
        texts
    }
}

/// Values of a column of integers or numbers in single precision with `size` bytes each.
fn decoded(bytes: &[u8], size: usize, column: &Value) -> Vec<f64> {
    let encoding = column["encoding"].as_str().unwrap_or("plain");
    let rows = bytes.len() / size;
    let byte = |row: usize, place: usize| {
        u32::from(if encoding.ends_with("planes") { bytes[place * rows + row] } else { bytes[row * size + place] })
    };
    let modulus = 1_u64 << (8 * size);
    let mut before = 0;
    let mut value = |row: usize| {
        let stored = (0..size).fold(0, |value, place| value | byte(row, place) << (8 * place));
        if column["type"] == "f32" {
            return f64::from(f32::from_bits(stored));
        }
        let value = if encoding.starts_with("delta") { (before + u64::from(stored)) % modulus } else { stored.into() };
        before = value;
        let value = f64::from(u32::try_from(value).expect("below 2^32"));
        match column["scale"].as_f64() {
            Some(_) if value >= f64::from(u32::MAX) => f64::NAN,
            Some(scale) => value * scale,
            None => value,
        }
    };
    (0..rows).map(&mut value).collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("{before}")) + before.len();
    &text[start..start + text[start..].find(after).expect("an end")]
}

/// True if the flag of this bit is set.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^32")]
fn flag(flags: f64, bit: u32) -> bool {
    flags as u32 & (1 << bit) != 0
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
fn index(value: f64) -> usize {
    value as usize
}

#[test]
fn rows_of_the_page_are_those_of_the_tables() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let page = Page::read(&project, "out");
    let (columns, texts) = (page.columns(), page.texts());
    let (items, uses, strings) = (page.json("items"), page.block("uses"), page.json("strings"));
    let uses: Vec<usize> =
        uses.chunks(4).map(|item| u32::from_le_bytes(item.try_into().expect("four bytes")) as usize).collect();
    let cells = page.meta["cells"].as_array().expect("a list");
    let records = project.sheet("out", "records");
    let mut by_key: BTreeMap<(String, usize, String), usize> = BTreeMap::new();
    for row in 0..page.count("rows") {
        let cell = &cells[index(columns["cell"][row])];
        let order = usize::try_from(cell["order"].as_u64().expect("an order")).expect("small");
        let id = items["id"][index(columns["item"][row])].as_str().expect("an id").to_owned();
        by_key.insert((cell["arm"].as_str().expect("an arm").to_owned(), order, id), row);
    }
    assert_eq!(by_key.len(), records.len());
    let mut with_texts = 0;
    for record in records.rows() {
        let key = (record.text("arm").to_owned(), record.count("order"), record.text("item_id").to_owned());
        let row = by_key[&key];
        let column = |name: &str| columns[name][row];
        assert_eq!(index(column("position")), record.count("position"));
        assert_eq!(flag(column("flags"), 0), record.text("score") == "correct", "{key:?}");
        assert_eq!(flag(column("flags"), 2), record.flag("deferred"));
        assert_eq!(flag(column("flags"), 4), record.text("weak_score") == "correct");
        let answer = |name: &str| strings[index(column(name))].as_str().expect("an answer");
        // The largest number stands for the answer of the level that answered.
        let last = match column("final_answer") {
            same if same >= f64::from(u32::MAX) && flag(column("flags"), 9) => answer("strong_answer"),
            same if same >= f64::from(u32::MAX) => answer("weak_answer"),
            _ => answer("final_answer"),
        };
        assert_eq!(last, record.text("answer"));
        assert_eq!(answer("weak_answer"), record.text("weak_answer"));
        let tokens = |levels: [&str; 3]| levels.iter().map(|level| record.count(level)).sum::<usize>();
        assert_eq!(
            index(column("input_tokens")),
            tokens(["weak_input_tokens", "strong_input_tokens", "distil_input_tokens"]) + record.count("embed_tokens")
        );
        let end = columns["use_start"].get(row + 1).map_or(uses.len(), |start| index(*start));
        let sources: Vec<&str> = uses[index(column("use_start"))..end]
            .iter()
            .map(|item| items["id"][*item].as_str().expect("an id"))
            .collect();
        assert_eq!(sources, record.list("strategies_used"), "{key:?}");
        with_texts += usize::from(column("weak_text") > 0.0);
    }
    let fees = project.sheet("out", "fees");
    let whole: f64 = fees.rows().filter(|row| row.text("purpose") == "total").map(|row| row.number("fee_usd")).sum();
    assert!((columns["fee"].iter().sum::<f64>() - whole).abs() < 1e-6, "fees are stored to a billionth");
    assert!(with_texts > 0 && texts.iter().any(|(text, _)| !text.is_empty()));
    let question = index(items["question"][0].as_f64().expect("a number"));
    assert!(project.text("questions.jsonl").contains(&texts[question].0), "{}", texts[question].0);
    let strategies = page.json("strategies");
    assert_eq!(strategies.as_array().expect("a list").len(), project.text("out/strategies.jsonl").lines().count());
}

#[test]
fn a_sweep_shows_the_cascade_at_every_threshold() {
    let project = Project::with(&Settings::simulated());
    project.run(&["sweep", "--config", "trial.toml", "--thresholds", "0.5,0.7,0.9", "--out", "swept"]).done();
    let page = Page::read(&project, "swept");
    let columns = page.columns();
    let cells = page.meta["cells"].as_array().expect("a list");
    for row in project.sheet("swept", "accuracy").rows() {
        let of_row = |cell: &Value| {
            cell["arm"] == row.text("arm")
                && cell["threshold"].as_f64().map(f64::to_bits) == row.optional("threshold").map(f64::to_bits)
        };
        let in_row = |cell: f64| of_row(&cells[index(cell)]);
        let own: Vec<usize> = (0..page.count("rows")).filter(|at| in_row(columns["cell"][*at])).collect();
        let right = own.iter().filter(|at| flag(columns["flags"][**at], 0)).count();
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let accuracy = right as f64 / own.len() as f64;
        near(accuracy, row.number("accuracy"));
    }
}

#[test]
fn hostile_texts_are_data_and_never_markup() {
    let hostile =
        ["</script><script>x()</script>", "<img src=x onerror=x()>", "\"><svg onload=x()>", "{{ 7 * 7 }}", "<!-- "];
    let mut questions = String::new();
    for (row, text) in hostile.iter().enumerate() {
        let item = serde_json::json!({
            "id": format!("{text}{row}"),
            "group": format!("kind {text}"),
            "question": format!("{text} How many are 2 + {row}?"),
            "answer": format!("{text} 2 + {row} = 3\n#### {}", row + 2),
        });
        writeln!(questions, "{item}").expect("written");
    }
    let project = Project::with(&Settings::simulated());
    project.write("questions.jsonl", questions);
    project.trial("out", &[]).done();
    let page = Page::read(&project, "out");
    let template = 2 + page.html.matches("<script type=\"text/plain\"").count();
    assert_eq!(page.html.matches("<script").count(), template, "no script element comes from data");
    for text in &hostile[..3] {
        assert!(!page.html.contains(text), "{text}");
    }
    let ids = page.json("items")["id"].to_string();
    holds(&ids, &["</script><script>x()</script>0"]);
}

#[test]
fn a_page_without_texts_says_what_is_missing() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    std::fs::rename(project.path("out/journal.sqlite"), project.path("elsewhere.sqlite")).expect("moved");
    std::fs::remove_file(project.path("out/report.html")).expect("removed");
    let shown = project.run(&["view", "out", "--no-open"]).done();
    holds(&shown.out, &["out/report.html"]);
    holds(&shown.err, &["made out/report.html"]);
    let page = Page::read(&project, "out");
    assert_eq!((page.meta["has_texts"].clone(), page.meta["has_questions"].clone()), (false.into(), true.into()));
    holds(&page.html, &["No journal is at hand"]);
    project.run(&["report", "out", "--journal", "elsewhere.sqlite"]).done();
    let page = Page::read(&project, "out");
    assert_eq!(page.meta["has_texts"], true);
    assert!(!page.html.contains("No journal is at hand"));
    project.write("questions.jsonl", crate::support::problems(3, 1));
    project.run(&["report", "out", "--out", "changed"]).done();
    holds(&project.text("changed/report.html"), &["the data set has changed since the run"]);
    holds(&project.run(&["view", "nothing", "--no-open"]).refused(), &["holds no run"]);
}

#[test]
fn reporting_again_changes_no_page() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let before = project.text("out/report.html");
    holds(&project.run(&["report", "out"]).done().out, &["nothing changed"]);
    assert!(project.text("out/report.html") == before);
}

#[test]
fn questions_that_may_not_be_passed_on_are_left_out() {
    let project = Project::with(&Settings::simulated().without("dataset.path").set("dataset.name", "secret"));
    project.write(
        "datasets/catalogue.toml",
        "[[dataset]]\nname = \"secret\"\nformat = \"gsm8k\"\nsummary = \"s\"\nlicence = \"none\"\nredistributable = false\n\
         [[dataset.split]]\nname = \"test\"\nfile = \"../questions.jsonl\"\n",
    );
    project.trial("out", &[]).done();
    let page = Page::read(&project, "out");
    holds(&page.html, &["does not permit passing on its questions"]);
    assert_eq!((page.meta["has_questions"].clone(), page.meta["has_texts"].clone()), (false.into(), true.into()));
    let first: Value =
        serde_json::from_str(project.text("questions.jsonl").lines().next().expect("a row")).expect("JSON");
    let question = first["question"].as_str().expect("a text");
    assert!(page.texts().iter().all(|(text, _)| !text.contains(question)));
    assert!(!page.html.contains(question));
    project.run(&["report", "out", "--private", "--out", "private"]).done();
    assert!(Page::read(&project, "private").texts().iter().any(|(text, _)| text.contains(question)));
}

#[test]
fn the_licence_is_that_of_the_catalogue_beside_the_config() {
    let settings = Settings::simulated().without("dataset.path").set("dataset.name", "secret");
    let project = Project::with(&settings);
    project.write("apart/trial.toml", settings.text());
    project.write(
        "apart/datasets/catalogue.toml",
        "[[dataset]]\nname = \"secret\"\nformat = \"gsm8k\"\nsummary = \"s\"\nlicence = \"none\"\nredistributable = false\n\
         [[dataset.split]]\nname = \"test\"\nfile = \"../../questions.jsonl\"\n",
    );
    project.run(&["run", "--config", "apart/trial.toml", "--out", "out"]).done();
    holds(&project.text("out/report.html"), &["does not permit passing on its questions"]);
    // Where no catalogue knows the data set, its licence is unknown.
    project.run(&["report", "out", "--out", "copy"]).done();
    holds(&project.text("copy/report.html"), &["does not permit passing on its questions"]);
}
