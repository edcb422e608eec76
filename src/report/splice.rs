//! Tables of runs within other documents: between `<!-- from FOLDER: HEADING -->` and `<!-- end -->` stands the first table
//! below that heading of the run's summary, so that no figure there is written by hand.

use anyhow::{Result, anyhow, bail};

const BEGIN: &str = "<!-- from ";
const CLOSE: &str = " -->";
const END: &str = "<!-- end -->";

/// The document with its tables as the summaries have them, and how many there are. `summary` gives the summary of a run
/// by the folder's name as the document has it.
///
/// # Errors
/// Names the line of a mark that does not end, or whose table cannot be found.
pub fn spliced(document: &str, summary: impl Fn(&str) -> Result<String>) -> Result<(String, usize)> {
    let (mut text, mut tables) = (String::new(), 0);
    let mut lines = document.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        text += line;
        text.push('\n');
        let Some(mark) = line.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(CLOSE)) else { continue };
        let place = |error: anyhow::Error| anyhow!("line {}: {error:#}", at + 1);
        let Some((folder, heading)) = mark.split_once(": ") else {
            return Err(place(anyhow!("must read {BEGIN}FOLDER: HEADING{CLOSE}")));
        };
        if !lines.any(|(_, line)| line.trim() == END) {
            return Err(place(anyhow!("no line {END} follows")));
        }
        let summary = summary(folder).map_err(place)?;
        let table = table(&summary, heading).map_err(place)?;
        text.extend(["\n", &table, "\n", END, "\n"]);
        tables += 1;
    }
    Ok((text, tables))
}

/// The first table below a heading.
fn table(summary: &str, heading: &str) -> Result<String> {
    let is_heading = |line: &&str| line.trim_start_matches('#').trim() == heading && line.starts_with('#');
    let below: Vec<&str> = summary.lines().skip_while(|line| !is_heading(line)).skip(1).collect();
    if below.is_empty() {
        let there: Vec<&str> = summary.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        bail!("the summary has no heading `{heading}`; it has: {}", there.join(", "));
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
    fn a_table_takes_the_place_of_what_was_there_and_again_changes_nothing() {
        let document = "Before\n<!-- from results/run: Results -->\nold\n<!-- end -->\nAfter\n";
        let (text, tables) = splice(document).expect("spliced");
        assert_eq!(
            (text.as_str(), tables),
            (
                "Before\n<!-- from results/run: Results -->\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n<!-- end -->\nAfter\n",
                1
            )
        );
        assert_eq!(splice(&text).expect("spliced").0, text);
    }

    #[test]
    fn what_cannot_be_filled_in_is_named_with_its_line() {
        for (document, says) in [
            ("\n<!-- from results/run: Results -->\n", "line 2: no line <!-- end --> follows"),
            ("<!-- from results/run -->\n<!-- end -->", "line 1: must read"),
            ("<!-- from results/run: Fees -->\n<!-- end -->", "no heading `Fees`; it has: Results, Empty"),
            ("<!-- from results/run: Empty -->\n<!-- end -->", "no table below `Empty`"),
            ("<!-- from elsewhere: Results -->\n<!-- end -->", "line 1: elsewhere holds no run"),
        ] {
            let error = splice(document).expect_err("refused").to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
