//! `replay mutate`: which requirement would not have noticed? Changes one recorded fact at a time, in memory only, and
//! judges the recording again.

mod alter;
mod facts;
mod leaves;
mod payloads;
mod rows;
mod trial;

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::RecordBatch;
use recording::Table;
use recording::reader::Recording;

use crate::cli::{Cli, Format, Mutate};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::mutate::{MutateReport, Tried};
use crate::report::{self, Progress};
use crate::runs;
use crate::spec::{Spec, near};
use alter::{Mutation, Source};
use facts::Group;
use trial::Trial;
pub use trial::{Effect, Question};

/// Changes fact by fact, and tells what nobody noticed.
///
/// # Errors
/// As those of `check`; [`Error::Usage`] where nothing is asked of the recording.
pub fn mutate(cli: &Cli, asked: &Mutate) -> Result<Exit, Error> {
    let recording = runs::open(&cli.runs_dir, &asked.run)?;
    let path = asked.spec.clone().unwrap_or_else(|| recording.dir().join("spec.toml"));
    let spec = Spec::read(&path)?;
    known(&spec, &asked.assertions)?;
    let recording = recording.held()?;
    let trial = Trial::start(cli, recording.clone(), &spec, &asked.assertions)?;
    if trial.questions().is_empty() {
        let problem = format!("nothing in {} applies to {}, so nothing could notice", path.display(), asked.run);
        return Err(Error::Usage(problem));
    }
    let report = tried(&trial, &recording, &path, asked.all);
    trial.end();
    let report = report?;
    match cli.format {
        Format::Text => report::print(&report.text()),
        Format::Json => report::print_json(&report.json()),
    }
}

fn known(spec: &Spec, ids: &[String]) -> Result<(), Error> {
    let all = || spec.assertions.iter().map(|assertion| assertion.id.as_str());
    match ids.iter().find(|id| !all().any(|known| known == id.as_str())) {
        None => Ok(()),
        Some(id) => Err(Error::Usage(format!("{} has no assertion `{id}`{}", spec.path.display(), near(id, all())))),
    }
}

/// One change that is to be tried.
struct Plan {
    table: Table,
    what: String,
    mutation: Mutation,
}

/// What is to be tried on a recording, and what no query reads.
#[derive(Default)]
struct Plans {
    all: Vec<Plan>,
    unread: Vec<String>,
}

fn tried(trial: &Trial<'_>, recording: &Recording, spec: &Path, all: bool) -> Result<MutateReport, Error> {
    let plans = plans(trial, recording, all)?;
    let progress = Progress::new("changes", plans.all.len());
    let mut tried = Vec::new();
    let mut blind = BTreeSet::new();
    for (done, plan) in plans.all.into_iter().enumerate() {
        progress.show(done);
        let Plan { table, what, mutation } = plan;
        // What makes no difference in the first fact of a sort is not tried in the others.
        let said = (table, what.clone(), mutation.part.clone(), mutation.how.clone());
        if !all && blind.contains(&said) {
            continue;
        }
        let Some(batch) = only_batch(recording, table)? else { continue };
        let effect = trial.changed(table, &changed(table, &batch, &mutation)?)?;
        if mutation.part.is_some() && effect.is_none() {
            blind.insert(said);
        }
        let handle = format!("{table}#{}", rows::text(&batch, "seq", mutation.row));
        tried.push(Tried { table, what, part: mutation.part, how: mutation.how, handle, effect });
    }
    Ok(MutateReport::new(recording.run().run_id.clone(), spec, trial.questions(), tried, plans.unread))
}

fn changed(table: Table, batch: &RecordBatch, mutation: &Mutation) -> Result<RecordBatch, Error> {
    let changed = rows::changed(batch, &mutation.change);
    Ok(changed.map_err(|source| recording::Error::Encode { table: table.name(), source: source.into() })?)
}

fn only_batch(recording: &Recording, table: Table) -> Result<Option<RecordBatch>, Error> {
    Ok(recording.table(table)?.into_iter().next().filter(|batch| batch.num_rows() > 0))
}

fn plans(trial: &Trial<'_>, recording: &Recording, all: bool) -> Result<Plans, Error> {
    let mut plans = Plans::default();
    let packets = only_batch(recording, Table::Packets)?;
    for table in Table::ALL {
        let Some(batch) = only_batch(recording, table)? else { continue };
        let groups = match (table, &packets) {
            (Table::Blobs, Some(packets)) => payloads::groups(&batch, packets),
            _ => facts::groups(table, &batch, &recording.run().stream),
        };
        if !trial.reads(table) {
            plans.unread.extend((!groups.is_empty()).then(|| format!("{table}: everything")));
            continue;
        }
        let source = Source { table, batch: &batch, words: &trial.words, end_ns: recording.end_ns() };
        plans.add(&source, groups, all);
    }
    Ok(plans)
}

impl Plans {
    fn add(&mut self, source: &Source<'_>, groups: Vec<Group>, all: bool) {
        let name_of =
            |group: &Group| rows::text(source.batch, "name", group.facts.concat().first().copied().unwrap_or_default());
        let is_read = |group: &Group| source.table != Table::Samples || source.words.contains(&name_of(group));
        let (read, unread): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(is_read);
        let names: BTreeSet<String> = unread.iter().map(name_of).collect();
        self.unread.extend(names.into_iter().map(|name| format!("{}: {name}", source.table)));
        for group in read {
            let first = group.facts.first().and_then(|rows| rows.first());
            let leaves = first.map(|row| source.unread_leaves(*row)).unwrap_or_default();
            if !leaves.is_empty() {
                self.unread.push(format!("{}, {}: {}", source.table, group.what, leaves.join(", ")));
            }
            let places = facts::sample(group.facts.len(), all);
            let plan = |mutation| Plan { table: source.table, what: group.what.clone(), mutation };
            self.all.extend(source.mutations(&group, &places).into_iter().map(plan));
        }
    }
}
