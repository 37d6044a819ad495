//! `replay check`: outcomes and attributions of single runs, and of what is asked of several.

mod against;
mod answers;
mod facts;
mod history;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::AsArray;
use recording::Table;
use recording::reader::Recording;

use crate::cli::{Cli, Written};
use crate::error::Error;
use crate::exit::Exit;
use crate::judge::{self, Attribution, Case, FaultRow, Judgement, Names, Need, Observation, Outcome};
use crate::measure;
use crate::report::{self, AssertionReport, CheckReport, Progress, RunReport};
use crate::runs;
use crate::spec::{Applies, Assertion, Fault, Query, Spec};
use crate::views::{Answer, Engine, QueryError, Reads, Recorded, Views};
pub use facts::RunFacts;
use history::{ByAssertion, Sets};

/// Judges every named run, tells it, and says how the program ends; with `against` under both specs.
///
/// # Errors
/// Anything that keeps one of them from being judged.
pub fn check(cli: &Cli, names: &[String], spec: Option<&Path>, against: Option<&Path>) -> Result<Exit, Error> {
    let mut specs = BTreeMap::new();
    let paths = runs::all(&cli.runs_dir, names)?;
    let (mut judged, mut before) = (Judged::default(), Judged::default());
    let progress = Progress::new("recordings", paths.len());
    for (done, path) in paths.iter().enumerate() {
        progress.show(done);
        let mut recording = Recording::open(path)?;
        if let Some(old) = against {
            recording = recording.held()?;
            before.judge(cli, recording.clone(), &read_once(&mut specs, old.to_owned())?, paths.len() > 1)?;
        }
        let spec_path = spec.map_or_else(|| path.join("spec.toml"), Path::to_owned);
        judged.judge(cli, recording, &read_once(&mut specs, spec_path)?, paths.len() > 1)?;
    }
    drop(progress);
    match against {
        Some(old) => against::compare(cli, old, &before.report(), &judged.report()),
        None => told(cli, &judged.report()),
    }
}

/// What was judged so far against one spec, or each run against its own.
#[derive(Default)]
struct Judged {
    reports: Vec<RunReport>,
    sets: Sets,
}

impl Judged {
    fn judge(&mut self, cli: &Cli, recording: Recording, spec: &Arc<Spec>, one_of_several: bool) -> Result<(), Error> {
        let engine = Engine::start(cli.time_limit)?;
        let checked = check_run(&engine, recording, spec, one_of_several, None);
        engine.abandon();
        let (report, says) = checked?;
        self.sets.add(spec, &report.run_id, report.dir.clone(), says);
        self.reports.push(report);
        Ok(())
    }

    fn report(self) -> CheckReport {
        CheckReport { history: self.sets.judged(), runs: self.reports }
    }
}

fn told(cli: &Cli, report: &CheckReport) -> Result<Exit, Error> {
    let exit = Exit::of(report.assertions().map(|assertion| &assertion.judgement));
    match cli.written {
        Written::Text => report::print(&report::check_text(report, exit)).map(drop)?,
        Written::Json => report::print_json(&report::check_json(report)).map(drop)?,
        Written::Junit | Written::Github | Written::Markdown => report::ci::check(cli.written, report, exit)?,
    }
    Ok(exit)
}

/// Reads a spec that can judge, and each only once.
///
/// # Errors
/// As [`Spec::read`], and where it has no assertion.
pub fn read_once(specs: &mut BTreeMap<PathBuf, Arc<Spec>>, path: PathBuf) -> Result<Arc<Spec>, Error> {
    if let Some(spec) = specs.get(&path) {
        return Ok(Arc::clone(spec));
    }
    let spec = Arc::new(Spec::read(&path)?);
    if spec.assertions.is_empty() {
        let problem = "the spec has no assertion, so nothing could hold: write an `[[assertion]]`".into();
        return Err(Error::Spec { path, line: 1, problem });
    }
    specs.insert(path, Arc::clone(&spec));
    Ok(spec)
}

/// One assertion of a spec, and the faults that matter to it.
#[derive(Clone, Copy)]
pub struct Only<'o> {
    /// The assertion's id.
    pub id: &'o str,
    /// The faults, by whom they speak for or against and what they say.
    pub faults: &'o [(Attribution, String)],
}

impl Only<'_> {
    fn asks(&self, fault: &Fault) -> bool {
        self.faults.iter().any(|(attribution, says)| *attribution == fault.attribution && *says == fault.says)
    }
}

/// Judges one recording by itself, by all of a spec or a part of it.
///
/// # Errors
/// Anything that keeps it from being judged.
pub fn run(
    engine: &Engine,
    recording: Recording,
    spec: &Arc<Spec>,
    only: Option<Only<'_>>,
) -> Result<RunReport, Error> {
    check_run(engine, recording, spec, false, only).map(|(report, _)| report)
}

fn check_run(
    engine: &Engine,
    recording: Recording,
    spec: &Arc<Spec>,
    is_one_of_several: bool,
    only: Option<Only<'_>>,
) -> Result<(RunReport, ByAssertion), Error> {
    let run_facts = RunFacts::read(&recording)?;
    let mut report = nothing_judged(&run_facts, &recording, spec)?;
    let views = Arc::new(Views::new(Recorded::Run(Box::new(recording)), Some(spec)).map_err(Error::of_query)?);
    let is_wanted = |assertion: &&Assertion| only.is_none_or(|only| assertion.id == only.id);
    let is_asked = |assertion: &&Assertion| is_wanted(assertion) && run_facts.is_asked(assertion, is_one_of_several);
    let asked: Vec<&Assertion> = spec.assertions.iter().filter(is_asked).collect();
    let is_asked = |fault: &&Fault| run_facts.can_show(fault) && only.is_none_or(|only| only.asks(fault));
    let faults: Vec<&Fault> = spec.faults.iter().filter(is_asked).collect();
    let (answers, faults) = ask(engine, &views, &asked, &faults)?;
    report.faults = faults;
    let recorded = recorded_names(engine, &views, &answers)?;
    let mut told = ByAssertion::new();
    for assertion in spec.assertions.iter().filter(is_wanted) {
        let asked = answers.get(&assertion.id).map(|answer| Asked::new(&views, spec, assertion, answer, &recorded));
        let asked = asked.transpose()?;
        if assertion.over_history && is_one_of_several {
            let says = history::tell(&run_facts, assertion, asked.as_ref(), &report.faults)?;
            told.insert(assertion.id.clone(), says);
        }
        report.assertions.push(judge_one(spec, &run_facts, assertion, asked, &report.faults));
    }
    Ok((report, told))
}

/// What is to be said of a recording before anything is judged.
fn nothing_judged(run_facts: &RunFacts, recording: &Recording, spec: &Spec) -> Result<RunReport, Error> {
    Ok(RunReport {
        run_id: recording.run().run_id.clone(),
        dir: recording.dir().to_owned(),
        spec: spec.path.clone(),
        state: recording.state(),
        end_ns: recording.end_ns(),
        version: recording.run().version.as_ref().map(|version| version.id.clone()),
        remarks: [run_facts.remarks(recording), facts::replacements(recording, spec)?].concat(),
        faults: Vec::new(),
        assertions: Vec::new(),
    })
}

/// Runs the queries of some assertions and faults, side by side.
fn ask(
    engine: &Engine,
    views: &Arc<Views>,
    assertions: &[&Assertion],
    faults: &[&Fault],
) -> Result<(BTreeMap<String, Answer>, Vec<FaultRow>), Error> {
    let queries: Vec<&Query> =
        assertions.iter().map(|assertion| &assertion.query).chain(faults.iter().map(|fault| &fault.query)).collect();
    let tasks = queries.iter().map(|query| {
        let (views, sql) = (Arc::clone(views), query.sql.clone());
        async move { views.answer(&sql).await }
    });
    let results = engine.run_all(tasks.collect());
    let mut answered = Vec::new();
    for (query, result) in queries.iter().zip(results) {
        let result = result.map_err(|cut| cut.error(&query.owner, engine))?;
        answered.push(result.map_err(|error| Error::of_spec(query, error))?);
    }
    let of_faults = answered.split_off(assertions.len());
    let mut rows = Vec::new();
    for (fault, answer) in faults.iter().zip(&of_faults) {
        rows.extend(fault_rows(fault, answer)?);
    }
    let answers = assertions.iter().map(|assertion| assertion.id.clone()).zip(answered).collect();
    Ok((answers, rows))
}

fn fault_rows(fault: &Fault, answer: &Answer) -> Result<Vec<FaultRow>, Error> {
    let rows = measure::occurrences(answer).map_err(|error| Error::of_spec(&fault.query, error))?;
    let row = |(row, concerns)| FaultRow { attribution: fault.attribution, says: fault.says.clone(), row, concerns };
    Ok(rows.into_iter().map(row).collect())
}

/// The names that were recorded, of the sorts that any assertion looks for.
fn recorded_names(engine: &Engine, views: &Arc<Views>, answers: &BTreeMap<String, Answer>) -> Result<Names, Error> {
    let mut names = Names::default();
    let reads = |table| answers.values().any(|answer| answer.reads.table(table));
    for (table, column, vocabulary) in
        [(Table::Samples, "name", &mut names.samples), (Table::Packets, "event", &mut names.events)]
    {
        if !reads(table) {
            continue;
        }
        let (views, sql) =
            (Arc::clone(views), format!("SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"));
        let answer = engine.run(async move { views.answer(&sql).await });
        let answer = answer.map_err(|cut| cut.error("reading names", engine))?.map_err(Error::of_query)?;
        for batch in &answer.batches {
            vocabulary.recorded.extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
        }
    }
    Ok(names)
}

/// What an assertion was answered on one run, and what that is judged by.
pub struct Asked {
    /// What its query gave.
    pub observations: Vec<Observation>,
    /// The names that it looks for, and those that were recorded.
    pub names: Names,
    needs: Vec<Need>,
    /// The tables that it reads.
    pub reads: Vec<String>,
}

impl Asked {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`Error::Spec`]: its columns don't fit, or it reads no table.
    pub fn new(
        views: &Views,
        spec: &Spec,
        assertion: &Assertion,
        answer: &Answer,
        recorded: &Names,
    ) -> Result<Asked, Error> {
        let in_spec = |error: QueryError| Error::of_spec(&assertion.query, error);
        let observations = measure::observations(answer, &assertion.bound).map_err(in_spec)?;
        if answer.reads.scans.is_empty() {
            let problem = "it reads no table: an assertion must look at the recording";
            return Err(in_spec(QueryError::new(problem.into())));
        }
        let mut names = recorded.clone();
        expect(&mut names, spec, assertion, &answer.reads, views).map_err(in_spec)?;
        let reads = answer.reads.scans.iter().map(|scan| scan.table.name().to_owned()).collect();
        Ok(Asked { observations, names, needs: needs_of(assertion, &answer.reads), reads })
    }

    /// What its observations are judged by.
    pub fn case<'a>(&'a self, assertion: &'a Assertion) -> Case<'a> {
        let Asked { names, needs, reads, .. } = self;
        Case { bound: &assertion.bound, needs, reads, min_rows: assertion.min_rows, names }
    }
}

fn judge_one(
    spec: &Spec,
    facts: &RunFacts,
    assertion: &Assertion,
    asked: Option<Asked>,
    faults: &[FaultRow],
) -> AssertionReport {
    let reason = facts.does_not_apply(assertion);
    let Some(mut asked) = asked.filter(|_| reason.is_none()) else {
        return AssertionReport::new(assertion, Judgement::without_rows(Outcome::NotApplicable, reason));
    };
    let observations = std::mem::take(&mut asked.observations);
    let judgement = judge::judge(&facts.watched, &asked.case(assertion), observations, faults);
    let drift_line = judgement.drift.as_ref().and_then(|drift| line_of(spec, &drift.wanted));
    let sources = judge::names_of_needs(&facts.watched, &asked.needs).into_iter().map(str::to_owned).collect();
    AssertionReport { sources, drift_line, ..AssertionReport::new(assertion, judgement) }
}

/// The first line of a spec that quotes a name, from 1; `None` where it can't be found again.
fn line_of(spec: &Spec, name: &str) -> Option<usize> {
    let text = std::fs::read_to_string(&spec.path).ok()?;
    let quoted = [format!("'{name}'"), format!("\"{name}\"")];
    let line = text.lines().position(|line| quoted.iter().any(|quoted| line.contains(quoted)))?;
    Some(line + 1)
}

/// What an assertion needs: as written, else who writes what it reads. What the recorder itself writes needs nobody.
pub fn needs_of(assertion: &Assertion, reads: &Reads) -> Vec<Need> {
    if let Some(needs) = &assertion.needs {
        return needs.iter().cloned().map(Need::Source).collect();
    }
    let of_the_recorder = [Table::Run, Table::Params, Table::Sources, Table::Gaps];
    let scans = reads.scans.iter().filter(|scan| !of_the_recorder.contains(&scan.table));
    scans.map(|scan| Need::Writers { table: scan.table.name().to_owned(), only: scan.only.clone() }).collect()
}

/// Adds the names that the assertion looks for: those it compares with, and those of `[expects]` that its SQL or the
/// SQL of a view behind it mentions.
fn expect(
    names: &mut Names,
    spec: &Spec,
    assertion: &Assertion,
    reads: &Reads,
    views: &Views,
) -> Result<(), QueryError> {
    names.samples.wanted.extend(reads.samples.iter().cloned());
    names.events.wanted.extend(reads.events.iter().cloned());
    if spec.expects.samples.is_empty() && spec.expects.events.is_empty() {
        return Ok(());
    }
    let behind = views.views_behind(&assertion.query.sql)?;
    let of_views = spec.views.iter().filter(|view| behind.contains(&view.name)).map(|view| view.query.sql.as_str());
    let sql: Vec<&str> = of_views.chain([assertion.query.sql.as_str()]).collect();
    let mentioned = |name: &&String| sql.iter().any(|sql| sql.contains(&format!("'{name}'")));
    names.samples.wanted.extend(spec.expects.samples.iter().filter(mentioned).cloned());
    names.events.wanted.extend(spec.expects.events.iter().filter(mentioned).cloned());
    Ok(())
}

impl RunFacts {
    /// Why an assertion is not about this run; `None` where it is.
    fn does_not_apply(&self, assertion: &Assertion) -> Option<String> {
        if assertion.over_history {
            return Some("it judges a set of runs, not one".into());
        }
        self.is_not_about(assertion)
    }

    /// Whether this run has anything that the fault could be seen by.
    fn can_show(&self, fault: &Fault) -> bool {
        fault.when.is_empty() || fault.when.iter().any(|sign| self.signs.contains(sign))
    }

    /// Whether the query of an assertion is asked of this run.
    pub fn is_asked(&self, assertion: &Assertion, is_one_of_several: bool) -> bool {
        self.is_not_about(assertion).is_none() && (is_one_of_several || !assertion.over_history)
    }

    /// Why the assertion's `applies` leaves this run out; `None` where it doesn't.
    fn is_not_about(&self, assertion: &Assertion) -> Option<String> {
        let applies = assertion.applies.as_ref()?;
        let fits = |applies: &Applies| match applies {
            Applies::Kind(kind) => *kind == self.kind,
            Applies::Command => self.wraps_command,
        };
        match applies.iter().any(fits) {
            true => None,
            false => Some(format!("it applies to {}, this run is of kind {}", applies_to(applies), self.kind)),
        }
    }
}

fn applies_to(applies: &[Applies]) -> String {
    let word = |applies: &Applies| match applies {
        Applies::Kind(kind) => format!("runs of kind {kind}"),
        Applies::Command => "runs around a command".to_owned(),
    };
    applies.iter().map(word).collect::<Vec<_>>().join(" or ")
}
