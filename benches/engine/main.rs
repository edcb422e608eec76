//! The engine against lower bounds: a bare loop over the same requests to a server of fixed latency, and a schedule of
//! the same graph without overhead. Command: `cargo bench --bench engine -- NAME`. The figures are in
//! docs/PERFORMANCE.md.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "counts of calls and milliseconds")]

mod bare;
mod list_schedule;
mod program;
mod runs;
mod server;

use std::time::Duration;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", weak, strong] => {
            server::serve([weak, strong].map(|ms| Duration::from_millis(ms.parse().unwrap_or(0))))
        }
        ["calls"] => [64, 256].into_iter().try_for_each(|flying| runs::calls(2000, 50, flying)),
        ["calls", items, flying] => runs::calls(items.parse()?, 50, flying.parse()?),
        ["overhead"] => runs::calls(20_000, 0, 64),
        ["learning"] => runs::learning(None),
        ["learning", questions] => runs::learning(Some(questions)),
        ["process"] => program::process(),
        ["memory"] => program::memory(),
        _ => bail!("name one of: calls, overhead, learning [QUESTIONS.jsonl], process, memory"),
    }
}
