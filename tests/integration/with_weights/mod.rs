//! The models that run in this process, against numbers of independent implementations. The weights are fetched into
//! the cache where they are not there yet.

mod gguf;
mod llama;
mod minilm;

use std::path::PathBuf;
use std::sync::Mutex;

use intercascade::fetch::weights::Catalogue;

/// Where these weights are, fetched by the first test that asks.
pub(crate) fn fetched(name: &'static str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Ok(path) = Catalogue::builtin().check(name) {
        return path;
    }
    // A thread of its own, since a test may run inside a runtime already.
    let fetch = move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(Catalogue::builtin().fetch(name, &|_| {})).expect("the weights can be fetched")
    };
    std::thread::spawn(fetch).join().expect("fetched")
}
