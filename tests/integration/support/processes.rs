//! Processes of model servers, found by the port on which they serve.

/// Returns the port of an address.
pub(crate) fn port(base_url: &str) -> String {
    let (_, rest) = base_url.rsplit_once(':').expect("a port");
    rest.trim_end_matches("/v1").to_owned()
}

/// Returns the id of the process that serves on a port, which is not the supervising process.
#[cfg(target_os = "linux")]
pub(crate) fn serving(port: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").expect("a list of processes");
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        !words[0].ends_with(b"/sh") && words.contains(&port.as_bytes())
    })
}

/// Waits until no process serves on a port. An ending process loses its arguments before it closes its port.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn is_gone(port: &str) {
    let gone = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        serving(port).is_none() && std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err()
    });
    assert!(gone, "{port}: process {:?} is still there", serving(port));
}
