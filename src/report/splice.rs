//! Tables of runs in other documents. The first table below a heading of a run's summary is copied between `<!-- from
//! FOLDER: HEADING -->` and `<!-- end -->`, so that no figure in the document is typed.

use anyhow::{Result, anyhow, bail};

const BEGIN: &str = "<!-- from ";
const CLOSE: &str = " -->";
const END: &str = "<!-- end -->";

/// Returns the document with its tables replaced by those of the summaries, and the number of tables. `summary` returns
/// the summary of a run for the folder name that is used in the document.
///
/// # Errors
/// If a mark has no end or its table cannot be found; the error names the line.
pub fn spliced(document: &str, summary: impl Fn(&str) -> Result<String>) -> Result<(String, usize)> {
    let (mut text, mut tables) = (String::new(), 0);
    let mut lines = document.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        text += line;
        text.push('\n');
        let Some(mark) = line.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(CLOSE)) else { continue };
        let at_line = |error: anyhow::Error| anyhow!("line {}: {error:#}", at + 1);
        let Some((folder, heading)) = mark.split_once(": ") else {
            return Err(at_line(anyhow!("the mark must have the form {BEGIN}FOLDER: HEADING{CLOSE}")));
        };
        if !lines.any(|(_, line)| line.trim() == END) {
            return Err(at_line(anyhow!("no line {END} follows")));
        }
        let summary = summary(folder).map_err(at_line)?;
        let table = table(&summary, heading).map_err(at_line)?;
        text.extend(["\n", &table, "\n", END, "\n"]);
        tables += 1;
    }
    Ok((text, tables))
}

/// Returns the first table below a heading.
fn table(summary: &str, heading: &str) -> Result<String> {
    let is_heading = |line: &&str| line.trim_start_matches('#').trim() == heading && line.starts_with('#');
    let below: Vec<&str> = summary.lines().skip_while(|line| !is_heading(line)).skip(1).collect();
    if below.is_empty() {
        let headings: Vec<&str> = summary.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        bail!("the summary has no heading `{heading}`; it has: {}", headings.join(", "));
    }
    let within = below.into_iter().take_while(|line| !line.starts_with('#'));
    let rows = within.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows: String = rows.flat_map(|row| [row, "\n"]).collect();
    if rows.is_empty() {
        bail!("there is no table below `{heading}`");
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str =
        "# run\n\n## Results\n\nAll of it:\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\nMore.\n\n## Empty\n\n";

    fn splice(document: &str) -> Result<(String, usize)> {
        spliced(
            document,
            |folder| {
                if folder == "results/run" { Ok(SUMMARY.to_owned()) } else { bail!("{folder} holds no run") }
            },
        )
    }

    #[test]
    fn a_table_is_replaced_and_repeating_changes_nothing() {
        let document = "Before\n<!-- from results/run: Results -->\nold\n<!-- end -->\nAfter\n";
        let (text, tables) = splice(document).expect("spliced");
        assert_eq!(
            (text.as_str(), tables),
            (
                "Before\n<!-- from results/run: Results -->\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n<!-- end \
                 -->\nAfter\n",
                1
            )
        );
        assert_eq!(splice(&text).expect("spliced").0, text);
    }

    #[test]
    fn errors_name_the_line_of_the_mark() {
        for (document, message) in [
            ("\n<!-- from results/run: Results -->\n", "line 2: no line <!-- end --> follows"),
            ("<!-- from results/run -->\n<!-- end -->", "line 1: the mark must have the form"),
            ("<!-- from results/run: Fees -->\n<!-- end -->", "no heading `Fees`; it has: Results, Empty"),
            ("<!-- from results/run: Empty -->\n<!-- end -->", "no table below `Empty`"),
            ("<!-- from elsewhere: Results -->\n<!-- end -->", "line 1: elsewhere holds no run"),
        ] {
            let error = splice(document).expect_err("refused").to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
