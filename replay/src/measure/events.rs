//! The events in the answer of a query under `[diff]`.

use arrow::array::RecordBatch;

use super::{check_columns, several, texts, times, values};
use crate::judge::Observed;
use crate::judge::divergence::Event;
use crate::views::{Answer, QueryError};

/// The columns of an event, as SPEC.md lists them; the first two must be there.
pub const COLUMNS_OF_EVENTS: [&str; 6] = ["type", "at_ns", "entity", "parent", "value", "evidence"];
/// More events than these are not compared.
const MOST_EVENTS: usize = 100_000;

/// The events in an answer; a row without a type is none.
///
/// # Errors
/// [`QueryError`] where columns are missing, unknown or of a wrong type, or where there are too many rows.
pub fn events(answer: &Answer) -> Result<Vec<Event>, QueryError> {
    check_columns(&answer.schema, &COLUMNS_OF_EVENTS, 2)?;
    let count: usize = answer.batches.iter().map(RecordBatch::num_rows).sum();
    if count > MOST_EVENTS {
        return Err(QueryError::new(format!("{count} events are too many (at most {MOST_EVENTS}): leave some out")));
    }
    let mut events = Vec::with_capacity(count);
    for batch in &answer.batches {
        append(batch, &mut events)?;
    }
    Ok(events)
}

fn append(batch: &RecordBatch, events: &mut Vec<Event>) -> Result<(), QueryError> {
    let column = |name: &str| batch.column_by_name(name);
    let text = |name: &'static str| column(name).map(|array| texts(name, array)).transpose();
    let (kinds, entities, parents) = (text("type")?, text("entity")?, text("parent")?);
    let at_ns = column("at_ns").map(|array| times("at_ns", array)).transpose()?;
    let told = column("value").map(|array| values("value", array)).transpose()?;
    let evidence = column("evidence").map(|array| several("evidence", array, &[',', ' '])).transpose()?;
    let of = |texts: &Option<Vec<Option<String>>>, row: usize| texts.as_ref().and_then(|texts| texts[row].clone());
    for row in 0..batch.num_rows() {
        let Some(kind) = of(&kinds, row) else { continue };
        events.push(Event {
            kind,
            entity: of(&entities, row),
            at_ns: at_ns.as_ref().and_then(|at_ns| at_ns[row]),
            parent: of(&parents, row),
            value: told.as_ref().map_or(Observed::Missing, |told| told[row].clone()),
            evidence: evidence.as_ref().map(|evidence| evidence[row].clone()).unwrap_or_default(),
        });
    }
    Ok(())
}
