//! The sentence embedder, compared with the numbers of a BERT in numpy.

use intercascade::retrieval::minilm::Minilm;

const MINILM: &str = "all-minilm-l6-v2";

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[test]
fn sentence_vectors_match_a_numpy_bert() {
    let embedder = Minilm::load(&crate::weights::fetched(MINILM)).expect("loaded");
    let texts = [
        "Who was the first person to walk on the Moon?",
        "Tom had 45 coins and gave away 17. How many are left?",
        "",
        "Which astronaut first stepped onto the Moon?",
    ]
    .map(str::to_owned);
    let mut done = Vec::new();
    let found = embedder.embed(&texts, &mut |count| done.push(count)).expect("embedded");
    // First components of each vector, from a BERT in numpy with f64.
    let expected: [(usize, [f32; 4]); 3] = [
        (13, [0.003_030_01, 0.034_022_55, 0.011_668_15, 0.087_906_32]),
        (16, [-0.026_379_44, 0.151_937_66, 0.008_337_9, -0.080_543_62]),
        (2, [-0.118_838_3, 0.048_297_98, -0.002_548_06, -0.011_011_21]),
    ];
    for ((vector, tokens), (count, values)) in found.iter().zip(expected) {
        assert_eq!((*tokens, vector.len()), (count, embedder.width()));
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
        assert!(
            vector.iter().zip(values).all(|(value, expected)| (value - expected).abs() < 1e-5),
            "{:?}",
            &vector[..4]
        );
    }
    let (near, far) = (cosine(&found[0].0, &found[3].0), cosine(&found[0].0, &found[1].0));
    assert!(near > far + 0.4, "{near} and {far}");
    assert_eq!(done.last(), Some(&4));
}

#[test]
fn a_sentence_vector_is_bit_identical_in_any_batch() {
    let embedder = Minilm::load(&crate::weights::fetched(MINILM)).expect("loaded");
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
