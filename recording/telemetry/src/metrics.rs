//! A run's metrics, made of recorded rows: of a run that lasts a page of what is so now, of a stored one everything with its times.
//!
//! METRICS.md beside this crate lists the series. Rows go in, in order of time, and OpenMetrics 1.0 comes out: no I/O, no clock. In the
//! order data meets them: `rows` says what a row does to which series · `series` holds their present values · [`history`] remembers
//! them · `page` writes them down. [`pairs`] finds in recorded spans what a live run tells as it happens.

pub mod history;
mod known;
mod page;
pub mod pairs;
mod rows;
mod series;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashSet;

use recording::{Row, Table};

use crate::ids;
use crate::otlp::Ended;
pub use history::History;
use known::Known;
use page::Sheet;
use series::{Exemplar, Life, Store};

/// A run that lasts has no more series than these of what was scraped, half as many more of the names of events, and half as many more
/// of everything else; the rest is counted.
const MOST_SERIES: usize = 10_000;

/// The bounds of the buckets of `tapedeck_pair_latency_seconds`.
const LATENCY_S: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 8.0, 10.0, 15.0, 30.0, 60.0];

/// The metrics of one run, as they are now.
#[derive(Debug)]
pub struct Metrics {
    store: Store,
    trace_id: String,
    /// The series that says which run it is.
    info: Option<usize>,
    /// How many rows there were of each table.
    rows: [Option<usize>; Table::ALL.len()],
    /// Hashes of the sessions seen.
    sessions: HashSet<u64>,
    last_session: u64,
    /// The series of silences, with their targets.
    silences: Vec<(usize, String)>,
}

impl Metrics {
    /// Of a run that nothing is known of yet.
    pub fn new(run_id: &str, scenario: &str) -> Metrics {
        Metrics::with_limit(run_id, scenario, MOST_SERIES)
    }

    fn with_limit(run_id: &str, scenario: &str, limit: usize) -> Metrics {
        let mut store = Store::new(run_id, scenario, limit);
        // These two are there, however few there may be.
        store.known(Known::RunElapsed, &[], Life::Elapsing);
        store.known(Known::SeriesRefused, &[], Life::Kept);
        Metrics {
            store,
            trace_id: ids::trace_id(run_id),
            info: None,
            rows: [None; Table::ALL.len()],
            sessions: HashSet::new(),
            last_session: 0,
            silences: Vec::new(),
        }
    }

    /// A row was recorded.
    pub fn take(&mut self, at_ns: i64, row: &Row) {
        self.counted(row.table());
        match row {
            Row::Run(run) => self.run(run),
            Row::SourceRow(source) => self.source_live(&source.source, source.state == "live"),
            Row::Packet(packet) => self.packet(packet),
            Row::ConnectionRow(connection) => self.connection(connection),
            Row::Scrape(scrape) => self.scrape(at_ns, scrape),
            Row::Sample(sample) => drop(self.sample(at_ns, sample)),
            Row::Probe(probe) => self.probe(probe),
            Row::MediaPacket(packet) => self.media_packet(at_ns, packet),
            Row::MediaPath(path) => self.media_path(path),
            Row::Poll(poll) => self.poll(poll),
            Row::Event(event) => self.event(event),
            Row::Stat(stat) => self.stat(at_ns, stat),
            Row::Gap(gap) => self.store.add(Known::GapRows, &[&gap.source], gap.lost as f64),
            Row::Param(_) | Row::Blob(_) | Row::Log(_) | Row::Span(_) => {}
        }
    }

    /// A row of a table was recorded; what stands in it is not asked.
    pub fn counted(&mut self, table: Table) {
        let known = self.rows[table as usize];
        let id = known.or_else(|| self.store.known(Known::RecorderRows, &[table.name()], Life::Kept));
        self.rows[table as usize] = id;
        if let Some(id) = id {
            self.store.series[id].value += 1.0;
        }
    }

    /// The opening packet of a correlated pair was seen.
    pub fn pair_opened(&mut self, pair: &str) {
        for status in ["ok", "error", "unset"] {
            self.store.add(Known::PairClosed, &[pair, status], 0.0);
        }
        for known in [Known::PairAcknowledged, Known::PairRetransmitted] {
            self.store.add(known, &[pair], 0.0);
        }
        self.store.histogram(Known::PairLatency, &[pair], &LATENCY_S);
        self.store.add(Known::PairOpened, &[pair], 1.0);
        self.store.add(Known::PairInFlight, &[pair], 1.0);
    }

    /// A pair was acknowledged.
    pub fn pair_acknowledged(&mut self, pair: &str) {
        self.store.add(Known::PairAcknowledged, &[pair], 1.0);
    }

    /// A pair that was opened says something again; it was, or will be, told as opened as well.
    pub fn pair_retransmitted(&mut self, pair: &str) {
        self.store.add(Known::PairRetransmitted, &[pair], 1.0);
    }

    /// A pair closed at `at_ns`, so many seconds after it opened, or was given up, and took no time that could be told. `status` is
    /// `ok`, `error` or `unset`; the ids are those of the pair's span, in hex.
    pub fn pair_closed(
        &mut self,
        at_ns: i64,
        pair: &str,
        status: &str,
        seconds: Option<f64>,
        trace_id: &str,
        span_id: &str,
    ) {
        self.store.add(Known::PairClosed, &[pair, status], 1.0);
        self.store.add(Known::PairInFlight, &[pair], -1.0);
        let Some(first) = self.store.histogram(Known::PairLatency, &[pair], &LATENCY_S) else { return };
        let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()).map(|seconds| seconds.max(0.0)) else {
            return;
        };
        let bucket = LATENCY_S.iter().position(|bound| seconds <= *bound).unwrap_or(LATENCY_S.len());
        // Behind the buckets, of which the last has no bound, come the count and the sum.
        let count = first + LATENCY_S.len() + 1;
        (first + bucket..=count).for_each(|id| self.store.series[id].value += 1.0);
        self.store.series[count + 1].value += seconds;
        let is_id = |id: &str, digits: usize| id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id(trace_id, 32) && is_id(span_id, 16) {
            let (trace_id, span_id) = (trace_id.to_owned(), span_id.to_owned());
            let exemplar = Exemplar { trace_id, span_id, value: seconds, at_ns };
            self.store.series[first + bucket].exemplar = Some(Box::new(exemplar));
        }
    }

    /// A source is live, or not (any more).
    pub fn source_live(&mut self, source: &str, live: bool) {
        self.store.set(Known::SourceLive, &[source], f64::from(u8::from(live)));
    }

    /// How spans stand that go to a receiver.
    pub fn otlp_spans(&mut self, stands: &Ended) {
        self.store.set(Known::OtlpSpans, &["sent"], stands.sent as f64);
        self.store.set(Known::OtlpSpans, &["lost"], stands.lost as f64);
        self.store.set(Known::OtlpWaiting, &[], stands.waiting as f64);
    }

    /// What is so now, as a page of OpenMetrics 1.0 without time stamps.
    pub fn page(&mut self, now_ns: i64) -> String {
        self.settle();
        page::families(&[Sheet::now(&self.store, now_ns)]).collect()
    }

    /// Series that follow from others.
    fn settle(&mut self) {
        let refused = self.store.refused as f64;
        self.store.set(Known::SeriesRefused, &[], refused);
    }
}
