//! What a recording says about itself that judging needs.

use std::collections::BTreeSet;

use recording::reader::Recording;
use recording::record::{Event, Gap, Param, SourceRow};
use recording::run::State;
use recording::{Stamped, Table};

use super::answers::Answers;
use crate::error::Error;
use crate::judge::{self, Facts, Source, SourceState};
use crate::spec::Spec;

/// A run's own facts.
pub struct RunFacts {
    /// What was watched, and when.
    pub watched: Facts,
    /// The run's kind.
    pub kind: String,
    /// Whether a wrapped command was recorded.
    pub wraps_command: bool,
    /// The names of its sources, and the [`signs`] of everything in its timeline.
    pub signs: BTreeSet<String>,
    /// Why the system did not come up, and the row that says it; `None` where it did.
    not_up: Option<String>,
}

impl RunFacts {
    /// Reads them from a recording.
    ///
    /// # Errors
    /// [`Error::Recording`].
    pub fn read(recording: &Recording) -> Result<RunFacts, Error> {
        let answers = Answers::read(recording)?;
        let sources: Vec<Source> =
            recording.rows::<SourceRow>()?.into_iter().map(|stamped| source(stamped.row, &answers)).collect();
        let gaps = recording.rows::<Gap>()?.into_iter().map(|stamped| gap(stamped.row)).collect();
        let timeline = recording.rows::<Event>()?;
        let times = |source: &'static str, event: &'static str| {
            let rows =
                timeline.iter().filter(move |stamped| stamped.row.source == source && stamped.row.event == event);
            rows.map(|stamped| stamped.at_ns)
        };
        let events = timeline.iter().flat_map(|stamped| signs(&stamped.row));
        Ok(RunFacts {
            signs: events.chain(sources.iter().map(|source| source.name.clone())).collect(),
            watched: Facts {
                complete: recording.state() == State::Complete,
                end_ns: recording.end_ns(),
                sources,
                gaps,
                published_from_ns: times("publisher", "start").min(),
                published_until_ns: times("publisher", "exit").max(),
                end_reached_ns: times("run", "end reached").min(),
                not_up_ns: times("run", "not up").min(),
            },
            not_up: timeline.iter().find(|stamped| is_not_up(&stamped.row)).map(why_not_up),
            kind: recording.run().kind.clone(),
            wraps_command: timeline.iter().any(|stamped| stamped.row.source == "command"),
        })
    }

    /// What a reader of outcomes should know first.
    pub fn remarks(&self, recording: &Recording) -> Vec<String> {
        let mut remarks: Vec<String> = self.not_up.iter().cloned().collect();
        match recording.state() {
            State::Running => remarks.push("the run is still being recorded: this is how far it has come".to_owned()),
            State::Incomplete => {
                remarks.push("the recording was cut off: what was not seen may have come later".to_owned())
            }
            State::Complete => {}
        }
        if !self.watched.gaps.is_empty() {
            remarks.push(format!("{} gaps: see `replay info`", self.watched.gaps.len()));
        }
        remarks
    }
}

/// `SOURCE EVENT`, and `SOURCE EVENT STATUS` where the event has a status.
fn signs(event: &Event) -> Vec<String> {
    let sign = format!("{} {}", event.source, event.event);
    let attributes: serde_json::Value = serde_json::from_str(&event.attributes).unwrap_or_default();
    let with_status = attributes["status"].as_str().map(|status| format!("{sign} {status}"));
    [sign].into_iter().chain(with_status).collect()
}

fn is_not_up(event: &Event) -> bool {
    event.source == "run" && event.event == "not up"
}

fn why_not_up(stamped: &Stamped<Event>) -> String {
    let attributes: serde_json::Value = serde_json::from_str(&stamped.row.attributes).unwrap_or_default();
    let error = attributes["error"].as_str().map_or(String::new(), |error| format!(": {error}"));
    format!("the system did not come up{error} (timeline#{})", stamped.seq)
}

/// What a run used in place of what the specification names.
///
/// # Errors
/// [`Error::Recording`].
pub fn replacements(recording: &Recording, spec: &Spec) -> Result<Vec<String>, Error> {
    let params: Vec<Param> = recording.rows::<Param>()?.into_iter().map(|stamped| stamped.row).collect();
    let mut replacements = Vec::new();
    for named in &spec.names.entries {
        let used = params.iter().filter(|param| param.name == named.name && param.value != named.value);
        replacements.extend(used.map(|used| format!("{}: {} in place of {}", named.name, used.value, named.value)));
    }
    Ok(replacements)
}

fn source(row: SourceRow, answers: &Answers) -> Source {
    let tables: Vec<String> = serde_json::from_str(&row.tables).unwrap_or_default();
    let known: Vec<Table> = tables.iter().filter_map(|table| Table::from_name(table)).collect();
    Source {
        state: match row.state.as_str() {
            "live" => SourceState::Live,
            "ended" => SourceState::Ended,
            "idle" => SourceState::Idle,
            _ => SourceState::Failed,
        },
        answered: answers.answered(&row, &known),
        hollow: answers.hollow(&row, &known),
        tables,
        name: row.source,
        from_ns: row.from_ns,
        to_ns: row.to_ns,
    }
}

fn gap(row: Gap) -> judge::Gap {
    judge::Gap { from_ns: row.from_ns, to_ns: row.to_ns, source: row.source }
}
