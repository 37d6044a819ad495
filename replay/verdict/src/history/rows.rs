//! The rows of a history's file, each checked.

use std::io::{self, BufRead, Read};

use serde_json::Value;

use crate::{Attribution, Outcome};

/// What one run says about one assertion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// The assertion.
    pub assertion: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// When it began, in ns since 1970.
    pub at_ns: i64,
    /// The version under test.
    pub version: &'a str,
    /// The environment's fingerprint.
    pub environment: &'a str,
    /// What became of it.
    pub outcome: Outcome,
    /// The signed distance to the bound.
    pub margin: Option<f64>,
    /// Why.
    pub attribution: Option<Attribution>,
    /// The place of the version among all.
    pub version_order: Option<f64>,
}

/// The columns, those that may be absent last.
const COLUMNS: [&str; 9] =
    ["assertion", "run", "at", "version", "environment", "outcome", "margin", "attribution", "version_order"];
const NEEDED: usize = 7;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line with the columns' names, then a line for each row.
    Csv,
    /// A JSON object in each line.
    JsonLines,
}

/// Why a history can't be read.
#[derive(Debug)]
pub enum Failure {
    /// The operating system's answer.
    Read(io::Error),
    /// The line, from 1, and what is wrong with it.
    Says(Option<u64>, String),
}

/// Gives every row of a history to `take`.
///
/// # Errors
/// The first that is none.
pub fn each(input: impl BufRead, form: Form, mut take: impl FnMut(&Row<'_>)) -> Result<(), Failure> {
    match form {
        Form::Csv => csv(input, &mut take),
        Form::JsonLines => json_lines(input, &mut take),
    }
}

fn csv(input: impl Read, take: &mut impl FnMut(&Row<'_>)) -> Result<(), Failure> {
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::Headers).from_reader(input);
    let headers = reader.headers().map_err(of_csv)?.clone();
    if headers.is_empty() {
        return Err(Failure::Says(
            None,
            format!("it is empty: the first line names the columns {}", COLUMNS.join(", ")),
        ));
    }
    let is_twice = |name: &str| headers.iter().filter(|header| *header == name).count() > 1;
    if let Some(twice) = COLUMNS.into_iter().find(|name| is_twice(name)) {
        return Err(Failure::Says(Some(1), format!("the column `{twice}` is there twice")));
    }
    let place = |name: &str| headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name);
    let places = COLUMNS.map(place);
    if let Some(missing) = (0..NEEDED).find(|column| places[*column].is_none()) {
        let found: Vec<&str> = headers.iter().collect();
        let problem = format!("the column `{}` is missing; there are {}", COLUMNS[missing], found.join(", "));
        return Err(Failure::Says(Some(1), problem));
    }
    let mut record = ::csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(of_csv)? {
        let line = record.position().map(::csv::Position::line);
        let cell = |column: usize| places[column].and_then(|place| record.get(place)).unwrap_or_default().trim();
        let row = row(cell).map_err(|problem| Failure::Says(line, problem))?;
        take(&row);
    }
    Ok(())
}

fn of_csv(error: ::csv::Error) -> Failure {
    let line = error.position().map(::csv::Position::line);
    match error.into_kind() {
        ::csv::ErrorKind::Io(source) => Failure::Read(source),
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Failure::Says(line, format!("{len} cells, the first line names {expected_len} columns"))
        }
        ::csv::ErrorKind::Utf8 { .. } => Failure::Says(line, "it is not UTF-8".to_owned()),
        _ => Failure::Says(line, "it is not CSV".to_owned()),
    }
}

fn json_lines(input: impl BufRead, take: &mut impl FnMut(&Row<'_>)) -> Result<(), Failure> {
    for (place, line) in input.lines().enumerate() {
        let number = Some(place as u64 + 1);
        let line = line.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Failure::Says(number, "it is not UTF-8".to_owned()),
            _ => Failure::Read(error),
        })?;
        if line.trim().is_empty() {
            continue;
        }
        let says = |problem: String| Failure::Says(number, problem);
        let line = line.trim_start_matches('\u{feff}');
        let value: Value = serde_json::from_str(line).map_err(|error| says(format!("it is not JSON: {error}")))?;
        let object = value.as_object().ok_or_else(|| says("it is not a JSON object".to_owned()))?;
        if let Some(missing) = COLUMNS[..NEEDED].iter().find(|column| !object.contains_key(**column)) {
            return Err(says(format!("the key `{missing}` is missing (null where there is nothing to say)")));
        }
        let cells: Vec<String> = COLUMNS.map(|column| text(object.get(column))).into();
        let cell = |column: usize| cells.get(column).map_or("", String::as_str);
        take(&row(cell).map_err(says)?);
    }
    Ok(())
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(other) => other.to_string(),
    }
}

/// A row of cells, in the order of [`COLUMNS`].
fn row<'a>(cell: impl Fn(usize) -> &'a str) -> Result<Row<'a>, String> {
    for column in [0, 1, 3] {
        if cell(column).is_empty() {
            return Err(format!("`{}` is empty", COLUMNS[column]));
        }
    }
    Ok(Row {
        assertion: cell(0),
        run: cell(1),
        at_ns: at_ns(cell(2))?,
        version: cell(3),
        environment: cell(4),
        outcome: outcome(cell(5))?,
        margin: number("margin", cell(6))?,
        attribution: attribution(cell(7))?,
        version_order: number("version_order", cell(8))?,
    })
}

fn outcome(word: &str) -> Result<Outcome, String> {
    let known = [Outcome::Held, Outcome::Broken, Outcome::Inconclusive, Outcome::NotApplicable];
    known
        .into_iter()
        .find(|outcome| outcome.name() == word)
        .ok_or_else(|| format!("`{word}` is no outcome: it is held, broken, inconclusive or not-applicable"))
}

fn attribution(word: &str) -> Result<Option<Attribution>, String> {
    let known = [
        Attribution::Product,
        Attribution::Environment,
        Attribution::Harness,
        Attribution::SpecDrift,
        Attribution::Unknown,
    ];
    if word.is_empty() {
        return Ok(None);
    }
    known.into_iter().find(|attribution| attribution.name() == word).map(Some).ok_or_else(|| {
        format!("`{word}` is no attribution: it is product, environment, harness, spec-drift, unknown or empty")
    })
}

fn number(column: &str, cell: &str) -> Result<Option<f64>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    match cell.parse::<f64>() {
        // Minus zero is no other number.
        Ok(number) if number.is_finite() => Ok(Some(number + 0.0)),
        Ok(_) => Err(format!("{column} `{cell}` is not finite: leave it empty where there is none")),
        Err(_) => Err(format!("{column} `{cell}` is not a number")),
    }
}

/// RFC 3339, or a number of seconds, ms, µs or ns since 1970, by its size.
fn at_ns(cell: &str) -> Result<i64, String> {
    if let Ok(number) = cell.parse::<f64>()
        && number.is_finite()
    {
        let per_unit = match number.abs() {
            size if size < 1e11 => 1e9,
            size if size < 1e14 => 1e6,
            size if size < 1e17 => 1e3,
            _ => 1.0,
        };
        return Ok(cell.parse::<i64>().ok().filter(|_| per_unit == 1.0).unwrap_or((number * per_unit) as i64));
    }
    let time = chrono::DateTime::parse_from_rfc3339(cell).ok().and_then(|time| time.timestamp_nanos_opt());
    time.ok_or_else(|| format!("at `{cell}` is no time: write it as 2026-11-24T07:06:56Z, or in seconds since 1970"))
}
