//! Descriptions of a judgement beside its endpoints: figures of the arms, and splits of the judged arm by the solution in
//! the prompt, by subject and by group. Splits that read the targets are an oracle's.

use std::collections::BTreeMap;

use super::{ACCEPTED, DEFERRED, JUDGED, JudgedSet, WEAK_CORRECT};
use crate::analysis::metrics::averaged::{AveragedArm, CORRECT, Figure};
use crate::analysis::metrics::changes::RESAMPLES;
use crate::analysis::metrics::fees::item_fee;
use crate::analysis::metrics::slices::ItemOutcome;
use crate::analysis::stats::{Draws, Estimate};
use crate::types::arm::Arm;
use crate::types::record::Score;

/// Figures of a judgement beside its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Each arm.
    pub arms: Vec<ArmFigures>,
    /// The judged arm by the solution in the prompt.
    pub teachers: Vec<ByTeacher>,
    /// The judged arm by subjects. Empty without subjects.
    pub subjects: Vec<BySubject>,
    /// Each group.
    pub groups: Vec<GroupFigures>,
    /// The judged arm beside an oracle gate. `None` without the arms.
    pub ceiling: Option<Ceiling>,
}

impl<'a> JudgedSet<'a> {
    /// Computes the figures beside the endpoints.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description {
            arms: self.figures(),
            teachers: self.by_teacher(),
            subjects: self.by_subject(),
            groups: self.groups(),
            ceiling: self.ceiling(),
        }
    }

    /// Computes the figures of each arm.
    fn figures(&self) -> Vec<ArmFigures> {
        let figures = |arm: &AveragedArm| {
            let labels = ["judged", arm.cell.arm.name()];
            let draws = Draws { seed: self.seed, labels: &labels, count: RESAMPLES };
            let accepted_correct: Figure =
                &|outcome| Some(f64::from(u8::from(!outcome.deferred() && outcome.correct())));
            ArmFigures {
                arm: arm.cell.arm,
                threshold: arm.cell.threshold,
                weak_accuracy: arm.mean(WEAK_CORRECT, draws),
                accuracy: arm.mean(CORRECT, draws),
                coverage: arm.share(ACCEPTED),
                selective: arm.ratio(accepted_correct, ACCEPTED),
                strong_calls: arm.share(DEFERRED),
                fee: arm.share(&|outcome| item_fee(outcome, None, self.prices)),
            }
        };
        self.arms.iter().map(figures).collect()
    }

    /// Splits the judged arm's accepted answers by the correctness of the strong solution in the prompt, an oracle's
    /// knowledge.
    fn by_teacher(&self) -> Vec<ByTeacher> {
        let (Some(judged), Some(strong)) = (self.judged(), self.arm(Arm::StrongOnly)) else { return Vec::new() };
        let Some(alone) = strong.by_item(CORRECT) else { return Vec::new() };
        [Some(Score::Correct), Some(Score::Incorrect), Some(Score::NoAnswer), None]
            .into_iter()
            .filter_map(|teacher| {
                let is_own = |outcome: ItemOutcome| outcome.record().strategy_scores.first().copied() == teacher;
                let count = |holds: &dyn Fn(ItemOutcome) -> bool| {
                    let own: Figure = &|outcome| Some(f64::from(u8::from(is_own(outcome) && holds(outcome))));
                    judged.share(own)
                };
                let share = count(&|_| true)?;
                let accepted = count(&|outcome| !outcome.deferred())?;
                let strong_correct = judged.share(&|outcome| {
                    let is = is_own(outcome) && !outcome.deferred();
                    Some(if is { alone.get(&*outcome.record().item_id.0)?.1 } else { 0.0 })
                })?;
                (share > 0.0).then(|| ByTeacher {
                    teacher,
                    share,
                    accepted,
                    correct: count(&|outcome| !outcome.deferred() && outcome.correct()).unwrap_or_default(),
                    strong_correct,
                })
            })
            .collect()
    }

    /// Computes how much of an oracle gate's gain the judged arm reaches, with the examples that were in its prompts.
    /// `None` without the arms.
    fn ceiling(&self) -> Option<Ceiling> {
        let (judged, strong) = (self.judged()?, self.arm(Arm::StrongOnly)?);
        let alone = strong.by_item(CORRECT)?;
        let either: Figure = &|outcome| {
            let strong = alone.get(&*outcome.record().item_id.0)?.1;
            let asked = outcome.own_weak_answer().is_some() && outcome.weak_correct();
            Some(if asked { 1.0 } else { strong })
        };
        Some(Ceiling { strong: strong.share(CORRECT)?, judged: judged.share(CORRECT)?, oracle: judged.share(either)? })
    }

    /// Splits the judged arm's items with an example by the subjects of example and item. Empty without subjects.
    fn by_subject(&self) -> Vec<BySubject> {
        let (Some(judged), Some(strong)) = (self.judged(), self.arm(Arm::StrongOnly)) else { return Vec::new() };
        let solved: BTreeMap<&str, &str> = strong
            .outcomes
            .iter()
            .filter_map(|(outcome, _)| Some((&*outcome.record().item_id.0, outcome.graded().answer.as_deref()?)))
            .collect();
        let subject = |id: &str| self.subjects.get(id).map(String::as_str);
        let pair = |outcome: ItemOutcome<'a>| {
            let example = &*outcome.record().strategies_used.first()?.0;
            Some((subject(example)?, subject(&outcome.record().item_id.0)?))
        };
        let mut found: BTreeMap<(&str, &str), BySubject> = BTreeMap::new();
        let all: f64 = judged.outcomes.iter().map(|(_, orders)| f64::from(*orders)).sum();
        for (outcome, orders) in &judged.outcomes {
            let Some((example, item)) = pair(*outcome) else { continue };
            let row = found.entry((example, item)).or_insert_with(|| BySubject {
                example: example.to_owned(),
                item: item.to_owned(),
                ..BySubject::default()
            });
            let weight = f64::from(*orders) / all;
            let accepted = !outcome.deferred();
            let source = outcome.record().strategies_used.first().and_then(|id| solved.get(&*id.0).copied());
            let copied = accepted && !outcome.correct() && source == outcome.graded().answer.as_deref();
            row.share += weight;
            row.taught += if outcome.weak_correct() { weight } else { 0.0 };
            row.accepted += if accepted { weight } else { 0.0 };
            row.correct += if accepted && outcome.correct() { weight } else { 0.0 };
            row.copied += if copied && source.is_some() { weight } else { 0.0 };
        }
        found.into_values().collect()
    }

    /// Computes the accuracies of each group.
    fn groups(&self) -> Vec<GroupFigures> {
        let of = |arm: Arm, figure: Figure| {
            let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
            for (group, value) in self.arm(arm).and_then(|arm| arm.by_item(figure)).unwrap_or_default().into_values() {
                let sum = sums.entry(group).or_default();
                *sum = (sum.0 + value, sum.1 + 1.0);
            }
            sums
        };
        let columns = [
            of(Arm::StrongOnly, CORRECT),
            of(Arm::WeakOnly, CORRECT),
            of(JUDGED, CORRECT),
            of(JUDGED, WEAK_CORRECT),
            of(JUDGED, DEFERRED),
        ];
        let group = |(group, (_, items)): (&&str, &(f64, f64))| {
            let [strong, weak, judged, taught, deferred] =
                columns.each_ref().map(|sums| sums.get(group).map(|(sum, items)| sum / items));
            GroupFigures { group: (*group).to_owned(), items: *items, strong, weak, judged, taught, deferred }
        };
        columns[0].iter().map(group).collect()
    }
}

/// Figures of an arm over many orders, as shares. A figure is `None` if it is undefined.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmFigures {
    /// The arm.
    pub arm: Arm,
    /// Its threshold λ. `None` if the arm has none.
    pub threshold: Option<f64>,
    /// Weak accuracy over the whole stream.
    pub weak_accuracy: Option<Estimate>,
    /// Accuracy of the final answers.
    pub accuracy: Option<Estimate>,
    /// Share of the items that the weak level, or an example, answers.
    pub coverage: Option<f64>,
    /// Share of these answers that are correct.
    pub selective: Option<f64>,
    /// Share of the items that the strong level answers.
    pub strong_calls: Option<f64>,
    /// Fee per item in USD. `None` without prices.
    pub fee: Option<f64>,
}

/// Answers of the judged arm by the strong solution in the prompt, as shares of all items.
#[derive(Debug, Clone, PartialEq)]
pub struct ByTeacher {
    /// Score of the strong solution. `None` without an example.
    pub teacher: Option<Score>,
    /// Share of the items.
    pub share: f64,
    /// Accepted answers.
    pub accepted: f64,
    /// Accepted answers that are correct.
    pub correct: f64,
    /// Accepted answers for which the strong level alone is correct.
    pub strong_correct: f64,
}

/// Items of the judged arm by the subjects of the example in the prompt and of the item, as shares of all items.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BySubject {
    /// Subject of the example.
    pub example: String,
    /// Subject of the item.
    pub item: String,
    /// Share of the items.
    pub share: f64,
    /// Correct weak answers, deferred ones included.
    pub taught: f64,
    /// Accepted answers.
    pub accepted: f64,
    /// Accepted answers that are correct.
    pub correct: f64,
    /// Accepted answers that are incorrect and equal the example's answer.
    pub copied: f64,
}

/// Accuracies with the actual gate and with an oracle gate, as shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// Strong level alone.
    pub strong: f64,
    /// Judged arm.
    pub judged: f64,
    /// Judged arm, if a gate knew which weak answers are correct, with the same examples.
    pub oracle: f64,
}

impl Ceiling {
    /// Share of the oracle gate's gain over the strong level that is reached; negative for a loss. `None` if the oracle
    /// gains nothing.
    #[must_use]
    pub fn reached(&self) -> Option<f64> {
        (self.oracle > self.strong).then(|| (self.judged - self.strong) / (self.oracle - self.strong))
    }
}

/// Accuracies of one group, as shares. A figure is `None` if its arm is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFigures {
    /// The group.
    pub group: String,
    /// Number of items.
    pub items: f64,
    /// Accuracy of strong-only.
    pub strong: Option<f64>,
    /// Accuracy of weak-only.
    pub weak: Option<f64>,
    /// Accuracy of the judged arm.
    pub judged: Option<f64>,
    /// Weak accuracy of the judged arm.
    pub taught: Option<f64>,
    /// Share of the items that the strong level answers in the judged arm.
    pub deferred: Option<f64>,
}
