//! What a reader must know of the guarantees before quoting a figure.

use crate::analysis::metrics::Comparison;
use crate::report::calibration;
use crate::report::format::{hundredths, p_value, percent};

/// What a reader must know of the guarantees, told from the records.
#[must_use]
pub fn cautions(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    for slice in &comparison.slices {
        let (arm, Some(found)) = (&slice.cell.arm, comparison.guaranteed(slice)) else { continue };
        let (alpha, delta) = (found.guarantee.alpha, found.guarantee.delta);
        if !found.certified {
            lines.push(format!(
                "{arm}: NOTHING CERTIFIED: no threshold keeps the risk of accepted answers to {alpha} on these {} calibration \
                 items (δ {delta}), so everything is deferred.",
                found.told_from
            ));
        }
        let realised = slice.realised(alpha);
        if realised.p <= delta {
            let [at, errors] = realised.alarmed;
            lines.push(format!(
                "{arm}: {errors} of the first {at} accepted answers were wrong, more than the guarantee allows ({alpha}; over the whole \
                 stream {}): p {} at any time, alarm up to {delta}. The stream is not like the calibration items, the arm's answers have \
                 changed, variants of one problem err together, or the calibration is one of the {} in a hundred that mislead.",
                realised.risk.map(percent).unwrap_or_default(),
                p_value(realised.p),
                hundredths(delta)
            ));
        }
    }
    lines.extend(comparison.calibrated.iter().filter_map(calibration::flat_recalibration));
    lines
}
