//! Runs through the library interface, with simulated levels, no network and temporary folders.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Listener, Progress, Run, RunError, Stop, Task};
use crate::types::arm::Arm;
use crate::types::chat::{Finish, Request, Response, Token, Usage};
use crate::types::model::{Model, ModelError};

/// Run of the example config in a temporary folder.
fn simulated(folder: &tempfile::TempDir) -> Run {
    let run = Run::load("examples/simulated.toml").expect("a config");
    run.set("dataset.limit=12").expect("a key").in_folder(folder.path().to_owned())
}

/// A listener that stores all events as lines, and the last task.
#[derive(Clone, Default)]
struct EventLog {
    lines: Arc<Mutex<Vec<String>>>,
    task: Arc<Mutex<Option<Task>>>,
}

impl EventLog {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("not poisoned").clone()
    }

    fn add(&self, line: String) {
        self.lines.lock().expect("not poisoned").push(line);
    }
}

impl Listener for EventLog {
    fn message(&self, text: &str) {
        self.add(text.to_owned());
    }

    fn begun(&self, task: Task) {
        self.add(format!("{} begins: {}", task.label, task.total));
        *self.task.lock().expect("not poisoned") = Some(task);
    }

    fn ended(&self) {
        self.add("ended".to_owned());
    }
}

#[tokio::test]
async fn run_writes_records_and_its_repetition_makes_no_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = simulated(&folder);
    let log = EventLog::default();
    let first = run.execute(&Progress::to(log.clone())).await.expect("a run");
    assert_eq!(first.records().len(), 4 * 12);
    assert!(first.comparison().slices.iter().any(|slice| slice.cell.arm == Arm::InterCascade));
    assert!(first.manifest().ended.is_some() && first.calls().made > 0);
    let lines = log.lines();
    assert!(lines.contains(&"simulated begins: 48".to_owned()), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("ended"));
    let status = log.task.lock().expect("not poisoned").as_ref().and_then(Task::status).expect("a run makes calls");
    assert_eq!(status.arms.len(), 4);
    for arm in &status.arms {
        let records = || first.records().iter().filter(|record| record.cell.arm == arm.arm);
        let decides = records().any(|record| record.cell.threshold.is_some());
        let deferred = records().filter(|record| decides && record.deferred).count() as u64;
        assert_eq!((arm.done, arm.total, arm.deferred), (12, 12, deferred), "{arm:?}");
        assert_eq!(arm.gated, if decides { 12 } else { 0 }, "{arm:?}");
    }
    assert_eq!(status.in_flight(), 0);
    assert!(status.output_tokens() > 0 && status.models.len() == 2, "{status:?}");
    assert_eq!(first.write(folder.path()).expect("written"), None);

    let again = run.execute(&Progress::none()).await.expect("the same run");
    assert_eq!(again.calls().made, 0);
    assert_eq!(again.records(), first.records());
    let finished = super::outputs::FinishedRun::read(folder.path()).expect("read back");
    assert_eq!((&finished.facts, finished.records.len()), (&first.finished().facts, first.records().len()));
}

#[tokio::test]
async fn error_variants_identify_the_cause() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = simulated(&folder);
    assert!(matches!(run.clone().set("dataset.limt=3"), Err(RunError::Config(_))));
    let report = run.execute(&Progress::none()).await.expect("a run");
    report.write(folder.path()).expect("written");

    let other = run.clone().set("seed=2").expect("a key").execute(&Progress::none()).await;
    assert!(matches!(other, Err(RunError::Folder(_))));
    let missing = run.clone().set("dataset.name=no-such-set").expect("a key").prepare();
    assert!(matches!(missing, Err(RunError::Config(_) | RunError::Data(_))));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let poor = run.set("limits.max_fee_usd=0.0").expect("a key").in_folder(elsewhere.path().to_owned());
    assert!(matches!(poor.execute(&Progress::none()).await, Err(RunError::FeeLimit(_))));
}

#[tokio::test]
async fn stop_request_before_start_prevents_all_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let stop = Stop::new();
    stop.request();
    let stopped = simulated(&folder).execute(&Progress::none().stopped_by(stop)).await;
    assert!(matches!(stopped, Err(RunError::Stopped)));
}

/// A custom model with a constant answer and token probability.
struct ConstantModel(f64);

#[async_trait]
impl Model for ConstantModel {
    async fn call(&self, _: &Request) -> Result<Response, ModelError> {
        let text = "#### 4".to_owned();
        Ok(Response {
            tokens: vec![Token { text: text.clone(), logprob: Some(self.0.ln()), ..Token::default() }],
            text,
            usage: Usage { input: 3, cached_input: 0, output: 1 },
            finish: Finish::Stop,
            model: "own".to_owned(),
            latency_ms: 1.0,
            ..Response::default()
        })
    }
}

#[tokio::test]
async fn registered_model_answers_and_its_journal_replays() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Run::load("examples/custom.toml").expect("a config").in_folder(folder.path().to_owned());
    let error = run.prepare().err().expect("refused").to_string();
    assert!(error.contains("examples/custom.toml: model `adder`") && error.contains("none is registered"), "{error}");

    let report =
        run.clone().with_model("adder", Arc::new(ConstantModel(0.9))).execute(&Progress::none()).await.expect("a run");
    let weak = report.records().iter().filter(|record| record.cell.arm == Arm::Cascade);
    assert!(
        weak.clone().count() == 60 && weak.clone().all(|record| !record.deferred),
        "every confidence exceeds the threshold"
    );
    assert_eq!(report.manifest().answered_by["adder"], serde_json::json!(["own"]));

    // The journal stores the answers under name and version of the entry, so the run repeats without the model.
    let offline = run.clone().offline().execute(&Progress::none()).await.expect("from the journal");
    assert_eq!((offline.calls().made, offline.records()), (0, report.records()));
    let other = run.set("model.adder.model=adder-2").expect("a key").in_folder(folder.path().join("other"));
    let other = other.with_journal(folder.path().join("journal.sqlite")).offline();
    let partial = other.execute(&Progress::none()).await.expect("strong-only does not need the custom model");
    let left_out: Vec<Arm> = partial.manifest().left_out.iter().map(|cell| cell.arm).collect();
    assert!(left_out.contains(&Arm::Cascade), "another version has other keys: {left_out:?}");
    assert!(partial.records().iter().all(|record| !left_out.contains(&record.cell.arm)));
}
