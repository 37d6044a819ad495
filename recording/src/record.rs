//! One struct per table: its columns after `seq` and `at_ns`, in order, under their names.
//!
//! Times whose name ends in `_ns` are nanoseconds since the run's start on the recorder's monotonic clock;
//! `*_unix_ns` are nanoseconds since 1970 on the clock of the side that is watched. Texts that hold a map or a list are
//! canonical JSON with sorted keys. An `Option` is a nullable column.

use crate::batch::Rows;

macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident $record:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq)]
            pub struct $record { $($(#[$field_doc])* pub $field: $type,)* }

            impl From<$record> for Row {
                fn from(record: $record) -> Row { Row::$record(record) }
            }

            impl crate::batch::Record for $record {
                const TABLE: crate::Table = crate::Table::$table;
                fn fields() -> Vec<arrow::datatypes::Field> {
                    vec![$(<$type as crate::batch::Value>::field(stringify!($field)),)*]
                }
                fn columns(rows: &[Self]) -> Vec<arrow::array::ArrayRef> {
                    vec![$(<$type as crate::batch::Value>::array(rows.iter().map(|row| &row.$field)),)*]
                }
                fn from_batch(batch: &arrow::array::RecordBatch) -> Option<Vec<crate::batch::Stamped<Self>>> {
                    let (seq, at_ns) = crate::batch::stamps(batch)?;
                    $(
                        let name = stringify!($field).trim_start_matches("r#");
                        let mut $field = <$type as crate::batch::Value>::values(batch.column_by_name(name)?)?.into_iter();
                    )*
                    let mut rows = Vec::with_capacity(seq.len());
                    for (seq, at_ns) in seq.into_iter().zip(at_ns) {
                        let row = $record { $($field: $field.next()?,)* };
                        rows.push(crate::batch::Stamped { seq, at_ns, row });
                    }
                    Some(rows)
                }
            }
        )*

        /// A row of any table.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "each variant is the struct of its own name")]
        pub enum Row { $($record($record),)* }

        impl Row {
            /// The table that the row belongs to.
            pub fn table(&self) -> crate::Table {
                match self { $(Row::$record(_) => crate::Table::$table,)* }
            }
        }

        /// Rows of one table, waiting to become one Arrow batch.
        pub(crate) enum AnyRows { $($record(Rows<$record>),)* }

        impl AnyRows {
            pub(crate) fn new(table: crate::Table) -> AnyRows {
                match table { $(crate::Table::$table => AnyRows::$record(Rows::default()),)* }
            }
            pub(crate) fn push(&mut self, seq: i64, at_ns: i64, row: Row) {
                match (self, row) {
                    $((AnyRows::$record(rows), Row::$record(record)) => rows.push(seq, at_ns, record),)*
                    (_, row) => debug_assert!(false, "{row:?} does not belong to this table"),
                }
            }
            pub(crate) fn len(&self) -> usize {
                match self { $(AnyRows::$record(rows) => rows.len(),)* }
            }
            pub(crate) fn take_batch(&mut self) -> Result<arrow::array::RecordBatch, arrow::error::ArrowError> {
                match self { $(AnyRows::$record(rows) => rows.take_batch(),)* }
            }
        }

        pub(crate) fn fields(table: crate::Table) -> Vec<arrow::datatypes::Field> {
            match table { $(crate::Table::$table => <$record as crate::batch::Record>::fields(),)* }
        }
    };
}

tables! {
    /// What was run: the one row that says of which run this is the recording.
    Run Run {
        /// `<scenario>-<UTC yyyymmddThhmmssZ>-<4 base32>`.
        run_id: String,
        /// The scenario's name.
        scenario: String,
        /// `process`, `compose`, `attach`, `tap` or `import`.
        kind: String,
        /// The id of the spec named by the scenario.
        spec_id: Option<String>,
        /// The unique name of this run's stream.
        stream: String,
        /// The version of the system under test.
        version: Option<String>,
        /// Where that version stands among others.
        version_order: Option<i64>,
        /// The hash of the environment's fingerprint.
        environment: Option<String>,
        /// `running`, `complete` or `incomplete`.
        state: String,
        /// Wall-clock time of `at_ns` = 0.
        started_unix_ns: i64,
        /// Length of the run; of a cut-off one, the last time that was recorded.
        duration_ns: i64,
        /// JSON object of the labels given on the command line.
        labels: String,
    }
    /// A parameter of the scenario, as text.
    Params Param {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    }
    /// One thing the collector watched, with the interval in which it was live.
    Sources SourceRow {
        /// `tap:NAME`, `scrape:NAME`, …
        source: String,
        /// The part before the colon.
        kind: String,
        /// JSON array of the tables that it writes.
        tables: String,
        /// Where it began to be live; null if it never was.
        from_ns: Option<i64>,
        /// Where it ceased to be live; null if it never was live.
        to_ns: Option<i64>,
        /// The rows that it wrote.
        rows: i64,
        /// `idle` (never live), `live`, `ended` or `failed`.
        state: String,
    }
    /// An Engine.IO packet, with the Socket.IO packet inside. `at_ns` is the time of its last byte.
    Packets Packet {
        /// The tap's name.
        tap: String,
        /// The number of the TCP connection at this tap.
        connection: i64,
        /// The Engine.IO session.
        sid: Option<String>,
        /// `sent` (client to server) or `received`.
        direction: String,
        /// `websocket` or `polling`.
        transport: String,
        /// The time of its first byte.
        first_ns: i64,
        /// `open`, `close`, `ping`, `pong`, `message`, `upgrade` or `noop`.
        engine_type: Option<String>,
        /// `connect`, `disconnect`, `event`, `ack`, `connect_error`, `binary_event` or `binary_ack`.
        packet_type: Option<String>,
        /// The Socket.IO namespace.
        namespace: Option<String>,
        /// The id that asks for an ack, or is one.
        ack_id: Option<i64>,
        /// The event's name.
        event: Option<String>,
        /// JSON array of the arguments; large strings and attachments are blob references.
        args: Option<String>,
        /// Bytes on the wire, framing included.
        wire_bytes: i64,
        /// Whether permessage-deflate or a content encoding was applied.
        compressed: bool,
        /// What is wrong with it.
        problem: Option<String>,
        /// Its first 4 KiB, where there is a problem.
        raw: Option<Vec<u8>>,
    }
    /// Something that happened to a connection at a tap.
    Connections ConnectionRow {
        /// The tap's name.
        tap: String,
        /// The number of the TCP connection at this tap.
        connection: i64,
        /// The Engine.IO session.
        sid: Option<String>,
        /// `open`, `refused`, `reset`, `request`, `response`, `upgrade`, `ws_ping`, `ws_pong` or `close`.
        kind: String,
        /// The client's address.
        peer: Option<String>,
        /// The HTTP status.
        status: Option<i64>,
        /// The WebSocket close code.
        close_code: Option<i64>,
        /// JSON object: method, target, headers, reason, …
        detail: Option<String>,
    }
    /// A large payload, stored once.
    Blobs Blob {
        /// Its hash, in hex.
        sha256: String,
        /// The payload, decoded.
        bytes: Vec<u8>,
        /// Its length in bytes.
        length: i64,
        /// What it is, by its first bytes.
        media_type: String,
    }
    /// One GET of a target.
    Scrapes Scrape {
        /// The target's name.
        target: String,
        /// The URL that answered, redacted.
        url: String,
        /// The HTTP status.
        status: Option<i64>,
        /// Milliseconds from request to last byte.
        took_ms: f64,
        /// The samples in it.
        samples: i64,
        /// The content type as claimed.
        content_type: Option<String>,
        /// Why there is no answer, or which lines are not what they should be.
        error: Option<String>,
    }
    /// One value of one series.
    Samples Sample {
        /// The target's name.
        target: String,
        /// The sample's name.
        name: String,
        /// The type of its metric family, `unknown` where none is told.
        r#type: String,
        /// JSON object of the labels.
        labels: String,
        /// `name{a="b"}`.
        series: String,
        /// The value.
        value: f64,
        /// The time stamp in the page.
        source_unix_ns: Option<i64>,
    }
    /// One ffprobe of one medium.
    Probes Probe {
        /// The target's name; `stimulus` is the file that is published.
        target: String,
        /// What was probed, redacted.
        url: String,
        /// Whether ffprobe could read it.
        ok: bool,
        /// Milliseconds that it took.
        took_ms: f64,
        /// The container format.
        format: Option<String>,
        /// Its duration in seconds; null for live streams.
        duration_s: Option<f64>,
        /// The number of video streams.
        video_streams: Option<i64>,
        /// The number of audio streams.
        audio_streams: Option<i64>,
        /// The codec of the first video stream.
        video_codec: Option<String>,
        /// The codec of the first audio stream.
        audio_codec: Option<String>,
        /// Pixels.
        width: Option<i64>,
        /// Pixels.
        height: Option<i64>,
        /// Frames per second.
        frame_rate: Option<f64>,
        /// Hz.
        sample_rate: Option<i64>,
        /// Audio channels.
        channels: Option<i64>,
        /// ffprobe's own answer.
        json: Option<String>,
        /// Why it could not be read.
        error: Option<String>,
    }
    /// A packet of a media stream, as the media tap read it.
    MediaPackets MediaPacket {
        /// The target's name.
        target: String,
        /// `video` or `audio`.
        kind: String,
        /// The number of the stream in its container.
        stream: i64,
        /// Presentation time in seconds.
        pts_s: Option<f64>,
        /// Decoding time in seconds.
        dts_s: Option<f64>,
        /// Seconds.
        duration_s: Option<f64>,
        /// Size.
        bytes: i64,
        /// Whether decoding can begin here.
        key: bool,
    }
    /// A path of a media server, as its API says.
    MediaPaths MediaPath {
        /// The target's name.
        target: String,
        /// The path without a leading slash.
        path: String,
        /// Whether somebody publishes there.
        ready: bool,
        /// Bytes received from the publisher.
        bytes_received: Option<i64>,
        /// Readers connected.
        readers: Option<i64>,
    }
    /// One GET of any page.
    Polls Poll {
        /// The target's name.
        target: String,
        /// The URL that answered, redacted.
        url: String,
        /// The HTTP status.
        status: Option<i64>,
        /// Milliseconds from request to last byte.
        took_ms: f64,
        /// The content type as claimed.
        content_type: Option<String>,
        /// The body, redacted.
        body: Option<String>,
        /// Why there is no answer, or why it is not what it should be.
        error: Option<String>,
    }
    /// Something that happened: phases of the run, processes, the publisher, health, faults, media.
    Timeline Event {
        /// `run`, `process`, `publisher`, `health`, `media`, `inject`, `command`, …
        source: String,
        /// What it happened to.
        subject: String,
        /// What happened: `start`, `exit`, `ready`, `media.join`, …
        event: String,
        /// The exit code, where something ended; 128 + signal where a signal ended it.
        exit_code: Option<i64>,
        /// JSON object with the rest.
        attributes: String,
        /// The watched side's own stamp.
        source_unix_ns: Option<i64>,
    }
    /// A number about a process, the host or the recorder.
    Stats Stat {
        /// `process`, `host`, `recorder`, …
        source: String,
        /// Whose number it is.
        subject: String,
        /// `cpu/used_ns`, `cpu/waited_ns`, `memory/rss`, `clock/wall_offset_ns`, …
        metric: String,
        /// The value.
        value: f64,
        /// Its unit.
        unit: String,
    }
    /// A line that a process wrote.
    Logs Log {
        /// `process`, `container`, `publisher`, …
        source: String,
        /// Who wrote it.
        subject: String,
        /// `stdout` or `stderr`.
        stream: String,
        /// The line, redacted, without its end.
        line: String,
        /// The watched side's own stamp.
        source_unix_ns: Option<i64>,
    }
    /// A stretch in which the collector lost records.
    Gaps Gap {
        /// Where it begins.
        from_ns: i64,
        /// Where it ends.
        to_ns: i64,
        /// The source whose records were lost.
        source: String,
        /// How many.
        lost: i64,
        /// Why.
        reason: String,
    }
    /// A span derived from recorded rows.
    Spans Span {
        /// 32 hex digits.
        trace_id: String,
        /// 16 hex digits.
        span_id: String,
        /// 16 hex digits.
        parent_span_id: Option<String>,
        /// The service that the span belongs to.
        service: String,
        /// `client`, `server`, `internal`, `producer` or `consumer`.
        kind: String,
        /// The span's name.
        name: String,
        /// Where it begins.
        start_ns: i64,
        /// Where it ends; null if that was not seen.
        end_ns: Option<i64>,
        /// `unset`, `ok` or `error`.
        status: String,
        /// JSON object.
        attributes: String,
        /// JSON array of {name, at_ns, attributes}.
        events: String,
        /// JSON array of {trace_id, span_id}.
        links: String,
    }
}
