//! What the weak level's confidence is worth over a stream, and whether the gate keeps what was guaranteed.

use std::collections::BTreeMap;

use super::{Slice, Taken};
use crate::analysis::drift::{Watched, watch};
use crate::analysis::reliability::{Bin, aurc, auroc, brier, ece, reliability_table};

/// Rows of equal mass in a reliability table.
pub const BINS: usize = 10;

/// How well confidence tells right answers from wrong ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Answers, over all orders.
    pub n: usize,
    /// The table.
    pub bins: Vec<Bin>,
    /// The expected calibration error over the table's rows.
    pub ece: Option<f64>,
    /// The mean squared error of confidence.
    pub brier: Option<f64>,
    /// The chance that a right answer is the surer one.
    pub auroc: Option<f64>,
    /// The area under the risk-coverage curve.
    pub aurc: Option<f64>,
}

/// What became of a guarantee over the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Realised {
    /// Accepted answers, over all orders.
    pub accepted: usize,
    /// Wrong ones among them.
    pub errors: usize,
    /// Their share; none where nothing was accepted.
    pub risk: Option<f64>,
    /// The e-value against the guarantee: the greatest wealth of any order, divided by the number of orders.
    pub e_value: f64,
    /// The accepted answers of that order by then, and the wrong ones among them.
    pub alarmed: [usize; 2],
}

impl Slice<'_> {
    /// What the weak level's confidence is worth; none where it has none, and where the slice is read off weak-only, which
    /// has the same.
    #[must_use]
    pub fn reliability(&self) -> Option<Reliability> {
        if matches!(self.taken.first(), Some(Taken::Gated { .. })) {
            return None;
        }
        let judged = self.judged();
        let bins = reliability_table(&judged, BINS);
        (!judged.is_empty()).then(|| Reliability {
            n: judged.len(),
            ece: ece(&bins),
            brier: brier(&judged),
            auroc: auroc(&judged),
            aurc: aurc(&judged),
            bins,
        })
    }

    /// Whether accepted answers of the weak level keep to a risk of `alpha`; strong ones given again are none of its.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of items")]
    pub fn realised(&self, alpha: f64) -> Realised {
        let mut orders: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for taken in self.taken.iter().filter(|taken| !taken.deferred() && taken.weak().is_some()) {
            orders.entry(taken.record().cell.order).or_default().push(!taken.correct());
        }
        let watched: Vec<Watched> = orders.into_values().map(|wrong| watch(wrong, alpha)).collect();
        let sum = |of: fn(&Watched) -> usize| watched.iter().map(of).sum::<usize>();
        let (accepted, errors) = (sum(|order| order.accepted), sum(|order| order.errors));
        let most = watched.iter().max_by(|one, other| one.wealth.total_cmp(&other.wealth));
        Realised {
            accepted,
            errors,
            risk: (accepted > 0).then(|| errors as f64 / accepted as f64),
            e_value: most.map_or(0.0, |most| most.wealth) / self.orders.max(1) as f64,
            alarmed: most.map_or([0; 2], |most| [most.at, most.errors_at]),
        }
    }
}
