//! Explanations of table headings. Each heading is explained once for all tables.

/// Headings of tables for people, each with an explanation. A heading has the same meaning in every table.
const MEANINGS: &[(&str, &str)] = &[
    ("arm", "a policy under comparison: which levels answer, and which strategies the weak level sees"),
    ("λ", "the threshold; a weak answer with a lower confidence is deferred to the strong level"),
    ("weak accuracy, %", "share of the weak level's answers that are correct, deferred ones included"),
    ("weak accuracy", "share of the weak level's answers that are correct, deferred ones included"),
    ("weak accuracy where asked, %", "weak accuracy over only the items that the weak level answered"),
    ("accuracy, %", "share of the final answers that are correct"),
    ("accuracy", "share of the final answers that are correct"),
    ("accepted, %", "share of the items whose weak answer is the final answer"),
    ("coverage", "share of the items whose weak answer is the final answer"),
    ("strong calls", "number of items that the strong level answered, over all orders"),
    ("strong calls, share", "share of the items that the strong level answered"),
    (
        "strong calls incl. distillation",
        "strong calls plus all other requests to the strong level, such as those to distil \
                             strategies",
    ),
    ("fee, USD", "fee of all calls of the arm, over all orders"),
    ("USD per 1,000 queries", "fee of a thousand queries"),
    ("accuracy vs strong-only, points", "accuracy minus that of the strong level alone, paired item by item"),
    ("accuracy vs cascade-tuned, points", "accuracy minus that of the cascade at its own λ, paired item by item"),
    ("accuracy vs cascade, points", "accuracy minus that of the standard cascade, paired item by item"),
    ("weak accuracy vs cascade, points", "weak accuracy minus that of the standard cascade, paired item by item"),
    ("strong calls vs cascade, %", "relative change of the strong calls against the standard cascade"),
    ("fee vs cascade, %", "relative change of the fee against the standard cascade"),
    (
        "change against cascade",
        "the figure that changes, in percentage points (pp) or in percent of the standard \
                                cascade's figure",
    ),
    ("inter-cascade", "change in the arm that retrieves earlier strong solutions; 95 % intervals in brackets"),
    ("p", "p-value of the change, not adjusted for the number of comparisons"),
    ("random strategies", "change in the arm inter-cascade-random, which draws the solutions at random"),
    (SHARE_OF_GAIN, "the share of the gain that random solutions bring as well; none: they bring no gain"),
    ("orders", "smallest and largest change over the orders of the items"),
    ("cost", "the measure of cost, strong calls or fee"),
    ("thresholds", "number of values of λ"),
    ("area", "mean accuracy over the range of costs from weak-only to strong-only"),
    (
        "APGR",
        "average performance gap recovered, the mean share of the accuracy gap between weak-only and strong-only \
              that is closed, as in RouteLLM",
    ),
    ("CPT(50)", "the share of strong calls that closes 50 % of the accuracy gap between weak-only and strong-only"),
    ("CPT(80)", "the share of strong calls that closes 80 % of that gap"),
    (
        "of the oracle's area",
        "0: as good as deferring at random; 1: as good as an oracle that knows which level is \
                              correct",
    ),
    ("frontier", "yes if no other arm is at least as good in both accuracy and cost, and better in one of them"),
    (
        "fee at the cascade's accuracy, %",
        "fee compared with the cascade's at this λ, if the arm is as accurate as the cascade",
    ),
    (
        "calls at the cascade's accuracy, %",
        "strong calls compared with the cascade's at this λ, if the arm is as accurate as the cascade",
    ),
    ("accuracy where chosen, %", "accuracy on the groups that λ was chosen on"),
    ("accuracy where judged, %", "accuracy on the other groups, with its 95 % interval"),
    ("vs strong-only where judged, points", "accuracy minus that of the strong level alone, on the other groups"),
    ("strong calls where judged, %", "share of the items that the strong level answered, on the other groups"),
    ("USD per 1,000 where judged", "fee of a thousand queries, on the other groups"),
    ("variant", "the config with the values that this row overrides"),
    ("calibrated on", "the calibration answers that λ was chosen on"),
    ("α", "the largest share of accepted answers that may be wrong"),
    ("certified λ", "the lowest λ certified at this α; –: no λ is"),
    ("risk, %", "share of the accepted answers that are wrong, on the calibration items"),
    ("bound, %", "upper confidence bound on the risk"),
    ("accepted", "number of answers with a confidence of at least λ"),
    ("wrong", "number of accepted answers that are wrong"),
    ("items", "number of items"),
    ("strong calls, %", "share of the items that the strong level answered"),
    ("items compared", "pairs of item and order in the baseline and in the run, and whether they are paired"),
    ("items in both", "pairs of item and order that both runs have; every figure covers only these"),
    (
        "fee change at the first run's prices, %",
        "change of the fee if the second run's tokens are charged at the first run's prices",
    ),
    ("experiment", "the config that was run"),
    ("change of", "the figure whose change the paper claims"),
    ("unit", "unit of the changes"),
    ("endpoint", "primary: the one test that decides; secondary: one of several tests, adjusted together"),
    ("measure", "the figure that changes"),
    ("against", "the arm that the judged arm is compared with"),
    (
        "change",
        "figure of the judged arm minus that of the other arm, or their relative change; 95 % intervals in brackets",
    ),
    ("p (Holm)", "p-value, adjusted for all secondary endpoints of all data sets; unadjusted for the primary endpoint"),
    ("paper, up to", "the paper's figure, its largest over models and data sets"),
    ("here", "the change measured here, with its 95 % interval"),
    (
        "verdict",
        "same direction, reached, shown: the interval excludes 0 on the paper's side (reached: all of it is at least \
         the paper's figure; shown: the experiment cannot judge the paper's figure itself); not shown: the interval \
         contains 0, or there is none; opposite: it excludes 0 on the other side",
    ),
    (
        "falls from a price ratio of",
        "the fee falls if the strong level's price is at least this many times the weak level's",
    ),
    ("selective accuracy", "share of the accepted answers that are correct (selective accuracy)"),
    ("AUROC", "probability that a correct answer has a higher confidence than a wrong one"),
    ("ECE", "expected calibration error, the mean distance between confidence and accuracy"),
    ("Brier", "mean squared difference between confidence and outcome (1 correct, 0 wrong)"),
    ("strategies per query", "mean number of strategies in the weak level's prompt, per item"),
    ("tokens for strategies", "output tokens of the strong level for distilling strategies"),
    ("price, strong to weak", "price of a strong output token divided by that of a weak output token"),
    ("break-even price ratio", "the lowest price ratio at which the arm is cheaper than the cascade"),
    ("price, read : written", "price of an input token to that of an output token"),
    ("strategies", "number of strategies stored so far"),
    ("break-even item", "number of the item from which the fee stays below the cascade's"),
    ("ε", "error rate among accepted answers with strategies, divided by that without them"),
    ("b", "coverage with strategies, divided by that without them"),
];

/// The heading of the share of a gain that random strategies bring as well.
pub const SHARE_OF_GAIN: &str = "random strategies' share of the gain";

/// Headings that need no explanation.
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
    "total, s",
    "ε low",
    "ε high",
    "b low",
    "b high",
];

/// The explanation of a heading. `None` if the heading needs none.
#[must_use]
pub(in crate::report) fn meaning(heading: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(name, _)| *name == heading).map(|(_, meaning)| *meaning)
}

/// True if the heading is explained in the legend or needs no explanation.
#[cfg(test)]
#[must_use]
pub fn is_known(heading: &str) -> bool {
    meaning(heading).is_some() || PLAIN.contains(&heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_have_one_explanation_or_need_none() {
        for (index, (heading, text)) in MEANINGS.iter().enumerate() {
            assert!(MEANINGS[index + 1..].iter().all(|(other, _)| other != heading), "{heading} has two meanings");
            assert!(!PLAIN.contains(heading) && !text.is_empty() && !text.ends_with('.'), "{heading}");
        }
    }
}
