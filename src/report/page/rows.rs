//! Rows of a page: one for each item, arm, λ and order, as binary columns that the browser filters without decoding
//! anything else.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::columns::{Column, Encoding};
use super::texts::{CallTexts, Texts};
use super::{Block, Questions, SavedText};
use crate::analysis::metrics::fees::item_fee;
use crate::analysis::metrics::{Comparison, ItemOutcome, Slice};
use crate::report::format::lambda;
use crate::types::arm::Arm;
use crate::types::chat::Finish;
use crate::types::check::Check;
use crate::types::item::ItemId;
use crate::types::level::Level;
use crate::types::record::{Call, Graded, LevelAnswer, Purpose, Score, StrategyOutcome};

/// Bits of the column `flags`.
mod flag {
    pub(super) const CORRECT: u32 = 1;
    pub(super) const NO_ANSWER: u32 = 1 << 1;
    pub(super) const DEFERRED: u32 = 1 << 2;
    pub(super) const CHECK_FAILED: u32 = 1 << 6;
    /// Called, correct, no answer, cut at the token limit, empty, refused: of the weak and of the strong level.
    pub(super) const WEAK: [u32; 6] = [1 << 3, 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 14];
    pub(super) const STRONG: [u32; 6] = [1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 15];
}

/// Items by id, in the order in which they were first added.
#[derive(Default)]
pub(super) struct Items {
    index: HashMap<ItemId, u32>,
    ids: Vec<ItemId>,
    groups: Vec<String>,
    /// Number of each question's text; -1 without one. Shorter than `ids` until questions are added again.
    questions: Vec<i64>,
}

impl Items {
    /// Items of a comparison's arms.
    pub(super) fn new(comparison: &Comparison) -> Self {
        let mut items = Self::default();
        for record in comparison.slices.iter().flat_map(|slice| &slice.outcomes).map(|outcome| outcome.record()) {
            items.of(&record.item_id, Some(&record.group));
        }
        items
    }

    /// Adds the texts of the questions of all items that have none yet.
    pub(super) fn add_questions(&mut self, questions: Option<&Questions>, texts: &mut Texts) -> Result<()> {
        for id in &self.ids[self.questions.len()..] {
            let question = questions.and_then(|questions| questions.get(id));
            let number = question.map(|question| texts.add_plain(&question.text)).transpose()?.flatten();
            self.questions.push(number.map_or(-1, i64::from));
        }
        Ok(())
    }

    /// The block of the items: ids, groups, questions and gold answers.
    pub(super) fn block(&mut self, questions: Option<&Questions>, texts: &mut Texts) -> Result<Block> {
        self.add_questions(questions, texts)?;
        let target = |id| questions.and_then(|questions| questions.get(id)?.target.as_deref());
        let targets: Vec<Option<&str>> = self.ids.iter().map(target).collect();
        let value = json!({ "id": self.ids, "group": self.groups, "question": self.questions, "target": targets });
        Block::json("items", &value)
    }

    /// Returns the index of an item, and adds the item if it is new. Without a group, the id is the group.
    pub(super) fn of(&mut self, id: &ItemId, group: Option<&str>) -> u32 {
        if let Some(index) = self.index.get(id) {
            return *index;
        }
        let index = count(self.ids.len());
        self.index.insert(id.clone(), index);
        self.ids.push(id.clone());
        self.groups.push(group.unwrap_or(&id.0).to_owned());
        index
    }
}

/// Short answers, each once. Number 0 is the empty answer.
struct Answers {
    index: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Answers {
    fn of(&mut self, graded: Option<&Graded>) -> u32 {
        let Some(answer) = graded.and_then(|graded| graded.answer.as_ref()) else { return 0 };
        if let Some(index) = self.index.get(answer) {
            return *index;
        }
        let index = count(self.texts.len());
        self.index.insert(answer.clone(), index);
        self.texts.push(answer.clone());
        index
    }
}

/// A row.
#[derive(Clone, Copy)]
struct Row {
    item: u32,
    cell: u16,
    position: u32,
    flags: u32,
    confidence: f32,
    similarity: f32,
    fee: f64,
    input_tokens: u32,
    output_tokens: u32,
    latency_ms: f64,
    /// Numbers of the weak level's, the strong level's and the final answer.
    answers: [u32; 3],
    /// Texts of the weak and the strong level, each its number plus one.
    texts: [u32; 2],
    checks_failed: u8,
    outcome: u8,
    use_start: u32,
}

/// USD in the unit of the column of fees.
const NANO: f64 = 1e-9;

impl Row {
    /// Number of the final answer; the largest number if it is the answer of the level that answered.
    fn final_answer(&self) -> u32 {
        let [weak, strong, last] = self.answers;
        let of_level = if self.flags & flag::STRONG[0] == 0 { weak } else { strong };
        if last == of_level { u32::MAX } else { last }
    }
}

/// Rows of a run with what they refer to.
pub(super) struct Rows {
    cells: Vec<Value>,
    /// Index of weak-only's cell, by order.
    weak_only: serde_json::Map<String, Value>,
    pub(super) items: Items,
    answers: Answers,
    list: Vec<Row>,
    uses: Vec<u32>,
    /// Cell index of each arm, threshold (bits) and order.
    by_cell: HashMap<(Arm, Option<u64>, usize), u16>,
}

impl Rows {
    /// Collects the rows of a comparison's arms, and adds the texts of their answers.
    pub(super) fn new(
        comparison: &Comparison,
        items: Items,
        texts: &mut Texts,
        store: Option<&dyn CallTexts>,
    ) -> Result<Self> {
        let answers = Answers { index: HashMap::new(), texts: vec![String::new()] };
        let mut rows = Self {
            cells: Vec::new(),
            weak_only: serde_json::Map::new(),
            items,
            answers,
            list: Vec::new(),
            uses: Vec::new(),
            by_cell: HashMap::new(),
        };
        for slice in &comparison.slices {
            for outcome in &slice.outcomes {
                let cell = rows.cell_of(slice, outcome.record().cell.order)?;
                let row = rows.row(*outcome, cell, slice.top, comparison, texts, store)?;
                rows.list.push(row);
            }
        }
        rows.list.sort_by_key(|row| (row.cell, row.position));
        Ok(rows)
    }

    /// Index of the cell of a slice and an order.
    fn cell_of(&mut self, slice: &Slice, order: usize) -> Result<u16> {
        let key = (slice.cell.arm, slice.cell.threshold.map(f64::to_bits), order);
        if let Some(index) = self.by_cell.get(&key) {
            return Ok(*index);
        }
        let index = u16::try_from(self.cells.len())?;
        self.by_cell.insert(key, index);
        self.cells.push(json!({
            "arm": slice.cell.arm.to_string(),
            "order": order,
            "threshold": slice.cell.threshold.filter(|threshold| threshold.is_finite()),
            "lambda": slice.readable.map(lambda),
            "learns": slice.learns(),
        }));
        if slice.cell.arm == Arm::WeakOnly {
            self.weak_only.insert(order.to_string(), index.into());
        }
        Ok(index)
    }

    /// Index of the cell of an arm, threshold and order. `None` if the run has no such cell.
    pub(super) fn cell(&self, arm: Arm, threshold: Option<f64>, order: usize) -> Option<u16> {
        self.by_cell.get(&(arm, threshold.map(f64::to_bits), order)).copied()
    }

    fn row(
        &mut self,
        outcome: ItemOutcome,
        cell: u16,
        top: Level,
        comparison: &Comparison,
        texts: &mut Texts,
        store: Option<&dyn CallTexts>,
    ) -> Result<Row> {
        let record = outcome.record();
        let weak = outcome.own_weak_answer();
        let strong = top_answer(outcome, top);
        let calls = [Level::FIRST, top].map(|level| answering_call(outcome, level));
        let mut text = [0; 2];
        for (place, call) in text.iter_mut().zip(calls) {
            if let (Some(key), Some(store)) = (call.and_then(|call| call.journal_key), store) {
                *place = texts.add_answer(&key, store)?;
            }
        }
        let use_start = count(self.uses.len());
        for (id, group) in record.strategies_used.iter().zip(&record.strategy_groups) {
            let source = self.items.of(id, Some(group));
            self.uses.push(source);
        }
        let tokens = outcome
            .calls()
            .fold([0; 2], |[input, output], (call, _)| [input + call.usage.input, output + call.usage.output]);
        let answers = [weak.map(|weak| &weak.graded), strong, Some(outcome.graded())];
        Ok(Row {
            item: self.items.of(&record.item_id, Some(&record.group)),
            cell,
            position: count(record.position),
            flags: flags(outcome, weak, strong, top, calls),
            confidence: narrow(weak.and_then(|weak| Some(weak.confidence?.value()))),
            similarity: narrow(record.similarity_max),
            fee: item_fee(outcome, None, comparison.prices).unwrap_or(f64::NAN),
            input_tokens: count(tokens[0]),
            output_tokens: count(tokens[1]),
            latency_ms: outcome.calls().map(|(call, _)| call.latency_ms).sum(),
            answers: answers.map(|answer| self.answers.of(answer)),
            texts: text,
            checks_failed: weak.map_or(0, failed_checks),
            outcome: record.kept.map_or(0, outcome_code),
            use_start,
        })
    }

    /// Facts that the page needs before it decodes a block.
    pub(super) fn meta(&self) -> Value {
        let columns: Vec<Value> = self.columns().iter().map(Column::describe).collect();
        json!({
            "cells": self.cells,
            "weak_only": self.weak_only,
            "items": self.items.ids.len(),
            "rows": self.list.len(),
            "uses": self.uses.len(),
            "columns": columns,
            "checks": Check::ALL.map(Check::name),
            "has_fees": self.list.iter().any(|row| row.fee.is_finite()),
            "has_texts": self.list.iter().any(|row| row.texts != [0; 2]),
        })
    }

    /// Returns the blocks of the rows, their examples and their answers.
    pub(super) fn blocks(&self) -> Result<Vec<Block>> {
        let mut bytes = Vec::new();
        self.columns().into_iter().for_each(|column| column.write(&mut bytes));
        let uses: Vec<u8> = self.uses.iter().flat_map(|item| item.to_le_bytes()).collect();
        Ok(vec![
            Block::bytes("records", &bytes)?,
            Block::bytes("uses", &uses)?,
            Block::json("strings", &self.answers.texts)?,
        ])
    }

    /// The columns.
    fn columns(&self) -> Vec<Column> {
        use Encoding::{Delta, DeltaPlanes, Planes};
        let rows = &self.list;
        let u32s = |name, encoding, of: fn(&Row) -> u32| Column::u32(name, encoding, rows.iter().map(of));
        vec![
            u32s("item", Planes, |row| row.item),
            Column::u16("cell", Delta, rows.iter().map(|row| row.cell)),
            u32s("position", DeltaPlanes, |row| row.position),
            u32s("flags", Planes, |row| row.flags),
            Column::f32("confidence", rows.iter().map(|row| row.confidence)),
            Column::f32("similarity", rows.iter().map(|row| row.similarity)),
            Column::scaled("fee", NANO, rows.iter().map(|row| row.fee)),
            u32s("input_tokens", Planes, |row| row.input_tokens),
            u32s("output_tokens", Planes, |row| row.output_tokens),
            Column::scaled("latency_ms", 1.0, rows.iter().map(|row| row.latency_ms)),
            u32s("weak_answer", Planes, |row| row.answers[0]),
            u32s("strong_answer", Planes, |row| row.answers[1]),
            u32s("final_answer", Planes, Row::final_answer),
            u32s("weak_text", Planes, |row| row.texts[0]),
            u32s("strong_text", Planes, |row| row.texts[1]),
            Column::u8("checks_failed", rows.iter().map(|row| row.checks_failed)),
            Column::u8("outcome", rows.iter().map(|row| row.outcome)),
            u32s("use_start", DeltaPlanes, |row| row.use_start),
        ]
    }

    /// Returns the block of the strategies. Strategies of cells that the run no longer has are left out.
    pub(super) fn strategies(&mut self, saved: &[SavedText], texts: &mut Texts, with_texts: bool) -> Result<Block> {
        let mut list = Vec::new();
        for strategy in saved {
            let Some(cell) = self.cell(strategy.arm, strategy.threshold, strategy.order) else { continue };
            let item = self.items.of(&strategy.source, Some(&strategy.group));
            let text = if with_texts { texts.add_plain(&strategy.text)?.map_or(-1, i64::from) } else { -1 };
            list.push(json!([cell, item, text, strategy.position]));
        }
        Block::json("strategies", &list)
    }
}

/// The answer of the top level. `None` if that level was not called.
fn top_answer<'a>(outcome: ItemOutcome<'a>, top: Level) -> Option<&'a Graded> {
    let of = |levels: &'a [LevelAnswer]| levels.iter().find(|answer| answer.level == top).map(|answer| &answer.graded);
    match outcome {
        ItemOutcome::Whole { record, .. } => of(&record.levels),
        ItemOutcome::Gated { strong, deferred: true, .. } => of(&strong.levels),
        ItemOutcome::Gated { .. } => None,
    }
}

/// The call that answered at a level. `None` if the level was not called.
fn answering_call(outcome: ItemOutcome<'_>, level: Level) -> Option<&Call> {
    outcome.calls().map(|(call, _)| call).find(|call| call.level == Some(level) && call.purpose == Purpose::Answer)
}

fn flags(
    outcome: ItemOutcome,
    weak: Option<&LevelAnswer>,
    strong: Option<&Graded>,
    top: Level,
    calls: [Option<&Call>; 2],
) -> u32 {
    let of_level = |bits: [u32; 6], graded: Option<&Graded>, call: Option<&Call>, level: Level| {
        let notes = call.and_then(|call| call.noted.as_ref());
        let score = graded.map(|graded| graded.score);
        let facts = [
            graded.is_some(),
            score == Some(Score::Correct),
            score == Some(Score::NoAnswer),
            notes.is_some_and(|notes| notes.finish == Finish::Length),
            notes.is_some_and(|notes| notes.empty),
            outcome.is_refused(level),
        ];
        bits.into_iter().zip(facts).filter(|(_, is)| *is).fold(0, |all, (bit, _)| all | bit)
    };
    let score = outcome.graded().score;
    let own = [
        (flag::CORRECT, score == Score::Correct),
        (flag::NO_ANSWER, score == Score::NoAnswer),
        (flag::DEFERRED, outcome.deferred()),
        (flag::CHECK_FAILED, weak.is_some_and(|weak| weak.passes == Some(false))),
    ];
    let own = own.into_iter().filter(|(_, is)| *is).fold(0, |all, (bit, _)| all | bit);
    own | of_level(flag::WEAK, weak.map(|weak| &weak.graded), calls[0], Level::FIRST)
        | of_level(flag::STRONG, strong, calls[1], top)
}

/// The checks that an answer fails, a bit for each.
fn failed_checks(answer: &LevelAnswer) -> u8 {
    let failed = Check::ALL.into_iter().filter(|check| answer.checks.of(*check) == Some(false));
    failed.fold(0, |bits, check| bits | 1 << (check as u8))
}

fn outcome_code(outcome: StrategyOutcome) -> u8 {
    match outcome {
        StrategyOutcome::Stored => 1,
        StrategyOutcome::Unreadable => 2,
        StrategyOutcome::Refused => 3,
        StrategyOutcome::Dropped(_) => 4,
    }
}

/// A count as a column stores it.
fn count(count: impl TryInto<u32>) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

/// A number in single precision; not a number for `None`.
#[expect(clippy::cast_possible_truncation, reason = "shown with few digits")]
fn narrow(value: Option<f64>) -> f32 {
    value.map_or(f32::NAN, |value| value as f32)
}
