//! Messages into token ids, plainly or in `ChatML`. A message's text can never become a control token.

use crate::backend::gguf::tokenizer::{Tokenizer, TokenizerError};
use crate::task::prompt::{Style, continued};
use crate::types::chat::{Message, Role};

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";

/// What the chat template asks for.
#[derive(Debug, Clone)]
pub(super) struct Template {
    /// What the model is told where the first message is not the system's.
    default_system: Option<String>,
}

impl Template {
    /// Reads the template in a GGUF's metadata; `None` for any but `ChatML`.
    pub(super) fn read(source: &str) -> Option<Self> {
        if !(source.contains(START) && source.contains(END)) {
            return None;
        }
        // Such as `{{ '<|im_start|>system\nYou are a …<|im_end|>\n' }}`, with a line break or its escape.
        let opening = format!("{START}system");
        let default_system = source
            .split(&opening)
            .nth(1)
            .and_then(|rest| rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\\n")))
            .and_then(|rest| rest.split(END).next())
            .filter(|text| !text.contains(['{', '\'']))
            .map(str::to_owned);
        Some(Self { default_system })
    }
}

/// The prompt's ids. The metadata's BOS token is put in front where they ask for one, as llama.cpp does.
pub(super) fn ids(
    messages: &[Message],
    style: Style,
    template: Option<&Template>,
    tokenizer: &Tokenizer,
) -> Result<Vec<u32>, PromptError> {
    let mut ids: Vec<u32> = tokenizer.bos().into_iter().collect();
    match style {
        Style::Plain => {
            ids.extend(tokenizer.encode(&continued(messages))?);
        }
        Style::Chat => {
            let template = template.ok_or(PromptError::NoTemplate)?;
            let start = tokenizer.control(START).ok_or(PromptError::NoTemplate)?;
            let end = tokenizer.control(END).ok_or(PromptError::NoTemplate)?;
            let mut turn = |role: &str, text: &str| -> Result<(), PromptError> {
                ids.push(start);
                ids.extend(tokenizer.encode(&format!("{role}\n{text}"))?);
                ids.push(end);
                ids.extend(tokenizer.encode("\n")?);
                Ok(())
            };
            if messages.first().is_none_or(|message| message.role != Role::System)
                && let Some(text) = &template.default_system
            {
                turn("system", text)?;
            }
            for message in messages {
                let role = match message.role {
                    Role::System => "system",
                    Role::User => "user",
                };
                turn(role, &message.content)?;
            }
            ids.push(start);
            ids.extend(tokenizer.encode("assistant\n")?);
        }
    }
    Ok(ids)
}

/// Why messages gave no prompt.
#[derive(Debug, thiserror::Error)]
pub(super) enum PromptError {
    /// The chat style was asked of weights that do not say how.
    #[error("these weights have no ChatML template: set `prompt = \"plain\"`")]
    NoTemplate,
    /// A text could not be split into tokens.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn the_default_system_message_is_read_from_the_template() {
        let source = "{% if loop.first %}{{ '<|im_start|>system\nYou are kind<|im_end|>\n' }}{% endif %}\
                      {{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}";
        let template = Template::read(source).expect("ChatML");
        assert_eq!(template.default_system.as_deref(), Some("You are kind"));
    }

    #[test]
    fn other_templates_are_refused_and_a_missing_default_is_none() {
        assert!(Template::read("[INST] {{ message }} [/INST]").is_none());
        let source = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}";
        assert!(Template::read(source).expect("ChatML").default_system.is_none());
    }
}
