//! The rows that handles name, in a line each: when they were recorded and what they say.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use recording::Table;
use recording::reader::Recording;

use crate::error::Error;
use crate::report::{rows, words};

/// The columns that tell most of a row. Tables that are not here have none to tell.
const TELLING: [(Table, &[&str]); 12] = [
    (Table::Packets, &["tap", "direction", "event", "packet_type", "args", "problem"]),
    (Table::Connections, &["tap", "kind", "status", "close_code", "detail"]),
    (Table::Scrapes, &["target", "status", "error"]),
    (Table::Samples, &["target", "series", "value"]),
    (Table::Probes, &["target", "ok", "duration_s", "video_codec", "audio_codec", "error"]),
    (Table::MediaPackets, &["target", "kind", "pts_s"]),
    (Table::MediaPaths, &["target", "path", "ready"]),
    (Table::Polls, &["target", "status", "error"]),
    (Table::Timeline, &["source", "subject", "event", "exit_code", "attributes"]),
    (Table::Stats, &["source", "subject", "metric", "value", "unit"]),
    (Table::Logs, &["source", "subject", "line"]),
    (Table::Gaps, &["source", "lost", "reason"]),
];

/// What a row says is cut to so many characters.
const CHARACTERS: usize = 90;

/// One row.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When it was recorded.
    pub at_ns: i64,
    /// What it says.
    pub says: String,
}

/// The rows of a recording behind some handles; handles that name no row are left out.
///
/// # Errors
/// [`Error::Recording`].
pub fn rows<'h>(
    recording: &Recording,
    handles: impl IntoIterator<Item = &'h str>,
) -> Result<BTreeMap<String, Shown>, Error> {
    let mut wanted: BTreeMap<Table, BTreeSet<i64>> = BTreeMap::new();
    for handle in handles {
        let Some((table, seq)) = handle.split_once('#') else { continue };
        if let (Some(table), Ok(seq)) = (Table::from_name(table), seq.parse()) {
            wanted.entry(table).or_default().insert(seq);
        }
    }
    let mut found = BTreeMap::new();
    for (table, seqs) in wanted {
        let telling = TELLING.iter().find(|(of, _)| *of == table).map(|(_, columns)| *columns).unwrap_or_default();
        let columns: Vec<&str> = ["seq", "at_ns"].iter().chain(telling).copied().collect();
        for batch in recording.columns(table, &columns)? {
            append(table, &batch, telling, &seqs, &mut found);
        }
    }
    Ok(found)
}

fn append(
    table: Table,
    batch: &RecordBatch,
    telling: &[&str],
    wanted: &BTreeSet<i64>,
    found: &mut BTreeMap<String, Shown>,
) {
    let numbers = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
    let (Some(seqs), Some(times)) = (numbers("seq"), numbers("at_ns")) else { return };
    for row in 0..batch.num_rows() {
        let seq = seqs.value(row);
        if !wanted.contains(&seq) {
            continue;
        }
        let columns = telling.iter().filter_map(|name| batch.column_by_name(name));
        let cells = columns.map(|column| rows::cell(column, row)).filter(|cell| !cell.is_empty() && cell != "{}");
        let says = words::cut(&cells.collect::<Vec<_>>().join(" "), CHARACTERS);
        found.insert(format!("{table}#{seq}"), Shown { at_ns: times.value(row), says });
    }
}
