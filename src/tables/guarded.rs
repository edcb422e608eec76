//! Protection against decoders of other crates that panic on a damaged file: the panic becomes an error of the
//! file.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::error::TableError;

thread_local! {
    /// True while a panic of this thread is an error of a file, and is not printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder on this thread and returns its result.
///
/// # Errors
/// [`TableError::Damaged`] with the message if the decoder panics.
pub fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, TableError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let printed = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                printed(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    QUIET.set(before);
    decoded.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> TableError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    TableError::Damaged(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        assert_eq!(guarded(|| 7), Ok(7));
        let error = guarded(|| [1, 2][std::hint::black_box(5)]).expect_err("out of bounds");
        assert!(error.to_string().contains("index out of bounds"), "{error}");
    }
}
