//! One recording, judged as it is and then again with a fact changed: only what reads the change is asked anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use recording::Table;
use recording::reader::Recording;

use crate::check::{Asked, RunFacts};
use crate::cli::Cli;
use crate::error::Error;
use crate::judge::{self, Case, Facts, Names, Observation, Observed, Outcome};
use crate::measure;
use crate::spec::{Assertion, Spec};
use crate::views::{Engine, Planned, QueryError, Recorded, Standing, Views};

/// A recording and the assertions that are asked of it.
pub struct Trial<'s> {
    engine: Engine,
    recording: Recording,
    standing: Arc<Standing>,
    facts: Facts,
    asked: Vec<Question<'s>>,
    /// Every word of the queries that are asked, and of the views behind them.
    pub words: BTreeSet<String>,
}

/// One assertion, as it is answered and judged without any change.
pub struct Question<'s> {
    /// The assertion.
    pub assertion: &'s Assertion,
    /// Its outcome.
    pub outcome: Outcome,
    asked: Asked,
}

/// What a change does.
#[derive(Debug, Default)]
pub struct Effect {
    /// Assertions, by their places, whose outcome is worse, and what it is.
    pub worse: Vec<(usize, Outcome)>,
    /// Assertions that see something else and say the same of it.
    pub seen: Vec<usize>,
    /// Why a query can't be answered any more.
    pub failed: Option<String>,
}

impl Effect {
    /// Whether nothing that is asked is any different.
    pub fn is_none(&self) -> bool {
        self.worse.is_empty() && self.seen.is_empty() && self.failed.is_none()
    }
}

impl<'s> Trial<'s> {
    /// Judges a recording, which should be held in memory, as it is.
    ///
    /// # Errors
    /// As those of `check`.
    pub fn start(cli: &Cli, recording: Recording, spec: &'s Spec, only: &[String]) -> Result<Trial<'s>, Error> {
        let engine = Engine::start(cli.time_limit)?;
        let run_facts = RunFacts::read(&recording)?;
        let is_wanted = |assertion: &&Assertion| only.is_empty() || only.contains(&assertion.id);
        let is_asked = |assertion: &&Assertion| run_facts.is_asked(assertion, false);
        let assertions: Vec<&Assertion> = spec.assertions.iter().filter(is_wanted).filter(is_asked).collect();
        let recorded = Recorded::Run(Box::new(recording.clone()));
        let views = Arc::new(Views::new(recorded, Some(spec)).map_err(Error::of_query)?);
        let planned = planned(&engine, &views, &assertions)?;
        let standing = Standing::new(Arc::clone(&views), planned).map_err(Error::of_query)?;
        let words = words(&views, spec, &assertions)?;
        let mut trial = Trial {
            engine,
            recording,
            standing: Arc::new(standing),
            facts: run_facts.watched,
            asked: Vec::new(),
            words,
        };
        let names = names(&trial.recording)?;
        let places = (0..assertions.len()).collect();
        for (assertion, answer) in assertions.iter().zip(trial.answers(places)?) {
            let answer = answer.map_err(|error| Error::of_spec(&assertion.query, error))?;
            let asked = Asked::new(&views, spec, assertion, &answer, &names)?;
            let outcome = outcome(&trial.facts, &asked.case(assertion), asked.observations.clone());
            trial.asked.push(Question { assertion, outcome, asked });
        }
        Ok(trial)
    }

    /// What is asked.
    pub fn questions(&self) -> &[Question<'s>] {
        &self.asked
    }

    /// Whether anything that is asked reads a table.
    pub fn reads(&self, table: Table) -> bool {
        self.asked.iter().any(|question| question.reads(table))
    }

    /// Judges the recording with other rows in a table.
    ///
    /// # Errors
    /// [`Error::TimeLimit`], [`Error::Failed`].
    pub fn changed(&self, table: Table, rows: &RecordBatch) -> Result<Effect, Error> {
        let (standing, changing) = (Arc::clone(&self.standing), rows.clone());
        let changed = self.engine.run(async move { standing.change(table, changing).await });
        let changed = changed.map_err(|cut| cut.error("the queries on a changed recording", &self.engine))?;
        let effect = match changed {
            Ok(changed) => self.effect(table, rows, &changed),
            Err(error) => Ok(Effect { failed: Some(error.to_string()), ..Effect::default() }),
        };
        self.standing.restore();
        effect
    }

    fn effect(&self, table: Table, rows: &RecordBatch, changed: &BTreeSet<String>) -> Result<Effect, Error> {
        let recording = self.recording.with_table(table, rows.clone());
        let facts = self.facts_of(&recording)?;
        let names = matches!(table, Table::Samples | Table::Packets).then(|| names(&recording)).transpose()?;
        let touched: Vec<usize> =
            (0..self.asked.len()).filter(|place| self.standing.is_touched(*place, changed)).collect();
        let mut answers = touched.iter().zip(self.answers(touched.clone())?).peekable();
        let mut effect = Effect::default();
        for (place, question) in self.asked.iter().enumerate() {
            let answer = answers.next_if(|(touched, _)| **touched == place).map(|(_, answer)| answer);
            let observed = answer.map(|answer| measure::observations(&answer?, &question.assertion.bound)).transpose();
            match observed {
                Ok(observed) => question.compare(place, &facts, names.as_ref(), observed, &mut effect),
                Err(error) => effect.failed = Some(format!("{}: {error}", question.assertion.id)),
            }
        }
        Ok(effect)
    }

    /// What the changed recording says about itself. That rows are missing which a source had counted is no sign of it:
    /// what is changed is what happened, not what was kept of it.
    fn facts_of(&self, recording: &Recording) -> Result<Facts, Error> {
        let mut facts = RunFacts::read(recording)?.watched;
        for (source, unchanged) in facts.sources.iter_mut().zip(&self.facts.sources) {
            source.hollow.clone_from(&unchanged.hollow);
        }
        Ok(facts)
    }

    fn answers(&self, places: Vec<usize>) -> Result<Vec<Result<crate::views::Answer, QueryError>>, Error> {
        let tasks = places.into_iter().map(|place| {
            let standing = Arc::clone(&self.standing);
            async move { standing.answer(place).await }
        });
        let results = self.engine.run_all(tasks.collect()).into_iter();
        results.map(|result| result.map_err(|cut| cut.error("the queries", &self.engine))).collect()
    }

    /// Leaves threads that are still busy to the end of the process.
    pub fn end(self) {
        self.engine.abandon();
    }
}

impl Question<'_> {
    /// Whether it reads a table, itself or through views.
    pub fn reads(&self, table: Table) -> bool {
        self.asked.reads.iter().any(|name| name == table.name())
    }

    fn compare(
        &self,
        place: usize,
        facts: &Facts,
        names: Option<&Names>,
        observed: Option<Vec<Observation>>,
        effect: &mut Effect,
    ) {
        let sees_another = observed.as_ref().is_some_and(|observed| seen(observed) != seen(&self.asked.observations));
        let observations = observed.unwrap_or_else(|| self.asked.observations.clone());
        let mut known = self.asked.names.clone();
        if let Some(names) = names {
            known.samples.recorded.clone_from(&names.samples.recorded);
            known.events.recorded.clone_from(&names.events.recorded);
        }
        let case = Case { names: &known, ..self.asked.case(self.assertion) };
        let outcome = outcome(facts, &case, observations);
        if badness(outcome) > badness(self.outcome) {
            effect.worse.push((place, outcome));
        } else if sees_another {
            effect.seen.push(place);
        }
    }
}

/// What observations say, whatever rows show it. The last digits of a number may be others each time.
fn seen(observations: &[Observation]) -> Vec<String> {
    let value = |observed: &Observed| match observed {
        Observed::Number(number) => format!("{number:.9e}"),
        other => format!("{other:?}"),
    };
    let said = |row: &Observation| format!("{} {} {:?}", row.subject, value(&row.observed), row.skipped);
    let mut all: Vec<String> = observations.iter().map(said).collect();
    all.sort_unstable();
    all
}

/// Faults say why, not whether: they are not asked.
fn outcome(facts: &Facts, case: &Case<'_>, observations: Vec<Observation>) -> Outcome {
    judge::judge(facts, case, observations, &[]).outcome
}

fn badness(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Held | Outcome::NotApplicable => 0,
        Outcome::Inconclusive => 1,
        Outcome::Broken => 2,
    }
}

fn planned(engine: &Engine, views: &Arc<Views>, assertions: &[&Assertion]) -> Result<Vec<Planned>, Error> {
    let tasks = assertions.iter().map(|assertion| {
        let (views, sql) = (Arc::clone(views), assertion.query.sql.clone());
        async move { views.planned(&sql).await }
    });
    let results = engine.run_all(tasks.collect()).into_iter().zip(assertions);
    let planned = results.map(|(result, assertion)| {
        let result = result.map_err(|cut| cut.error(&assertion.query.owner, engine))?;
        result.map_err(|error| Error::of_spec(&assertion.query, error))
    });
    planned.collect()
}

fn words(views: &Views, spec: &Spec, assertions: &[&Assertion]) -> Result<BTreeSet<String>, Error> {
    let mut words = BTreeSet::new();
    let mut add = |sql: &str| {
        let is_inside = |character: char| character.is_alphanumeric() || "_$:.-".contains(character);
        words.extend(sql.split(|character| !is_inside(character)).map(str::to_owned));
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        words.extend(sql.split(|character| !is_name(character)).map(str::to_owned));
    };
    for assertion in assertions {
        add(&assertion.query.sql);
        let behind = views.views_behind(&assertion.query.sql);
        let behind = behind.map_err(|error| Error::of_spec(&assertion.query, error))?;
        spec.views.iter().filter(|view| behind.contains(&view.name)).for_each(|view| add(&view.query.sql));
    }
    Ok(words)
}

/// The names that were recorded, of the sorts that an assertion may look for.
fn names(recording: &Recording) -> Result<Names, Error> {
    let mut names = Names::default();
    for (table, column, found) in
        [(Table::Samples, "name", &mut names.samples.recorded), (Table::Packets, "event", &mut names.events.recorded)]
    {
        for batch in recording.columns(table, &[column])? {
            let texts = batch.column_by_name(column).and_then(|texts| texts.as_string_opt::<i32>());
            let mut last = "";
            for text in texts.into_iter().flatten().flatten().filter(|text| !text.is_empty()) {
                if text != last && !found.contains(text) {
                    found.insert(text.to_owned());
                }
                last = text;
            }
        }
    }
    Ok(names)
}
