//! A server, a client that talks to it, and a `collector tap` between them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{Scene, signal, wait_for};

/// Answers every HTTP request with `ok`.
pub(crate) struct Server {
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                std::thread::spawn(move || serve(connection));
            }
        });
        Server { port }
    }
}

/// Ends where the client does.
fn serve(connection: TcpStream) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut connection = connection;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).ok()?;
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()?;
    }
}

/// Talks Engine.IO by polling, one request at a time.
pub(crate) struct Client {
    connection: TcpStream,
    /// Number and hash of every message that was answered.
    pub(crate) said: Vec<(usize, String)>,
    random: u64,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Client {
        let connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        connection.set_nodelay(true).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { connection, said: Vec::new(), random: 0x9e37_79b9_7f4a_7c15 }
    }

    fn ask(&mut self, request: &[u8]) {
        self.connection.write_all(request).unwrap();
        let mut answer = [0; 40];
        self.connection.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(b"ok"), "{}", String::from_utf8_lossy(&answer));
    }

    /// A message of about that length, which is like no other and can't be compressed by much.
    pub(crate) fn say(&mut self, length: usize) {
        let mut text = String::from("!");
        while text.len() < length.max(5000) {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            text.push_str(&format!("{:x}", self.random));
        }
        let number = self.said.len();
        let body = format!(r#"42["talk",{number},"{text}"]"#);
        let target = "/socket.io/?EIO=4&transport=polling&sid=s1";
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        self.ask(&[head.as_bytes(), body.as_bytes()].concat());
        let sha256 = recording::seal::sha256_of_file;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        self.said.push((number, sha256(file.path()).unwrap()));
    }

    /// The 99th percentile of 200 round trips, of the best of five rounds; of up to forty, until one is within the
    /// limit: what else the machine does passes, a tap that waits for its recording does not.
    pub(crate) fn round_trip_p99(&mut self, limit: Duration) -> Duration {
        let mut best = Duration::MAX;
        for round in 0..40 {
            if round >= 5 && best <= limit {
                break;
            }
            best = best.min(self.round());
        }
        best
    }

    fn round(&mut self) -> Duration {
        let trip = |_| {
            let began = Instant::now();
            self.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            began.elapsed()
        };
        let mut trips: Vec<Duration> = (0..200).map(trip).collect();
        trips.sort();
        trips[197]
    }
}

/// A `collector tap` at work.
pub(crate) struct Sidecar {
    child: Child,
    pub(crate) port: u16,
    stderr: Arc<Mutex<String>>,
    reading: Option<std::thread::JoinHandle<()>>,
}

impl Sidecar {
    /// Its messages are kept.
    pub(crate) fn start(scene: &Scene, upstream: u16) -> Sidecar {
        Sidecar::start_with(scene, upstream, Stdio::piped())
    }

    pub(crate) fn start_with(scene: &Scene, upstream: u16, errors: Stdio) -> Sidecar {
        // Between this and the tap's own bind somebody else may take the port; then the tap says so and the test fails.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (listen, upstream) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{upstream}"));
        let arguments = ["tap", "--listen", &listen, "--upstream", &upstream, "--runs", "runs"];
        let mut child = scene.command(&arguments).stderr(errors).spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let reading = child.stderr.take().map(|pipe| {
            let kept = Arc::clone(&stderr);
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    kept.lock().unwrap().push_str(&format!("{line}\n"));
                }
            })
        });
        wait_for("the tap listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Sidecar { child, port, stderr, reading }
    }

    /// The first line with these words, which comes while the run goes on.
    pub(crate) fn wait_for_line(&mut self, words: &str, mut meanwhile: impl FnMut()) -> String {
        let line = wait_for(words, || {
            meanwhile();
            let stderr = self.stderr.lock().unwrap();
            stderr.lines().find(|line| line.contains(words)).map(str::to_owned)
        });
        self.must_run();
        line
    }

    pub(crate) fn must_run(&mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "{}", self.stderr.lock().unwrap());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Interrupts it; exit code and all that it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        signal(&self.child, Signal::INT);
        let code = self.child.wait().unwrap().code();
        self.reading.take().into_iter().for_each(|reading| reading.join().unwrap());
        (code, self.stderr.lock().unwrap().clone())
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // Where a test failed before it ended this.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}
