//! A local file server that misbehaves in given ways.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Reaction to a request for the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meets {
    /// Sends the file, or the requested range.
    File,
    /// Sends the whole file, even if a range is requested.
    Whole,
    /// Closes the connection after this number of bytes.
    Cut(usize),
    /// Redirects to another address.
    Moved,
    /// Reports that the file does not exist.
    Missing,
    /// Sends another range than requested.
    OtherPart,
}

/// Server of one file at `/file`, and at `/elsewhere` after a redirect.
pub(super) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    file: Vec<u8>,
    /// Reactions to the next requests, in order. After these, the server sends the file.
    meets: Vec<Meets>,
    /// Requests so far: path and range.
    requests: Vec<String>,
}

impl Server {
    pub(super) fn of(file: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(Mutex::new(State { file: file.to_vec(), ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // The server ignores clients that disconnect early.
                let _ = answer(stream, &shared);
            }
        });
        Self { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("{}/file", self.address)
    }

    pub(super) fn next(&self, meets: &[Meets]) {
        self.state.lock().expect("unpoisoned").meets = meets.to_vec();
    }

    pub(super) fn change(&self, file: &[u8]) {
        self.state.lock().expect("unpoisoned").file = file.to_vec();
    }

    /// Returns the requests since the previous call of this function.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("unpoisoned").requests)
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let (mut path, mut start) = (String::new(), None);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if path.is_empty() {
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path);
        } else if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse::<usize>().ok();
        } else if line.is_empty() {
            break;
        }
    }
    let (file, meets) = {
        let mut state = state.lock().expect("unpoisoned");
        state.requests.push(format!("{path}{}", start.map(|start| format!(" from {start}")).unwrap_or_default()));
        let moved = path == "/elsewhere" || state.meets.is_empty();
        (state.file.clone(), if moved { Meets::File } else { state.meets.remove(0) })
    };
    let all = file.len();
    let start = start.filter(|_| meets != Meets::Whole);
    let from = start.unwrap_or(0);
    let head = match (meets, start) {
        (Meets::Moved, _) => "302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0".to_owned(),
        (Meets::Missing, _) => "404 Not Found\r\nContent-Length: 0".to_owned(),
        (_, Some(start)) if start >= all => {
            format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{all}\r\nContent-Length: 0")
        }
        (Meets::OtherPart, Some(_)) => {
            format!("206 Partial Content\r\nContent-Range: bytes 0-{}/{all}\r\nContent-Length: {all}", all - 1)
        }
        (_, Some(start)) => format!(
            "206 Partial Content\r\nContent-Range: bytes {start}-{}/{all}\r\nContent-Length: {}",
            all - 1,
            all - start
        ),
        (_, None) => format!("200 OK\r\nContent-Length: {all}"),
    };
    write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n")?;
    let body = file.get(from..).unwrap_or_default();
    match meets {
        Meets::Moved | Meets::Missing => Ok(()),
        Meets::Cut(after) => stream.write_all(&body[..after.min(body.len())]),
        _ => stream.write_all(body),
    }
}
