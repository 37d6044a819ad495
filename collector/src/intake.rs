//! The one door: every row of a recording comes in here, onto one clock.
//!
//! A [`Source`] never waits. Its rows go into a queue that is bounded in rows and in bytes; what doesn't fit is dropped,
//! counted, and becomes a gap of that source as soon as there is room again. The recorder empties the queue from its
//! own thread, without being woken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use recording::record::{Gap, SourceRow};
use recording::{Row, Table};

const MAX_ROWS: usize = 100_000;
/// Four of the largest messages that are decoded: one each way may wait while the two before them are written.
const MAX_BYTES: usize = 256 << 20;

/// The run's clock: nanoseconds since its start, monotonic.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    started_unix_ns: i64,
}

impl Clock {
    /// A clock that stands at 0 now.
    pub fn start() -> Clock {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), started_unix_ns: since_1970.as_nanos() as i64 }
    }

    /// Nanoseconds since the start.
    pub fn now_ns(&self) -> i64 {
        self.start.elapsed().as_nanos() as i64
    }

    /// Nanoseconds from the start to this moment.
    pub fn ns_at(&self, moment: Instant) -> i64 {
        moment.saturating_duration_since(self.start).as_nanos() as i64
    }

    /// The wall-clock time of a moment of the run.
    pub fn unix_ns(&self, at_ns: i64) -> i64 {
        self.started_unix_ns + at_ns
    }
}

/// The way into a recording.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Entry>,
    bytes: usize,
    closed: bool,
    lost: i64,
    sources: Vec<Watched>,
}

/// One row on its way to the recorder.
pub(crate) struct Entry {
    pub(crate) at_ns: i64,
    pub(crate) row: Row,
}

struct Watched {
    row: SourceRow,
    gap: Option<Gap>,
}

impl Intake {
    /// An open door with an empty queue behind it.
    pub fn new(clock: Clock) -> Intake {
        Intake { shared: Arc::new(Shared { clock, state: Mutex::default() }) }
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Makes something known that will be watched. It is not live before [`Source::live`].
    pub fn source(&self, name: &str, kind: &str, tables: &[Table]) -> Source {
        let tables: Vec<&str> = tables.iter().map(|table| table.name()).collect();
        let row = SourceRow {
            source: name.to_owned(),
            kind: kind.to_owned(),
            tables: serde_json::json!(tables).to_string(),
            from_ns: None,
            to_ns: None,
            rows: 0,
            state: "idle".to_owned(),
        };
        let mut state = self.lock();
        state.sources.push(Watched { row, gap: None });
        Source { intake: self.clone(), number: state.sources.len() - 1 }
    }

    /// Takes what has come in, oldest first, and the rows that were refused since the start.
    pub(crate) fn drain(&self, into: &mut VecDeque<Entry>) -> Drained {
        let mut state = self.lock();
        state.bytes = 0;
        std::mem::swap(&mut state.queue, into);
        Drained { closed: state.closed, lost: state.lost }
    }

    /// One row per source, as it stands.
    pub(crate) fn source_rows(&self) -> Vec<SourceRow> {
        self.lock().sources.iter().map(|watched| watched.row.clone()).collect()
    }

    /// Ends every source that is still live, and lets nothing more in.
    pub fn close(&self) {
        let now_ns = self.clock().now_ns();
        let mut state = self.lock();
        for number in 0..state.sources.len() {
            state.close_gap(number);
            let row = &mut state.sources[number].row;
            if row.state == "live" {
                row.state = "ended".to_owned();
                row.to_ns = Some(now_ns);
            }
        }
        state.closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`Intake::drain`] found beside the rows.
pub(crate) struct Drained {
    pub(crate) closed: bool,
    pub(crate) lost: i64,
}

impl State {
    fn push(&mut self, at_ns: i64, row: Row, bytes: usize) {
        self.bytes += bytes;
        self.queue.push_back(Entry { at_ns, row });
    }

    fn close_gap(&mut self, number: usize) {
        if let Some(gap) = self.sources[number].gap.take() {
            self.push(gap.to_ns, gap.into(), 0);
        }
    }

    fn refuse(&mut self, number: usize, at_ns: i64) {
        self.lost += 1;
        let Watched { row, gap } = &mut self.sources[number];
        let gap = gap.get_or_insert_with(|| Gap {
            from_ns: at_ns,
            to_ns: at_ns,
            source: row.source.clone(),
            lost: 0,
            reason: "the recorder's queue was full".to_owned(),
        });
        gap.from_ns = gap.from_ns.min(at_ns);
        gap.to_ns = gap.to_ns.max(at_ns);
        gap.lost += 1;
    }
}

/// The hand of one watcher.
#[derive(Clone)]
pub struct Source {
    intake: Intake,
    number: usize,
}

impl Source {
    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.intake.clock()
    }

    /// From now on what happens is seen.
    pub fn live(&self) {
        let now_ns = self.clock().now_ns();
        let mut state = self.intake.lock();
        let row = &mut state.sources[self.number].row;
        if row.state != "live" {
            row.state = "live".to_owned();
            row.from_ns.get_or_insert(now_ns);
        }
    }

    /// From now on nothing more is seen, as intended.
    pub fn end(&self) {
        self.leave("ended");
    }

    /// From now on nothing more is seen, because the watcher itself failed.
    pub fn fail(&self) {
        self.leave("failed");
    }

    fn leave(&self, word: &str) {
        let now_ns = self.clock().now_ns();
        let mut state = self.intake.lock();
        let row = &mut state.sources[self.number].row;
        if row.state == "live" {
            row.state = word.to_owned();
            row.to_ns = Some(now_ns);
        }
    }

    /// Records one row that was seen at `at_ns`. Never waits; what can't be taken is counted as a gap.
    pub fn put(&self, at_ns: i64, row: impl Into<Row>) {
        let row = row.into();
        let bytes = weight(&row);
        let mut state = self.intake.lock();
        if state.closed {
            return;
        }
        if state.queue.len() >= MAX_ROWS || state.bytes + bytes > MAX_BYTES {
            state.refuse(self.number, at_ns);
            return;
        }
        state.close_gap(self.number);
        state.sources[self.number].row.rows += 1;
        state.push(at_ns, row, bytes);
    }

    /// Records that this source lost records: `lost` of them between two times.
    pub fn gap(&self, from_ns: i64, to_ns: i64, lost: i64, reason: &str) {
        let mut state = self.intake.lock();
        state.lost += lost;
        let source = state.sources[self.number].row.source.clone();
        let gap = Gap { from_ns, to_ns, source, lost, reason: reason.to_owned() };
        state.push(to_ns, gap.into(), 0);
    }
}

/// About what a row holds in memory, in bytes.
fn weight(row: &Row) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    256 + match row {
        Row::Blob(blob) => blob.bytes.len(),
        Row::Packet(packet) => text(&packet.args) + packet.raw.as_ref().map_or(0, Vec::len),
        Row::Poll(poll) => text(&poll.body),
        Row::Probe(probe) => text(&probe.json),
        Row::Log(log) => log.line.len(),
        Row::ConnectionRow(connection) => text(&connection.detail),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recording::record::Log;

    fn rows(intake: &Intake) -> Vec<Row> {
        let mut entries = VecDeque::new();
        intake.drain(&mut entries);
        entries.into_iter().map(|entry| entry.row).collect()
    }

    #[test]
    fn what_does_not_fit_becomes_one_gap_of_its_source() {
        let intake = Intake::new(Clock::start());
        let source = intake.source("process", "process", &[Table::Logs]);
        source.live();
        for at_ns in 0..MAX_ROWS as i64 + 7 {
            source.put(at_ns, Log::default());
        }
        assert_eq!(rows(&intake).len(), MAX_ROWS);
        source.put(1_000_000, Log::default());
        let rows = rows(&intake);
        let Row::Gap(gap) = &rows[0] else { panic!("{rows:?}") };
        assert_eq!((gap.from_ns, gap.to_ns, gap.lost), (MAX_ROWS as i64, MAX_ROWS as i64 + 6, 7));
        assert_eq!(gap.source, "process");
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn the_largest_message_fits_each_way_at_once() {
        let intake = Intake::new(Clock::start());
        let source = intake.source("tap", "tap", &[Table::Blobs]);
        let largest = crate::wire::Limits::default().message_bytes;
        for _ in 0..2 {
            source.put(5, recording::record::Blob { bytes: vec![0; largest], ..Default::default() });
        }
        assert_eq!(rows(&intake).len(), 2);
    }

    #[test]
    fn a_gap_still_open_at_the_end_is_recorded() {
        let intake = Intake::new(Clock::start());
        let source = intake.source("process", "process", &[Table::Logs]);
        source.live();
        let large = Row::Blob(recording::record::Blob { bytes: vec![0; MAX_BYTES], ..Default::default() });
        source.put(5, large);
        intake.close();
        let rows = rows(&intake);
        assert!(matches!(&rows[..], [Row::Gap(gap)] if gap.lost == 1), "{rows:?}");
        assert_eq!(intake.source_rows()[0].state, "ended");
    }
}
