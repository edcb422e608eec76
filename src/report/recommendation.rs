//! The recommendation in words: the five lines at the end of a run, the summary's first section, and
//! `recommendation.json`.

use std::fmt::Write;

use serde_json::{Value, json};

use super::format::{bare_percent, brackets, lambda, points, relative, signed, sure_percent};
use super::left_out;
use super::manifest::Manifest;
use crate::analysis::metrics::Comparison;
use crate::analysis::metrics::recommendation::{
    AgainstStrong, Candidate, Recommendation, RecommendationOutcome, Unit, Verdict,
};
use crate::analysis::stats::Estimate;
use crate::types::arm::Arm;

/// The file's name.
pub const FILE: &str = "recommendation.json";

/// Heading of the section in the summary.
pub(super) const HEADING: &str = "What to take";

/// The rule in one sentence.
const RULE: &str = "Among the cascades and the learning arm, the cheapest one that pays is recommended. An arm pays \
                    if the 95 % interval of its accuracy minus the strong level's lies above minus the margin, and \
                    the 95 % interval of its change of cost against the strong level lies below zero. If none pays, \
                    the strong level alone is recommended. If one costs less and is not shown to lose more than the \
                    margin, the evidence is insufficient.";

fn is_cascade(arm: Arm) -> bool {
    matches!(arm, Arm::Cascade | Arm::CascadeTuned)
}

fn learns(arm: Arm) -> bool {
    arm.learning().is_some()
}

/// A recommendation, with the facts that its sentences need.
pub struct Advice<'c, 'a> {
    found: Recommendation<'c, 'a>,
    /// The data set's name, and its split if it has several.
    data: (String, Option<String>),
    /// True if a price is nominal.
    nominal: bool,
    /// Reasons why the answers show nothing about models.
    no_models: Vec<String>,
    /// True if the thresholds were swept.
    swept: bool,
    /// Arms that were left out because some of their calls are not recorded.
    left_out: Vec<Arm>,
}

impl<'c, 'a> Advice<'c, 'a> {
    /// Recommends one of a run's arms, by the margin in the manifest.
    #[must_use]
    pub fn new(comparison: &'c Comparison<'a>, manifest: &Manifest) -> Self {
        let found = Recommendation::new(comparison, manifest.margin());
        let text = |pointer: &str| manifest.identity.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let data = comparison.slices.first().map(|slice| slice.cell.dataset.to_string()).unwrap_or_default();
        Self {
            nominal: manifest.prices.values().flatten().any(|price| price.nominal),
            no_models: no_models(&manifest.identity, found.taught.is_some()),
            swept: manifest.swept.is_some(),
            left_out: manifest.left_out.iter().map(|cell| cell.arm).collect(),
            data: (data, text("/dataset/split")),
            found,
        }
    }

    /// Returns five lines: the strong level alone, the cascade, the learning arm, the recommendation, and its limits.
    #[must_use]
    pub fn lines(&self) -> [String; 5] {
        let of = |index: Option<usize>| index.map(|index| &self.found.candidates[index]);
        let strong = match &self.found.strong {
            Some(strong) => format!("Strong alone: {}.", self.figures(strong)),
            None => format!(
                "Strong alone: {}, so nothing can be compared with it.",
                self.absent("strong-only", |arm| arm == Arm::StrongOnly)
            ),
        };
        let cascade = of(self.found.cascade).map_or_else(
            || format!("Cascade: {}.", self.absent("cascade", is_cascade)),
            |cascade| self.line("Cascade", cascade),
        );
        let taught = match of(self.found.taught) {
            Some(taught) => self.line(&format!("Taught cascade ({})", taught.slice.cell.arm), taught),
            None => format!("Taught cascade: {}.", self.absent("arm that learns, such as inter-cascade", learns)),
        };
        [strong, cascade, taught, self.take(), self.limits()]
    }

    /// Returns the first section of the summary.
    #[must_use]
    pub fn section(&self) -> String {
        let lines: Vec<String> = self.lines().iter().map(|line| format!("- {line}\n")).collect();
        format!("\n## {HEADING}\n\n{}", lines.concat())
    }

    /// Returns `recommendation.json`: all figures as shares, the rule, and the data it was applied to.
    ///
    /// # Errors
    /// If the recommendation cannot be written as JSON.
    pub fn json(&self, manifest: &Manifest) -> anyhow::Result<Vec<u8>> {
        let found = &self.found;
        let arm_and_threshold = |index: usize| named(&found.candidates[index]);
        let (outcome, take, more_groups) = match found.outcome {
            RecommendationOutcome::Take(index) => ("pays", arm_and_threshold(index), None),
            RecommendationOutcome::NothingPays => {
                ("nothing pays", json!({ "arm": "strong-only", "threshold": null }), None)
            }
            RecommendationOutcome::Insufficient(index) => {
                let more = found.candidates[index].against.and_then(|against| against.more_groups);
                ("insufficient evidence", json!({ "arm": "strong-only", "threshold": null }), more)
            }
            RecommendationOutcome::NoStrong => ("no strong-only", Value::Null, None),
            RecommendationOutcome::NoCandidate => ("no cascade", Value::Null, None),
        };
        let open = if let RecommendationOutcome::Insufficient(index) = found.outcome {
            arm_and_threshold(index)
        } else {
            Value::Null
        };
        let first = found.strong.as_ref().or(found.candidates.first()).map(|candidate| candidate.slice);
        let value = json!({
            "rule": RULE,
            "margin": found.margin,
            "outcome": outcome,
            "take": take,
            "open": open,
            "more_groups": more_groups,
            "decides_nothing_about_models": self.no_models,
            "dataset": self.data.0,
            "split": self.data.1,
            "n": first.map(|slice| slice.n),
            "groups": found.groups,
            "orders": first.map(|slice| slice.orders),
            "swept": manifest.swept,
            "prices": manifest.prices,
            "nominal": self.nominal,
            "cost_unit": match found.unit {
                Unit::Usd => "USD per 1,000 queries",
                Unit::RequestsWithoutPrice | Unit::RequestsOfFree => "requests of the strong level per 1,000 queries",
            },
            "strong": found.strong.as_ref().map(candidate),
            "cascade": found.cascade.map(|index| candidate(&found.candidates[index])),
            "taught": found.taught.map(|index| candidate(&found.candidates[index])),
            "candidates": found.candidates.iter().map(candidate).collect::<Vec<_>>(),
            "not_shown": self.not_shown(),
            "lines": self.lines(),
        });
        let mut bytes = serde_json::to_vec_pretty(&value)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Formats an arm's accuracy and cost.
    fn figures(&self, of: &Candidate) -> String {
        let accuracy = sure_percent(of.accuracy.value, of.accuracy.interval);
        let requests = || format!("{:.0} requests of the strong level per 1,000 queries", of.strong_requests);
        let cost = match self.found.unit {
            Unit::Usd => {
                format!("{} USD per 1,000 queries{}", money(of.cost), if self.nominal { " (nominal)" } else { "" })
            }
            Unit::RequestsWithoutPrice => format!("no price, {}", requests()),
            Unit::RequestsOfFree => format!("the strong level costs nothing, {}", requests()),
        };
        format!("accuracy {accuracy}, {cost}")
    }

    fn line(&self, name: &str, of: &Candidate) -> String {
        let against =
            of.against.map(|against| format!("; against strong alone {}", changes(&against, self.found.unit)));
        format!("{name}{}: {}{}.", at(of), self.figures(of), against.unwrap_or_default())
    }

    fn named(&self, index: usize) -> String {
        let of = &self.found.candidates[index];
        format!("{}{}", of.slice.cell.arm, at(of))
    }

    /// Returns the recommendation with its reason.
    fn take(&self) -> String {
        let margin = bare_percent(self.found.margin);
        match self.found.outcome {
            RecommendationOutcome::Take(index) => format!(
                "Take {}: the cheapest arm that is shown to cost less than strong alone and to lose at most {margin} \
                 points of accuracy.",
                self.named(index)
            ),
            RecommendationOutcome::NothingPays => format!("Take strong alone: nothing else pays. {}", self.why_not()),
            RecommendationOutcome::Insufficient(index) => self.insufficient(index, &margin),
            RecommendationOutcome::NoStrong => {
                format!(
                    "Take: unknown, since strong-only is missing; {}.",
                    self.remedy(|arm| arm == Arm::StrongOnly, "it")
                )
            }
            RecommendationOutcome::NoCandidate => format!(
                "Take: unknown, since there is no cascade and no learning arm; {}.",
                self.remedy(|arm| is_cascade(arm) || learns(arm), "them")
            ),
        }
    }

    /// Returns the reason why an arm is missing: it was left out, or the config does not name it.
    fn absent(&self, what: &str, is: fn(Arm) -> bool) -> String {
        match self.left_out.iter().find(|arm| is(**arm)) {
            Some(arm) => format!("{arm} was left out because some of its calls are not recorded"),
            None => format!("`arms` has no {what}"),
        }
    }

    /// Returns the advice that adds missing arms to the run.
    fn remedy(&self, is: fn(Arm) -> bool, them: &str) -> String {
        if self.left_out.iter().any(|arm| is(*arm)) {
            left_out::REMEDY.to_owned()
        } else {
            format!("add {them} to `arms` and run again")
        }
    }

    fn why_not(&self) -> String {
        let reason = |index: usize| {
            let of = &self.found.candidates[index];
            let dearer = of.against.is_none_or(|against| against.cost.is_none_or(|cost| cost.value >= 0.0));
            let why = if dearer { "costs no less" } else { "loses more than the margin" };
            format!("{} {why}", self.named(index))
        };
        let reasons: Vec<String> = [self.found.cascade, self.found.taught].into_iter().flatten().map(reason).collect();
        format!("{} (margin {} points).", reasons.join(", "), bare_percent(self.found.margin))
    }

    fn insufficient(&self, index: usize, margin: &str) -> String {
        let name = self.named(index);
        let Some(against) = self.found.candidates[index].against else { return String::new() };
        let claim = format!("that {name} costs less and loses at most {margin} points");
        match against.more_groups {
            Some(more) => format!(
                "Take strong alone for now. Insufficient evidence: about {} more groups of questions are needed to \
                 show {claim}.",
                thousands(more)
            ),
            None => format!(
                "Take strong alone for now. Insufficient evidence {claim}: on these questions it lost {} points, and \
                 more questions would probably show a real loss.",
                bare_percent(-against.accuracy.value)
            ),
        }
    }

    /// Returns the claims without evidence, and the questions that the recommendation is based on.
    fn limits(&self) -> String {
        let mut text = match &self.no_models[..] {
            [] => String::new(),
            reasons => format!("This decides nothing about models: {}. ", reasons.join(", ")),
        };
        let not_shown = self.not_shown();
        if !not_shown.is_empty() {
            let _ = write!(text, "Not shown: {}. ", not_shown.join("; "));
        }
        let Some(slice) = self.found.strong.as_ref().or(self.found.candidates.first()).map(|of| of.slice) else {
            return text + "No questions were answered.";
        };
        let orders = if slice.orders == 1 { "1 order".to_owned() } else { format!("{} orders", slice.orders) };
        let split = self.data.1.as_ref().map(|split| format!(", split {split}")).unwrap_or_default();
        let groups = self.found.groups;
        format!(
            "{text}Chosen on the same {} questions that the figures are from ({}{split}; {groups} groups, {orders}): \
             check on others.",
            slice.n, self.data.0
        )
    }

    fn not_shown(&self) -> Vec<String> {
        let found = &self.found;
        let mut claims = Vec::new();
        if let RecommendationOutcome::Take(index) = found.outcome {
            let own = &found.candidates[index];
            if own.against.is_some_and(|against| against.accuracy.interval.is_none_or(|ends| ends.low < 0.0)) {
                claims.push(format!(
                    "that it is as accurate as strong alone (a loss of up to {} points is allowed)",
                    bare_percent(found.margin)
                ));
            }
            if let Some(beside) = found.beside {
                let unsure = beside.cost.is_none_or(|cost| cost.interval.is_none_or(|ends| ends.high >= 0.0));
                if unsure {
                    claims.push(format!(
                        "that it costs less than {} ({}, accuracy {} pp)",
                        self.named(beside.other),
                        beside.cost.map_or("no comparison".to_owned(), relative),
                        signed(beside.accuracy)
                    ));
                }
            }
            if own.slice.learns() {
                claims.push("the same result for other orders of the questions".to_owned());
            }
        }
        let most = |index: Option<usize>| index.map_or(0, |index| found.thresholds(index));
        let thresholds = most(found.cascade).max(most(found.taught));
        if self.swept && thresholds > 1 {
            claims.push(format!(
                "that the best of {thresholds} λ on these questions is also the best on others (no \
                                 interval covers the choice of λ)"
            ));
        }
        claims
    }
}

/// Returns the reasons why a run's answers show nothing about models.
fn no_models(identity: &Value, learns: bool) -> Vec<String> {
    let text = |pointer: &str| identity.pointer(pointer).and_then(Value::as_str);
    let mut reasons = Vec::new();
    for level in ["weak", "strong"] {
        let name = text(&format!("/{level}/name")).unwrap_or(level);
        match text(&format!("/{level}/backend")) {
            Some("simulated") => reasons.push(format!("`{name}` is simulated")),
            Some("reference") => reasons.push(format!("`{name}` is an oracle, the data set's own solutions")),
            _ => {}
        }
    }
    let oracle = |rule: &Value| rule.as_str() == Some("correct-only");
    let store = identity.pointer("/learning/store");
    let by_oracle =
        store.is_some_and(|store| oracle(store) || store.as_array().is_some_and(|rules| rules.iter().any(oracle)));
    if learns && by_oracle {
        reasons.push("the store rule correct-only is an oracle".to_owned());
    }
    reasons
}

/// Formats an arm's λ. Empty if the arm has none.
fn at(of: &Candidate) -> String {
    of.slice.readable.map(|threshold| format!(" at λ {}", lambda(threshold))).unwrap_or_default()
}

/// Formats the changes of accuracy and cost against the strong level alone.
fn changes(against: &AgainstStrong, unit: Unit) -> String {
    let accuracy = if against.bounded {
        // Too few groups differ to give more than a bound.
        let ends = against.accuracy.interval.map(brackets).unwrap_or_default();
        format!("{}{ends} pp", signed(against.accuracy.value))
    } else {
        points(against.accuracy)
    };
    let what = if unit == Unit::Usd { "cost" } else { "requests" };
    let cost = against.cost.map(|cost| format!(", {what} {}", relative(cost)));
    format!("{accuracy}{}", cost.unwrap_or_default())
}

/// Returns arm and λ as JSON.
fn named(of: &Candidate) -> Value {
    json!({ "arm": of.slice.cell.arm, "threshold": finite(of.slice.cell.threshold) })
}

/// Returns a threshold as JSON, which cannot express infinity as a number.
fn finite(threshold: Option<f64>) -> Value {
    match threshold {
        Some(threshold) if threshold.is_infinite() => json!("infinite"),
        threshold => json!(threshold),
    }
}

/// Returns a candidate with all its figures as JSON.
fn candidate(of: &Candidate) -> Value {
    let mut value = named(of);
    value["accuracy"] = estimate(of.accuracy);
    value["cost_per_1000"] = json!(of.cost);
    value["strong_requests_per_1000"] = json!(of.strong_requests);
    if let Some(against) = of.against {
        value["accuracy_vs_strong"] = estimate(against.accuracy);
        value["accuracy_vs_strong"]["interval_from_share_of_groups"] = json!(against.bounded);
        value["cost_vs_strong"] = against.cost.map_or(Value::Null, estimate);
        value["verdict"] = json!(match against.verdict {
            Verdict::Pays => "pays",
            Verdict::Open => "open",
            Verdict::DoesNotPay => "does not pay",
        });
        value["more_groups"] = json!(against.more_groups);
    }
    value
}

fn estimate(of: Estimate) -> Value {
    json!({ "value": of.value, "low": of.interval.map(|ends| ends.low), "high": of.interval.map(|ends| ends.high) })
}

/// Formats an amount to three significant digits.
fn money(amount: f64) -> String {
    if amount <= 0.0 {
        return "0".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a number of digits")]
    let decimals = (2 - amount.log10().floor() as i32).clamp(0, 12);
    format!("{amount:.*}", usize::try_from(decimals).unwrap_or(0))
}

/// Formats a count with commas.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_three_digits_and_counts_have_commas() {
        assert_eq!([0.104_33, 1.0, 12.345, 1234.5, 0.0].map(money), ["0.104", "1.00", "12.3", "1234", "0"]);
        assert_eq!([7, 1234, 1_234_567].map(thousands), ["7", "1,234", "1,234,567"]);
    }

    #[test]
    fn simulated_levels_and_oracles_are_named() {
        let identity = |weak: &str, strong: &str, store: Value| json!({"weak": {"name": "small", "backend": weak}, "strong": {"name": "large", "backend": strong}, "learning": {"store": store}});
        assert!(no_models(&identity("openai", "llama-server", json!("always")), true).is_empty());
        let reasons = no_models(&identity("simulated", "reference", json!(["checked", "correct-only"])), true);
        assert_eq!(
            reasons,
            [
                "`small` is simulated",
                "`large` is an oracle, the data set's own solutions",
                "the store rule correct-only is an oracle"
            ]
        );
        assert!(no_models(&identity("openai", "openai", json!("correct-only")), false).is_empty());
    }
}
