//! Progress lines while a run waits for a local server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::llama_server::{OnServerWait, Wait};

/// Percentage of the engine's download between two lines.
const PERCENT_PER_LINE: u64 = 20;
/// Seconds of waiting for a server between two lines.
const SECONDS_PER_LINE: u64 = 10;

/// Returns a handler that passes lines about waits for local servers to `print`, without repeating a step.
pub fn lines(print: impl Fn(&str) + Send + Sync + 'static) -> OnServerWait {
    let last: Mutex<BTreeMap<String, u64>> = Mutex::default();
    Arc::new(move |label, wait| match wait {
        Wait::Installing { bytes, total } => {
            let percent = (bytes * 100).checked_div(total).unwrap_or_default().min(100);
            if has_changed(&last, "engine", percent / PERCENT_PER_LINE) {
                print(&format!("installing the llama.cpp server, once: {percent} %"));
            }
        }
        Wait::Loading(waited) => {
            if has_changed(&last, label, waited.as_secs() / SECONDS_PER_LINE) {
                print(&format!("loading {label} into a llama.cpp server: {} s", waited.as_secs()));
            }
        }
        Wait::Died(output) => {
            print(&format!("the llama.cpp server of {label} died and is restarted once. Its last output:\n{output}"));
        }
    })
}

/// True if `count` differs from the last count for `subject`.
fn has_changed(last: &Mutex<BTreeMap<String, u64>>, subject: &str, count: u64) -> bool {
    last.lock().unwrap_or_else(PoisonError::into_inner).insert(subject.to_owned(), count) != Some(count)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_step_produces_one_line() {
        let lines_seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = Arc::clone(&lines_seen);
        let handler = lines(move |line| sink.lock().expect("unbroken").push(line.to_owned()));
        for seconds in [0, 4, 9, 10, 11] {
            handler("weak", Wait::Loading(Duration::from_secs(seconds)));
        }
        for bytes in [0, 19, 20, 20] {
            handler("weak", Wait::Installing { bytes, total: 100 });
        }
        let lines_seen = lines_seen.lock().expect("unbroken");
        assert_eq!(
            *lines_seen,
            [
                "loading weak into a llama.cpp server: 0 s",
                "loading weak into a llama.cpp server: 10 s",
                "installing the llama.cpp server, once: 0 %",
                "installing the llama.cpp server, once: 20 %",
            ]
        );
    }
}
