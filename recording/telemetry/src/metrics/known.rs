//! The series that are known beforehand. METRICS.md beside this crate is their table.

use super::series::Kind;

macro_rules! known {
    ($($id:ident $name:literal $kind:ident $since:ident [$($label:literal)*] $help:literal)*) => {
        /// A series that is known beforehand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Known { $($id),* }

        impl Known {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Known] = &[$(Known::$id),*];

            /// The name of its samples; of a histogram the name that theirs begin with.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Known::$id => $name),* }
            }

            pub(crate) fn kind(self) -> Kind {
                match self { $(Known::$id => Kind::$kind),* }
            }

            pub(crate) fn since(self) -> Since {
                match self { $(Known::$id => Since::$since),* }
            }

            /// Its labels besides `run` and `scenario`.
            pub(crate) fn labels(self) -> &'static [&'static str] {
                match self { $(Known::$id => &[$($label),*]),* }
            }

            pub(crate) fn help(self) -> &'static str {
                match self { $(Known::$id => $help),* }
            }
        }
    };
}

/// From when on a series has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// From the run's start: it is counted here, and was 0 before it was first seen.
    Start,
    /// From where it was first told.
    Told,
}

known! {
    RunInfo "tapedeck_run_info" Gauge Told ["kind" "stream" "version" "spec" "trace_id"] "Which run it is; always 1."
    RunElapsed "tapedeck_run_elapsed_seconds" Gauge Told [] "How long the run lasts by now."
    TimelineEvents "tapedeck_timeline_events_total" Counter Start ["source" "subject" "event"] "Things that happened, as in the table timeline."
    PairOpened "tapedeck_pair_opened_total" Counter Start ["pair"] "Correlated pairs whose opening packet was seen."
    PairAcknowledged "tapedeck_pair_acknowledged_total" Counter Start ["pair"] "Acknowledgements of them."
    PairRetransmitted "tapedeck_pair_retransmitted_total" Counter Start ["pair"] "Of those opened, the ones that say something again."
    PairClosed "tapedeck_pair_closed_total" Counter Start ["pair" "status"] "Correlated pairs whose closing packet was seen."
    PairInFlight "tapedeck_pair_in_flight" Gauge Start ["pair"] "Opened and not yet closed."
    PairLatency "tapedeck_pair_latency_seconds" Histogram Start ["pair"] "From the opening packet to the closing one."
    Events "tapedeck_events_total" Counter Start ["tap" "direction" "event"] "Socket.IO events that passed."
    PacketProblems "tapedeck_packet_problems_total" Counter Start ["tap"] "Packets with something wrong."
    Connections "tapedeck_connections_total" Counter Start ["tap" "kind"] "What happened to connections."
    Sessions "tapedeck_sessions_total" Counter Start ["tap"] "Engine.IO sessions that were seen."
    TapBytes "tapedeck_tap_bytes_total" Counter Told ["tap"] "Bytes that were passed on, both ways."
    TapChunks "tapedeck_tap_chunks_total" Counter Told ["tap"] "Chunks that were passed on."
    TapAddedMax "tapedeck_tap_added_max_seconds" Gauge Told ["tap"] "The longest that a chunk of the last second was held up by the tap."
    TapAdded "tapedeck_tap_added_latency_seconds" Histogram Told ["tap"] "How long chunks were held up by the tap."
    MediaBytes "tapedeck_media_bytes_total" Counter Start ["target" "kind"] "Bytes of media packets."
    MediaPackets "tapedeck_media_packets_total" Counter Start ["target" "kind"] "Media packets."
    MediaSeconds "tapedeck_media_seconds_total" Counter Start ["target" "kind"] "What media packets say that they last, together."
    MediaSilence "tapedeck_media_silence_seconds" Gauge Told ["target" "kind"] "Since the last media packet; from the first one on, until the medium ends."
    PathReady "tapedeck_path_ready" Gauge Told ["target" "path"] "Whether somebody publishes there."
    PathReaders "tapedeck_path_readers" Gauge Told ["target" "path"] "Readers connected."
    PathBytes "tapedeck_path_bytes_received_total" Counter Told ["target" "path"] "Bytes received from the publisher."
    ScrapeUp "tapedeck_scrape_up" Gauge Told ["target"] "Whether the last scrape was answered with 2xx and without an error."
    ScrapeSeconds "tapedeck_scrape_seconds" Gauge Told ["target"] "How long the last scrape took."
    PollUp "tapedeck_poll_up" Gauge Told ["target"] "Whether the last poll was answered with 2xx and without an error."
    PollSeconds "tapedeck_poll_seconds" Gauge Told ["target"] "How long the last poll took."
    ProbeSuccess "tapedeck_probe_success" Gauge Told ["target"] "Whether the last probe could read the medium."
    ProbeSeconds "tapedeck_probe_seconds" Gauge Told ["target"] "How long the last probe took."
    RecorderLag "tapedeck_recorder_lag_seconds" Gauge Told [] "The longest that a row of the last second waited for the journal."
    RecorderDropped "tapedeck_recorder_dropped_rows_total" Counter Told [] "Rows that there was no room for."
    RecorderJournal "tapedeck_recorder_journal_bytes_total" Counter Told [] "Bytes written to the journal."
    RecorderRows "tapedeck_recorder_rows_total" Counter Start ["table"] "Rows recorded."
    GapRows "tapedeck_gap_rows_total" Counter Start ["source"] "Rows that were lost."
    SourceLive "tapedeck_source_live" Gauge Told ["source"] "Whether a source is live."
    SeriesRefused "tapedeck_series_refused_total" Counter Start [] "Values left out, because there were too many series."
    OtlpSpans "tapedeck_otlp_spans_total" Counter Start ["outcome"] "Spans for the receiver, by what became of them."
    OtlpWaiting "tapedeck_otlp_spans_waiting" Gauge Told [] "Spans that the receiver has not answered for yet."
    AssertionOutcome "tapedeck_assertion_outcome" Gauge Told ["assertion" "outcome" "attribution" "version"] "What became of an assertion, at the run's end; always 1."
    AssertionMargin "tapedeck_assertion_margin" Gauge Told ["assertion" "unit" "version"] "The worst observation's distance to the bound; negative beyond it."
    AssertionFailed "tapedeck_assertion_failed" Gauge Told ["assertion" "subject"] "An observation that violates its bound, when it was made; always 1."
    VerdictProbability "tapedeck_verdict_probability" Gauge Told ["assertion" "verdict" "version"] "How probable each verdict over the exported runs is, at the last run's end."
}
