//! A row that says something else: in a column, or in one value of the JSON in a column.

use recording::Table;
use serde_json::Value as Json;

use super::{Mutation, Source};
use crate::mutate::facts::Group;
use crate::mutate::leaves::{self, Leaf};
use crate::mutate::rows::{Change, Value, text, value};

/// The columns of `probes` that say what was found.
const PROBED: [&str; 12] = [
    "ok",
    "format",
    "duration_s",
    "video_streams",
    "audio_streams",
    "video_codec",
    "audio_codec",
    "width",
    "height",
    "frame_rate",
    "sample_rate",
    "channels",
];

/// The columns of a table that say something by themselves.
fn columns(table: Table) -> &'static [&'static str] {
    match table {
        Table::Connections => &["status", "close_code"],
        Table::Timeline => &["exit_code"],
        Table::MediaPaths => &["ready"],
        Table::Probes => &PROBED,
        _ => &[],
    }
}

/// The column of a table that holds JSON.
fn json_column(table: Table) -> Option<&'static str> {
    match table {
        Table::Packets => Some("args"),
        Table::Connections => Some("detail"),
        Table::Timeline => Some("attributes"),
        _ => None,
    }
}

impl Source<'_> {
    /// The values of a row that queries name, each with something else in its place.
    pub fn other_values(&self, group: &Group, row: usize) -> Vec<Mutation> {
        let read = columns(self.table).iter().filter(|column| self.words.contains(**column));
        let mut all: Vec<Mutation> = read.flat_map(|column| self.other_column(column, row)).collect();
        all.extend(json_column(self.table).into_iter().flat_map(|column| self.other_leaves(group, column, row)));
        all
    }

    fn other_column(&self, column: &'static str, row: usize) -> Vec<Mutation> {
        let nullable = self.batch.schema().field_with_name(column).is_ok_and(|field| field.is_nullable());
        let others = instead(&value(self.batch, column, row)).into_iter();
        let possible = others.filter(|(_, other)| *other != Value::Null || nullable);
        let done = |(how, other): (&str, Value)| Mutation {
            part: Some(column.to_owned()),
            how: how.to_owned(),
            row,
            change: Change::Set(vec![(column, vec![(row, other)])]),
        };
        possible.map(done).collect()
    }

    fn other_leaves(&self, group: &Group, column: &'static str, row: usize) -> Vec<Mutation> {
        let Some(json) = self.json(column, row) else { return Vec::new() };
        let all = leaves::leaves(&json);
        let read = all.iter().filter(|leaf| self.words.contains(&leaf.key));
        let done = |leaf: &Leaf, how: &str, other: Option<Json>| {
            let changed = leaves::with(&json, &leaf.pointer, other)?;
            let change = Change::Set(vec![(column, vec![(row, Value::Text(changed.to_string()))])]);
            Some(Mutation { part: Some(leaves::in_words(&leaf.pointer)), how: how.to_owned(), row, change })
        };
        let of_leaf = |leaf: &Leaf| {
            let mut others = leaves::instead(&leaf.value);
            others.extend(leaves::sibling(&all, leaf).map(|other| ("as its neighbour", other.value.clone())));
            others.extend(self.of_another(group, column, row, leaf).map(|other| ("as in another", other)));
            let others = others.into_iter().map(|(how, other)| (how, Some(other))).chain([("removed", None)]);
            others.filter_map(|(how, other)| done(leaf, how, other)).collect::<Vec<_>>()
        };
        read.flat_map(of_leaf).collect()
    }

    /// What the next fact of the group says in the same place, where that is something else.
    fn of_another(&self, group: &Group, column: &str, row: usize, leaf: &Leaf) -> Option<Json> {
        let rows: Vec<usize> = group.facts.concat();
        let place = rows.iter().position(|other| *other == row)?;
        let next = rows.iter().cycle().skip(place + 1).take(rows.len() - 1);
        let others = next.filter_map(|other| self.json(column, *other)?.pointer(&leaf.pointer).cloned());
        others.into_iter().find(|other| *other != leaf.value)
    }

    /// Each value that queries name, in all facts of a group as it is in the first.
    pub fn all_alike(&self, rows: &[usize]) -> Vec<Mutation> {
        let Some((column, first)) = json_column(self.table).zip(rows.first().copied()) else { return Vec::new() };
        let Some(json) = self.json(column, first) else { return Vec::new() };
        let alike = |leaf: &Leaf| {
            let other = |row: &usize| {
                let changed = leaves::with(&self.json(column, *row)?, &leaf.pointer, Some(leaf.value.clone()))?;
                Some((*row, Value::Text(changed.to_string())))
            };
            let values: Vec<(usize, Value)> = rows.iter().filter_map(other).collect();
            let alters = |(row, other): &(usize, Value)| value(self.batch, column, *row) != *other;
            values.iter().any(alters).then(|| Mutation {
                part: Some(leaves::in_words(&leaf.pointer)),
                how: "the same in all".to_owned(),
                row: first,
                change: Change::Set(vec![(column, values)]),
            })
        };
        let read = leaves::leaves(&json).into_iter().filter(|leaf| self.words.contains(&leaf.key));
        read.filter_map(|leaf| alike(&leaf)).collect()
    }

    /// The values in a row's JSON that no query names.
    pub fn unread_leaves(&self, row: usize) -> Vec<String> {
        let Some(json) = json_column(self.table).and_then(|column| self.json(column, row)) else { return Vec::new() };
        let unread = leaves::leaves(&json).into_iter().filter(|leaf| !self.words.contains(&leaf.key));
        let mut names: Vec<String> = unread.map(|leaf| leaves::in_words(&leaf.pointer)).collect();
        names.dedup();
        names
    }

    fn json(&self, column: &str, row: usize) -> Option<Json> {
        serde_json::from_str(&text(self.batch, column, row)).ok()
    }
}

/// What a column may say instead, each with the word for it.
fn instead(old: &Value) -> Vec<(&'static str, Value)> {
    let json: Json = match old {
        Value::Null | Value::Bytes(_) => return Vec::new(),
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Number(number) => (*number).into(),
        Value::Flag(flag) => (*flag).into(),
    };
    let back = |json: Json| match (old, json) {
        (Value::Number(_), json) => json.as_f64().map_or(Value::Null, Value::Number),
        (_, Json::Bool(flag)) => Value::Flag(flag),
        (_, Json::String(text)) => Value::Text(text),
        (_, json) => json.as_i64().map_or(Value::Null, Value::Integer),
    };
    let others = leaves::instead(&json).into_iter().map(|(how, json)| (how, back(json)));
    others.chain([("removed", Value::Null)]).collect()
}
