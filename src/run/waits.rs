//! What a run waits for before a local server answers, as lines that come now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::llama_server::{Hear, Wait};

/// A line is given each time this many more percent of an engine are there.
const PERCENT_PER_LINE: u64 = 20;
/// A line is given each time that a server has been waited for so much longer.
const SECONDS_PER_LINE: u64 = 10;

/// Hands lines on the waits for local servers to `say`, and each count once.
pub fn lines(say: impl Fn(&str) + Send + Sync + 'static) -> Hear {
    let last: Mutex<BTreeMap<String, u64>> = Mutex::default();
    Arc::new(move |label, wait| match wait {
        Wait::Installing { bytes, total } => {
            let percent = (bytes * 100).checked_div(total).unwrap_or_default().min(100);
            if is_news(&last, "engine", percent / PERCENT_PER_LINE) {
                say(&format!("installing the llama.cpp server, once: {percent} %"));
            }
        }
        Wait::Loading(waited) => {
            if is_news(&last, label, waited.as_secs() / SECONDS_PER_LINE) {
                say(&format!("loading {label} into a llama.cpp server: {} s", waited.as_secs()));
            }
        }
        Wait::Died(words) => {
            say(&format!(
                "the llama.cpp server of {label} has died and is started once more; its last words:\n{words}"
            ));
        }
    })
}

/// Whether a count differs from the last one of the same thing.
fn is_news(last: &Mutex<BTreeMap<String, u64>>, what: &str, count: u64) -> bool {
    last.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned(), count) != Some(count)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_comes_only_when_a_count_has_moved_on() {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&said);
        let hear = lines(move |line| kept.lock().expect("unbroken").push(line.to_owned()));
        for seconds in [0, 4, 9, 10, 11] {
            hear("weak", Wait::Loading(Duration::from_secs(seconds)));
        }
        for bytes in [0, 19, 20, 20] {
            hear("weak", Wait::Installing { bytes, total: 100 });
        }
        let said = said.lock().expect("unbroken");
        assert_eq!(
            *said,
            [
                "loading weak into a llama.cpp server: 0 s",
                "loading weak into a llama.cpp server: 10 s",
                "installing the llama.cpp server, once: 0 %",
                "installing the llama.cpp server, once: 20 %",
            ]
        );
    }
}
