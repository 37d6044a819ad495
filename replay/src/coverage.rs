//! `replay coverage`: requirement by requirement, what checks it. A hole is found before a run is made.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::cli::{Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::explain;
use crate::report;
use crate::spec::{Applies, Assertion, Spec};

/// One of `[spec] requirements` and what checks it.
struct Requirement<'s> {
    id: &'s str,
    assertions: Vec<&'s Assertion>,
    unassertable: Option<&'s str>,
}

impl Requirement<'_> {
    fn is_hole(&self) -> bool {
        self.assertions.is_empty() && self.unassertable.is_none()
    }

    /// The word under which it is counted.
    fn sort(&self) -> String {
        let conditions: Vec<String> = self.assertions.iter().map(|assertion| condition(assertion)).collect();
        match (conditions.is_empty(), self.unassertable) {
            (true, None) => "holes".to_owned(),
            (true, Some(_)) => "unassertable".to_owned(),
            (false, _) if conditions.iter().any(String::is_empty) => "asserted".to_owned(),
            (false, _) => {
                let mut distinct = conditions;
                distinct.sort();
                distinct.dedup();
                format!("only {}", distinct.join(" or "))
            }
        }
    }
}

/// Prints what checks each requirement. All queries of the spec are planned: SQL that can't run checks nothing.
///
/// # Errors
/// [`Error::Spec`]: the spec or one of its queries is bad, or it names no requirements.
pub fn coverage(cli: &Cli, path: &Path) -> Result<Exit, Error> {
    let spec = Arc::new(Spec::read(path)?);
    if spec.requirements.is_empty() {
        let problem =
            "the spec names no requirements, so none could be covered: write `requirements = [\"…\"]` in [spec]";
        return Err(Error::Spec { path: path.to_owned(), line: 1, problem: problem.into() });
    }
    explain::plan(cli, &spec)?;
    for warning in strangers(&spec) {
        report::warn(&warning);
    }
    let requirements = requirements(&spec);
    let exit = if requirements.iter().any(Requirement::is_hole) { Exit::Broken } else { Exit::Held };
    match cli.format {
        Format::Text => report::print(&report::plain_lines(&text(&spec, &requirements, exit)))?,
        Format::Json => report::print_json(&json(&spec, &requirements))?,
    };
    Ok(exit)
}

fn requirements<'s>(spec: &'s Spec) -> Vec<Requirement<'s>> {
    let checks = |assertion: &&'s Assertion, id: &String| assertion.id == *id || assertion.covers.contains(id);
    let of = |id: &'s String| Requirement {
        id,
        assertions: spec.assertions.iter().filter(|assertion| checks(assertion, id)).collect(),
        unassertable: spec.unassertable.iter().find(|other| other.id == *id).map(|other| other.why.as_str()),
    };
    spec.requirements.iter().map(of).collect()
}

/// What names a requirement that the spec doesn't answer for, or contradicts itself.
fn strangers(spec: &Spec) -> Vec<String> {
    let required = |id: &str| spec.requirements.iter().any(|requirement| requirement == id);
    let near = |id: &str| crate::spec::near(id, spec.requirements.iter().map(String::as_str));
    let mut warnings = Vec::new();
    for assertion in &spec.assertions {
        for id in assertion.covers.iter().filter(|id| !required(id)) {
            warnings.push(format!("{} covers `{id}`, which is no requirement of the spec{}", assertion.id, near(id)));
        }
    }
    for unassertable in &spec.unassertable {
        let id = &unassertable.id;
        if !required(id) {
            warnings.push(format!("`{id}` is unassertable, and no requirement of the spec{}", near(id)));
        }
        if let Some(assertion) = spec.assertions.iter().find(|assertion| assertion.covers.contains(id)) {
            warnings.push(format!("`{id}` is said to be unassertable, and {} covers it", assertion.id));
        }
    }
    warnings
}

/// The assertions that are no requirement's, by their id.
fn own(spec: &Spec) -> Vec<&str> {
    let ids = spec.assertions.iter().map(|assertion| assertion.id.as_str());
    ids.filter(|id| !spec.requirements.iter().any(|requirement| requirement == id)).collect()
}

/// Which runs an assertion is about, in words; nothing where it is about all.
fn condition(assertion: &Assertion) -> String {
    let word = |applies: &Applies| match applies {
        Applies::Kind(kind) => format!("in runs of kind {kind}"),
        Applies::Command => "around a command".to_owned(),
    };
    let runs: Vec<String> = assertion.applies.iter().flatten().map(word).collect();
    let history = if assertion.over_history { "over a history" } else { "" };
    [history, &runs.join(" or ")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn text(spec: &Spec, requirements: &[Requirement<'_>], exit: Exit) -> String {
    let mut table = report::Table::new(&["requirement", "checked by"]);
    let mut sorts: BTreeMap<String, usize> = BTreeMap::new();
    for requirement in requirements {
        *sorts.entry(requirement.sort()).or_default() += 1;
        table.row(vec![requirement.id.to_owned(), checked_by(requirement)]);
    }
    let mut text = table.to_string();
    let own = own(spec);
    if !own.is_empty() {
        let _ = writeln!(text, "the spec's own: {}", own.join(", "));
    }
    let mut take = |sort: &str| format!("{} {sort}", sorts.remove(sort).unwrap_or(0));
    let (asserted, unassertable, holes) = (take("asserted"), take("unassertable"), take("holes"));
    let conditional: Vec<String> = sorts.iter().map(|(sort, count)| format!("{count} {sort}")).collect();
    let counts: Vec<String> = [asserted].into_iter().chain(conditional).chain([unassertable, holes]).collect();
    let _ = writeln!(text, "{} requirements: {}: exit {}", requirements.len(), counts.join(", "), exit.code());
    text
}

fn checked_by(requirement: &Requirement<'_>) -> String {
    if requirement.is_hole() {
        return "NOTHING: a hole; write an assertion with this id, let one cover it, or say why it is unassertable"
            .into();
    }
    let named = |assertion: &&Assertion| match condition(assertion) {
        condition if condition.is_empty() => assertion.id.clone(),
        condition => format!("{}, only {condition}", assertion.id),
    };
    let unassertable = requirement.unassertable.map(|why| format!("unassertable: {}", report::plain(why)));
    requirement.assertions.iter().map(named).chain(unassertable).collect::<Vec<_>>().join("; ")
}

fn json(spec: &Spec, requirements: &[Requirement<'_>]) -> serde_json::Value {
    let assertion = |assertion: &&Assertion| {
        json!({
            "id": assertion.id,
            "applies": assertion.applies.as_ref().map(|applies| applies.iter().map(explain::applies_word).collect::<Vec<_>>()),
            "over": assertion.over_history.then_some("history"),
        })
    };
    let requirement = |requirement: &Requirement<'_>| {
        json!({
            "id": requirement.id,
            "assertions": requirement.assertions.iter().map(assertion).collect::<Vec<_>>(),
            "unassertable": requirement.unassertable,
        })
    };
    let holes = requirements.iter().filter(|requirement| requirement.is_hole()).map(|requirement| requirement.id);
    json!({
        "format": 1,
        "spec": spec.id,
        "requirements": requirements.iter().map(requirement).collect::<Vec<_>>(),
        "holes": holes.collect::<Vec<_>>(),
        "own": own(spec),
    })
}
