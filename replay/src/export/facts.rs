//! What a recording holds, in order of time.

use recording::reader::Recording;
use recording::record::{
    ConnectionRow, Event, Gap, MediaPacket, MediaPath, Packet, Poll, Probe, Run, Sample, Scrape, SourceRow, Span, Stat,
};
use recording::{Record, Row, Table};
use telemetry::metrics::History;
use telemetry::metrics::pairs::{self, Moment};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use crate::error::Error;

/// Something that a metric may be made of.
enum Fact {
    /// A row.
    Row(Box<Row>),
    /// A row that counts, whatever stands in it.
    Counted(Table),
    /// A source is live, or not any more.
    Live(String, bool),
    /// Something happened to a correlated pair.
    Moment(Moment),
}

/// A run is looked at each second, but not more often than so many times.
const MOST_SNAPSHOTS: i64 = 100_000;

/// Lets the history know everything that a recording holds.
///
/// # Errors
/// [`Error::Recording`].
pub fn tell(history: &mut History, recording: &Recording) -> Result<(), Error> {
    let facts = in_order(recording)?;
    let end_ns = facts.last().map_or(0, |(at_ns, _)| *at_ns).max(recording.end_ns()).max(0);
    let every_ns = 1_000_000_000 * (end_ns / 1_000_000_000 / MOST_SNAPSHOTS + 1);
    let mut next_ns = 0;
    for (at_ns, fact) in facts {
        while next_ns < at_ns {
            history.snapshot(next_ns);
            next_ns += every_ns;
        }
        match fact {
            Fact::Row(row) => history.take(at_ns, &row),
            Fact::Counted(table) => history.counted(table),
            Fact::Live(source, live) => history.source_live(&source, live),
            Fact::Moment(moment) => history.take_moment(at_ns, &moment),
        }
    }
    while next_ns < end_ns {
        history.snapshot(next_ns);
        next_ns += every_ns;
    }
    history.snapshot(end_ns);
    Ok(())
}

fn in_order(recording: &Recording) -> Result<Vec<(i64, Fact)>, Error> {
    let mut facts = Vec::new();
    // Which run it is is known from its start, though its row is written at the end.
    let runs = recording.rows::<Run>()?;
    facts.extend(runs.into_iter().map(|run| (0, Fact::Row(Box::new(run.row.into())))));
    sources(recording, &mut facts)?;
    rows::<Packet>(recording, &mut facts)?;
    rows::<ConnectionRow>(recording, &mut facts)?;
    rows::<Scrape>(recording, &mut facts)?;
    rows::<Sample>(recording, &mut facts)?;
    rows::<Probe>(recording, &mut facts)?;
    rows::<MediaPacket>(recording, &mut facts)?;
    rows::<MediaPath>(recording, &mut facts)?;
    rows::<Poll>(recording, &mut facts)?;
    rows::<Event>(recording, &mut facts)?;
    rows::<Stat>(recording, &mut facts)?;
    rows::<Gap>(recording, &mut facts)?;
    for table in [Table::Sources, Table::Params, Table::Blobs, Table::Logs, Table::Spans] {
        counted(recording, table, &mut facts)?;
    }
    let moments = pairs::moments(&recording.rows::<Span>()?);
    facts.extend(moments.into_iter().map(|(at_ns, moment)| (at_ns, Fact::Moment(moment))));
    facts.sort_by_key(|(at_ns, _)| *at_ns);
    Ok(facts)
}

fn rows<R: Record + Into<Row>>(recording: &Recording, facts: &mut Vec<(i64, Fact)>) -> Result<(), Error> {
    let rows = recording.rows::<R>()?;
    facts.extend(rows.into_iter().map(|row| (row.at_ns, Fact::Row(Box::new(row.row.into())))));
    Ok(())
}

/// Only their times are read.
fn counted(recording: &Recording, table: Table, facts: &mut Vec<(i64, Fact)>) -> Result<(), Error> {
    for batch in recording.columns(table, &["at_ns"])? {
        let times = batch.column_by_name("at_ns").and_then(|times| times.as_primitive_opt::<Int64Type>().cloned());
        let times = times.into_iter().flat_map(|times| times.values().to_vec());
        facts.extend(times.map(|at_ns| (at_ns, Fact::Counted(table))));
    }
    Ok(())
}

fn sources(recording: &Recording, facts: &mut Vec<(i64, Fact)>) -> Result<(), Error> {
    for SourceRow { source, from_ns, to_ns, .. } in recording.rows::<SourceRow>()?.into_iter().map(|row| row.row) {
        facts.push((0, Fact::Live(source.clone(), false)));
        let changes = [(from_ns, true), (to_ns, false)];
        let changes = changes.into_iter().filter_map(|(at_ns, live)| Some((at_ns?, live)));
        facts.extend(changes.map(|(at_ns, live)| (at_ns, Fact::Live(source.clone(), live))));
    }
    Ok(())
}
