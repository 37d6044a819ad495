//! `replay explain`: what stands behind an assertion or a fault, planned against empty tables, without any recording.

mod faults;

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::check::needs_of;
use crate::cli::{Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::judge::Need;
use crate::measure;
use crate::report;
use crate::spec::{Applies, Assertion, Query, Runs, Spec, View, near};
use crate::views::{Answer, Engine, Recorded, Views};
use faults::ExplainedFault;

/// What stands behind everything in a spec.
pub struct Plan<'s> {
    assertions: Vec<Explained<'s>>,
    faults: Vec<ExplainedFault<'s>>,
}

/// What stands behind an assertion.
struct Explained<'s> {
    assertion: &'s Assertion,
    needs: Vec<String>,
    views: Vec<View>,
}

/// Prints one assertion or fault (`fault:ID`), or all in one line each. All queries of the spec are planned, so that a bad one is found.
///
/// # Errors
/// [`Error::Spec`]: the spec or one of its queries is bad. [`Error::Usage`]: it has no such id.
pub fn explain(cli: &Cli, path: &Path, id: Option<&str>) -> Result<Exit, Error> {
    let spec = Arc::new(Spec::read(path)?);
    if let Some(id) = id {
        known(&spec, id)?;
    }
    let Plan { mut assertions, mut faults } = plan(cli, &spec)?;
    assertions.retain(|explained| id.is_none_or(|id| explained.assertion.id == id));
    faults.retain(|explained| id.is_none_or(|id| faults::handle(explained.fault).as_deref() == Some(id)));
    match (cli.format, id) {
        (Format::Json, _) => report::print_json(&json!({
            "format": 1,
            "assertions": assertions.iter().map(json).collect::<Vec<_>>(),
            "faults": faults.iter().map(faults::json).collect::<Vec<_>>(),
        })),
        (Format::Text, None) => report::print(&overview(&spec)),
        (Format::Text, Some(id)) => {
            let text = match (assertions.first(), faults.first()) {
                (Some(explained), _) => text(explained),
                (None, Some(explained)) => faults::text(explained),
                (None, None) => unassertable(&spec, id),
            };
            report::print(&report::plain_lines(&text))
        }
    }
}

/// Whether a spec has an assertion, a fault or something unassertable of this id.
///
/// # Errors
/// [`Error::Usage`]: it hasn't, with the id that may be meant.
pub fn known(spec: &Spec, id: &str) -> Result<(), Error> {
    let faults: Vec<String> = spec.faults.iter().filter_map(faults::handle).collect();
    let ids = || {
        let assertions = spec.assertions.iter().map(|assertion| assertion.id.as_str());
        let unassertable = spec.unassertable.iter().map(|unassertable| unassertable.id.as_str());
        assertions.chain(unassertable).chain(faults.iter().map(String::as_str))
    };
    match ids().any(|known| known == id) {
        true => Ok(()),
        false => {
            Err(Error::Usage(format!("{} has no assertion or fault `{id}`{}", spec.path.display(), near(id, ids()))))
        }
    }
}

/// What stands behind each assertion and fault. Every query of the spec is planned, and its columns held against the bound.
///
/// # Errors
/// [`Error::Spec`]: one of the queries is bad.
pub fn plan<'s>(cli: &Cli, spec: &'s Arc<Spec>) -> Result<Plan<'s>, Error> {
    let engine = Engine::start(cli.time_limit)?;
    let explained = explain_all(&engine, spec);
    engine.abandon();
    explained
}

fn explain_all<'s>(engine: &Engine, spec: &'s Arc<Spec>) -> Result<Plan<'s>, Error> {
    let views = Arc::new(Views::new(Recorded::Nothing, Some(spec)).map_err(Error::of_query)?);
    let all: Vec<View> = [spec.names.view(Runs::One)].into_iter().chain(spec.views.iter().cloned()).collect();
    let of_views: Vec<&Query> = all.iter().map(|view| &view.query).collect();
    let of_faults: Vec<&Query> = spec.faults.iter().map(|fault| &fault.query).collect();
    let of_assertions: Vec<&Query> = spec.assertions.iter().map(|assertion| &assertion.query).collect();
    ask(engine, &views, &of_views)?;
    let behind = |query: &Query| -> Result<Vec<View>, Error> {
        let behind = views.views_behind(&query.sql).map_err(|error| Error::of_spec(query, error))?;
        Ok(all.iter().filter(|view| behind.contains(&view.name)).cloned().collect())
    };
    let mut faults = Vec::new();
    for (fault, answer) in spec.faults.iter().zip(ask(engine, &views, &of_faults)?) {
        measure::occurrences(&answer).map_err(|error| Error::of_spec(&fault.query, error))?;
        faults.push(ExplainedFault { fault, views: behind(&fault.query)? });
    }
    let of_diff: Vec<&Query> = spec.diff.iter().collect();
    for (query, answer) in of_diff.iter().zip(ask(engine, &views, &of_diff)?) {
        measure::events(&answer).map_err(|error| Error::of_spec(query, error))?;
    }
    let answers = ask(engine, &views, &of_assertions)?;
    let mut assertions = Vec::new();
    for (assertion, answer) in spec.assertions.iter().zip(answers) {
        measure::observations(&answer, &assertion.bound).map_err(|error| Error::of_spec(&assertion.query, error))?;
        let needs = needs_of(assertion, &answer.reads).iter().map(in_words).collect();
        assertions.push(Explained { assertion, needs, views: behind(&assertion.query)? });
    }
    Ok(Plan { assertions, faults })
}

fn ask(engine: &Engine, views: &Arc<Views>, queries: &[&Query]) -> Result<Vec<Answer>, Error> {
    let tasks = queries.iter().map(|query| {
        let (views, sql) = (Arc::clone(views), query.sql.clone());
        async move { views.answer(&sql).await }
    });
    let results = engine.run_all(tasks.collect());
    let mut answers = Vec::new();
    for (query, result) in queries.iter().zip(results) {
        let result = result.map_err(|cut| cut.error(&query.owner, engine))?;
        answers.push(result.map_err(|error| Error::of_spec(query, error))?);
    }
    Ok(answers)
}

fn in_words(need: &Need) -> String {
    match need {
        Need::Source(name) => name.clone(),
        Need::Writers { table, only: None } => format!("every source that writes {table}"),
        Need::Writers { table, only: Some(names) } => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("the sources `{}` that write {table}", names.join("`, `"))
        }
    }
}

fn text(explained: &Explained<'_>) -> String {
    let Explained { assertion, needs, views } = explained;
    let mut text = format!("{}: {}\n", assertion.id, assertion.says);
    let unit = assertion.unit.as_ref().map_or(String::new(), |unit| format!(" {unit}"));
    let _ = writeln!(text, "bound     {}{unit}", assertion.bound);
    let needs = if needs.is_empty() { "nothing but the recorder".to_owned() } else { needs.join("; ") };
    let _ = writeln!(text, "needs     {needs}");
    let rows = match assertion.min_rows {
        0 => "held where there are none".to_owned(),
        rows => format!("at least {rows}"),
    };
    let _ = writeln!(text, "rows      {rows}");
    if let Some(applies) = &assertion.applies {
        let words: Vec<&str> = applies.iter().map(applies_word).collect();
        let _ = writeln!(text, "applies   {}", words.join(", "));
    }
    if !assertion.covers.is_empty() {
        let _ = writeln!(text, "covers    {}", assertion.covers.join(", "));
    }
    if assertion.over_history {
        let _ = writeln!(text, "over      history: a set of runs is judged, not one");
    }
    for View { name, query } in views {
        let _ = writeln!(text, "\n-- view {name}\n{}", query.sql.trim());
    }
    let _ = writeln!(text, "\n-- observe\n{}", assertion.query.sql.trim());
    text
}

/// A word of `applies`, as a spec writes it.
pub fn applies_word(applies: &Applies) -> &str {
    match applies {
        Applies::Kind(kind) => kind,
        Applies::Command => "command",
    }
}

fn unassertable(spec: &Spec, id: &str) -> String {
    let why = spec
        .unassertable
        .iter()
        .find(|unassertable| unassertable.id == id)
        .map(|unassertable| unassertable.why.as_str());
    format!("{id}: no recording can show it: {}\n", why.unwrap_or_default())
}

fn overview(spec: &Spec) -> String {
    let mut table = report::Table::new(&["id", "bound", "unit", "says"]);
    for assertion in &spec.assertions {
        let unit = assertion.unit.clone().unwrap_or_default();
        table.row(vec![assertion.id.clone(), assertion.bound.to_string(), unit, assertion.says.clone()]);
    }
    let mut text = table.to_string();
    text.push_str(&faults::overview(&spec.faults));
    for unassertable in &spec.unassertable {
        let _ = writeln!(text, "{}  unassertable: {}", unassertable.id, report::plain(&unassertable.why));
    }
    let (own, defaults) = faults::counts(&spec.faults);
    let _ = writeln!(
        text,
        "spec {}: {} requirements, {} assertions, {own} faults, {} unassertable; {defaults} default faults",
        report::plain(&spec.id),
        spec.requirements.len(),
        spec.assertions.len(),
        spec.unassertable.len()
    );
    text
}

fn json(explained: &Explained<'_>) -> serde_json::Value {
    let assertion = explained.assertion;
    json!({
        "id": assertion.id,
        "says": assertion.says,
        "bound": assertion.bound.to_string(),
        "unit": assertion.unit,
        "needs": explained.needs,
        "min_rows": assertion.min_rows,
        "applies": assertion.applies.as_ref().map(|applies| applies.iter().map(applies_word).collect::<Vec<_>>()),
        "covers": assertion.covers,
        "over": assertion.over_history.then_some("history"),
        "views": sql_by_name(&explained.views),
        "observe": assertion.query.sql,
    })
}

fn sql_by_name(views: &[View]) -> serde_json::Map<String, serde_json::Value> {
    views.iter().map(|view| (view.name.clone(), json!(view.query.sql))).collect()
}
