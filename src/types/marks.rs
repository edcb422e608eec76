//! Marks that models and servers put around reasoning in a text, and the visible text outside of them.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Names of tags around reasoning, as a pattern.
const NAMES: &str = "(?:[a-z]+[:_])?(?:think|thinking|thought|thoughts|thought_process|reasoning|reasoning_content|reason|reflection|analysis|scratchpad|inner_monologue|internal_monologue|chain_of_thought|cot|cot_budget_reflect)|antthinking";
/// Marks that begin reasoning: Mistral's and Kimi's marks, special tokens, Gemma's channel.
const OPENS: &str = r"\[THINK(?:ING)?\]|◁think▷|<\|(?:begin_of_thought|begin_of_thinking|thought_begin|start_thinking|start_of_thinking|think_start|think|thinking|thought)\|>|<\|channel>thought|<unused94>(?:thought)?";
/// Marks that end reasoning.
const CLOSES: &str = r"\[/THINK(?:ING)?\]|◁/think▷|<\|(?:end_of_thought|end_of_thinking|thought_end|end_thinking|think_end|/think|/thinking|/thought)\|>|<channel\|>|<unused95>";

/// All marks: `open`, `close`, or `none` for an empty tag.
static MARKS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(
        r"(?i)(?P<none><\s*(?:{NAMES})\s*/>)|(?P<open><\s*(?:{NAMES})(?:\s[^<>]*)?>|{OPENS})|(?P<close><\s*/\s*(?:{NAMES})\s*>|{CLOSES})"
    );
    Regex::new(&pattern).expect("the pattern is valid")
});
/// Header of a message in the format of gpt-oss.
static CHANNEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<\|channel\|>\s*(?P<name>\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
        .expect("the pattern is valid")
});
/// End of a message in the format of gpt-oss.
static MESSAGE_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"<\|(?:end|return|call|start|channel)\|>").expect("the pattern is valid"));
/// Format of gpt-oss, if the server removed the special tokens.
static BARE_CHANNEL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)^\s*analysis(?:[A-Z\d]|\b.*assistantfinal)").expect("the pattern is valid"));
/// Words of Granite before its reasoning.
static GRANITE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*Here(?: is|'s) my thought process:").expect("the pattern is valid"));
/// Words of Granite before its answer.
static GRANITE_ANSWER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"Here(?: is|'s) my response:").expect("the pattern is valid"));

/// Byte ranges of a text that are not reasoning, in order. If reasoning is closed but not opened, it began before the
/// text (chat templates open it). If reasoning is not closed, it continues to the end of the text.
#[must_use]
pub fn visible(text: &str) -> Vec<Range<usize>> {
    let found = if text.contains("<|channel|>") {
        channels(text)
    } else if BARE_CHANNEL.is_match(text) {
        after(text, text.rfind("assistantfinal").map(|at| at + "assistantfinal".len()))
    } else if GRANITE.is_match(text) {
        after(text, GRANITE_ANSWER.find(text).map(|found| found.end()))
    } else {
        outside_marks(text)
    };
    found.into_iter().map(|range| trimmed(text, range)).filter(|range| !range.is_empty()).collect()
}

/// True if a text contains a mark that ends reasoning.
#[must_use]
pub fn ends_in(text: &str) -> bool {
    MARKS.captures_iter(text).any(|found| found.name("close").is_some())
}

/// Range from `start` to the end of the text. Empty if `start` is `None`.
fn after(text: &str, start: Option<usize>) -> Vec<Range<usize>> {
    start.map(|start| start..text.len()).into_iter().collect()
}

/// Ranges of the messages in the channel `final`.
fn channels(text: &str) -> Vec<Range<usize>> {
    let finals = CHANNEL.captures_iter(text).filter(|found| &found["name"] == "final");
    let contents = finals.map(|found| {
        let start = found.get_match().end();
        start..MESSAGE_END.find_at(text, start).map_or(text.len(), |end| end.start())
    });
    contents.collect()
}

/// Ranges outside of the marks.
fn outside_marks(text: &str) -> Vec<Range<usize>> {
    let mut seen: Vec<Range<usize>> = Vec::new();
    let (mut start, mut open, mut closed) = (0, false, false);
    for found in MARKS.captures_iter(text) {
        let mark = found.get_match();
        if found.name("close").is_none() {
            if !open {
                seen.push(start..mark.start());
                start = mark.end();
            }
            open |= found.name("open").is_some();
            continue;
        }
        // A closing mark without an opening one ends reasoning that began before the text, except for a second closing
        // mark at the end of the text.
        if !open && closed && text[mark.end()..].trim().is_empty() {
            seen.push(start..mark.start());
        } else if !open {
            seen.clear();
        }
        (start, open, closed) = (mark.end(), false, true);
    }
    if !open {
        seen.push(start..text.len());
    }
    seen
}

/// Removes white space between reasoning and answer from the range. A text without reasoning remains unchanged.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    if range == (0..text.len()) {
        return range;
    }
    let part = &text[range.clone()];
    let start = if range.start == 0 { 0 } else { part.len() - part.trim_start().len() };
    range.start + start..range.start + part.trim_end().len().max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible_text(text: &str) -> String {
        visible(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn text_outside_the_reasoning_is_the_answer() {
        for thought in [
            "<think>\nIs it #### 9?\n</think>\n\nSo:\n#### 4",
            "<thinking>#### 9</thinking>So:\n#### 4",
            "<thought>9</thought>\nSo:\n#### 4",
            "<reasoning effort=\"high\">9</reasoning>So:\n#### 4",
            "<seed:think>9</seed:think>So:\n#### 4",
            "<THINK>9</Think>So:\n#### 4",
            "[THINK]9[/THINK]So:\n#### 4",
            "[THINKING]9[/THINKING]So:\n#### 4",
            "< think >9< / think >So:\n#### 4",
            "◁think▷9◁/think▷So:\n#### 4",
            "<|begin_of_thought|>9<|end_of_thought|>So:\n#### 4",
            "<|START_THINKING|>9<|END_THINKING|>So:\n#### 4",
            "<|channel>thought\n9<channel|>So:\n#### 4",
            "<unused94>thought\n9<unused95>So:\n#### 4",
            "<|channel|>analysis<|message|>9<|end|><|start|>assistant<|channel|>final<|message|>So:\n#### 4<|return|>",
            "analysisWe need 9.assistantfinalSo:\n#### 4",
            "Here is my thought process: 9\nHere is my response:\nSo:\n#### 4",
            "It may be 9.\n</think>\n\nSo:\n#### 4",
            "<think>I end with </think>, or #### 9?</think>So:\n#### 4",
            "<think>9</think>So:\n#### 4\n</think>",
            "<think/>So:\n#### 4",
        ] {
            assert_eq!(visible_text(thought), "So:\n#### 4", "{thought}");
        }
        assert_eq!(visible_text("So:\n<think>9</think>\n#### 4"), "So:#### 4");
        assert_eq!(visible_text("#### 4\n<think>was it"), "#### 4");
    }

    #[test]
    fn unclosed_reasoning_leaves_no_text() {
        for thought in [
            "<think>\nIs it #### 9",
            "[THINK]9",
            "<think>9</think>\n ",
            "It may be 9.\n</think>",
            "<|channel|>analysis<|message|>It is #### 9",
            "analysisWe need 9",
            "Here is my thought process: 9",
        ] {
            assert_eq!(visible_text(thought), "", "{thought}");
        }
    }

    #[test]
    fn other_texts_remain_unchanged() {
        for text in
            ["", " 4 \n", "a < b > c", "<b>4</b>", "The analysis says 4.", "analysis of it: 4", "I think so.</p>"]
        {
            assert_eq!(visible_text(text), text);
        }
    }
}
