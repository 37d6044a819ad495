//! A tap: the transparent proxy on one Socket.IO path.
//!
//! The relay forwards first and copies after; copies wait in a bounded [`queue`] for a decoder that runs on its own
//! thread and turns them into rows. Traffic never waits for the recording: when the queue is full the copy is dropped,
//! and the loss becomes a gap.

mod buffers;
pub(crate) mod decoder;
mod priority;
pub(crate) mod queue;
mod relay;
mod rows;
#[cfg(test)]
mod tests;
mod threads;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use recording::Table;
use recording::record::{ConnectionRow, Stat};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::intake::{Clock, Intake, Source};
use crate::redact::Redactor;
use crate::scenario;
use crate::status::say;
use crate::wire::Limits;
use buffers::Buffers;
use queue::{Observed, Queue};
use threads::Threads;
use upstream::Upstream;
pub use upstream::{TlsError, authorities};

/// The tables that a tap writes.
pub const TABLES: [Table; 4] = [Table::Packets, Table::Connections, Table::Blobs, Table::Stats];

/// How long connections get to end by themselves once the tap is told to stop.
const DRAIN: Duration = Duration::from_millis(500);

/// A tap that listens.
pub struct Tap {
    name: String,
    upstream: Arc<Upstream>,
    listener: TcpListener,
    source: Source,
    queue: Arc<Queue>,
    buffers: Arc<Buffers>,
    threads: Threads,
    decoder: std::thread::JoinHandle<()>,
    delay: Arc<Delay>,
}

/// A tap that can't listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its address is taken, or none of this machine's.
    #[error("tap `{tap}` can't listen on {listen}{owner}")]
    Listen {
        /// The tap's name.
        tap: String,
        /// The address.
        listen: SocketAddr,
        /// Who has it, with a remedy.
        owner: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// It can't speak TLS to its server.
    #[error("tap `{tap}`")]
    Tls {
        /// The tap's name.
        tap: String,
        /// Why.
        source: TlsError,
    },
}

impl Tap {
    /// Binds this address for the tap and begins to decode. Connections are accepted from [`Tap::run`] on.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn bind(
        tap: &scenario::Tap,
        listen: SocketAddr,
        intake: &Intake,
        redactor: Arc<Redactor>,
        limits: &Limits,
    ) -> Result<Tap, Error> {
        let name = tap.name.clone();
        let upstream = Upstream::new(&tap.upstream);
        let upstream = Arc::new(upstream.map_err(|source| Error::Tls { tap: name.clone(), source })?);
        let failed = |source: std::io::Error| {
            let owner =
                compose::port_owner(listen).map(|owner| format!(": {owner} has it; stop it or use another port"));
            Error::Listen { tap: tap.name.clone(), listen, owner: owner.unwrap_or_default(), source }
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let source = intake.source(&format!("tap:{}", tap.name), "tap", &TABLES);
        let queue = Arc::new(Queue::default());
        let buffers = Arc::new(Buffers::default());
        let threads = Threads::spawn(&name).map_err(failed)?;
        let (chunks, free) = (Arc::clone(&queue), Arc::clone(&buffers));
        let decoder = decoder::spawn(name.clone(), chunks, free, source.clone(), redactor, limits).map_err(failed)?;
        Ok(Tap { name, upstream, listener, source, queue, buffers, threads, decoder, delay: Arc::default() })
    }

    /// The address that it got, where port 0 was asked for.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Relays until the token is cancelled, then lets open connections end, and finishes decoding.
    pub async fn run(self, token: CancellationToken) {
        let tracker = TaskTracker::new();
        self.source.live();
        let mut every_second = tokio::time::interval(Duration::from_secs(1));
        let mut connection = 0;
        loop {
            tokio::select! {
                () = token.cancelled() => break,
                _ = every_second.tick() => self.delay.report(&self.name, &self.source),
                accepted = self.listener.accept() => match accepted {
                    Ok((client, peer)) => {
                        let work = serve(self.link(connection), client.into_std(), peer, token.child_token());
                        self.threads.run(tracker.track_future(work));
                        connection += 1;
                    }
                    // Out of file descriptors, most likely: it passes, and a busy loop would not help.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
        }
        tracker.close();
        tracker.wait().await;
        self.delay.report(&self.name, &self.source);
        self.queue.close();
        if tokio::task::spawn_blocking(move || self.decoder.join().is_err()).await.unwrap_or(true) {
            // From when on nothing was decoded is not known.
            self.source.gap(0, self.source.clock().now_ns(), 1, "the decoder's thread died");
            self.source.fail();
        }
        self.source.end();
    }

    fn link(&self, connection: i64) -> Link {
        Link {
            tap: self.name.clone(),
            connection,
            upstream: Arc::clone(&self.upstream),
            clock: self.source.clock(),
            queue: Arc::clone(&self.queue),
            buffers: Arc::clone(&self.buffers),
            delay: Arc::clone(&self.delay),
        }
    }
}

impl std::fmt::Display for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listen = self.listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string());
        write!(f, "{}: {listen} to {}", self.name, self.upstream.address)
    }
}

/// What one connection's relay needs to know.
struct Link {
    tap: String,
    connection: i64,
    upstream: Arc<Upstream>,
    clock: Clock,
    queue: Arc<Queue>,
    buffers: Arc<Buffers>,
    delay: Arc<Delay>,
}

impl Link {
    fn note(&self, kind: &str, peer: SocketAddr, detail: serde_json::Value) {
        tracing::debug!(tap = self.tap, connection = self.connection, %peer, %detail, "{kind}");
        let row = ConnectionRow {
            tap: self.tap.clone(),
            connection: self.connection,
            kind: kind.to_owned(),
            peer: Some(peer.to_string()),
            detail: Some(detail.to_string()),
            ..ConnectionRow::default()
        };
        self.queue.push(self.connection, Observed::Note { at_ns: self.clock.now_ns(), row });
    }
}

async fn serve(link: Link, client: std::io::Result<std::net::TcpStream>, peer: SocketAddr, token: CancellationToken) {
    // It was accepted on another thread; from here on this one drives it.
    let client = match client.and_then(TcpStream::from_std) {
        Ok(client) => client,
        Err(error) => return link.note("refused", peer, serde_json::json!({"error": error.to_string()})),
    };
    let connected = tokio::select! {
        connected = link.upstream.connect() => connected,
        () = token.cancelled() => return,
    };
    let upstream = match connected {
        Ok(upstream) => upstream,
        Err(error) => {
            if let Some(problem) = link.upstream.untrusted(&error) {
                say(format!("collector: tap {}: nothing passes: {problem}", link.tap));
            }
            // The client sees what it would have seen without the tap: a connection that is reset, not one that hangs.
            let reset = client.set_zero_linger().err().map(|error| error.to_string());
            link.note("refused", peer, serde_json::json!({"error": error.to_string(), "linger": reset}));
            return;
        }
    };
    link.note("open", peer, serde_json::json!({"upstream": link.upstream.address}));
    let ended = tokio::select! {
        ended = relay::relay(&link, client, upstream) => ended,
        () = async { token.cancelled().await; tokio::time::sleep(DRAIN).await } => relay::Ended::Stopped,
    };
    link.note(ended.kind(), peer, ended.detail());
    link.queue.push(link.connection, Observed::Gone { at_ns: link.clock.now_ns() });
}

/// The bounds of the buckets of what the relay adds, in ns, and as they are told, in seconds. The last has none.
const ADDED: [(i64, &str); 9] = [
    (10_000, "0.00001"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (100_000_000, "0.1"),
    (i64::MAX, "+Inf"),
];

/// What the relay adds to the way of the bytes.
#[derive(Default)]
struct Delay {
    added: [AtomicI64; ADDED.len()],
    sum_ns: AtomicI64,
    longest_ns: AtomicI64,
    chunks: AtomicI64,
    bytes: AtomicI64,
}

impl Delay {
    fn add(&self, took: Duration, bytes: usize) {
        let took_ns = took.as_nanos() as i64;
        self.longest_ns.fetch_max(took_ns, Ordering::Relaxed);
        self.sum_ns.fetch_add(took_ns, Ordering::Relaxed);
        let bucket = ADDED.iter().position(|(bound_ns, _)| took_ns <= *bound_ns).unwrap_or(ADDED.len() - 1);
        self.added[bucket].fetch_add(1, Ordering::Relaxed);
        self.chunks.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as i64, Ordering::Relaxed);
    }

    fn report(&self, tap: &str, source: &Source) {
        let numbers = [
            ("relay/added_max_ns".to_owned(), self.longest_ns.swap(0, Ordering::Relaxed), "ns"),
            ("relay/added_sum_ns".to_owned(), self.sum_ns.load(Ordering::Relaxed), "ns"),
            ("relay/chunks".to_owned(), self.chunks.load(Ordering::Relaxed), "chunks"),
            ("relay/bytes".to_owned(), self.bytes.load(Ordering::Relaxed), "bytes"),
        ];
        let mut below = 0;
        let buckets = ADDED.iter().zip(&self.added).map(|((_, bound_s), chunks)| {
            below += chunks.load(Ordering::Relaxed);
            (format!("relay/added_le/{bound_s}"), below, "chunks")
        });
        for (metric, value, unit) in numbers.into_iter().chain(buckets) {
            let stat = Stat {
                source: "tap".to_owned(),
                subject: tap.to_owned(),
                metric,
                value: value as f64,
                unit: unit.to_owned(),
            };
            source.put(source.clock().now_ns(), stat);
        }
    }
}
