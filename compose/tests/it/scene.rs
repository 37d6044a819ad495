//! What the tests stand on: shell commands as processes, the events they led to, a page that answers as told.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use compose::{Event, Happening, ProcessSpec, Processes, Sink};

/// Far beyond what anything here takes; a test that comes to it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// A process that runs a line of shell.
pub fn shell(name: &str, line: &str) -> ProcessSpec {
    ProcessSpec::new(name, ["sh", "-c", line].map(String::from).to_vec(), std::env::temp_dir())
}

/// Every event so far.
#[derive(Clone, Default)]
pub struct Seen(Arc<(Mutex<Vec<Event>>, Condvar)>);

impl Seen {
    pub fn sink(&self) -> Sink {
        let Seen(seen) = self.clone();
        Arc::new(move |event| {
            seen.0.lock().unwrap().push(event);
            seen.1.notify_all();
        })
    }

    pub fn processes(&self) -> Processes {
        Processes::new(self.sink(), None).unwrap()
    }

    /// Waits until an event makes `pick` give something. Off the runtime's threads, which have the events to bring.
    pub async fn until<T: Send + 'static>(&self, pick: impl Fn(&Event) -> Option<T> + Send + 'static) -> T {
        let Seen(seen) = self.clone();
        let wait = move || {
            let found = |events: &Vec<Event>| events.iter().find_map(&pick);
            let events = seen.0.lock().unwrap();
            let (events, _) = seen.1.wait_timeout_while(events, DEADLINE, |events| found(events).is_none()).unwrap();
            found(&events).unwrap_or_else(|| panic!("what was waited for is not in {events:?}"))
        };
        tokio::task::spawn_blocking(wait).await.unwrap()
    }

    pub async fn line(&self, process: &'static str, wanted: &'static str) {
        self.until(move |event| (lines_of(process)(event)? == wanted).then_some(())).await;
    }

    /// The first line of a process that is a number: a process id that it tells.
    pub async fn number(&self, process: &'static str) -> u32 {
        self.until(move |event| lines_of(process)(event)?.parse().ok()).await
    }

    pub async fn exit(&self, process: &'static str) -> Option<i64> {
        let pick = move |event: &Event| match event.what {
            Happening::Exited { exit_code } if &*event.process == process => Some(exit_code),
            _ => None,
        };
        self.until(pick).await
    }

    pub fn lines(&self, process: &'static str) -> Vec<String> {
        self.0.0.lock().unwrap().iter().filter_map(lines_of(process)).collect()
    }

    /// All but the output, as "name what".
    pub fn story(&self) -> Vec<String> {
        let tell = |event: &Event| {
            let what = match event.what {
                Happening::Started { .. } => "started",
                Happening::NotStarted { .. } => "not started",
                Happening::Ready { .. } => "ready",
                Happening::Stopping => "stopping",
                Happening::Exited { .. } => "exited",
                Happening::Output { .. } => return None,
            };
            Some(format!("{} {what}", event.process))
        };
        self.0.0.lock().unwrap().iter().filter_map(tell).collect()
    }
}

fn lines_of(process: &str) -> impl Fn(&Event) -> Option<String> {
    move |event| match &event.what {
        Happening::Output { line, .. } if &*event.process == process => Some(line.clone()),
        _ => None,
    }
}

/// A page that answers with a status that can be changed.
pub struct Page {
    pub url: String,
    status: Arc<AtomicU16>,
}

impl Page {
    pub fn answering(status: u16) -> Page {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health", listener.local_addr().unwrap());
        let page = Page { url, status: Arc::new(status.into()) };
        let status = page.status.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 4096]);
                let status = status.load(Ordering::SeqCst);
                let _ = write!(connection, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        page
    }

    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

/// Whether a process runs; one that only waits to be collected does not.
pub fn runs(pid: u32) -> bool {
    let answer = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(answer.stdout).unwrap();
    !matches!(state.trim().chars().next(), None | Some('Z' | 'X'))
}

/// Looks again and again until something holds.
pub async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never seen: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
