//! The load: closed (each connection sends its next message when the last came back) or open (messages leave at a given
//! rate, whether or not the last came back; latency counts from when a message was meant to leave).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use collector::AnyError;
use tokio::task::JoinSet;

use crate::lane::{Lane, connect};
use crate::message::{FIRST, Messages};

/// Messages that are due within one of these leave together.
const TICK: Duration = Duration::from_micros(100);
/// How long echoes are waited for after the last message.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the connections of one load share.
pub struct Shared {
    pub messages: Arc<Messages>,
    pub scratch: Scratch,
    numbers: AtomicU64,
    arrived: AtomicU64,
    /// Until when an echo is answered by the next message, in ns since `began`.
    closed_until_ns: AtomicU64,
    began: Instant,
}

/// The one buffer that everything is read into.
#[derive(Default)]
pub struct Scratch(Mutex<Vec<u8>>);

impl Scratch {
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn put(&self, buffer: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = buffer;
    }
}

impl Shared {
    /// Counts an echo; the number of the next message where the load is a closed one.
    pub fn arrived(&self, now: Instant) -> Option<u64> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let is_open = now.duration_since(self.began).as_nanos() as u64 >= self.closed_until_ns.load(Ordering::Relaxed);
        (!is_open).then(|| self.number())
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn sent(&self) -> u64 {
        self.numbers.load(Ordering::Relaxed) - FIRST
    }
}

/// Open connections that can be put under load.
pub struct Load {
    shared: Arc<Shared>,
    lanes: Vec<Arc<Lane>>,
    readers: JoinSet<Result<(), AnyError>>,
    writers: JoinSet<()>,
}

/// What a stretch of load came to.
#[derive(Default)]
pub struct Measured {
    /// Echoes per second.
    pub rate: f64,
    /// Round trips in ns, in no order.
    pub latencies_ns: Vec<u64>,
}

impl Load {
    /// Opens that many connections, one after another.
    pub fn open(port: u16, connections: usize, messages: &Arc<Messages>) -> Result<Load, AnyError> {
        let shared = Arc::new(Shared {
            messages: Arc::clone(messages),
            scratch: Scratch::default(),
            numbers: AtomicU64::new(FIRST),
            arrived: AtomicU64::new(0),
            closed_until_ns: AtomicU64::new(0),
            began: Instant::now(),
        });
        let (mut lanes, mut readers, mut writers) = (Vec::new(), JoinSet::new(), JoinSet::new());
        for _ in 0..connections {
            let (lane, reader) = Lane::new(connect(port)?)?;
            let lane = Arc::new(lane);
            readers.spawn(Arc::clone(&lane).read(reader, Arc::clone(&shared)));
            let (writing, of_writer) = (Arc::clone(&lane), Arc::clone(&shared));
            // What ends a connection is told by its reader.
            writers.spawn(async move { writing.write(&of_writer).await.unwrap_or(()) });
            lanes.push(lane);
        }
        Ok(Load { shared, lanes, readers, writers })
    }

    /// How many messages were sent so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent()
    }

    /// As fast as it goes, with one message under way on each connection.
    pub async fn closed(&mut self, length: Duration) -> Result<Measured, AnyError> {
        let start = Instant::now();
        let until = (start + length).duration_since(self.shared.began);
        self.shared.closed_until_ns.store(until.as_nanos() as u64, Ordering::Relaxed);
        let before = self.shared.arrived.load(Ordering::Relaxed);
        for lane in &self.lanes {
            lane.send(&self.shared, self.shared.number(), Some(start));
        }
        self.unless_broken(tokio::time::sleep(length)).await?;
        let (arrived, took) = (self.shared.arrived.load(Ordering::Relaxed) - before, start.elapsed());
        self.settle().await?;
        Ok(Measured { rate: arrived as f64 / took.as_secs_f64(), latencies_ns: self.take_latencies() })
    }

    /// So many messages per second for so long, spread evenly over the connections.
    pub async fn paced(&mut self, rate: f64, length: Duration, measured: bool) -> Result<Measured, AnyError> {
        let (shared, lanes) = (Arc::clone(&self.shared), self.lanes.clone());
        let pacer = move || pace(&shared, &lanes, rate, length, measured);
        let start = Instant::now();
        let before = self.shared.arrived.load(Ordering::Relaxed);
        let pacing = tokio::task::spawn_blocking(pacer);
        self.unless_broken(pacing).await??;
        let (arrived, took) = (self.shared.arrived.load(Ordering::Relaxed) - before, start.elapsed());
        self.settle().await?;
        Ok(Measured { rate: arrived as f64 / took.as_secs_f64(), latencies_ns: self.take_latencies() })
    }

    /// Waits until every message has come back.
    async fn settle(&mut self) -> Result<(), AnyError> {
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + PATIENCE;
        let all_back = async move {
            while shared.arrived.load(Ordering::Relaxed) < shared.sent() {
                if Instant::now() > deadline {
                    let missing = shared.sent() - shared.arrived.load(Ordering::Relaxed);
                    return Err(format!("{missing} echoes did not come within {PATIENCE:?}"));
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        };
        Ok(self.unless_broken(all_back).await??)
    }

    async fn unless_broken<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, AnyError> {
        tokio::select! {
            done = wait => Ok(done),
            Some(ended) = self.readers.join_next() => match ended {
                Ok(Err(error)) => Err(error),
                _ => Err("a connection ended in the middle of the load".into()),
            },
        }
    }

    fn take_latencies(&self) -> Vec<u64> {
        self.lanes.iter().flat_map(|lane| lane.take_latencies()).collect()
    }

    /// Closes every connection.
    pub async fn close(mut self) {
        self.writers.shutdown().await;
        self.readers.shutdown().await;
    }
}

/// Sends on a thread of its own, for the runtime's timers know only whole milliseconds.
fn pace(shared: &Shared, lanes: &[Arc<Lane>], rate: f64, length: Duration, measured: bool) {
    wake_sharply();
    let tick = TICK.as_secs_f64().max(1.0 / rate);
    let start = Instant::now() + Duration::from_millis(1);
    for message in 0..(rate * length.as_secs_f64()) as u64 {
        let ticks = (message as f64 / rate / tick).floor();
        let meant = start + Duration::from_secs_f64(ticks * tick);
        let early = meant.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            std::thread::sleep(early);
        }
        let lane = &lanes[message as usize % lanes.len()];
        lane.send(shared, shared.number(), measured.then_some(meant));
    }
}

/// Lets this thread's sleeps end when they should, not up to 50 µs later; the programs that are compared keep the default.
fn wake_sharply() {
    let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    if let Some(thread) = thread.file_name() {
        // Where this isn't allowed, every candidate's latencies hold the same lateness.
        std::fs::write(std::path::Path::new("/proc").join(thread).join("timerslack_ns"), "1").unwrap_or(());
    }
}
