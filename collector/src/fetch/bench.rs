//! What the tests of the watchers stand on: a small HTTP server that misbehaves on demand, and the rows that came in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use recording::Row;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::Fetcher;
use crate::intake::{Clock, Intake};
use crate::redact::Redactor;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Says nothing, for ever.
    Silence,
}

/// An answer with status 200.
pub(crate) fn ok(content_type: &str, body: impl AsRef<[u8]>) -> Reply {
    with_head(&format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}"), body)
}

/// An answer with a head of the caller's.
pub(crate) fn with_head(head: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Reply::Bytes(bytes)
}

/// Answers every request as it was last told to.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    reply: Arc<Mutex<Reply>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(reply: Reply) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let reply = Arc::new(Mutex::new(reply));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (to_send, seen) = (reply.clone(), requests.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, to_send.clone(), seen.clone()));
            }
        });
        Server { address, reply, requests, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on it answers so.
    pub(crate) fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, reply: Arc<Mutex<Reply>>, requests: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    requests.lock().unwrap().push(String::from_utf8(head).unwrap());
    let reply = reply.lock().unwrap().clone();
    match reply {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
        Reply::Silence => std::future::pending().await,
    }
}

/// An address at which nothing listens.
pub(crate) fn refusing() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

pub(crate) fn redactor() -> Arc<Redactor> {
    let literals = ["live", "abc", "in", "out"].map(str::to_owned);
    Arc::new(Redactor::with_key(vec![7; 32], literals))
}

/// An intake of which a test looks at the rows.
pub(crate) struct Bench {
    pub(crate) intake: Intake,
    rows: Vec<(i64, Row)>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { intake: Intake::new(Clock::start()), rows: Vec::new() }
    }

    /// A fetcher that gives up after 300 ms.
    pub(crate) fn fetcher(&self) -> Fetcher {
        Fetcher::with_timeout(redactor(), self.intake.clock(), Duration::from_millis(300)).unwrap()
    }

    /// Every row so far.
    pub(crate) fn rows(&mut self) -> &[(i64, Row)] {
        let mut entries = VecDeque::new();
        self.intake.drain(&mut entries);
        self.rows.extend(entries.into_iter().map(|entry| (entry.at_ns, entry.row)));
        &self.rows
    }

    /// Waits until the rows so far satisfy the test, and fails after 20 s.
    pub(crate) async fn until(&mut self, what: &str, satisfied: impl Fn(&[(i64, Row)]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !satisfied(self.rows()) {
            assert!(Instant::now() < deadline, "not seen within 20 s: {what}; rows: {:?}", self.rows);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The rows of one table, taken apart.
macro_rules! of {
    ($rows:expr, $variant:ident) => {
        $rows
            .iter()
            .filter_map(|(_, row)| match row {
                recording::Row::$variant(row) => Some(row.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
}
pub(crate) use of;
