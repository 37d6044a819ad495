//! One round: a fresh process of one candidate, connections through it, a stretch of load, and what that came to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector::AnyError;

use crate::load::{Load, Measured};
use crate::message::Messages;
use crate::peers::{Candidate, Peer};
use crate::taped::{self, Taped};
use crate::usage::relaying;

const WARM_UP: Duration = Duration::from_millis(500);

/// How messages leave.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// That many per second, whatever comes back.
    Open(f64),
    /// The next one when the last came back.
    Closed,
}

/// What all rounds of a cell share.
pub struct Cell {
    /// The messages.
    pub messages: Arc<Messages>,
    /// How many connections.
    pub connections: usize,
    /// The echo server's port.
    pub echo: u16,
}

/// What one round came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Echoes per second.
    pub rate: f64,
    /// Round trips in ns.
    pub p50_ns: f64,
    /// Round trips in ns.
    pub p99_ns: f64,
    /// CPU time of the threads that relay, per message (there and back), in µs.
    pub relay_us: f64,
    /// CPU time by thread per message, in µs.
    pub threads_us: BTreeMap<String, f64>,
    /// The most memory it held, in bytes.
    pub peak_rss: u64,
    /// What the recording holds, of a tap.
    pub taped: Option<Taped>,
    /// Messages sent in the whole round; each is two events.
    pub sent: u64,
    /// CPU time of everything but relaying, sealing included, per MB on the wire (both ways), in ms; of a tap.
    pub recording_ms_per_mb: f64,
}

impl Outcome {
    /// Whether the recording is known to hold everything.
    pub fn is_complete(&self) -> bool {
        self.taped.as_ref().is_none_or(|taped| taped.gaps == 0 && taped.events == 2 * self.sent)
    }
}

/// Runs one round. `while_loaded` is told the candidate's process when the load begins.
pub fn run(
    cell: &Cell,
    candidate: Candidate,
    pace: Pace,
    length: Duration,
    scratch: &Path,
    while_loaded: &mut dyn FnMut(Option<u32>) -> Result<(), AnyError>,
) -> Result<Outcome, AnyError> {
    let mut peer = Peer::of(candidate, cell.echo, scratch)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut outcome, relay_cpu) = runtime.block_on(async {
        let mut load = Load::open(peer.port, cell.connections, &cell.messages)?;
        stretch(&mut load, pace, WARM_UP, false).await?;
        while_loaded(peer.pid())?;
        let (before, sent_before) = (peer.usage(), load.sent());
        let measured = stretch(&mut load, pace, length, true).await?;
        let after = peer.usage();
        let sent = load.sent();
        load.close().await;
        let threads = after.since(&before);
        let per_message = |cpu: Duration| cpu.as_secs_f64() * 1e6 / (sent - sent_before).max(1) as f64;
        let mut latencies = measured.latencies_ns;
        let outcome = Outcome {
            rate: measured.rate,
            p50_ns: quantile(&mut latencies, 0.5),
            p99_ns: quantile(&mut latencies, 0.99),
            relay_us: per_message(relaying(&threads)),
            threads_us: threads.into_iter().map(|(name, cpu)| (name, per_message(cpu))).collect(),
            peak_rss: after.peak_rss,
            sent,
            ..Outcome::default()
        };
        Ok::<_, AnyError>((outcome, relaying(&after.threads)))
    })?;
    drop(runtime);
    if candidate == Candidate::Tap {
        let ended = peer.end()?;
        // 3 is "with gaps", which are counted.
        if !matches!(ended.code, Some(0 | 3)) {
            return Err(format!("the tap ended with {:?}: {}", ended.code, ended.stderr).into());
        }
        let megabytes = outcome.sent as f64 * 2.0 * cell.messages.bytes() as f64 / 1e6;
        outcome.recording_ms_per_mb = ended.cpu.saturating_sub(relay_cpu).as_secs_f64() * 1e3 / megabytes;
        let taped = taped::read(&peer.runs())?;
        if taped.gaps == 0 && (taped.events != 2 * outcome.sent || ended.code != Some(0)) {
            eprintln!(
                "  NOT COMPLETE and no gap says so: {} events of {}, exit {:?}, {}",
                taped.events,
                2 * outcome.sent,
                ended.code,
                ended.stderr.trim()
            );
        }
        outcome.taped = Some(taped);
    }
    Ok(outcome)
}

async fn stretch(load: &mut Load, pace: Pace, length: Duration, measured: bool) -> Result<Measured, AnyError> {
    match pace {
        Pace::Open(rate) => load.paced(rate, length, measured).await,
        Pace::Closed => load.closed(length).await,
    }
}

/// The value below which that share of the values lies; NaN of none.
pub fn quantile(values: &mut [u64], share: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let at = ((values.len() as f64 * share) as usize).min(values.len() - 1);
    *values.select_nth_unstable(at).1 as f64
}
