//! From what a section says to what it means.

use std::collections::BTreeSet;

use super::document::{Section, Text};
use super::short::{self, Asked, FORMS, Lowered};
use super::{Applies, Assertion, Expects, Fault, Names, Origin, Query, View, names, near};
use crate::bound::Bound;
use crate::error::Error;
use crate::judge::Attribution;

pub fn requirements(head: &mut Section<'_>) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    for text in head.texts("requirements")?.unwrap_or_default() {
        let wrong = || {
            head.wrong(
                text.at,
                format!("`{}` is no id and no range of ids: write `FR-001` or `FR-001..FR-026`", text.value),
            )
        };
        match text.value.split_once("..") {
            None if text.value.trim().is_empty() => return Err(wrong()),
            None => ids.push(text.value.clone()),
            Some((first, last)) => ids.extend(id_range(first, last).ok_or_else(wrong)?),
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = ids.iter().find(|id| !seen.insert(id.as_str())) {
            return Err(head.wrong(text.at, format!("the requirement `{twice}` is named twice")));
        }
    }
    Ok(ids)
}

/// `FR-001`, `FR-003` are three ids; the number keeps its width.
fn id_range(first: &str, last: &str) -> Option<Vec<String>> {
    let split = |id: &str| {
        let digits = id.len() - id.trim_end_matches(|character: char| character.is_ascii_digit()).len();
        let (stem, number) = id.split_at(id.len() - digits);
        number.parse::<u32>().ok().map(|number| (stem.to_owned(), number, digits))
    };
    let ((stem, from, width), (last_stem, to, _)) = (split(first)?, split(last)?);
    if stem != last_stem || from > to || to - from > 10_000 {
        return None;
    }
    Some((from..=to).map(|number| format!("{stem}{number:0width$}")).collect())
}

pub fn names(root: &mut Section<'_>) -> Result<Names, Error> {
    let section = root.table("names")?;
    let at = section.as_ref().map_or_else(|| root.at(), Section::at);
    Names::resolve(section, root.query(at, String::new(), "[names]".to_owned()))
}

pub fn expects(section: Option<Section<'_>>) -> Result<Expects, Error> {
    let Some(mut section) = section else { return Ok(Expects::default()) };
    let mut names = |key| -> Result<Vec<String>, Error> {
        Ok(section.texts(key)?.unwrap_or_default().into_iter().map(|text| text.value).collect())
    };
    Ok(Expects { samples: names("samples")?, events: names("events")? })
}

pub fn views(section: Option<Section<'_>>) -> Result<Vec<View>, Error> {
    let Some(mut section) = section else { return Ok(Vec::new()) };
    let mut views = Vec::new();
    for (name, at) in section.names() {
        if recording::Table::from_name(&name).is_some() {
            return Err(
                section.wrong(at, format!("the view `{name}` has the name of a recorded table: choose another"))
            );
        }
        if name == names::RELATION {
            return Err(section.wrong(at, "the view `names` has the name of what [names] says: choose another".into()));
        }
        let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
        if !name.chars().all(plain) || name.starts_with(|character: char| character.is_ascii_digit()) {
            return Err(
                section.wrong(at, format!("the view's name `{name}` must be lower-case letters, digits and `_`"))
            );
        }
        let query = section.required_query(&name, format!("[views] {name}"))?;
        views.push(View { name, query });
    }
    Ok(views)
}

pub fn unique_id(section: &mut Section<'_>, ids: &mut BTreeSet<String>) -> Result<String, Error> {
    let id = section.required_text("id")?;
    if ids.insert(id.value.clone()) {
        Ok(id.value)
    } else {
        Err(section.wrong(id.at, format!("the id `{}` is taken by an assertion or unassertable above", id.value)))
    }
}

/// `views` are those that short forms may read.
pub fn assertion(section: &mut Section<'_>, ids: &mut BTreeSet<String>, views: &[View]) -> Result<Assertion, Error> {
    let id = unique_id(section, ids)?;
    let written = section.text("bound")?;
    let parse = |bound: Text| bound.value.parse().map_err(|error| section.wrong(bound.at, format!("{error}")));
    let bound: Option<Bound> = written.map(parse).transpose()?;
    let min_rows = min_rows(section)?;
    let asked = Asked { bound: bound.as_ref(), empty_held: min_rows == Some(0), views };
    let (query, lowered) = observed(section, &id, &asked)?;
    let lowered_bound = lowered.as_ref().and_then(|lowered| lowered.bound.clone());
    let bound = lowered_bound.or(bound).ok_or_else(|| section.missing("bound", "`bound = \"…\"`"))?;
    let unit = section.text("unit")?.map(|unit| unit.value);
    let texts = |texts: Option<Vec<Text>>| texts.map(|texts| texts.into_iter().map(|text| text.value).collect());
    Ok(Assertion {
        query,
        says: section.required_text("says")?.value,
        bound,
        unit: unit.or_else(|| lowered.as_ref().and_then(|lowered| lowered.unit).map(str::to_owned)),
        needs: needs(section)?,
        min_rows: min_rows.unwrap_or(lowered.map_or(1, |lowered| lowered.min_rows)),
        applies: applies(section)?,
        covers: texts(section.texts("covers")?).unwrap_or_default(),
        over_history: over_history(section)?,
        id,
    })
}

/// The query under `observe`, or the one that the short form stands for.
fn observed(section: &mut Section<'_>, id: &str, asked: &Asked<'_>) -> Result<(Query, Option<Lowered>), Error> {
    let forms: Vec<&str> = FORMS.into_iter().filter(|form| section.has(form)).collect();
    match (section.has("observe"), forms.as_slice()) {
        (true, []) => Ok((section.required_query("observe", format!("[[assertion]] {id}"))?, None)),
        (false, [form]) => {
            let Some(mut inner) = section.table(form)? else { return Err(section.missing(form, "it as a table")) };
            let lowered = short::lower(form, &mut inner, asked)?;
            let query = inner.query(inner.at(), lowered.sql.clone(), format!("[[assertion]] {id}, {form}"));
            Ok((query, Some(lowered)))
        }
        (false, []) => {
            let what = format!("`observe = \"SELECT …\"` or a short form ({})", FORMS.join(", "));
            Err(section.missing("observe", &what))
        }
        (observe, forms) => {
            let all: Vec<&str> = observe.then_some("observe").into_iter().chain(forms.iter().copied()).collect();
            let problem = format!("`{id}` is observed by `{}`: write one of them", all.join("` and `"));
            Err(section.wrong(section.at(), problem))
        }
    }
}

fn needs(section: &mut Section<'_>) -> Result<Option<Vec<String>>, Error> {
    let Some(needs) = section.texts("needs")? else { return Ok(None) };
    if let Some(bad) = needs.iter().find(|need| !need.value.contains(|character: char| character.is_alphanumeric())) {
        return Err(section.wrong(bad.at, "`needs` names sources, as in `tap:api` (see `replay info`)".into()));
    }
    if needs.is_empty() {
        let at = section.at();
        return Err(section.wrong(
            at,
            "`needs = []` would let the assertion hold without evidence: name a source, or leave it out".into(),
        ));
    }
    Ok(Some(needs.into_iter().map(|need| need.value).collect()))
}

/// 0: no rows are a good sign.
fn min_rows(section: &mut Section<'_>) -> Result<Option<usize>, Error> {
    let rows = section.integer("min_rows")?;
    let empty = section.text("empty")?;
    match (rows, empty) {
        (None, None) => Ok(None),
        (Some((rows, at)), None) => usize::try_from(rows).ok().filter(|rows| *rows > 0).map(Some).ok_or_else(|| {
            section.wrong(at, "`min_rows` must be 1 or more; to hold without rows write `empty = \"held\"`".into())
        }),
        (None, Some(empty)) if empty.value == "held" => Ok(Some(0)),
        (None, Some(empty)) => Err(section.wrong(empty.at, "`empty` can only be \"held\"".into())),
        (Some(_), Some(empty)) => {
            Err(section.wrong(empty.at, "`empty` and `min_rows` contradict each other: write one".into()))
        }
    }
}

fn applies(section: &mut Section<'_>) -> Result<Option<Vec<Applies>>, Error> {
    const KINDS: [&str; 6] = ["process", "compose", "attach", "tap", "import", "command"];
    let Some(texts) = section.texts("applies")? else { return Ok(None) };
    let mut applies = Vec::new();
    for text in texts {
        applies.push(match text.value.as_str() {
            "command" => Applies::Command,
            kind if KINDS.contains(&kind) => Applies::Kind(text.value),
            other => {
                return Err(section.wrong(
                    text.at,
                    format!("`applies` is one of {}, not `{other}`{}", KINDS.join(", "), near(other, KINDS)),
                ));
            }
        });
    }
    Ok(Some(applies))
}

fn over_history(section: &mut Section<'_>) -> Result<bool, Error> {
    match section.text("over")? {
        None => Ok(false),
        Some(over) if over.value == "history" => Ok(true),
        Some(over) => {
            Err(section.wrong(over.at, "`over` can only be \"history\"; without it one run is judged".into()))
        }
    }
}

pub fn diff(section: Option<Section<'_>>) -> Result<Option<Query>, Error> {
    let Some(mut section) = section else { return Ok(None) };
    section.required_query("events", "[diff] events".to_owned()).map(Some)
}

/// `ids` are those of the faults above.
pub fn fault(section: &mut Section<'_>, ids: &mut BTreeSet<String>) -> Result<Fault, Error> {
    let id = fault_id(section, ids)?;
    let attribution = section.required_text("attribution")?;
    let says = section.required_text("says")?.value;
    let owner = format!("[[fault]] {}", id.as_ref().unwrap_or(&says));
    Ok(Fault {
        id,
        origin: Origin::Spec,
        attribution: match attribution.value.as_str() {
            "product" => Attribution::Product,
            "environment" => Attribution::Environment,
            "harness" => Attribution::Harness,
            other => {
                let known = ["product", "environment", "harness"];
                let problem = format!(
                    "a fault's `attribution` is one of {}, not `{other}`{}",
                    known.join(", "),
                    near(other, known)
                );
                return Err(section.wrong(attribution.at, problem));
            }
        },
        when: when(section)?,
        query: section.required_query("observe", owner)?,
        says,
    })
}

fn fault_id(section: &mut Section<'_>, ids: &mut BTreeSet<String>) -> Result<Option<String>, Error> {
    if !section.has("id") {
        return Ok(None);
    }
    let id = section.required_text("id")?;
    match ids.insert(id.value.clone()) {
        true => Ok(Some(id.value)),
        false => Err(section.wrong(id.at, format!("the id `{}` is taken by a fault above", id.value))),
    }
}

fn when(section: &mut Section<'_>) -> Result<Vec<String>, Error> {
    let Some(when) = section.texts("when")? else { return Ok(Vec::new()) };
    if when.is_empty() || when.iter().any(|sign| sign.value.trim().is_empty()) {
        let problem = "`when` names sources or events of the timeline, as in `stats:host` or `container die`; leave it \
                       out to ask of every run";
        return Err(section.wrong(section.at(), problem.into()));
    }
    Ok(when.into_iter().map(|sign| sign.value).collect())
}
