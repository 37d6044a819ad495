use std::fmt;

use arrow::datatypes::SchemaRef;

/// One table of a recording. Which columns it has is said by its struct in [`crate::record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the table of its own name; FORMAT.md says what it holds")]
pub enum Table {
    Run,
    Params,
    Sources,
    Packets,
    Connections,
    Blobs,
    Scrapes,
    Samples,
    Probes,
    MediaPackets,
    MediaPaths,
    Polls,
    Timeline,
    Stats,
    Logs,
    Gaps,
    Spans,
}

impl Table {
    /// Every table, in the order of FORMAT.md. The position is the table's number in the journal.
    pub const ALL: [Table; 17] = [
        Table::Run,
        Table::Params,
        Table::Sources,
        Table::Packets,
        Table::Connections,
        Table::Blobs,
        Table::Scrapes,
        Table::Samples,
        Table::Probes,
        Table::MediaPackets,
        Table::MediaPaths,
        Table::Polls,
        Table::Timeline,
        Table::Stats,
        Table::Logs,
        Table::Gaps,
        Table::Spans,
    ];

    /// The table's name in SQL, in handles (`packets#118`) and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Table::Run => "run",
            Table::Params => "params",
            Table::Sources => "sources",
            Table::Packets => "packets",
            Table::Connections => "connections",
            Table::Blobs => "blobs",
            Table::Scrapes => "scrapes",
            Table::Samples => "samples",
            Table::Probes => "probes",
            Table::MediaPackets => "media_packets",
            Table::MediaPaths => "media_paths",
            Table::Polls => "polls",
            Table::Timeline => "timeline",
            Table::Stats => "stats",
            Table::Logs => "logs",
            Table::Gaps => "gaps",
            Table::Spans => "spans",
        }
    }

    /// The table of that name.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The file that holds the table when the run has ended.
    pub fn file_name(self) -> String {
        format!("{}.parquet", self.name())
    }

    /// The table's columns, `seq` and `at_ns` first.
    pub fn schema(self) -> SchemaRef {
        crate::batch::schema(self)
    }

    /// The table's number in the journal.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Table> {
        Table::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
