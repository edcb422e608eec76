//! Conversion of messages to token ids, in plain form or in `ChatML`. The text of a message never becomes a control
//! token.

use crate::backend::gguf::tokenizer::{Tokenizer, TokenizerError};
use crate::task::prompt::{Style, continued};
use crate::types::chat::{Message, Role};

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";

/// Properties of a `ChatML` chat template.
#[derive(Debug, Clone)]
pub(super) struct Template {
    /// System text that is used if the first message is not a system message.
    default_system: Option<String>,
}

impl Template {
    /// Reads the template from a GGUF's metadata. `None` if the template is not `ChatML`.
    pub(super) fn read(source: &str) -> Option<Self> {
        if !(source.contains(START) && source.contains(END)) {
            return None;
        }
        // For example `{{ '<|im_start|>system\nYou are a …<|im_end|>\n' }}`, with a line break or its escape.
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

/// Returns the token ids of the prompt. A BOS token is prepended if the metadata request one, as in llama.cpp.
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

/// Error while messages are converted.
#[derive(Debug, thiserror::Error)]
pub(super) enum PromptError {
    /// The chat form is requested, but the weights have no `ChatML` template.
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
    fn default_system_message_comes_from_the_template() {
        let source = "{% if loop.first %}{{ '<|im_start|>system\nYou are kind<|im_end|>\n' }}{% endif %}\
                      {{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}";
        let template = Template::read(source).expect("ChatML");
        assert_eq!(template.default_system.as_deref(), Some("You are kind"));
    }

    #[test]
    fn other_templates_are_refused() {
        assert!(Template::read("[INST] {{ message }} [/INST]").is_none());
        let source = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}";
        assert!(Template::read(source).expect("ChatML").default_system.is_none());
    }
}
