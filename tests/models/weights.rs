//! Weights in the cache of this user. Missing ones are downloaded.

use std::path::PathBuf;
use std::sync::Mutex;

use intercascade::fetch::weights::Catalogue;

/// Returns the path of the named weights. The first test that needs them downloads them.
pub(crate) fn fetched(name: &'static str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Ok(path) = Catalogue::builtin().check(name) {
        return path;
    }
    // A separate thread, because the test may already run inside an async runtime.
    let fetch = move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(Catalogue::builtin().fetch(name, &|_| {})).expect("the weights can be fetched")
    };
    std::thread::spawn(fetch).join().expect("fetched")
}
