//! The models that run in this process, against numbers of independent implementations. They need the weights in
//! the cache (`intercascade models fetch NAME`), so they run with `cargo test -- --ignored` only.

use std::fs::File;
use std::io::BufReader;
use std::sync::{Arc, OnceLock};

use candle_core::quantized::gguf_file::Content;
use intercascade::chat::{Finish, Message, Mode, Request, Response, Role};
use intercascade::item::ItemId;
use intercascade::model::gguf::{Gguf, GgufConfig};
use intercascade::model::llama::{Cache, Llama, Row};
use intercascade::model::tokenizer::Tokenizer;
use intercascade::model::{Model, ModelError, weights};
use intercascade::prompt::Style;
use intercascade::retrieval::minilm::Minilm;

const SMOLLM: &str = "smollm2-135m-instruct";
const MINILM: &str = "all-minilm-l6-v2";

/// The model and its tokenizer, loaded once for all tests.
fn smollm() -> &'static (Llama, Tokenizer) {
    static LOADED: OnceLock<(Llama, Tokenizer)> = OnceLock::new();
    LOADED.get_or_init(|| {
        let file = weights::check(SMOLLM).expect("the weights are in the cache");
        let mut reader = BufReader::new(File::open(file).expect("readable"));
        let content = Content::read(&mut reader).expect("a GGUF");
        let tokenizer = Tokenizer::from_gguf(&content).expect("a tokenizer");
        (Llama::load(&content, &mut reader).expect("a model"), tokenizer)
    })
}

fn backend(prompt: Style) -> Arc<Gguf> {
    let weights = weights::check(SMOLLM).expect("the weights are in the cache");
    let config = GgufConfig { name: SMOLLM.to_owned(), weights, sha256: "b179".to_owned(), prompt };
    Arc::new(Gguf::new(config).expect("the file is there"))
}

fn request(text: &str, mode: Mode) -> Request {
    Request {
        item: ItemId("7".to_owned()),
        messages: vec![Message { role: Role::User, content: text.to_owned() }],
        mode,
        distil: false,
        draw: 0,
    }
}

fn generate(max_tokens: u32, temperature: f64, stop: &[&str], calculator: bool) -> Mode {
    let stop = stop.iter().map(|stop| (*stop).to_owned()).collect();
    Mode::Generate { max_tokens, temperature, stop, logprobs: true, calculator }
}

fn score(options: &[&str]) -> Mode {
    Mode::Score { options: options.iter().map(|option| (*option).to_owned()).collect() }
}

/// The same answer, its time apart.
fn same(left: &Response, right: &Response) -> bool {
    Response { latency_ms: 0.0, ..left.clone() } == Response { latency_ms: 0.0, ..right.clone() }
}

fn largest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, place| if logits[place] > logits[best] { place } else { best })
}

fn logprob(logits: &[f32], token: usize) -> f64 {
    let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
    f64::from(logits[token]) - sum.ln()
}

#[test]
#[ignore = "needs the weights in the cache"]
fn token_ids_are_llama_cpps() {
    let tokenizer = &smollm().1;
    let cases: [(&str, &[u32]); 11] = [
        ("Hello world", &[19556, 905]),
        (" Hello", &[38699]),
        ("  two", &[216, 827]),
        ("a\n\nb", &[81, 198, 198, 82]),
        ("don't it's", &[12420, 982, 357, 506]),
        ("12345 1,250.5", &[33, 34, 35, 36, 37, 216, 33, 28, 34, 37, 32, 30, 37]),
        ("x = 3*4=12", &[104, 446, 216, 35, 26, 36, 45, 33, 34]),
        ("Café naïve – 漢字 🙂", &[51, 1939, 2756, 15486, 46494, 816, 17097, 137, 112, 36518, 47526]),
        ("\ttab\r\n", &[197, 15999, 2738]),
        ("(a+b)×c÷d", &[24, 81, 27, 82, 25, 20628, 83, 142, 132, 84]),
        ("Question: Tom's 3 cats\nAnswer: 3", &[17872, 42, 8581, 506, 216, 35, 7680, 198, 21350, 42, 216, 35]),
    ];
    for (text, ids) in cases {
        assert_eq!(tokenizer.encode(text).expect("encoded"), ids, "{text}");
        assert_eq!(tokenizer.decode(ids), text);
        assert_eq!(tokenizer.count(text).expect("counted"), ids.len());
    }
}

#[test]
#[ignore = "needs the weights in the cache"]
fn text_never_becomes_a_control_token() {
    let tokenizer = &smollm().1;
    let text = "<|im_end|><|im_start|>system<|endoftext|>";
    let ids = tokenizer.encode(text).expect("encoded");
    assert!(ids.iter().all(|id| !tokenizer.is_control(*id)), "{ids:?}");
    assert_eq!(tokenizer.decode(&ids), text);
    assert_eq!((tokenizer.control("<|im_end|>"), tokenizer.eos(), tokenizer.bos()), (Some(2), Some(2), None));
}

#[test]
#[ignore = "needs the weights in the cache"]
fn greedy_tokens_and_their_log_probabilities_are_those_of_a_numpy_llama() {
    // A numpy Llama in f64 on the same dequantised weights.
    let wanted = [
        (216, -1.030_942),
        (33, -0.327_031),
        (34, -0.117_271),
        (1672, -0.801_780),
        (216, -0.279_258),
        (33, -0.445_698),
        (34, -0.143_818),
        (1672, -0.547_434),
        (216, -0.034_796),
        (33, -0.846_155),
        (30, -1.143_145),
        (34, -0.412_057),
    ];
    let (llama, tokenizer) = smollm();
    let prompt = "Fact: Yuri Gagarin was first.\n\nQuestion: A farmer's 12 cows cost $1,250 each. \
                  How much did they cost altogether?\nAnswer:";
    let mut ids = tokenizer.encode(prompt).expect("encoded");
    let mut cache = Cache::default();
    let hidden = llama.forward(&Row::trunk(&ids, 0), &mut cache).expect("read");
    let mut logits = llama.logits(&hidden.narrow(0, ids.len() - 1, 1).expect("a row")).expect("logits").remove(0);
    for (token, wanted) in wanted {
        assert_eq!(largest(&logits), token);
        let found = logprob(&logits, token);
        assert!((found - wanted).abs() < 2e-5, "{token}: {found} instead of {wanted}");
        let token = u32::try_from(token).expect("an id");
        ids.push(token);
        logits = llama.step(&[token], &mut [&mut cache]).expect("a step").remove(0);
    }
    // All at once gives the same as one by one, up to rounding.
    let hidden = llama.forward(&Row::trunk(&ids, 0), &mut Cache::default()).expect("read");
    let at_once = llama.logits(&hidden.narrow(0, ids.len() - 1, 1).expect("a row")).expect("logits").remove(0);
    assert!(logits.iter().zip(&at_once).all(|(left, right)| (left - right).abs() < 1e-3));
}

#[test]
#[ignore = "needs the weights in the cache"]
fn a_step_has_the_same_bits_whoever_shares_it() {
    let (llama, tokenizer) = smollm();
    let read = |text: &str| {
        let mut cache = Cache::default();
        let ids = tokenizer.encode(text).expect("encoded");
        llama.forward(&Row::trunk(&ids, 0), &mut cache).expect("read");
        cache
    };
    let texts = ["One", "Two and a half", "The third of them is the longest", "4"];
    let mut caches: Vec<Cache> = texts.iter().map(|text| read(text)).collect();
    let tokens = [216, 30, 42, 33];
    let alone: Vec<Vec<f32>> = caches
        .clone()
        .iter_mut()
        .zip(tokens)
        .map(|(cache, token)| llama.step(&[token], &mut [cache]).expect("a step").remove(0))
        .collect();
    let mut borrowed: Vec<&mut Cache> = caches.iter_mut().collect();
    let together = llama.step(&tokens, &mut borrowed).expect("a step");
    for (alone, together) in alone.iter().zip(&together) {
        assert!(alone.iter().zip(together).all(|(left, right)| left.to_bits() == right.to_bits()));
    }
}

#[test]
#[ignore = "needs the weights in the cache"]
fn a_long_prompt_is_read_in_parts_and_a_branch_sees_its_own_only() {
    let (llama, _) = smollm();
    let tokens: Vec<u32> = (0..700).map(|place| 300 + place * 7 % 4000).collect();
    let whole = llama.forward(&Row::trunk(&tokens, 0), &mut Cache::default()).expect("read");
    let mut cache = Cache::default();
    llama.forward(&Row::trunk(&tokens[..600], 0), &mut cache).expect("read");
    let rest = llama.forward(&Row::trunk(&tokens[600..], 600), &mut cache).expect("read");
    let difference = (whole.narrow(0, 600, 100).expect("rows") - rest).expect("same shape").abs().expect("values");
    let largest = difference.max_all().and_then(|value| value.to_scalar::<f32>()).expect("a value");
    assert!(largest < 1e-3, "{largest}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the weights in the cache"]
async fn answers_written_side_by_side_are_those_written_alone() {
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
#[ignore = "needs the weights in the cache"]
async fn the_calculator_puts_its_value_in() {
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
#[ignore = "needs the weights in the cache"]
async fn options_scored_together_are_those_scored_alone() {
    let model = backend(Style::Plain);
    let prompt = "Question: Who was the first person to walk on the Moon?\nAnswer:";
    let options = ["Neil Armstrong", " Yuri Gagarin", "Buzz Aldrin", "John Glenn", "I"];
    let together = model.call(&request(prompt, score(&options))).await.expect("scores");
    assert_eq!(together.text, "Neil Armstrong");
    let again = model.call(&request(prompt, score(&options))).await.expect("scores");
    assert!(same(&together, &again));
    for (option, wanted) in options.iter().zip(&together.option_logprobs) {
        let alone = model.call(&request(prompt, score(&[option]))).await.expect("a score");
        assert!((alone.option_logprobs[0] - wanted).abs() < 1e-4, "{option}: {alone:?} instead of {wanted}");
    }
    assert!((together.option_logprobs[0] + 3.781_97).abs() < 1e-3, "{together:?}");
}

#[tokio::test]
#[ignore = "needs the weights in the cache"]
async fn a_prompt_beyond_the_context_is_refused() {
    let model = backend(Style::Plain);
    let refused = model.call(&request(&"word ".repeat(9000), generate(4, 0.0, &[], false))).await;
    match refused {
        Err(ModelError::Refused(why)) => {
            assert!(why.contains("9001 tokens") && why.contains("8192"), "{why}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs the weights in the cache"]
async fn the_chat_style_adds_the_template_and_ends_with_its_token() {
    let hello = request("Hello!", generate(40, 0.0, &[], false));
    let chat = backend(Style::Chat).call(&hello).await.expect("an answer");
    let texts = [
        "system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face",
        "\n",
        "user\nHello!",
        "\n",
        "assistant\n",
    ];
    // Between them stand <|im_start|> three times and <|im_end|> twice.
    let ids: usize = texts.iter().map(|text| smollm().1.count(text).expect("counted")).sum();
    assert_eq!(chat.usage.input, ids as u64 + 5);
    assert_eq!(chat.finish, Finish::Stop);
    assert!(!chat.text.contains("<|"), "{}", chat.text);
}

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[test]
#[ignore = "needs the weights in the cache"]
fn sentence_vectors_are_those_of_a_numpy_bert() {
    let embedder = Minilm::load(&weights::check(MINILM).expect("the weights are in the cache")).expect("loaded");
    let texts = [
        "Who was the first person to walk on the Moon?",
        "Tom had 45 coins and gave away 17. How many are left?",
        "",
        "Which astronaut first stepped onto the Moon?",
    ]
    .map(str::to_owned);
    let mut done = Vec::new();
    let found = embedder.embed(&texts, &mut |count| done.push(count)).expect("embedded");
    // The first values of a numpy BERT in f64.
    let wanted: [(usize, [f32; 4]); 3] = [
        (13, [0.003_030_01, 0.034_022_55, 0.011_668_15, 0.087_906_32]),
        (16, [-0.026_379_44, 0.151_937_66, 0.008_337_9, -0.080_543_62]),
        (2, [-0.118_838_3, 0.048_297_98, -0.002_548_06, -0.011_011_21]),
    ];
    for ((vector, tokens), (count, values)) in found.iter().zip(wanted) {
        assert_eq!((*tokens, vector.len()), (count, embedder.width()));
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
        assert!(vector.iter().zip(values).all(|(value, wanted)| (value - wanted).abs() < 1e-5), "{:?}", &vector[..4]);
    }
    let (near, far) = (cosine(&found[0].0, &found[3].0), cosine(&found[0].0, &found[1].0));
    assert!(near > far + 0.4, "{near} and {far}");
    assert_eq!(done.last(), Some(&4));
}

#[test]
#[ignore = "needs the weights in the cache"]
fn a_sentence_vector_has_the_same_bits_whoever_shares_the_batch() {
    let embedder = Minilm::load(&weights::check(MINILM).expect("the weights are in the cache")).expect("loaded");
    let words = ["the", "farmer", "has", "cows", "and", "buys", "12"];
    let text = |number: usize| {
        let length = [1, 5, 40, 400][number % 4];
        (0..length).map(|place| words[(number * 3 + place * (number + 2)) % 7]).collect::<Vec<_>>().join(" ")
    };
    let texts: Vec<String> = (0..80).map(text).collect();
    let together = embedder.embed(&texts, &mut |_| ()).expect("embedded");
    for (text, (vector, tokens)) in texts.iter().zip(&together) {
        let alone = embedder.embed(std::slice::from_ref(text), &mut |_| ()).expect("embedded").remove(0);
        assert!(alone.0.iter().zip(vector).all(|(left, right)| left.to_bits() == right.to_bits()), "{text}");
        assert!(*tokens <= 256);
    }
}
