//! The whole program, from its start to the finished reports.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::runs::{config, questions};
use crate::server::Server;

/// 2,000 items with the weak level alone, 50 ms per call, 64 calls in flight: the ideal is 1.56 s.
pub(crate) fn process() -> Result<()> {
    let server = Server::start(50, 50)?;
    for _ in 0..5 {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("questions.jsonl"), questions(2000))?;
        std::fs::write(folder.path().join("bench.toml"), config(&server.address, &["weak-only"], 64, ""))?;
        let (time, memory) = run(folder.path())?;
        println!("2,000 items, 50 ms, 64 in flight, whole process: {:.2} s, {memory} MB", time.as_secs_f64());
    }
    Ok(())
}

/// 100,000 items in two arms, one of which learns.
pub(crate) fn memory() -> Result<()> {
    let server = Server::start(0, 0)?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("questions.jsonl"), questions(100_000))?;
    let learning = "embedder = \"hashed-words\"";
    let text = config(&server.address, &["cascade", "inter-cascade"], 64, learning);
    std::fs::write(folder.path().join("bench.toml"), text)?;
    let (time, memory) = run(folder.path())?;
    println!("100,000 items, two arms: {:.0} s, {memory} MB", time.as_secs_f64());
    Ok(())
}

/// Time and peak memory (MB) of a run.
fn run(folder: &Path) -> Result<(Duration, u64)> {
    let program = env!("CARGO_BIN_EXE_intercascade");
    let started = Instant::now();
    let output = Command::new("/usr/bin/time")
        .args(["-f", "peak %M", program, "run", "--config", "bench.toml", "--out", "out"])
        .current_dir(folder)
        .output()?;
    let time = started.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let peak = said.lines().find_map(|line| line.strip_prefix("peak ")?.parse::<u64>().ok()).unwrap_or_default();
    Ok((time, peak / 1024))
}
