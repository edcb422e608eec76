//! The tokenizer and the Llama model, compared with token ids of llama.cpp and numbers of a Llama in numpy.

use std::fs::File;
use std::io::BufReader;
use std::sync::OnceLock;

use candle_core::quantized::gguf_file::Content;
use intercascade::backend::gguf::llama::{Cache, Llama, Row};
use intercascade::backend::gguf::tokenizer::Tokenizer;

pub(super) const SMOLLM: &str = "smollm2-135m-instruct";

/// Returns the model and its tokenizer, loaded once for all tests.
pub(super) fn smollm() -> &'static (Llama, Tokenizer) {
    static LOADED: OnceLock<(Llama, Tokenizer)> = OnceLock::new();
    LOADED.get_or_init(|| {
        let file = crate::weights::fetched(SMOLLM);
        let mut reader = BufReader::new(File::open(file).expect("readable"));
        let content = Content::read(&mut reader).expect("a GGUF");
        let tokenizer = Tokenizer::from_gguf(&content).expect("a tokenizer");
        (Llama::load(&content, &mut reader).expect("a model"), tokenizer)
    })
}

fn largest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, place| if logits[place] > logits[best] { place } else { best })
}

fn logprob(logits: &[f32], token: usize) -> f64 {
    let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
    f64::from(logits[token]) - sum.ln()
}

#[test]
fn token_ids_match_llama_cpp() {
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
fn text_never_becomes_a_control_token() {
    let tokenizer = &smollm().1;
    let text = "<|im_end|><|im_start|>system<|endoftext|>";
    let ids = tokenizer.encode(text).expect("encoded");
    assert!(ids.iter().all(|id| !tokenizer.is_control(*id)), "{ids:?}");
    assert_eq!(tokenizer.decode(&ids), text);
    assert_eq!((tokenizer.control("<|im_end|>"), tokenizer.eos(), tokenizer.bos()), (Some(2), Some(2), None));
}

#[test]
fn greedy_tokens_and_logprobs_match_a_numpy_llama() {
    // Values of a Llama in numpy with f64 and the same dequantised weights.
    let expected = [
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
    for (token, expected) in expected {
        assert_eq!(largest(&logits), token);
        let found = logprob(&logits, token);
        assert!((found - expected).abs() < 2e-5, "{token}: {found} instead of {expected}");
        let token = u32::try_from(token).expect("an id");
        ids.push(token);
        logits = llama.step(&[token], &mut [&mut cache]).expect("a step").remove(0);
    }
    // All tokens in one step give the same logits as one token per step, up to rounding.
    let hidden = llama.forward(&Row::trunk(&ids, 0), &mut Cache::default()).expect("read");
    let at_once = llama.logits(&hidden.narrow(0, ids.len() - 1, 1).expect("a row")).expect("logits").remove(0);
    assert!(logits.iter().zip(&at_once).all(|(left, right)| (left - right).abs() < 1e-3));
}

#[test]
fn a_step_is_bit_identical_in_any_batch() {
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
fn long_prompts_are_chunked_and_branches_are_separate() {
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
