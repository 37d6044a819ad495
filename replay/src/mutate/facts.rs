//! The facts of a recording, by what they are: a row, a series of values, a second of media, a payload.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use recording::Table;

use super::rows::{text, time};

/// Facts of media packets are stretches of so long.
const STRETCH_NS: i64 = 1_000_000_000;

/// Facts that are the same sort of thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are, in words.
    pub what: String,
    /// The rows of each.
    pub facts: Vec<Vec<usize>>,
}

/// How a table's rows make up facts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// Each row is one.
    Row,
    /// All rows of a group together are one.
    Whole,
    /// Those of a second are one.
    Stretch,
}

/// What makes rows of a table the same sort of thing. `None`: the recorder writes it about itself.
fn sort(table: Table) -> Option<(Grain, &'static [&'static str])> {
    Some(match table {
        Table::Packets => (Grain::Row, &["tap", "direction", "event"]),
        Table::Connections => (Grain::Row, &["tap", "kind"]),
        Table::Blobs => (Grain::Row, &["media_type"]),
        Table::Scrapes | Table::Polls => (Grain::Row, &["target", "status"]),
        Table::Samples => (Grain::Whole, &["target", "series"]),
        Table::Probes => (Grain::Row, &["target", "ok"]),
        Table::MediaPackets => (Grain::Stretch, &["target", "kind"]),
        Table::MediaPaths => (Grain::Row, &["target", "path", "ready"]),
        Table::Timeline => (Grain::Row, &["source", "subject", "event"]),
        Table::Stats => (Grain::Whole, &["source", "subject", "metric"]),
        Table::Logs => (Grain::Row, &["source", "subject"]),
        Table::Run | Table::Params | Table::Sources | Table::Gaps | Table::Spans => return None,
    })
}

/// The facts of a table, sort by sort in the order in which each first comes; `stream` is the run's own name for what
/// it published.
pub fn groups(table: Table, batch: &RecordBatch, stream: &str) -> Vec<Group> {
    let Some((grain, columns)) = sort(table) else { return Vec::new() };
    let mut places = BTreeMap::new();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for row in 0..batch.num_rows() {
        let what = columns.iter().map(|column| cell(table, batch, column, row)).collect::<Vec<_>>().join(" ");
        let place = *places.entry(what.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((what, Vec::new()));
        }
        if let Some((_, rows)) = groups.get_mut(place) {
            rows.push(row);
        }
    }
    let named = |what: String| if stream.is_empty() { what } else { what.replace(stream, "${stream}") };
    let group = |(what, rows)| Group { what: named(what), facts: divided(grain, batch, rows) };
    groups.into_iter().map(group).collect()
}

/// A word of what a row is about.
fn cell(table: Table, batch: &RecordBatch, column: &str, row: usize) -> String {
    let text = text(batch, column, row);
    match (table, column, text.as_str()) {
        // Only events have a name: what carries none is called by its type.
        (Table::Packets, "event", "") => {
            let types = ["packet_type", "engine_type"].map(|column| self::text(batch, column, row));
            types.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "bytes".to_owned())
        }
        (_, "status", "") => "no answer".to_owned(),
        (_, "ok", "true") => "read".to_owned(),
        (_, "ok", "false") => "not read".to_owned(),
        (_, "ready", "true") => "ready".to_owned(),
        (_, "ready", "false") => "not ready".to_owned(),
        _ => text,
    }
}

fn divided(grain: Grain, batch: &RecordBatch, rows: Vec<usize>) -> Vec<Vec<usize>> {
    match grain {
        Grain::Row => rows.into_iter().map(|row| vec![row]).collect(),
        Grain::Whole => vec![rows],
        Grain::Stretch => {
            let first = rows.first().map_or(0, |row| time(batch, *row));
            let mut stretches: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
            for row in rows {
                stretches.entry((time(batch, row) - first) / STRETCH_NS).or_default().push(row);
            }
            stretches.into_values().collect()
        }
    }
}

/// The first, one in the middle and the last, or all.
pub fn sample(count: usize, all: bool) -> Vec<usize> {
    let mut places: Vec<usize> = match (all, count) {
        (true, _) | (_, 0..=3) => (0..count).collect(),
        (false, _) => vec![0, count / 2, count - 1],
    };
    places.dedup();
    places
}
