//! The GSM8K format: a JSON object a line with `question` and `answer`, the answer a worked solution that ends in
//! `#### N`; `id` and `group` where a file has them. Source: github.com/openai/grade-school-math.

use serde::Serialize;
use serde_json::Value;

use super::Fault;
use crate::task::math;
use crate::types::item::{Item, Target};

/// A row as it is written.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    /// Unique name of the row.
    pub id: &'a str,
    /// Variants of one problem share a group.
    pub group: &'a str,
    /// The problem.
    pub question: &'a str,
    /// The worked solution, ending in `#### N`.
    pub answer: &'a str,
}

/// The file's rows in order, each with its line; blank lines are passed over.
pub fn rows(bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Item), Fault>> {
    bytes
        .split(|byte| *byte == b'\n')
        .zip(1_u64..)
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .enumerate()
        .map(|(row, (line, number))| Ok((number, parse(line, number, row)?)))
}

fn parse(line: &[u8], number: u64, row: usize) -> Result<Item, Fault> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| Fault::row(number, format!("not a JSON object: {error} (column {})", error.column())))?;
    let object = value.as_object().ok_or_else(|| Fault::row(number, "not a JSON object"))?;
    let text = |field: &str| match object.get(field) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => Err(Fault::field(number, field, "is empty")),
        Some(other) => Err(Fault::field(number, field, format!("must be a text, not {other}"))),
        None => Err(Fault::field(number, field, "is missing")),
    };
    let optional = |field: &str| match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(Fault::field(number, field, format!("must be a text or a number, not {other}"))),
    };
    let answer = text("answer")?;
    let target = answer
        .rsplit_once("####")
        .map(|(_, target)| target.trim().to_owned())
        .filter(|target| math::parse(target).is_some())
        .ok_or_else(|| Fault::field(number, "answer", "must end in `#### N` with a number N"))?;
    let id = optional("id")?.unwrap_or_else(|| row.to_string());
    Ok(Item {
        group: optional("group")?.unwrap_or_else(|| id.clone()).into(),
        id: id.into(),
        query: text("question")?.trim().to_owned(),
        options: Vec::new(),
        target: Target::Number(target),
        solution: Some(answer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rows_with_and_without_ids() {
        let file = b"{\"question\":\"2+2?\",\"answer\":\"It is <<2+2=4>>4\\n#### 4\"}\n\n{\"id\":\"x\",\"group\":\"g\",\"question\":\"q\",\"answer\":\"#### 1,000\"}\n";
        let items: Vec<(u64, Item)> = rows(file).collect::<Result<_, _>>().expect("good rows");
        let (lines, items): (Vec<u64>, Vec<Item>) = items.into_iter().unzip();
        assert_eq!(lines, [1, 3]);
        assert_eq!(&*items[0].id.0, "0");
        assert_eq!(&*items[0].group, "0");
        assert_eq!(&*items[1].group, "g");
        assert_eq!(items[1].target, Target::Number("1,000".into()));
    }

    #[test]
    fn faults_name_line_and_field() {
        let file = b"{\"question\":\"q\",\"answer\":\"4\"}\n{\"question\":\n{\"answer\":\"#### 4\"}\n[1]\n{\"question\":7,\"answer\":\"#### 4\"}\n";
        let faults: Vec<String> = rows(file).map(|row| row.expect_err("every row is bad").to_string()).collect();
        assert!(faults[0].starts_with("line 1: field `answer`: must end in"), "{}", faults[0]);
        assert!(faults[1].starts_with("line 2: not a JSON object"), "{}", faults[1]);
        assert_eq!(faults[2], "line 3: field `question`: is missing");
        assert_eq!(faults[3], "line 4: not a JSON object");
        assert_eq!(faults[4], "line 5: field `question`: must be a text, not 7");
    }
}
