//! Spans of rows that were recorded before: of a recording that was cut off, and, as `collector spans`, of one that has
//! none, or whose pairs are to be others.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use recording::reader::{Recording, resolve};
use recording::record::{ConnectionRow, Event, Gap, Packet, Poll, Probe, Run, Scrape, Span};
use recording::run::State;
use recording::{Record, Row, Stamped};

use crate::folder::Folder;
use crate::spans::{Deriver, Pair};
use crate::status::{say, warn};
use crate::{AnyError, cli, scenario};

/// `collector spans`: derives them anew and replaces the table.
///
/// # Errors
/// Where the recording is none, is being written, was cut off and not recovered, or can't be written.
pub fn spans(command: &cli::Spans) -> Result<ExitCode, AnyError> {
    let dir = resolve(&command.runs, &command.run)?;
    let recording = Recording::open(&dir)?;
    if recording.state() == State::Running {
        return Err(recording::Error::Locked { path: dir }.into());
    }
    if recording.is_journal() {
        return Err(format!("{} was cut off: `collector recover` it first", dir.display()).into());
    }
    let pairs = match &command.scenario {
        Some(file) => scenario::pairs_in(file)?,
        None => own_pairs(&dir)?,
    };
    let folder = Folder::lock(dir.clone())?;
    let before = counted(recording.rows::<Span>()?.iter().map(|span| &span.row));
    let rows = derive(&recording, pairs)?;
    let now = counted(rows.iter().map(|(_, span)| span));
    recording::seal::replace(folder.dir(), recording.run(), rows)?;
    let dir = dir.display();
    say(format_args!("{dir}: {} spans, {} of them of pairs (before: {}, {})", now.0, now.1, before.0, before.1));
    if now.1 == 0 && before.1 > 0 {
        warn("its spans of pairs are gone: name the scenario that says its pairs, by --scenario");
    }
    Ok(ExitCode::SUCCESS)
}

/// How many spans there are, and how many of them are pairs'.
fn counted<'a>(spans: impl Iterator<Item = &'a Span>) -> (usize, usize) {
    spans.fold((0, 0), |(all, pairs), span| {
        (all + 1, pairs + usize::from(span.attributes.contains("\"tapedeck.pair\"")))
    })
}

/// The spans that a cut-off recording should have and hasn't: of what was open when it was cut off. Where they can't be
/// derived, none: a recording without them is better than one that is not recovered.
pub(crate) fn missing(recording: &Recording) -> Vec<(i64, Span)> {
    or_none(|| lacking(recording))
}

fn or_none(derive: impl FnOnce() -> Result<Vec<(i64, Span)>, AnyError>) -> Vec<(i64, Span)> {
    match catch_unwind(AssertUnwindSafe(derive)) {
        Ok(Ok(spans)) => return spans,
        Ok(Err(error)) => say(format_args!("no spans are added: {}", crate::chain(&*error))),
        Err(_) => say("no spans are added, the rest is recovered: please report it"),
    }
    Vec::new()
}

fn lacking(recording: &Recording) -> Result<Vec<(i64, Span)>, AnyError> {
    let known: HashSet<String> = recording.rows::<Span>()?.into_iter().map(|span| span.row.span_id).collect();
    let pairs = own_pairs(recording.dir()).unwrap_or_else(|error| {
        say(format_args!("no pairs among the spans: {}", crate::chain(&*error)));
        Vec::new()
    });
    let derived = derive(recording, pairs)?;
    Ok(derived.into_iter().filter(|(_, span)| !known.contains(&span.span_id)).collect())
}

/// The pairs of a recording's own copy of its scenario; an import has none.
fn own_pairs(dir: &Path) -> Result<Vec<Pair>, AnyError> {
    let copy = dir.join("scenario.toml");
    match copy.exists() {
        true => Ok(scenario::pairs_in(&copy)?),
        false => Ok(Vec::new()),
    }
}

fn derive(recording: &Recording, pairs: Vec<Pair>) -> Result<Vec<(i64, Span)>, AnyError> {
    let mut rows = Vec::new();
    take::<Event>(recording, &mut rows)?;
    take::<ConnectionRow>(recording, &mut rows)?;
    take::<Packet>(recording, &mut rows)?;
    take::<Scrape>(recording, &mut rows)?;
    take::<Poll>(recording, &mut rows)?;
    take::<Probe>(recording, &mut rows)?;
    take::<Gap>(recording, &mut rows)?;
    // Each table is in order of intake; between tables only the clock tells.
    rows.sort_by_key(|stamped| stamped.at_ns);
    let run = recording.rows::<Run>()?.pop().map(|stamped| stamped.row).unwrap_or_default();
    let mut deriver = Deriver::new(&recording.run().run_id, &recording.run().scenario, pairs);
    rows.iter().for_each(|Stamped { seq, at_ns, row }| deriver.take(*at_ns, Some(*seq), row));
    deriver.doubts().into_iter().for_each(warn);
    deriver.finish(recording.end_ns(), &run);
    Ok(std::iter::from_fn(|| deriver.next_span()).collect())
}

fn take<R: Record + Into<Row>>(recording: &Recording, into: &mut Vec<Stamped<Row>>) -> Result<(), recording::Error> {
    let rows = recording.rows::<R>()?;
    into.extend(rows.into_iter().map(|Stamped { seq, at_ns, row }| Stamped { seq, at_ns, row: row.into() }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_derived_is_left_out() {
        assert_eq!(or_none(|| Ok(vec![(7, Span::default())])).len(), 1);
        assert!(or_none(|| Err("it can't be read".into())).is_empty());
        assert!(or_none(|| panic!("a row that nobody expects")).is_empty());
    }
}
