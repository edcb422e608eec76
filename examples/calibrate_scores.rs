//! Calibration of a threshold on a table of scores, without running models. With probability 1 - δ, at most a share α
//! of the answers at or above the threshold is wrong. The table has the columns `confidence` (in [0, 1]) and `correct`
//! (0 or 1) and one independent answer per row.
//!
//! `cargo run --release --example calibrate_scores [CSV] [ALPHA]`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use intercascade::analysis::calibration::{Grid, Guarantee, Outcome, calibrate};
use intercascade::analysis::reliability::Judged;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "examples/scores.csv".to_owned());
    let alpha = args.next().map_or(Ok(0.2), |alpha| alpha.parse())?;
    let answers = csv::Reader::from_path(&path)?
        .deserialize::<(f64, u8)>()
        .map(|row| row.map(|(confidence, correct)| Judged { confidence, right: correct == 1 }))
        .collect::<Result<Vec<Judged>, _>>()?;
    let guarantee = Guarantee { alpha, delta: 0.1, min_accepted: 30 };
    println!("{}: {} answers, tolerated risk {alpha}", path, answers.len());
    match calibrate(&answers, Grid::Uniform(100), guarantee) {
        Outcome::Certified(found) => println!(
            "accept from confidence {} on: {} of {} accepted answers are wrong, and with 90 % certainty at most {:.1} % of all such",
            found.threshold,
            found.errors,
            found.n,
            found.bound * 100.0
        ),
        Outcome::NothingCertified(tested) => println!(
            "nothing can be certified: even from {} on {} of {} are wrong",
            tested.threshold, tested.errors, tested.n
        ),
        Outcome::Impossible { n, needed } => {
            println!("too few answers: {n} exist, and at least {needed} correct ones are needed");
        }
    }
    Ok(())
}
