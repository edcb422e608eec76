//! Analysis time against fixed limits: a sweep of an arm that does not learn, and the bootstrap of a paired difference,
//! both on the number of items of MMLU; then all tables of a million records. Command: `cargo bench --bench analysis`.
//! The figures are in docs/PERFORMANCE.md.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use intercascade::analysis::metrics::{Comparison, Prices};
use intercascade::analysis::stats::Draws;
use intercascade::analysis::stats::difference::of_answers;
use intercascade::report::arms::gates::ConfidenceSource;
use intercascade::report::arms::of_arms;
use intercascade::report::grid::Caption;
use intercascade::report::reproduction::{Experiment, Shows, figures};
use intercascade::report::summary::Context;
use intercascade::report::sweep::Sweep;
use intercascade::types::arm::Arm;
use intercascade::types::chat::Usage;
use intercascade::types::confidence::Confidence;
use intercascade::types::level::Level;
use intercascade::types::price::Price;
use intercascade::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Score};
use intercascade::types::seed::Seed;
use intercascade::types::testing;

/// Number of items of the MMLU test set.
const ITEMS: usize = 14_042;
/// Number of thresholds of the sweep.
const THRESHOLDS: u32 = 200;
/// Time limit of each benchmark.
const LIMIT: Duration = Duration::from_secs(2);
const REPEATS: usize = 5;

fn main() -> Result<()> {
    let (records, prices) = (records(), prices());
    let thresholds: Vec<f64> = (1..=THRESHOLDS).map(|i| f64::from(i) / f64::from(THRESHOLDS)).collect();
    timed("a sweep of the cascade, tables and summary", || {
        let comparison = Comparison::swept(&records, &thresholds, &[], &prices, Seed(1));
        let sweep = Sweep::new(&comparison);
        let confidence = Some(ConfidenceSource { model: "weak", signal: "option-probability" });
        let context =
            Context { name: "bench", setting: &[], warnings: &[], comparison: &comparison, confidence, decision: "" };
        let tables: Vec<_> = of_arms(&comparison, confidence)?.into_iter().chain(sweep.tables()?).collect();
        let text = intercascade::report::summary::swept(&context, &sweep);
        ensure!(tables.len() == 9 && text.len() > 1000 && comparison.slices.len() == 202, "{} tables", tables.len());
        Ok(())
    })?;
    let pairs: Vec<(bool, bool)> = (0..ITEMS).map(|i| (unit("arm", i) < 0.7, unit("base", i) < 0.65)).collect();
    timed("10,000 resamples of a paired difference, and its test", || {
        let draws = Draws { seed: Seed(1), labels: &["bench"], count: 10_000 };
        let found = of_answers(&pairs, draws);
        ensure!(found.is_some_and(|found| found.interval.is_some()), "no interval");
        Ok(())
    })?;
    million()
}

/// All tables of `run` and `reproduce` for five arms at ten thresholds on 20,000 items. Limits: 30 seconds, and 2 GB of
/// memory including the records.
fn million() -> Result<()> {
    let (records, prices) = (swept(), prices());
    println!("{} records: {} MB", records.len(), peak());
    let started = Instant::now();
    let comparison = Comparison::new(&records, &[], &prices, Seed(1));
    let confidence = Some(ConfidenceSource { model: "weak", signal: "option-probability" });
    let context =
        Context { name: "bench", setting: &[], warnings: &[], comparison: &comparison, confidence, decision: "" };
    let text = intercascade::report::summary::markdown(&context);
    println!("summary: {:.1} s", started.elapsed().as_secs_f64());
    for mut table in of_arms(&comparison, confidence)? {
        ensure!(table.frame.height() >= 50 && !table.files()?[0].1.is_empty(), "{} has too few rows", table.name);
        println!("{}: {:.1} s", table.name, started.elapsed().as_secs_f64());
    }
    let experiment = [Experiment { name: "bench", comparison: &comparison, yardstick: None }];
    for shows in [
        Shows::Pipeline,
        Shows::Weak,
        Shows::Calibration,
        Shows::Fees,
        Shows::PriceRatio,
        Shows::ColdStart,
        Shows::Latency,
        Shows::Theorem,
    ] {
        let figures = figures(shows, &experiment);
        let caption = Caption::new("", shows.name(), "");
        ensure!(figures.table()?.files().is_ok() && figures.latex(&caption).len() > 100, "no {}", shows.name());
        println!("{}: {:.1} s", shows.name(), started.elapsed().as_secs_f64());
    }
    ensure!(text.len() > 1000, "no summary");
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "all tables of {} records: {seconds:.1} s, {:.0} % of 30 s; {} MB at the peak, {} % of 2 GB",
        records.len(),
        seconds / 0.3,
        peak(),
        peak() / 20
    );
    Ok(())
}

/// Records like those of a sweep of learning arms: the weak level answers, and answers below the threshold are
/// deferred.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tokens")]
fn swept() -> Vec<Record> {
    let mut records = Vec::new();
    for step in 1..=10_u32 {
        for arm in Arm::ALL.into_iter().filter(|arm| !arm.is_one_level()) {
            let threshold = f64::from(step) / 10.0;
            let key = Arc::new(CellKey { dataset: "mmlu".into(), arm, order: 0, threshold: Some(threshold) });
            records.extend((0..20_000).map(|i| {
                let mut own = record(&key, 0, i);
                // Every item has a different cost in every arm, so the bootstrap cannot group equal items.
                let tokens = |level: &str| 50 + (1000.0 * unit(&format!("{arm} {level}"), i)) as u64;
                own.calls[0].usage.output = tokens("weak");
                own.deferred = unit(arm.name(), i) < threshold;
                if arm != Arm::Cascade {
                    let embed =
                        Call { level: None, model: "embedder".into(), purpose: Purpose::Embed, ..own.calls[0].clone() };
                    own.calls.insert(0, embed);
                }
                if own.deferred {
                    let strong = record(&key, 1, i);
                    own.answering_level = Some(Level::SECOND);
                    own.levels.extend(strong.levels);
                    own.levels[0].deferred = true;
                    own.graded = strong.graded;
                    own.calls.extend(strong.calls);
                    own.calls.last_mut().expect("a call").usage.output = tokens("strong");
                }
                own
            }));
        }
    }
    records
}

/// Peak memory of this process, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or_default() / 1000
}

/// Median time of some repetitions, as a share of the limit.
fn timed(label: &str, work: impl Fn() -> Result<()>) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed());
    }
    times.sort();
    let median = times[REPEATS / 2];
    println!(
        "{label}, {ITEMS} items: {:.3} s, {:.1} % of the limit of {} s (median of {REPEATS})",
        median.as_secs_f64(),
        100.0 * median.as_secs_f64() / LIMIT.as_secs_f64(),
        LIMIT.as_secs()
    );
    Ok(())
}

fn unit(what: &str, i: usize) -> f64 {
    Seed(2).unit(&[what, &i.to_string()])
}

fn prices() -> Prices {
    let price =
        |input, output| Some(Price { input, cached_input: None, output, batch: None, read: None, nominal: false });
    BTreeMap::from([
        ("embedder".to_owned(), price(0.02, 0.0)),
        ("weak".to_owned(), price(0.1, 0.4)),
        ("strong".to_owned(), price(2.5, 10.0)),
    ])
}

fn records() -> Vec<Record> {
    let mut records = Vec::new();
    for (level, arm) in [Arm::WeakOnly, Arm::StrongOnly].into_iter().enumerate() {
        let key = Arc::new(CellKey { dataset: "mmlu".into(), arm, order: 0, threshold: None });
        records.extend((0..ITEMS).map(|i| record(&key, level, i)));
    }
    records
}

fn record(key: &Arc<CellKey>, level: usize, i: usize) -> Record {
    let confidence = unit("confidence", i);
    let right = if level == 0 { unit("weak", i) < confidence } else { unit("strong", i) < 0.8 };
    let graded = Graded { answer: Some("A".to_owned()), score: if right { Score::Correct } else { Score::Incorrect } };
    let call = Call {
        usage: Usage { input: 100 + i as u64 % 50, cached_input: 0, output: 20 },
        latency_ms: 0.0,
        ..testing::call(Level::at(level), Purpose::Answer)
    };
    Record {
        levels: vec![LevelAnswer {
            strict: (level == 0).then_some(graded.score),
            confidence: (level == 0).then(|| Confidence::nearest(confidence)),
            ..LevelAnswer::new(Level::at(level), graded.clone())
        }],
        deferred: level == 1,
        answering_level: Some(Level::at(level)),
        graded,
        calls: vec![call],
        ..testing::record(key, i)
    }
}
