//! A recorder that dies or stands still: traffic goes on, the loss is counted, and told at once.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use recording::{Error, Table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::intake::Clock;
use crate::redact::Redactor;
use crate::scenario::{Scenario, Upstream};
use crate::spans::Deriver;
use crate::tap::Tap;
use crate::wire::Limits;
use recording::Row;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A store whose disk fails in a way of its own.
#[derive(Default)]
struct Bad {
    panics: Arc<AtomicBool>,
    /// Writes say that they came, and wait until they are let go.
    gate: Option<(Sender<()>, Receiver<()>)>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    rows: AtomicI64,
    gaps_lost: AtomicI64,
}

fn derived() -> Derived {
    Derived::new(Deriver::new("r", "s", Vec::new()), None, None)
}

impl Store for Bad {
    fn push(&mut self, _: i64, row: Row) -> Result<(), Error> {
        if let Row::Gap(gap) = &row {
            self.seen.gaps_lost.fetch_add(gap.lost, Ordering::SeqCst);
        }
        self.seen.rows.fetch_add(i64::from(row.table() == Table::Connections), Ordering::SeqCst);
        Ok(())
    }

    fn write(&mut self) -> Result<(), Error> {
        assert!(!self.panics.load(Ordering::SeqCst), "as the test wants it");
        if let Some((here, go_on)) = &self.gate {
            here.send(()).unwrap_or_default();
            // Where nobody holds the gate any more it is open.
            go_on.recv().unwrap_or_default();
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn rows(&self, _: Table) -> i64 {
        0
    }

    fn written_bytes(&self) -> u64 {
        0
    }

    fn resume(&mut self) -> Result<(), Error> {
        self.panics.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// A tap with a server behind it, and a client that is connected through it.
struct Road {
    client: TcpStream,
    intake: Intake,
    token: CancellationToken,
    tap: tokio::task::JoinHandle<()>,
}

impl Road {
    async fn open() -> Road {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = format!("http://{}", server.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut connection, _) = server.accept().await.unwrap();
            let (mut buffer, mut rest) = (vec![0; 64 << 10], 0);
            while let Ok(read @ 1..) = connection.read(&mut buffer).await {
                let requests = (rest + read) / REQUEST.len();
                rest = (rest + read) % REQUEST.len();
                connection.write_all(&RESPONSE.repeat(requests)).await.unwrap();
            }
        });
        let intake = Intake::new(Clock::start());
        let any = "127.0.0.1:0".parse().unwrap();
        let scenario = Scenario::tap_only(any, Upstream::parse(&upstream, None).unwrap(), "s");
        let redactor = Arc::new(Redactor::with_key(vec![1; 32], []));
        let tap = Tap::bind(&scenario.taps[0], any, &intake, redactor, &Limits::default()).await.unwrap();
        let address = tap.address().unwrap();
        let token = CancellationToken::new();
        let tap = tokio::spawn(tap.run(token.clone()));
        let client = TcpStream::connect(address).await.unwrap();
        client.set_nodelay(true).unwrap();
        Road { client, intake, token, tap }
    }

    async fn ask(&mut self, requests: usize) {
        self.client.write_all(&REQUEST.repeat(requests)).await.unwrap();
        let mut answers = vec![0; RESPONSE.len() * requests];
        self.client.read_exact(&mut answers).await.unwrap();
        assert!(answers.ends_with(b"ok"));
    }

    /// The 99th percentile of 200 round trips, of the best of five rounds; of up to forty, until one is within the
    /// limit: what else the machine does passes, a tap that waits for its recorder does not.
    async fn round_trip_p99(&mut self, limit: Duration) -> Duration {
        let mut best = Duration::MAX;
        for round in 0..40 {
            if round >= 5 && best <= limit {
                break;
            }
            let mut trips = Vec::new();
            for _ in 0..200 {
                let began = std::time::Instant::now();
                self.ask(1).await;
                trips.push(began.elapsed());
            }
            trips.sort();
            best = best.min(trips[197]);
        }
        best
    }

    async fn close(self, recorder: &mut Recorder, before_the_end: impl FnOnce()) -> Progress {
        drop(self.client);
        self.token.cancel();
        self.tap.await.unwrap();
        before_the_end();
        self.intake.close();
        tokio::task::block_in_place(|| recorder.end()).close(0, Run::default())
    }
}

async fn assert_unharmed(road: &mut Road, before: Duration) {
    let limit = 2 * before + Duration::from_millis(1);
    let during = road.round_trip_p99(limit).await;
    assert!(during <= limit, "{during:?}, it was {before:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_dies_says_so_at_once_and_harms_nobody() {
    let mut road = Road::open().await;
    let (panics, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
    let store = Bad { panics: Arc::clone(&panics), seen: Arc::clone(&seen), gate: None };
    let mut recorder = Recorder::with_store(road.intake.clone(), Box::new(store), derived()).unwrap();
    let progress = recorder.progress_handle();
    let before = road.round_trip_p99(Duration::MAX).await;
    panics.store(true, Ordering::SeqCst);
    let told = tokio::time::timeout(Duration::from_secs(10), recorder.failed().cancelled()).await;
    assert!(told.is_ok() && progress().failure.is_some_and(|why| why.contains("panicked")));
    assert_unharmed(&mut road, before).await;
    // What comes now is taken, counted and let go: it must not pile up.
    let pushed = seen.rows.load(Ordering::SeqCst);
    for _ in 0..20 {
        road.ask(100).await;
    }
    let ended = road.close(&mut recorder, || ()).await;
    assert!(ended.lost >= 6000, "3000 requests, two rows each: {}", ended.lost);
    assert_eq!(seen.rows.load(Ordering::SeqCst), pushed, "nothing is recorded after the failure");
    // The second attempt at the end could write what is missing.
    assert!(seen.gaps_lost.load(Ordering::SeqCst) >= ended.lost, "{} {}", ended.lost, progress().lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stands_still_costs_records_and_nothing_else() {
    let mut road = Road::open().await;
    let before = road.round_trip_p99(Duration::MAX).await;
    let ((here, arrived), (let_go, go_on), seen) = (channel(), channel(), Arc::new(Seen::default()));
    let store = Bad { gate: Some((here, go_on)), seen: Arc::clone(&seen), ..Bad::default() };
    let mut recorder = Recorder::with_store(road.intake.clone(), Box::new(store), derived()).unwrap();
    tokio::task::block_in_place(|| arrived.recv()).unwrap();
    // The recorder stands; more comes than the intake holds.
    for _ in 0..700 {
        road.ask(100).await;
    }
    assert_unharmed(&mut road, before).await;
    let ended = road.close(&mut recorder, || drop(let_go)).await;
    assert_eq!((ended.failure, ended.unwritten), (None, 0), "late is no failure");
    let (rows, lost) = (seen.rows.load(Ordering::SeqCst), seen.gaps_lost.load(Ordering::SeqCst));
    assert_eq!(lost, ended.lost, "every row that was refused is in a gap");
    assert!(lost > 10_000 && rows > 90_000, "{lost} {rows}");
}
