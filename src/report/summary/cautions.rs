//! Cautions on the guarantees, which a reader must know before quoting a figure.

use crate::analysis::metrics::Comparison;
use crate::report::calibration;
use crate::report::format::{hundredths, p_value, percent};

/// Returns the cautions on the guarantees, computed from the records.
#[must_use]
pub fn cautions(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    for slice in &comparison.slices {
        let (arm, Some(guaranteed)) = (&slice.cell.arm, comparison.guaranteed(slice)) else { continue };
        let (alpha, delta) = (guaranteed.guarantee.alpha, guaranteed.guarantee.delta);
        if !guaranteed.certified {
            lines.push(format!(
                "{arm}: NOTHING CERTIFIED: on these {} calibration items no threshold keeps the risk of accepted \
                 answers at or below {alpha} (δ {delta}), so every answer is deferred.",
                guaranteed.threshold_answers
            ));
        }
        let realised = slice.realised(alpha);
        if realised.p <= delta {
            let [at, errors] = realised.alarmed;
            lines.push(format!(
                "{arm}: {errors} of the first {at} accepted answers were wrong, more than the guarantee allows (at \
                 most {alpha}; over the whole stream {}). The p-value, which is valid at any time, is {} and raises \
                 an alarm if at most {delta}. Possible reasons: the stream differs from the calibration items, the \
                 arm's answers have changed, variants of one problem fail together, or the calibration is one of the \
                 {} in a hundred that mislead.",
                realised.risk.map(percent).unwrap_or_default(),
                p_value(realised.p),
                hundredths(delta)
            ));
        }
    }
    lines.extend(comparison.calibrated.iter().filter_map(calibration::flat_recalibration));
    lines
}
