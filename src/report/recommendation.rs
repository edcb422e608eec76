//! What to take in words: the five lines that a run ends with, the summary's first section, and `recommendation.json`.

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

/// The rule in one sentence.
const RULE: &str = "Of the cascades and the arm that learns, the cheapest one that pays is taken: the 95 % interval of its accuracy minus \
                    the strong level's lies above minus the margin, and that of its cost against the strong level's lies below zero. If none pays, the strong level alone is \
                    taken; if one costs less and is not shown to lose more than the margin, the evidence is insufficient.";

fn is_cascade(arm: Arm) -> bool {
    matches!(arm, Arm::Cascade | Arm::CascadeTuned)
}

fn learns(arm: Arm) -> bool {
    arm.learning().is_some()
}

/// A recommendation with what its words need.
pub struct Advice<'c, 'a> {
    found: Recommendation<'c, 'a>,
    /// The data set's name, and its split if it has several.
    data: (String, Option<String>),
    /// Whether a price is nominal.
    nominal: bool,
    /// Why the answers say nothing about models, a reason each.
    no_models: Vec<String>,
    /// Whether the thresholds were swept.
    swept: bool,
    /// The arms that were left out, since not all of their calls were recorded.
    left_out: Vec<Arm>,
}

impl<'c, 'a> Advice<'c, 'a> {
    /// What to take of a run's arms, by the margin of its manifest.
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

    /// Five lines: the strong level alone, the cascade, the arm that learns, which to take, and what is not shown.
    #[must_use]
    pub fn lines(&self) -> [String; 5] {
        let of = |place: Option<usize>| place.map(|place| &self.found.candidates[place]);
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

    /// The first section of the summary.
    #[must_use]
    pub fn section(&self) -> String {
        let lines: Vec<String> = self.lines().iter().map(|line| format!("- {line}\n")).collect();
        format!("\n## What to take\n\n{}", lines.concat())
    }

    /// `recommendation.json`: all figures in shares, the rule, and what it was applied to.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn json(&self, manifest: &Manifest) -> anyhow::Result<Vec<u8>> {
        let found = &self.found;
        let taken = |place: usize| named(&found.candidates[place]);
        let (outcome, take, more_groups) = match found.outcome {
            RecommendationOutcome::Take(place) => ("pays", taken(place), None),
            RecommendationOutcome::NothingPays => {
                ("nothing pays", json!({ "arm": "strong-only", "threshold": null }), None)
            }
            RecommendationOutcome::Insufficient(place) => {
                let more = found.candidates[place].against.and_then(|against| against.more_groups);
                ("insufficient evidence", json!({ "arm": "strong-only", "threshold": null }), more)
            }
            RecommendationOutcome::NoStrong => ("no strong-only", Value::Null, None),
            RecommendationOutcome::NoCandidate => ("no cascade", Value::Null, None),
        };
        let open =
            if let RecommendationOutcome::Insufficient(place) = found.outcome { taken(place) } else { Value::Null };
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
            "cascade": found.cascade.map(|place| candidate(&found.candidates[place])),
            "taught": found.taught.map(|place| candidate(&found.candidates[place])),
            "candidates": found.candidates.iter().map(candidate).collect::<Vec<_>>(),
            "not_shown": self.not_shown(),
            "lines": self.lines(),
        });
        let mut bytes = serde_json::to_vec_pretty(&value)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// An arm's accuracy and cost.
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

    fn named(&self, place: usize) -> String {
        let of = &self.found.candidates[place];
        format!("{}{}", of.slice.cell.arm, at(of))
    }

    /// Which to take, and why.
    fn take(&self) -> String {
        let margin = bare_percent(self.found.margin);
        match self.found.outcome {
            RecommendationOutcome::Take(place) => format!(
                "Take {}: the cheapest that is shown to cost less than strong alone and to lose at most {margin} points of accuracy.",
                self.named(place)
            ),
            RecommendationOutcome::NothingPays => format!("Take strong alone: nothing else pays. {}", self.why_not()),
            RecommendationOutcome::Insufficient(place) => self.insufficient(place, &margin),
            RecommendationOutcome::NoStrong => {
                format!(
                    "Take: not known, since strong-only is missing; {}.",
                    self.remedy(|arm| arm == Arm::StrongOnly, "it")
                )
            }
            RecommendationOutcome::NoCandidate => format!(
                "Take: not known, since there is no cascade and no arm that learns; {}.",
                self.remedy(|arm| is_cascade(arm) || learns(arm), "them")
            ),
        }
    }

    /// Why an arm is missing: it was left out, or the config does not name one.
    fn absent(&self, what: &str, is: fn(Arm) -> bool) -> String {
        match self.left_out.iter().find(|arm| is(**arm)) {
            Some(arm) => format!("{arm} was left out, since not all of its calls were recorded"),
            None => format!("`arms` has no {what}"),
        }
    }

    /// What brings missing arms into the run.
    fn remedy(&self, is: fn(Arm) -> bool, them: &str) -> String {
        if self.left_out.iter().any(|arm| is(*arm)) {
            left_out::REMEDY.to_owned()
        } else {
            format!("add {them} to `arms` and run again")
        }
    }

    fn why_not(&self) -> String {
        let reason = |place: usize| {
            let of = &self.found.candidates[place];
            let dearer = of.against.is_none_or(|against| against.cost.is_none_or(|cost| cost.value >= 0.0));
            let why = if dearer { "costs no less" } else { "loses more than the margin" };
            format!("{} {why}", self.named(place))
        };
        let reasons: Vec<String> = [self.found.cascade, self.found.taught].into_iter().flatten().map(reason).collect();
        format!("{} (margin {} points).", reasons.join(", "), bare_percent(self.found.margin))
    }

    fn insufficient(&self, place: usize, margin: &str) -> String {
        let name = self.named(place);
        let Some(against) = self.found.candidates[place].against else { return String::new() };
        let wanted = format!("that {name} costs less and loses at most {margin} points");
        match against.more_groups {
            Some(more) => format!(
                "Take strong alone for now. Insufficient evidence: about {} more groups of questions are needed to show {wanted}.",
                thousands(more)
            ),
            None => format!(
                "Take strong alone for now. Insufficient evidence {wanted}: on these questions it lost {} points, and more groups would \
                 rather show that it loses more.",
                bare_percent(-against.accuracy.value)
            ),
        }
    }

    /// What is not shown, and which questions it was chosen on.
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
            "{text}Chosen on the same {} questions ({}{split}; {groups} groups, {orders}): check on others.",
            slice.n, self.data.0
        )
    }

    fn not_shown(&self) -> Vec<String> {
        let found = &self.found;
        let mut not = Vec::new();
        if let RecommendationOutcome::Take(place) = found.outcome {
            let own = &found.candidates[place];
            if own.against.is_some_and(|against| against.accuracy.interval.is_none_or(|ends| ends.low < 0.0)) {
                not.push(format!(
                    "that it is as accurate (up to {} points fewer are allowed)",
                    bare_percent(found.margin)
                ));
            }
            if let Some(beside) = found.beside {
                let unsure = beside.cost.is_none_or(|cost| cost.interval.is_none_or(|ends| ends.high >= 0.0));
                if unsure {
                    not.push(format!(
                        "that it costs less than {} ({}, accuracy {} pp)",
                        self.named(beside.other),
                        beside.cost.map_or("no comparison".to_owned(), relative),
                        signed(beside.accuracy)
                    ));
                }
            }
            if own.slice.learns() {
                not.push("other orders of the questions".to_owned());
            }
        }
        let most = |place: Option<usize>| place.map_or(0, |place| found.thresholds(place));
        let thresholds = most(found.cascade).max(most(found.taught));
        if self.swept && thresholds > 1 {
            not.push(format!("that the best of {thresholds} λ on these questions is the best on others (no interval covers the choice)"));
        }
        not
    }
}

/// Why a run's answers say nothing about models.
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

/// An arm's λ, if it has one.
fn at(of: &Candidate) -> String {
    of.slice.readable.map(|threshold| format!(" at λ {}", lambda(threshold))).unwrap_or_default()
}

/// Both changes against the strong level alone.
fn changes(against: &AgainstStrong, unit: Unit) -> String {
    let accuracy = if against.bounded {
        // Too few groups differ for more than a bound.
        let ends = against.accuracy.interval.map(brackets).unwrap_or_default();
        format!("{}{ends} pp", signed(against.accuracy.value))
    } else {
        points(against.accuracy)
    };
    let what = if unit == Unit::Usd { "cost" } else { "requests" };
    let cost = against.cost.map(|cost| format!(", {what} {}", relative(cost)));
    format!("{accuracy}{}", cost.unwrap_or_default())
}

/// Arm and λ.
fn named(of: &Candidate) -> Value {
    json!({ "arm": of.slice.cell.arm, "threshold": finite(of.slice.cell.threshold) })
}

/// A threshold as JSON, which has no infinity.
fn finite(threshold: Option<f64>) -> Value {
    match threshold {
        Some(threshold) if threshold.is_infinite() => json!("infinite"),
        threshold => json!(threshold),
    }
}

/// A candidate with all its figures.
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

/// An amount to three digits that count.
fn money(amount: f64) -> String {
    if amount <= 0.0 {
        return "0".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a number of digits")]
    let decimals = (2 - amount.log10().floor() as i32).clamp(0, 12);
    format!("{amount:.*}", usize::try_from(decimals).unwrap_or(0))
}

/// A count with commas.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
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
    fn amounts_have_three_digits_and_counts_commas() {
        assert_eq!([0.104_33, 1.0, 12.345, 1234.5, 0.0].map(money), ["0.104", "1.00", "12.3", "1234", "0"]);
        assert_eq!([7, 1234, 1_234_567].map(thousands), ["7", "1,234", "1,234,567"]);
    }

    #[test]
    fn simulated_levels_and_oracles_are_named() {
        let identity = |weak: &str, strong: &str, store: Value| json!({"weak": {"name": "small", "backend": weak}, "strong": {"name": "large", "backend": strong}, "learning": {"store": store}});
        assert!(no_models(&identity("openai", "llama-server", json!("always")), true).is_empty());
        let told = no_models(&identity("simulated", "reference", json!(["checked", "correct-only"])), true);
        assert_eq!(
            told,
            [
                "`small` is simulated",
                "`large` is an oracle, the data set's own solutions",
                "the store rule correct-only is an oracle"
            ]
        );
        assert!(no_models(&identity("openai", "openai", json!("correct-only")), false).is_empty());
    }
}
