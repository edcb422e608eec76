//! Output files of a run: complete, in both formats, with the agreed columns, and consistent with each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{ARMS, GATED, ITEMS, ORDERS, THRESHOLD, finished, near, of_arm};
use crate::support::{Row, Sheet, TABLES, holds};

const RECORDS: &str = "dataset, item_id, group, arm, order, position, threshold, strategies_used, similarity_max, \
    weak_answer, weak_score, confidence, deferred, answering_level, answer, score, repository_size, \
    weak_input_tokens, weak_output_tokens, strong_input_tokens, strong_output_tokens, distil_input_tokens, \
    distil_output_tokens, embed_tokens, latency_ms";
const CALLS: &str = "dataset, item_id, arm, order, threshold, level, model, purpose, input_tokens, \
    cached_input_tokens, output_tokens, confidence, latency_ms, journal_hit";
const LEVELS: &str = "dataset, item_id, group, arm, order, position, threshold, level, model, answer, score, confidence, \
    level_threshold, strategies_shown, deferred, input_tokens, output_tokens, latency_ms";
const ACCURACY: &str = "dataset, arm, threshold, orders, n, accuracy, accuracy_low, accuracy_high, weak_accuracy, \
    accepted_accuracy, coverage, no_answer, change_vs_cascade_pp, change_low_pp, change_high_pp, p_value";
const STRONG_CALLS: &str = "dataset, arm, threshold, orders, n, strong_calls, strong_call_rate, \
    change_vs_cascade_percent, change_low_percent, change_high_percent, p_value";
const FEES: &str = "dataset, arm, threshold, model, purpose, calls, input_tokens, cached_input_tokens, \
    output_tokens, fee_usd, change_vs_cascade_percent, change_low_percent, change_high_percent";
const CALIBRATION: &str = "dataset, arm, model, signal, n, ece, brier, auroc, aurc, threshold, alpha, delta, certified";
const RELIABILITY: &str = "dataset, arm, threshold, bin, low, high, n, confidence, accuracy";
const FRONTIER: &str = "dataset, arm, threshold, orders, n, accuracy, accuracy_low, accuracy_high, strong_calls_all, fee_usd, \
    on_frontier_by_calls, dominated_by_calls, dominated_by_calls_threshold, on_frontier_by_fee, dominated_by_fee, \
    dominated_by_fee_threshold";

/// Prices of the config: model, input and output in USD per million tokens. The embedder costs nothing.
const PRICES: [(&str, f64, f64); 3] = [("small", 0.1, 0.4), ("large", 2.5, 10.0), ("hashed-words", 0.0, 0.0)];

/// Token columns of `records`, with the level and purpose of the `calls` that they sum.
const TOKENS: [(&str, &str, &str, &str); 7] = [
    ("weak_input_tokens", "0", "answer", "input_tokens"),
    ("weak_output_tokens", "0", "answer", "output_tokens"),
    ("strong_input_tokens", "1", "answer", "input_tokens"),
    ("strong_output_tokens", "1", "answer", "output_tokens"),
    ("distil_input_tokens", "1", "distil", "input_tokens"),
    ("distil_output_tokens", "1", "distil", "output_tokens"),
    ("embed_tokens", "", "embed", "input_tokens"),
];

#[test]
fn a_run_writes_exactly_the_expected_outputs() {
    let mut expected: BTreeSet<String> =
        TABLES.iter().flat_map(|table| [format!("{table}.csv"), format!("{table}.parquet")]).collect();
    expected.extend(
        [
            "strategies.jsonl",
            "manifest.json",
            "summary.md",
            "summary.tex",
            "recommendation.json",
            "report.html",
            "journal.sqlite",
        ]
        .map(str::to_owned),
    );
    let (figures, written): (BTreeSet<String>, BTreeSet<String>) =
        finished().files.keys().cloned().partition(|name| name.starts_with("figure-"));
    assert_eq!(written, expected);
    for name in ["accuracy-by-strong-calls", "accuracy-by-fee", "fee-by-purpose", "fee-change-by-price-ratio"] {
        assert!(figures.contains(&format!("figure-{name}.svg")), "{name} is not among {figures:?}");
    }
}

#[test]
fn the_tables_begin_with_the_agreed_columns() {
    for (table, columns) in
        TABLES.iter().zip([RECORDS, CALLS, LEVELS, ACCURACY, STRONG_CALLS, FEES, CALIBRATION, RELIABILITY, FRONTIER])
    {
        let sheet = finished().sheet(table);
        let expected: Vec<&str> = columns.split(',').map(str::trim).collect();
        assert_eq!(sheet.columns[..expected.len()], expected, "{table}");
    }
}

#[test]
fn the_tables_have_a_row_for_each_of_their_keys() {
    assert_eq!(finished().sheet("records").len(), ARMS.len() * ORDERS * ITEMS);
    for table in ["accuracy", "strong_calls"] {
        let sheet = finished().sheet(table);
        let arms: Vec<&str> = sheet.rows().map(|row| row.text("arm")).collect();
        assert_eq!(arms, ARMS, "{table}");
        for row in sheet.rows() {
            let threshold = GATED.contains(&row.text("arm")).then_some(THRESHOLD);
            assert_eq!((row.text("dataset"), row.optional("threshold")), ("questions", threshold));
            assert_eq!((row.count("orders"), row.count("n")), (ORDERS, ITEMS));
        }
    }
    let fees = finished().sheet("fees");
    let keys: BTreeSet<[&str; 3]> =
        fees.rows().map(|row| ["arm", "model", "purpose"].map(|key| row.text(key))).collect();
    assert_eq!(keys.len(), fees.len(), "one row an arm, model and purpose");
}

#[test]
fn levels_has_a_row_for_each_level_that_a_record_called() {
    let levels = finished().sheet("levels");
    let mut rows: HashMap<[&str; 4], Vec<Row<'_>>> = HashMap::new();
    for row in levels.rows() {
        rows.entry(["arm", "order", "item_id", "threshold"].map(|key| row.text(key))).or_default().push(row);
    }
    for record in finished().sheet("records").rows() {
        let own = &rows[&["arm", "order", "item_id", "threshold"].map(|key| record.text(key))];
        let called: Vec<usize> = own.iter().map(|row| row.count("level")).collect();
        let [weak, strong] = [!record.text("weak_score").is_empty(), record.flag("deferred")];
        let expected: Vec<usize> =
            [(weak, 0), (strong, 1)].into_iter().filter(|(is, _)| *is).map(|(_, level)| level).collect();
        assert_eq!(called, expected);
        let last = own.last().expect("a level");
        assert_eq!(["answer", "score"].map(|name| last.text(name)), ["answer", "score"].map(|name| record.text(name)));
        for row in own {
            let first = row.count("level") == 0;
            assert_eq!(row.flag("deferred"), first && record.flag("deferred"));
            assert_eq!(row.text("confidence"), if first { record.text("confidence") } else { "" });
            assert_eq!(row.text("level_threshold"), if first { record.text("threshold") } else { "" });
            assert_eq!(row.text("model"), if first { "small" } else { "large" });
            let retrieved = record.text("strategies_used").split(';').filter(|id| !id.is_empty()).count();
            assert_eq!(row.count("strategies_shown"), if first { retrieved } else { 0 });
            let columns: &[&str] =
                if first { &["weak_input_tokens"] } else { &["strong_input_tokens", "distil_input_tokens"] };
            assert_eq!(row.count("input_tokens"), columns.iter().map(|name| record.count(name)).sum::<usize>());
        }
    }
}

#[test]
fn csv_and_parquet_hold_the_same_rows() {
    for table in TABLES {
        let csv = finished().sheet(table);
        let parquet = Sheet::from_parquet(&finished().files[&format!("{table}.parquet")]);
        assert_eq!(csv.columns, parquet.columns, "{table}");
        assert_eq!(csv.len(), parquet.len(), "{table}");
        for (line, (left, right)) in csv.rows().zip(parquet.rows()).enumerate() {
            for ((left, right), column) in left.cells().iter().zip(right.cells()).zip(&csv.columns) {
                assert!(same(left, right), "{table}, row {line}, {column}: `{left}` and `{right}`");
            }
        }
    }
}

/// True if two cells are equal as texts, or as numbers to the last bit.
fn same(left: &str, right: &str) -> bool {
    let bits = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
    left == right || (bits(left).is_some() && bits(left) == bits(right))
}

#[test]
fn accuracy_follows_from_the_records() {
    let records = finished().sheet("records");
    for row in finished().sheet("accuracy").rows() {
        let arm = of_arm(&records, row.text("arm"));
        let accepted: Vec<Row<'_>> = arm.iter().filter(|record| !record.flag("deferred")).copied().collect();
        near(row.number("accuracy"), share(&arm, |record| record.text("score") == "correct"));
        near(row.number("coverage"), share(&arm, |record| !record.flag("deferred")));
        near(row.number("no_answer"), share(&arm, |record| record.text("score") == "no-answer"));
        let called = !arm[0].text("weak_score").is_empty();
        let weak = called.then(|| share(&arm, |record| record.text("weak_score") == "correct"));
        assert_eq!(row.optional("weak_accuracy").map(rounded), weak.map(rounded), "{}", row.text("arm"));
        let right = (!accepted.is_empty()).then(|| share(&accepted, |record| record.text("score") == "correct"));
        assert_eq!(row.optional("accepted_accuracy").map(rounded), right.map(rounded), "{}", row.text("arm"));
        let base = of_arm(&records, "cascade");
        let change = share(&arm, right_answer) - share(&base, right_answer);
        let differing = differing(&arm, &base, right_answer);
        assert_change(&row, ["change_vs_cascade_pp", "change_low_pp", "change_high_pp"], 100.0 * change, differing);
    }
}

/// Returns the number of groups in which an arm and its baseline differ.
fn differing(arm: &[Row<'_>], base: &[Row<'_>], is: impl Fn(&Row<'_>) -> bool) -> usize {
    let mut sums: BTreeMap<String, i32> = BTreeMap::new();
    for (rows, sign) in [(arm, 1), (base, -1)] {
        for row in rows {
            *sums.entry(row.text("group").to_owned()).or_default() += sign * i32::from(is(row));
        }
    }
    sums.values().filter(|sum| **sum != 0).count()
}

/// Asserts that a change has p-values, and an interval if at least three groups differ. The cascade itself has neither.
fn assert_change(row: &Row<'_>, [value, low, high]: [&str; 3], change: f64, differing: usize) {
    if row.text("arm") == "cascade" {
        assert_eq!([value, low, high, "p_value", "p_holm"].map(|column| row.text(column)), [""; 5]);
        return;
    }
    near(row.number(value), change);
    let ends = [row.optional(low), row.optional(high)];
    assert_eq!(ends.map(|end| end.is_some()), [differing >= 3; 2], "{}: {differing} groups differ", row.text("arm"));
    if let [Some(low), Some(high)] = ends {
        assert!(low <= change + 1e-9 && change <= high + 1e-9, "{} {change} in {ends:?}", row.text("arm"));
    }
    let (p, holm) = (row.number("p_value"), row.optional("p_holm"));
    assert!(
        0.0 < p && p <= holm.unwrap_or(1.0) && holm.is_none_or(|holm| holm <= 1.0),
        "{} p {p}, {holm:?}",
        row.text("arm")
    );
    assert_eq!(
        holm.is_some(),
        row.text("arm").starts_with("inter-cascade"),
        "the levels alone are no hypotheses on learning"
    );
}

fn right_answer(record: &Row<'_>) -> bool {
    record.text("score") == "correct"
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred rows")]
fn share(rows: &[Row<'_>], is: impl Fn(&Row<'_>) -> bool) -> f64 {
    rows.iter().filter(|row| is(row)).count() as f64 / rows.len() as f64
}

#[expect(clippy::cast_possible_truncation, reason = "shares")]
fn rounded(value: f64) -> i64 {
    (value * 1e9).round() as i64
}

#[test]
fn confidence_quality_is_reported_with_intervals() {
    let calibration = finished().sheet("calibration");
    for row in calibration.rows() {
        for figure in ["auroc", "brier"] {
            let ends = ["low", "high"].map(|end| row.number(&format!("{figure}_{end}")));
            let value = row.number(figure);
            assert!(ends[0] < value && value < ends[1], "{} {figure}: {value} in {ends:?}", row.text("arm"));
        }
    }
    let columns: Vec<&str> = calibration.columns.iter().rev().take(14).rev().map(String::as_str).collect();
    let [ends, of_called] = [
        ["drift_p_value", "auroc_low", "auroc_high", "ece_low", "ece_high", "brier_low", "brier_high"],
        [
            "n_asked",
            "weak_from_weak_only",
            "auroc_asked",
            "auroc_asked_low",
            "auroc_asked_high",
            "ece_asked",
            "brier_asked",
        ],
    ];
    assert_eq!(columns, [ends, of_called].concat(), "new columns stand at the end");
}

#[test]
fn strong_calls_follow_from_records_and_calls() {
    let (records, calls) = (finished().sheet("records"), finished().sheet("calls"));
    let deferred = |arm: &str| of_arm(&records, arm).iter().filter(|record| record.flag("deferred")).count();
    for row in finished().sheet("strong_calls").rows() {
        let arm = row.text("arm");
        let called = of_arm(&calls, arm)
            .iter()
            .filter(|call| call.text("level") == "1" && call.text("purpose") == "answer")
            .count();
        assert_eq!(row.count("strong_calls"), deferred(arm), "{arm}");
        assert_eq!(row.count("strong_calls"), called, "{arm}");
        near(row.number("strong_call_rate"), share(&of_arm(&records, arm), |record| record.flag("deferred")));
        let (strong_calls, base) = (row.number("strong_calls"), deferred("cascade"));
        #[expect(clippy::cast_precision_loss, reason = "a few hundred calls")]
        let change = 100.0 * (strong_calls / base as f64 - 1.0);
        if arm == "weak-only" {
            // weak-only never calls the strong level, so there is no variation to resample.
            near(row.number("change_vs_cascade_percent"), change);
            assert_eq!(row.optional("change_low_percent"), None);
            continue;
        }
        let differing =
            differing(&of_arm(&records, arm), &of_arm(&records, "cascade"), |record| record.flag("deferred"));
        let columns = ["change_vs_cascade_percent", "change_low_percent", "change_high_percent"];
        assert_change(&row, columns, change, differing);
    }
}

#[test]
fn record_tokens_equal_the_tokens_of_their_calls() {
    let (records, calls) = (finished().sheet("records"), finished().sheet("calls"));
    let key = |row: &Row<'_>| ["arm", "order", "item_id"].map(|column| row.text(column).to_owned());
    let mut sums: HashMap<([String; 3], &str), usize> = HashMap::new();
    for call in calls.rows() {
        for (column, level, purpose, tokens) in TOKENS {
            if call.text("level") == level && call.text("purpose") == purpose {
                *sums.entry((key(&call), column)).or_default() += call.count(tokens);
            }
        }
    }
    for record in records.rows() {
        for (column, ..) in TOKENS {
            let sum = sums.get(&(key(&record), column)).copied().unwrap_or_default();
            assert_eq!(record.count(column), sum, "{column} of {:?}", key(&record));
        }
    }
    assert!(sums.values().sum::<usize>() > 0);
}

#[test]
fn fees_are_call_tokens_times_prices() {
    let (fees, calls) = (finished().sheet("fees"), finished().sheet("calls"));
    let columns = ["input_tokens", "cached_input_tokens", "output_tokens"];
    let mut sums: BTreeMap<[&str; 3], [usize; 4]> = BTreeMap::new();
    for call in calls.rows() {
        let purpose = call.text("purpose");
        for purpose in [purpose, "total"] {
            let sum = sums.entry([call.text("arm"), call.text("model"), purpose]).or_default();
            // The call that answers also writes the strategy.
            sum[3] += usize::from(purpose != "total" || call.text("purpose") != "distil");
            for (sum, column) in sum.iter_mut().zip(columns) {
                *sum += call.count(column);
            }
        }
    }
    assert_eq!(fees.len(), sums.len());
    for row in fees.rows() {
        let [input, cached, output, made] = sums[&["arm", "model", "purpose"].map(|key| row.text(key))];
        assert_eq!(columns.map(|column| row.count(column)), [input, cached, output]);
        assert_eq!(row.count("calls"), made);
        let (_, read, written) = PRICES.into_iter().find(|(model, ..)| *model == row.text("model")).expect("a price");
        #[expect(clippy::cast_precision_loss, reason = "a few thousand tokens")]
        near(row.number("fee_usd"), (input as f64 * read + output as f64 * written) / 1e6);
    }
}

#[test]
fn a_call_is_made_once_and_charged_to_each_record_using_it() {
    let calls = finished().sheet("calls");
    let mut first: HashMap<&str, [&str; 3]> = HashMap::new();
    for call in calls.rows().filter(|call| !call.text("journal_key").is_empty()) {
        let record = ["arm", "order", "item_id"].map(|column| call.text(column));
        let owner = first.entry(call.text("journal_key")).or_insert(record);
        assert_eq!(call.flag("journal_hit"), *owner != record);
    }
    assert_eq!(first.len(), finished().output.calls_made());
    assert!(first.len() < calls.len(), "arms and orders share calls");
}

#[test]
fn the_manifest_describes_the_run_and_its_spending() {
    let manifest: serde_json::Value = serde_json::from_str(finished().text("manifest.json")).expect("JSON");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["config"]["seed"], 7);
    assert_eq!(manifest["config"]["model"][1]["price"]["output"], 10.0);
    assert_eq!(manifest["calls_made"].as_u64(), u64::try_from(finished().output.calls_made()).ok());
    assert!(manifest["started"].is_string() && manifest["ended"].is_string(), "{manifest}");
    let spent = manifest["spent"]["large"]["fee_usd"].as_f64().expect("a fee");
    let charged: f64 = finished()
        .sheet("fees")
        .rows()
        .filter(|row| row.text("model") == "large" && row.text("purpose") == "total")
        .map(|row| row.number("fee_usd"))
        .sum();
    assert!(spent > 0.0 && spent < charged, "each call is paid once ({spent}) and charged to each arm ({charged})");
    let sha256 = manifest["identity"]["dataset"]["sha256"].as_str().expect("a checksum");
    assert_eq!(sha256.len(), 64);
}

#[test]
fn the_summary_shows_every_arm_and_warns_of_simulation() {
    let summary = finished().text("summary.md");
    for text in [summary, &finished().output.out] {
        holds(text, &ARMS);
        holds(text, &["A level is simulated"]);
    }
    holds(summary, &["# trial", "how much of it any strategy gives", "same group", "other groups only"]);
}

#[test]
fn strategies_come_from_deferred_items() {
    let records = finished().sheet("records");
    let deferred: BTreeSet<(String, usize, usize, String)> = records
        .rows()
        .filter(|row| row.flag("deferred") && row.text("arm").starts_with("inter-cascade"))
        .map(|row| {
            (row.text("arm").to_owned(), row.count("order"), row.count("position"), row.text("item_id").to_owned())
        })
        .collect();
    let place = |strategy: &serde_json::Value, key: &str| {
        strategy[key].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number")
    };
    let text = |strategy: &serde_json::Value, key: &str| strategy[key].as_str().expect("a text").to_owned();
    let stored: BTreeSet<_> = finished()
        .strategies()
        .iter()
        .map(|strategy| {
            (text(strategy, "arm"), place(strategy, "order"), place(strategy, "position"), text(strategy, "source"))
        })
        .collect();
    assert_eq!(stored, deferred);
    assert!(finished().strategies().iter().all(|strategy| text(strategy, "text").starts_with("Kind of question")));
}
