//! A small HTTP server on this machine, which reads whole requests.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A request that was received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The method and the path.
    pub(crate) line: String,
    /// The headers, by their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A server on this machine that replies to each request in one way.
pub(crate) struct Server {
    pub(crate) address: String,
    received: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Replies with a status line and more headers; without a status it never replies.
    pub(crate) fn start(reply: Option<&str>) -> Self {
        Self::gated(reply, &Arc::new(AtomicBool::new(true)))
    }

    /// The same, but only when the gate is open.
    pub(crate) fn gated(reply: Option<&str>, gate: &Arc<AtomicBool>) -> Self {
        let gate = Arc::clone(gate);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Request>>>::default();
        let (kept, reply) = (Arc::clone(&received), reply.map(str::to_owned));
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(request) = read(&stream) {
                    kept.lock().unwrap().push(request);
                }
                while !gate.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(20));
                }
                match &reply {
                    Some(reply) => {
                        let text = format!(
                            "HTTP/1.1 {reply}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        );
                        let _gone = (&stream).write_all(text.as_bytes());
                    }
                    None => open.push(stream),
                }
            }
        });
        Self { address, received }
    }

    pub(crate) fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }

    /// Returns the messages, by their kinds.
    #[track_caller]
    pub(crate) fn messages(&self) -> Vec<(String, Value)> {
        let each = self.received().into_iter().map(|request| request.json());
        each.map(|json| (json["event"].as_str().unwrap().to_owned(), json)).collect()
    }

    #[track_caller]
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.messages().into_iter().map(|(kind, _)| kind).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut request = Request { line: line.trim().to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        request.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = request.headers.get("content-length").and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

/// An address at which no one listens.
pub(crate) fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
