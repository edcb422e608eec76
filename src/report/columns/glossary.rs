//! What the headings of tables mean, each said once for all tables.

/// A heading of a table for people, and what it means. A heading has one meaning in all tables.
const MEANINGS: &[(&str, &str)] = &[
    ("arm", "a way of answering: which levels are asked, and what the weak one is shown"),
    ("λ", "the confidence below which a weak answer goes on to the strong level"),
    ("weak accuracy, %", "right answers of the weak level, deferred ones included"),
    ("weak accuracy", "right answers of the weak level, deferred ones included"),
    ("weak accuracy where asked, %", "the same over the items that the weak level was asked"),
    ("accuracy, %", "right answers among those given in the end"),
    ("accuracy", "right answers among those given in the end"),
    ("accepted, %", "items whose weak answer is given in the end"),
    ("coverage", "items whose weak answer is given in the end"),
    ("strong calls", "items that the strong level answered, over all orders"),
    ("strong calls, share", "items that the strong level answered"),
    ("all strong requests", "strong calls and what the strong level wrote to teach"),
    ("fee, USD", "of all calls of the arm, over all orders"),
    ("USD per 1,000 queries", "fee of a thousand questions"),
    ("accuracy vs strong-only, points", "accuracy less that of asking the strong level alone, item by item"),
    ("accuracy vs cascade-tuned, points", "accuracy less that of the cascade at a λ of its own, item by item"),
    ("accuracy vs cascade, points", "accuracy less that of the standard cascade, item by item"),
    ("weak accuracy vs cascade, points", "the same of the weak level"),
    ("strong calls vs cascade, %", "change of the strong calls against the standard cascade"),
    ("fee vs cascade, %", "change of the fee against the standard cascade"),
    ("change against cascade", "what changes, in percentage points (pp) or percent of the standard cascade's figure"),
    ("inter-cascade", "the arm that shows earlier strong solutions; in brackets 95 % intervals"),
    ("p", "how often chance alone gives so large a change; not adjusted for the number of comparisons"),
    ("random strategies", "the same change if the solutions shown are drawn at random (the arm inter-cascade-random)"),
    (SHARE_OF_GAIN, "how much of the gain random solutions give, too; none: they give no gain"),
    ("orders", "the least and the greatest change over the orders of the items"),
    ("cost", "what is counted as cost"),
    ("thresholds", "the number of λs"),
    ("area", "mean accuracy over the range of cost from weak-only to strong-only"),
    ("APGR", "average share of the gap between weak-only and strong-only that is closed, as in RouteLLM"),
    ("CPT(50)", "the share of strong calls that closes half of that gap"),
    ("CPT(80)", "the share that closes 80 % of it"),
    ("of the oracle's area", "0: like sending items on at random; 1: like knowing which level is right, an oracle"),
    ("frontier", "no other arm is as accurate for less"),
    (
        "fee at the cascade's accuracy, %",
        "change of the fee where the arm's curve is as accurate as the cascade at this λ",
    ),
    (
        "calls at the cascade's accuracy, %",
        "change of strong calls where the arm's curve is as accurate as the cascade at this λ",
    ),
    ("accuracy where chosen, %", "on the groups on which λ was chosen"),
    ("accuracy where judged, %", "on the other groups, with its 95 % interval"),
    ("vs strong-only where judged, points", "accuracy less that of the strong level alone, on the other groups"),
    ("strong calls where judged, %", "items that the strong level answered, on the other groups"),
    ("USD per 1,000 where judged", "fee of a thousand questions, on the other groups"),
    ("variant", "the config with the values that this row lays over it"),
    ("found on", "the answers from which λ was found"),
    ("α", "the greatest share of accepted answers that may be wrong"),
    ("certified λ", "the lowest λ for which that is certified; –: none is"),
    ("risk, %", "accepted answers that are wrong, on the calibration items"),
    ("bound, %", "what the risk is at most, by the guarantee"),
    ("accepted", "answers with a confidence of at least λ"),
    ("wrong", "of them, wrong ones"),
    ("items", "the number of items"),
    ("items in both", "pairs of an item and an order that both runs took; every figure is over these alone"),
    (
        "fee change at the first run's prices, %",
        "what would change if the second run's tokens had the first run's prices",
    ),
    ("experiment", "the config that was run"),
    ("change of", "the figure that the paper claims to change"),
    ("unit", "of the changes"),
    ("paper, up to", "the paper's figure, its greatest over models and data"),
    ("here", "what this program finds, with its 95 % interval"),
    (
        "verdict",
        "shown, reached, same direction: the interval is on the paper's side of 0; not shown: it holds 0; opposite: it is on the other side",
    ),
    (
        "falls from a price ratio of",
        "the price of the strong level in those of the weak one, from which on the fee falls",
    ),
    ("right if accepted", "accepted answers that are right"),
    ("AUROC", "the chance that a right answer is the surer of a right and a wrong one"),
    ("ECE", "mean distance of confidence and accuracy"),
    ("Brier", "mean squared distance of confidence and outcome"),
    ("strategies shown", "solutions shown to the weak level, per item"),
    ("tokens for strategies", "written by the strong level to teach"),
    ("price, strong to weak", "the price of the strong level's written token, in those of the weak one's"),
    ("cheaper from", "the price ratio from which on the arm is cheaper than the cascade"),
    ("price, read : written", "the price of a token that is read to that of one that is written"),
    ("strategies", "solutions kept so far"),
    ("cheaper from item", "the item from which on the fee stays below the cascade's"),
    ("ε", "the error rate with strategies in that without them"),
    ("b", "the coverage with strategies in that without them"),
];

/// The heading of how much of a gain random strategies give.
pub const SHARE_OF_GAIN: &str = "random strategies' share of the gain";

/// Headings that say all they mean.
#[cfg(test)]
const PLAIN: &[&str] = &[
    "weak accuracy change, points",
    "accuracy change, points",
    "strong calls change, %",
    "fee change, %",
    "weak tokens written",
    "strong tokens written",
    "items so far",
    "accuracy so far",
    "deferred so far",
    "fee so far, USD",
    "cascade's fee, USD",
    "stage",
    "calls",
    "median, ms",
    "9 in 10 within, ms",
    "in all, s",
    "ε low",
    "ε high",
    "b low",
    "b high",
];

/// What a heading means. `None` if it says so itself.
#[must_use]
pub(super) fn meaning(heading: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(name, _)| *name == heading).map(|(_, meaning)| *meaning)
}

/// Whether a reader needs no more than the heading, or finds it in the legend.
#[cfg(test)]
#[must_use]
pub fn is_known(heading: &str) -> bool {
    meaning(heading).is_some() || PLAIN.contains(&heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_has_one_meaning_and_none_if_it_is_plain() {
        for (place, (heading, text)) in MEANINGS.iter().enumerate() {
            assert!(MEANINGS[place + 1..].iter().all(|(other, _)| other != heading), "{heading} has two meanings");
            assert!(!PLAIN.contains(heading) && !text.is_empty() && !text.ends_with('.'), "{heading}");
        }
    }
}
