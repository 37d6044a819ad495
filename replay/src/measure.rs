//! Runs an assertion's query and turns its rows into observations. It never judges.

pub mod events;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};

use crate::bound::Bound;
use crate::judge::{Observation, Observed};
use crate::views::{Answer, QueryError};
pub use events::events;

/// The columns of an observation, as SPEC.md lists them; the first two must be there.
pub const COLUMNS: [&str; 6] = ["subject", "observed", "from_ns", "until_ns", "evidence", "skipped"];
/// The columns of a fault: one more. Only the first must be there.
pub const COLUMNS_OF_FAULTS: [&str; 7] =
    ["subject", "observed", "from_ns", "until_ns", "evidence", "skipped", "concerns"];
/// More rows than this are no observations but a table.
const MOST_ROWS: usize = 200_000;

/// The observations in an assertion's answer.
///
/// # Errors
/// [`QueryError`] where columns are missing, unknown, of a wrong type, or can't be compared with the bound.
pub fn observations(answer: &Answer, bound: &Bound) -> Result<Vec<Observation>, QueryError> {
    check_columns(&answer.schema, &COLUMNS, 2)?;
    check_bound(&answer.schema, bound)?;
    rows(answer)
}

/// The rows in a fault's answer: observations whose `observed` doesn't matter, and the names of the sources that each
/// concerns, none where it concerns all.
///
/// # Errors
/// As [`observations`].
pub fn occurrences(answer: &Answer) -> Result<Vec<(Observation, Vec<String>)>, QueryError> {
    check_columns(&answer.schema, &COLUMNS_OF_FAULTS, 1)?;
    let mut concerns = Vec::new();
    for batch in &answer.batches {
        match batch.column_by_name("concerns") {
            Some(array) => concerns.extend(several("concerns", array, &[','])?),
            None => concerns.extend(std::iter::repeat_n(Vec::new(), batch.num_rows())),
        }
    }
    Ok(rows(answer)?.into_iter().zip(concerns).collect())
}

/// Refuses columns other than these, and where one of the first is not there.
fn check_columns(schema: &Schema, known: &[&'static str], needed: usize) -> Result<(), QueryError> {
    for (index, field) in schema.fields().iter().enumerate() {
        let name = field.name().as_str();
        if !known.contains(&name) {
            let near = crate::spec::near(name, known.iter().copied());
            return Err(QueryError::new(format!("the column `{name}` is none of {}{near}", known.join(", "))));
        }
        if schema.fields().iter().take(index).any(|other| other.name() == name) {
            return Err(QueryError::new(format!("the column `{name}` is there twice")));
        }
    }
    match known.iter().take(needed).find(|name| schema.column_with_name(name).is_none()) {
        Some(missing) => Err(QueryError::new(format!("there is no column `{missing}`: write `… AS {missing}`"))),
        None => Ok(()),
    }
}

/// Refuses a bound that can't be compared with what is observed.
fn check_bound(schema: &Schema, bound: &Bound) -> Result<(), QueryError> {
    let Some((_, field)) = schema.column_with_name("observed") else { return Ok(()) };
    let fits = match field.data_type() {
        DataType::Null => true,
        DataType::Boolean => bound.takes_texts(),
        data_type if is_text(data_type) => bound.takes_texts(),
        data_type if data_type.is_numeric() => bound.takes_numbers(),
        other => return Err(QueryError::new(format!("`observed` must be a number, a text or a boolean, not {other}"))),
    };
    match fits {
        true => Ok(()),
        false => Err(QueryError::new(format!(
            "`observed` is of type {}, which `{bound}` can't be compared with",
            field.data_type()
        ))),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

fn rows(answer: &Answer) -> Result<Vec<Observation>, QueryError> {
    let count: usize = answer.batches.iter().map(RecordBatch::num_rows).sum();
    if count > MOST_ROWS {
        return Err(QueryError::new(format!("{count} rows are too many (at most {MOST_ROWS}): aggregate them")));
    }
    let mut observations = Vec::with_capacity(count);
    for batch in &answer.batches {
        append(batch, &mut observations)?;
    }
    Ok(observations)
}

fn append(batch: &RecordBatch, observations: &mut Vec<Observation>) -> Result<(), QueryError> {
    let column = |name: &str| batch.column_by_name(name);
    let texts = |name: &'static str| column(name).map(|array| texts(name, array)).transpose();
    let subjects = texts("subject")?;
    let observed = column("observed").map(|array| values("observed", array)).transpose()?;
    let from_ns = column("from_ns").map(|array| times("from_ns", array)).transpose()?;
    let until_ns = column("until_ns").map(|array| times("until_ns", array)).transpose()?;
    let evidence = column("evidence").map(|array| several("evidence", array, &[',', ' '])).transpose()?;
    let skipped = texts("skipped")?;
    for row in 0..batch.num_rows() {
        observations.push(Observation {
            subject: subjects.as_ref().and_then(|subjects| subjects[row].clone()).unwrap_or_default(),
            observed: observed.as_ref().map_or(Observed::Missing, |observed| observed[row].clone()),
            from_ns: from_ns.as_ref().and_then(|from_ns| from_ns[row]),
            until_ns: until_ns.as_ref().and_then(|until_ns| until_ns[row]),
            evidence: evidence.as_ref().map(|evidence| evidence[row].clone()).unwrap_or_default(),
            skipped: skipped.as_ref().and_then(|skipped| skipped[row].clone()),
        });
    }
    Ok(())
}

fn casted(name: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, QueryError> {
    cast(array, to).map_err(|_| QueryError::new(format!("`{name}` can't be of type {}", array.data_type())))
}

fn texts(name: &str, array: &ArrayRef) -> Result<Vec<Option<String>>, QueryError> {
    let array = casted(name, array, &DataType::Utf8)?;
    Ok(array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
}

fn values(name: &str, array: &ArrayRef) -> Result<Vec<Observed>, QueryError> {
    if is_text(array.data_type()) || *array.data_type() == DataType::Boolean {
        let texts = texts(name, array)?;
        return Ok(texts.into_iter().map(|text| text.map_or(Observed::Missing, Observed::Text)).collect());
    }
    let array = casted(name, array, &DataType::Float64)?;
    let numbers = array.as_primitive::<Float64Type>().iter();
    Ok(numbers
        .map(|number| number.filter(|number| !number.is_nan()).map_or(Observed::Missing, Observed::Number))
        .collect())
}

fn times(name: &str, array: &ArrayRef) -> Result<Vec<Option<i64>>, QueryError> {
    if !array.data_type().is_numeric() && *array.data_type() != DataType::Null {
        return Err(QueryError::new(format!("`{name}` must be nanoseconds, not {}", array.data_type())));
    }
    let array = casted(name, array, &DataType::Int64)?;
    Ok(array.as_primitive::<Int64Type>().iter().collect())
}

/// Several in one text (`packets#118, packets#120`) or as a list of texts.
fn several(name: &str, array: &ArrayRef, separators: &[char]) -> Result<Vec<Vec<String>>, QueryError> {
    if let Some(lists) = array.as_list_opt::<i32>() {
        let items = |row| match lists.is_null(row) {
            true => Ok(Vec::new()),
            false => Ok(texts(name, &lists.value(row))?.into_iter().flatten().filter(|one| !one.is_empty()).collect()),
        };
        return (0..lists.len()).map(items).collect();
    }
    let split =
        |text: String| text.split(separators).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
    Ok(texts(name, array)?.into_iter().map(|text| text.map(split).unwrap_or_default()).collect())
}
