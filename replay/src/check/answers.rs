//! What came of each source: whether it ever got an answer, and whether the rows that it counted are there.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use recording::Table;
use recording::reader::Recording;
use recording::record::{Event, Poll, Probe, Scrape, SourceRow};
use recording::run::State;

use crate::error::Error;

/// The column that names a row's source. Other tables don't tell whose their rows are.
const NAMED_BY: [(Table, &str); 11] = [
    (Table::Packets, "tap"),
    (Table::Connections, "tap"),
    (Table::Scrapes, "target"),
    (Table::Samples, "target"),
    (Table::Probes, "target"),
    (Table::MediaPackets, "target"),
    (Table::MediaPaths, "target"),
    (Table::Polls, "target"),
    (Table::Timeline, "source"),
    (Table::Stats, "source"),
    (Table::Logs, "source"),
];

/// The rows of a recording by the names in them, and what pages answered.
pub struct Answers {
    rows: BTreeMap<Table, BTreeMap<String, i64>>,
    unnamed: BTreeMap<Table, i64>,
    answered: Vec<(&'static str, String)>,
    complete: bool,
}

impl Answers {
    /// Looks at a recording.
    ///
    /// # Errors
    /// [`Error::Recording`].
    pub fn read(recording: &Recording) -> Result<Answers, Error> {
        let mut rows = BTreeMap::new();
        for (table, column) in NAMED_BY {
            rows.insert(table, by_name(recording, table, column)?);
        }
        let unnamed =
            recording.run().tables.iter().filter_map(|file| Some((Table::from_name(&file.table)?, file.rows)));
        let unnamed = unnamed.filter(|(table, _)| NAMED_BY.iter().all(|(named, _)| named != table)).collect();
        Ok(Answers { rows, unnamed, answered: answered(recording)?, complete: recording.state() == State::Complete })
    }

    /// Whether anything ever came of a source.
    pub fn answered(&self, source: &SourceRow, tables: &[Table]) -> bool {
        let (kind, name) = source.source.split_once(':').unwrap_or((&source.source, ""));
        let any = |tables: &[Table]| tables.iter().any(|table| self.count(source, *table) > 0);
        match kind {
            "scrape" | "poll" | "probe" | "media" => {
                self.answered.iter().any(|(of, answered)| *of == kind && answered == name)
                    || kind == "media" && any(&[Table::MediaPackets])
            }
            "tap" => any(&[Table::Packets, Table::Connections]),
            "paths" => any(&[Table::MediaPaths]),
            _ => any(tables),
        }
    }

    /// The tables that a source writes and that have no row of it, where rows are missing by its own count.
    pub fn hollow(&self, source: &SourceRow, tables: &[Table]) -> Vec<String> {
        // The row of `run` is written twice and kept once.
        let twice = i64::from(source.source == "run");
        let found: i64 = tables.iter().map(|table| self.count(source, *table)).sum();
        // What a run that was cut off had counted may not have been written any more.
        if !self.complete || found + twice >= source.rows {
            return Vec::new();
        }
        let empty = tables.iter().filter(|table| self.count(source, **table) == 0);
        empty.map(|table| table.name().to_owned()).collect()
    }

    /// The rows of a source in a table; where that can't be told, as many as may be its.
    fn count(&self, source: &SourceRow, table: Table) -> i64 {
        if let Some(rows) = self.unnamed.get(&table) {
            return *rows;
        }
        let Some(rows) = self.rows.get(&table) else { return 0 };
        let (kind, rest) = source.source.split_once(':').unwrap_or((&source.source, &source.source));
        // Among processes the collector is one, with a name of its own.
        let of_collector = source.source == "stats:process";
        let owns = |name: &str| name == kind || name == rest || of_collector && name == "collector";
        rows.iter().filter(|(name, _)| owns(name)).map(|(_, count)| count).sum()
    }
}

fn by_name(recording: &Recording, table: Table, column: &str) -> Result<BTreeMap<String, i64>, Error> {
    let mut rows = BTreeMap::new();
    for batch in recording.columns(table, &[column])? {
        let names = batch.column_by_name(column).and_then(|names| names.as_string_opt::<i32>());
        for name in names.into_iter().flatten().flatten() {
            match rows.get_mut(name) {
                Some(count) => *count += 1,
                None => _ = rows.insert(name.to_owned(), 1_i64),
            }
        }
    }
    Ok(rows)
}

/// Kind and name of every source of which a row says that it got what it asked for.
fn answered(recording: &Recording) -> Result<Vec<(&'static str, String)>, Error> {
    let good = |status: Option<i64>| status.is_some_and(|status| (200..300).contains(&status));
    let mut answered = Vec::new();
    // An error beside samples tells of lines, not of the page.
    let page = |scrape: &Scrape| good(scrape.status) && (scrape.error.is_none() || scrape.samples > 0);
    let scrapes = recording.rows::<Scrape>()?.into_iter().map(|stamped| stamped.row);
    answered.extend(scrapes.filter(page).map(|scrape| ("scrape", scrape.target)));
    let polls = recording.rows::<Poll>()?.into_iter().map(|stamped| stamped.row);
    answered.extend(polls.filter(|poll| good(poll.status)).map(|poll| ("poll", poll.target)));
    let probes = recording.rows::<Probe>()?.into_iter().map(|stamped| stamped.row);
    answered.extend(probes.filter(|probe| probe.ok).map(|probe| ("probe", probe.target)));
    let events = recording.rows::<Event>()?.into_iter().map(|stamped| stamped.row);
    let joined = events.filter(|event| event.source == "media" && event.event == "media.join");
    answered.extend(joined.map(|event| ("media", event.subject)));
    answered.sort_unstable();
    answered.dedup();
    Ok(answered)
}
