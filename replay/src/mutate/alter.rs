//! What may be done to one fact: it was never recorded, came twice, came later, or said something else.

mod values;

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use recording::Table;

use super::facts::Group;
use super::payloads;
use super::rows::{Change, Value, text, time, value};

/// What comes later comes so much later.
const DELAY_NS: i64 = 30_000_000_000;
/// A delay that the run's end leaves no more room for than this is none.
const SHORTEST_DELAY_NS: i64 = 1_000_000_000;
/// Media time stamps are moved by so much.
const MOVED_S: f64 = 0.3;

/// One fact, changed in one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// The column, or the way to the value in it, that says something else; `None` where the fact as a whole is changed.
    pub part: Option<String>,
    /// The word for what is done.
    pub how: String,
    /// The first row that it is done to.
    pub row: usize,
    /// What is done.
    pub change: Change,
}

/// A table, and what must be known to change its facts.
pub struct Source<'a> {
    /// The table.
    pub table: Table,
    /// Its rows.
    pub batch: &'a RecordBatch,
    /// Every word of the queries: what none names is read by none.
    pub words: &'a BTreeSet<String>,
    /// The recording's end.
    pub end_ns: i64,
}

impl Source<'_> {
    /// Everything that may be done to the facts of a group at these places, fact by fact, and to all of them at once.
    pub fn mutations(&self, group: &Group, places: &[usize]) -> Vec<Mutation> {
        let facts = places.iter().filter_map(|place| group.facts.get(*place));
        let mut all: Vec<Mutation> = facts.flat_map(|rows| self.of_fact(group, rows)).collect();
        all.extend(self.of_group(group));
        all
    }

    fn of_fact(&self, group: &Group, rows: &[usize]) -> Vec<Mutation> {
        let Some(first) = rows.first().copied() else { return Vec::new() };
        if self.table == Table::Blobs {
            return self.other_payloads(first);
        }
        let mut all = vec![whole("deleted", first, Change::Delete(rows.to_vec()))];
        if matches!(self.table, Table::Packets | Table::Timeline) {
            all.push(whole("duplicated", first, Change::Duplicate(rows.to_vec())));
        }
        if matches!(self.table, Table::Packets | Table::Timeline | Table::Connections) {
            let by_ns = DELAY_NS.min(self.end_ns - time(self.batch, first));
            all.extend(
                (by_ns >= SHORTEST_DELAY_NS).then(|| whole("later", first, Change::Delay(rows.to_vec(), by_ns))),
            );
        }
        match self.table {
            Table::Samples | Table::Stats => all.extend(self.other_series(rows)),
            Table::MediaPackets => {
                let larger = |old| if let Value::Integer(bytes) = old { Value::Integer(bytes + 1) } else { old };
                all.push(whole("other content", first, self.set("bytes", rows, larger)));
            }
            Table::Scrapes | Table::Polls => all.extend(self.refused("answered with 503", rows)),
            _ => all.extend(self.other_values(group, first)),
        }
        all
    }

    /// What is done to all facts of a group at once: that one page of many is missing is no news, that all of them are
    /// is.
    fn of_group(&self, group: &Group) -> Vec<Mutation> {
        let rows: Vec<usize> = group.facts.concat();
        let Some(first) = rows.first().copied().filter(|_| group.facts.len() > 1) else { return Vec::new() };
        if self.table == Table::Blobs {
            return Vec::new();
        }
        let mut all = vec![whole("all deleted", first, Change::Delete(rows.clone()))];
        match self.table {
            Table::Scrapes | Table::Polls => all.extend(self.refused("all answered with 503", &rows)),
            Table::MediaPaths if text(self.batch, "ready", first) == "true" => {
                let early = self.early(&rows);
                all.push(whole("never ready", first, self.set("ready", &rows, |_| Value::Flag(false))));
                all.push(whole("ready later", first, self.set("ready", &early, |_| Value::Flag(false))));
            }
            Table::MediaPackets => {
                let second_half = rows[rows.len() / 2..].to_vec();
                let moved = |old| if let Value::Number(s) = old { Value::Number(s + MOVED_S) } else { old };
                all.push(whole("moved by 0.3 s from the middle on", first, self.set("pts_s", &second_half, moved)));
                all.push(whole("all moved by 0.3 s", first, self.set("pts_s", &rows, moved)));
                all.push(whole("cut off in the middle", first, Change::Delete(second_half)));
            }
            Table::Packets => all.extend(self.all_alike(&rows)),
            _ => {}
        }
        all
    }

    /// The rows from before everything would be late.
    fn early(&self, rows: &[usize]) -> Vec<usize> {
        let until_ns = rows.first().map_or(0, |row| time(self.batch, *row)) + DELAY_NS;
        rows.iter().copied().filter(|row| time(self.batch, *row) < until_ns).collect()
    }

    fn set(&self, column: &'static str, rows: &[usize], other: impl Fn(Value) -> Value) -> Change {
        let values = rows.iter().map(|row| (*row, other(value(self.batch, column, *row))));
        Change::Set(vec![(column, values.collect())])
    }

    /// Pages that answered, refused instead.
    fn refused(&self, how: &str, rows: &[usize]) -> Option<Mutation> {
        let first = rows.first().copied().filter(|row| text(self.batch, "status", *row) == "200")?;
        let all = |value: Value| rows.iter().map(|row| (*row, value.clone())).collect();
        let error = Value::Text("HTTP status 503 Service Unavailable".into());
        let columns = vec![("status", all(Value::Integer(503))), ("error", all(error))];
        Some(whole(how, first, Change::Set(columns)))
    }

    fn other_series(&self, rows: &[usize]) -> Vec<Mutation> {
        let Some(first) = rows.first().copied() else { return Vec::new() };
        let start = value(self.batch, "value", first);
        let done = |how: &str, change| whole(how, first, change);
        let number = |other: fn(f64) -> f64| {
            self.set("value", rows, move |old| if let Value::Number(x) = old { Value::Number(other(x)) } else { old })
        };
        let other = [
            done("all 0", number(|_| 0.0)),
            done("1 more than doubled", number(|x| 2.0 * x + 1.0)),
            done("1000 more than a thousandfold", number(|x| 1000.0 * x + 1000.0)),
            done("stuck at its first value", self.set("value", rows, |_| start.clone())),
            done("later", Change::Delete(self.early(rows))),
            done("missing at the end", Change::Delete(rows.last().copied().into_iter().collect())),
        ];
        let same = |row: &usize, other: &Value| value(self.batch, "value", *row) == *other;
        let alters = |mutation: &Mutation| match &mutation.change {
            Change::Set(columns) => columns.iter().flat_map(|(_, values)| values).any(|(row, other)| !same(row, other)),
            Change::Delete(gone) => gone.len() < rows.len(),
            _ => true,
        };
        other.into_iter().filter(alters).collect()
    }

    fn other_payloads(&self, row: usize) -> Vec<Mutation> {
        let Value::Bytes(bytes) = value(self.batch, "bytes", row) else { return Vec::new() };
        let set = |(how, other): (&'static str, Vec<u8>)| {
            let length = Value::Integer(other.len() as i64);
            let columns = vec![("bytes", vec![(row, Value::Bytes(other))]), ("length", vec![(row, length)])];
            whole(how, row, Change::Set(columns))
        };
        payloads::instead(&bytes).into_iter().map(set).collect()
    }
}

fn whole(how: &str, row: usize, change: Change) -> Mutation {
    Mutation { part: None, how: how.to_owned(), row, change }
}
