//! `provenance`: what came out was made, by real models, of what went in, and is not the same again.

use super::rows::{Rows, list};
use super::{Asked, Lowered, is_text, quoted};
use crate::error::Error;
use crate::spec::document::{Section, Text};

/// Words that no real model is called by.
const FORBIDDEN: [&str; 11] =
    ["mock", "mocked", "echo", "fake", "dummy", "stub", "noop", "none", "unknown", "passthrough", "not loaded"];
/// Sounds that are more alike than this are the same.
const ALIKE: f64 = 0.6;

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    asked.not_empty(section, "provenance")?;
    asked.no_bound(section, "that the rows are real")?;
    let rows = Rows::of(section, "of", true, asked)?;
    let described = rows.described(section)?;
    let sounds = sounds(section)?;
    let (models, forbidden) = models(section)?;
    if sounds.is_none() && models.is_empty() {
        return Err(section.missing("output", "`input` and `output`, or `models`: something must be looked at"));
    }
    let numbered = |(index, model): (usize, &String)| format!(", {model} AS model_{index}");
    let mut columns: String = models.iter().enumerate().map(numbered).collect();
    let mut cases: String = (0..models.len()).map(|index| case_of_model(index, &forbidden)).collect();
    if let Some(Sounds { input, output, alike }) = sounds {
        columns.push_str(&format!(
            ",\n             {} AS input, {} AS output,\n             similarity({}, {}) AS alike",
            input[0],
            output[0],
            input.join(", "),
            output.join(", ")
        ));
        cases.push_str(&format!(
            "\n            WHEN output = input THEN 'the input again'\
             \n            WHEN alike > {alike:?} THEN 'the input again (alike: ' || CAST(round(alike, 2) AS VARCHAR) || ')'\
             \n            WHEN alike IS NULL THEN CAST(NULL AS VARCHAR)"
        ));
    }
    let sql = format!(
        "SELECT subject, CASE{cases}\n            ELSE 'real' END AS observed, from_ns, until_ns, evidence, skipped\n\
         FROM (SELECT {} AS subject, {} AS from_ns, {} AS until_ns,\n             {} AS evidence, {} AS skipped{columns}\n      {})",
        described.subject,
        described.from_ns,
        described.until_ns,
        described.evidence,
        described.skipped,
        rows.from_where,
    );
    Ok(Lowered::new(sql).bound(is_text("real")))
}

/// A model that isn't named is as bad as one that is forbidden.
fn case_of_model(index: usize, forbidden: &str) -> String {
    let model = format!("CAST(model_{index} AS VARCHAR)");
    format!(
        "\n            WHEN trim(coalesce({model}, '')) = '' THEN 'a model is not named'\
         \n            WHEN regexp_like({model}, {forbidden}, 'i') THEN 'the model ' || {model}"
    )
}

/// What went in, what came out, and how alike they may be.
struct Sounds {
    input: Vec<String>,
    output: Vec<String>,
    alike: f64,
}

fn sounds(section: &mut Section<'_>) -> Result<Option<Sounds>, Error> {
    let (input, output) = (list(section, "input")?, list(section, "output")?);
    let alike = section.number("alike")?.unwrap_or(ALIKE);
    match (input.len(), output.len()) {
        (0, 0) => Ok(None),
        (1, 1) | (4, 4) => Ok(Some(Sounds { input, output, alike })),
        _ => {
            let what = "both alike: bytes, or `[bytes, format, rate, channels]`";
            Err(section.missing(if input.is_empty() { "input" } else { "output" }, what))
        }
    }
}

/// The models, and what none may be called, as a pattern.
fn models(section: &mut Section<'_>) -> Result<(Vec<String>, String), Error> {
    let models = list(section, "models")?;
    let written = section.texts("forbidden")?;
    if let (true, Some(first)) = (models.is_empty(), written.iter().flatten().next()) {
        return Err(section.wrong(first.at, "`forbidden` is about `models`: write them too".into()));
    }
    let words = match &written {
        Some(words) => words.iter().map(word).collect(),
        None => FORBIDDEN.map(escaped).to_vec(),
    };
    Ok((models, quoted(&format!("(^|[^a-z])({})([^a-z]|$)", words.join("|")))))
}

fn word(text: &Text) -> String {
    escaped(&text.value)
}

/// A word in a pattern means its letters.
fn escaped(word: &str) -> String {
    let special = |character: char| r"\.+*?()|[]{}^$#&-~".contains(character);
    word.chars().flat_map(|character| special(character).then_some('\\').into_iter().chain([character])).collect()
}
