//! The in-process GGUF backend: answers, option scores and refusals.

use std::sync::Arc;

use intercascade::backend::gguf::{Gguf, GgufConfig};
use intercascade::task::prompt::Style;
use intercascade::types::chat::{Finish, Generation, Message, Mode, Request, RequestKind, Response, Role};
use intercascade::types::model::{Model, ModelError};

use super::llama::{SMOLLM, smollm};

fn backend(prompt: Style) -> Arc<Gguf> {
    let weights = crate::weights::fetched(SMOLLM);
    let config = GgufConfig { name: SMOLLM.to_owned(), weights, prompt };
    Arc::new(Gguf::new(config).expect("the file is there"))
}

fn request(text: &str, mode: Mode) -> Request {
    Request {
        item: "7".into(),
        messages: vec![Message { role: Role::User, content: text.to_owned() }],
        mode,
        wanted: RequestKind::Answer,
        draw: 0,
        strategies: Vec::new(),
    }
}

fn generate(max_tokens: u32, temperature: f64, stop: &[&str], calculator: bool) -> Mode {
    let stop = stop.iter().map(|stop| (*stop).to_owned()).collect();
    Mode::Generate(Generation { max_tokens, temperature, stop, logprobs: true, calculator, ..Generation::default() })
}

fn score(options: &[&str]) -> Mode {
    Mode::Score { options: options.iter().map(|option| (*option).to_owned()).collect() }
}

/// True if two responses are equal except for their time.
fn same(left: &Response, right: &Response) -> bool {
    Response { latency_ms: 0.0, ..left.clone() } == Response { latency_ms: 0.0, ..right.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn batched_answers_equal_single_answers() {
    let model = backend(Style::Plain);
    let prompt = |number: u32| format!("Question: A box holds {number} pens. How many do 7 boxes hold?\nAnswer:");
    let call = |number: u32, temperature: f64| {
        let model = Arc::clone(&model);
        let request = request(&prompt(number), generate(24, temperature, &["\n\n"], true));
        async move { model.call(&request).await.expect("an answer") }
    };
    for temperature in [0.0, 0.8] {
        let waiting: Vec<_> = (11..17).map(|number| tokio::spawn(call(number, temperature))).collect();
        for (number, waiting) in (11..17).zip(waiting) {
            let together = waiting.await.expect("no panic");
            let alone = call(number, temperature).await;
            assert!(same(&alone, &together), "{alone:?}\n{together:?}");
            let text: String = together.tokens.iter().map(|token| token.text.as_str()).collect();
            assert_eq!(text, together.text);
        }
    }
}

#[tokio::test]
async fn the_calculator_inserts_its_value() {
    let model = backend(Style::Plain);
    let prompt = "Question: A train has 6 cars with 20 seats each. How many seats does it have?\n\
                  Answer: 6 * 20 = 120 seats. The answer is 120.\n\n\
                  Question: A box holds 12 pens. How many pens do 7 boxes hold?\nAnswer:";
    let computed = model.call(&request(prompt, generate(40, 0.0, &["\n"], true))).await.expect("an answer");
    let forced: String = computed.tokens.iter().filter(|token| token.forced).map(|token| token.text.as_str()).collect();
    assert_eq!((computed.text.as_str(), forced.as_str()), (" 7 * 12 = 84 pens. The answer is 84.", " 84"));
    assert!(computed.tokens.iter().all(|token| token.forced != token.logprob.is_some()));
    assert_eq!(computed.finish, Finish::Stop);
    let written = model.call(&request(prompt, generate(40, 0.0, &["\n"], false))).await.expect("an answer");
    assert_eq!(written.text, " 7 * 12 = 80 pens. The answer is 80.");
    let cut = model.call(&request(prompt, generate(3, 0.0, &[], false))).await.expect("an answer");
    assert_eq!((cut.finish, cut.tokens.len(), cut.usage.output), (Finish::Length, 3, 3));
}

#[tokio::test]
async fn batched_option_scores_equal_single_scores() {
    let model = backend(Style::Plain);
    let prompt = "Question: Who was the first person to walk on the Moon?\nAnswer:";
    let options = ["Neil Armstrong", " Yuri Gagarin", "Buzz Aldrin", "John Glenn", "I"];
    let together = model.call(&request(prompt, score(&options))).await.expect("scores");
    assert_eq!(together.text, "Neil Armstrong");
    let again = model.call(&request(prompt, score(&options))).await.expect("scores");
    assert!(same(&together, &again));
    for (option, expected) in options.iter().zip(&together.option_logprobs) {
        let alone = model.call(&request(prompt, score(&[option]))).await.expect("a score");
        assert!((alone.option_logprobs[0] - expected).abs() < 1e-4, "{option}: {alone:?} instead of {expected}");
    }
    assert!((together.option_logprobs[0] + 3.781_97).abs() < 1e-3, "{together:?}");
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_refused() {
    let model = backend(Style::Plain);
    let refused = model.call(&request(&"word ".repeat(9000), generate(4, 0.0, &[], false))).await;
    match refused {
        Err(ModelError::Refused(why)) => {
            assert!(why.contains("9001 tokens") && why.contains("8192"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_chat_style_applies_the_template_and_its_end_token() {
    let hello = request("Hello!", generate(40, 0.0, &[], false));
    let chat = backend(Style::Chat).call(&hello).await.expect("an answer");
    let texts = [
        "system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face",
        "\n",
        "user\nHello!",
        "\n",
        "assistant\n",
    ];
    // The prompt also contains <|im_start|> three times and <|im_end|> twice.
    let ids: usize = texts.iter().map(|text| smollm().1.count(text).expect("counted")).sum();
    assert_eq!(chat.usage.input, ids as u64 + 5);
    assert_eq!(chat.finish, Finish::Stop);
    assert!(!chat.text.contains("<|"), "{}", chat.text);
}
