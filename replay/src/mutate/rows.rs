//! A table's rows with something changed, in memory.
//!
//! Rows that are only removed or altered keep everybody's `seq`, so that handles still name the same rows. Where rows are
//! added or come later, all are numbered anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, LargeBinaryArray, RecordBatch, StringArray,
    UInt64Array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// There is none.
    Null,
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// A payload.
    Bytes(Vec<u8>),
}

/// What is done to rows, which are named by their places in the table.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// They were never recorded.
    Delete(Vec<usize>),
    /// Each was recorded once more, right behind the last of them.
    Duplicate(Vec<usize>),
    /// They came later, by so many nanoseconds.
    Delay(Vec<usize>, i64),
    /// They say something else: by column, the rows and what each says.
    Set(Vec<(&'static str, Vec<(usize, Value)>)>),
}

/// Reads one value; what the table doesn't have is null.
pub fn value(batch: &RecordBatch, column: &str, row: usize) -> Value {
    let Some(array) = batch.column_by_name(column).filter(|array| row < array.len() && array.is_valid(row)) else {
        return Value::Null;
    };
    match array.data_type() {
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Number(array.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::Flag(array.as_boolean().value(row)),
        DataType::LargeBinary => Value::Bytes(array.as_binary::<i64>().value(row).to_vec()),
        _ => Value::Null,
    }
}

/// Reads one text; empty where there is none.
pub fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    match value(batch, column, row) {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// Reads a time; 0 where there is none.
pub fn time(batch: &RecordBatch, row: usize) -> i64 {
    match value(batch, "at_ns", row) {
        Value::Integer(at_ns) => at_ns,
        _ => 0,
    }
}

/// The table with a change.
///
/// # Errors
/// Those of Arrow, where the table is not as FORMAT.md says.
pub fn changed(batch: &RecordBatch, change: &Change) -> Result<RecordBatch, ArrowError> {
    match change {
        Change::Delete(rows) => {
            let gone: BTreeSet<usize> = rows.iter().copied().collect();
            taken(batch, (0..batch.num_rows()).filter(|row| !gone.contains(row)))
        }
        Change::Duplicate(rows) => {
            let behind = rows.iter().max().map_or(0, |last| last + 1);
            let order = (0..behind).chain(rows.iter().copied()).chain(behind..batch.num_rows());
            numbered(&taken(batch, order)?)
        }
        Change::Delay(rows, by_ns) => delayed(batch, rows, *by_ns),
        Change::Set(columns) => {
            columns.iter().try_fold(batch.clone(), |batch, (name, values)| set(&batch, name, values))
        }
    }
}

fn taken(batch: &RecordBatch, rows: impl Iterator<Item = usize>) -> Result<RecordBatch, ArrowError> {
    let places: UInt64Array = rows.map(|row| row as u64).collect();
    take_record_batch(batch, &places)
}

/// Moves rows behind all that were recorded by then.
fn delayed(batch: &RecordBatch, rows: &[usize], by_ns: i64) -> Result<RecordBatch, ArrowError> {
    let later = |column: &'static str| {
        let shifted = rows.iter().filter_map(|row| match value(batch, column, *row) {
            Value::Integer(ns) => Some((*row, Value::Integer(ns + by_ns))),
            _ => None,
        });
        (column, shifted.collect::<Vec<_>>())
    };
    let columns = ["at_ns", "first_ns"].into_iter().filter(|column| batch.column_by_name(column).is_some());
    let batch = changed(batch, &Change::Set(columns.map(later).collect()))?;
    let moved: BTreeSet<usize> = rows.iter().copied().collect();
    let mut order: Vec<usize> = (0..batch.num_rows()).filter(|row| !moved.contains(row)).collect();
    for row in moved {
        let behind =
            order.iter().rposition(|other| time(&batch, *other) <= time(&batch, row)).map_or(0, |last| last + 1);
        order.insert(behind, row);
    }
    numbered(&taken(&batch, order.into_iter())?)
}

fn numbered(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows = (0..batch.num_rows()).map(|row| (row, Value::Integer(row as i64))).collect::<Vec<_>>();
    set(batch, "seq", &rows)
}

fn set(batch: &RecordBatch, column: &str, values: &[(usize, Value)]) -> Result<RecordBatch, ArrowError> {
    let place = batch.schema().index_of(column)?;
    let mut all: Vec<Value> = (0..batch.num_rows()).map(|row| value(batch, column, row)).collect();
    for (row, value) in values {
        if let Some(old) = all.get_mut(*row) {
            *old = value.clone();
        }
    }
    let mut columns = batch.columns().to_vec();
    columns[place] = array(batch.schema().field(place).data_type(), all)?;
    RecordBatch::try_new(batch.schema(), columns)
}

/// Values as a column; what doesn't fit its type is null.
fn array(data_type: &DataType, values: Vec<Value>) -> Result<ArrayRef, ArrowError> {
    let values = values.into_iter();
    Ok(match data_type {
        DataType::Utf8 => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        }))),
        DataType::Int64 => Arc::new(Int64Array::from_iter(values.map(|value| match value {
            Value::Integer(number) => Some(number),
            _ => None,
        }))),
        DataType::Float64 => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        }))),
        DataType::Boolean => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }))),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from_iter(values.map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }))),
        other => return Err(ArrowError::SchemaError(format!("a column of type {other} can't be changed"))),
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};

    use super::*;

    /// Rows at 0, 10, 20 and 30 s.
    fn table() -> RecordBatch {
        let columns: [(&str, ArrayRef); 4] = [
            ("seq", Arc::new(Int64Array::from(vec![0, 1, 2, 3]))),
            ("at_ns", Arc::new(Int64Array::from(vec![0, 10, 20, 30]))),
            ("name", Arc::new(StringArray::from(vec![Some("a"), None, Some("c"), Some("d")]))),
            ("bytes", Arc::new(LargeBinaryArray::from_iter_values([b"1", b"2", b"3", b"4"]))),
        ];
        let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), *name == "name");
        let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns.map(|(_, array)| array).to_vec()).expect("the columns fit")
    }

    fn shown(change: &Change) -> Vec<(i64, i64, String)> {
        let batch = changed(&table(), change).expect("it can be changed");
        let integer = |column: &str, row| match value(&batch, column, row) {
            Value::Integer(number) => number,
            other => panic!("{column} is {other:?}"),
        };
        (0..batch.num_rows())
            .map(|row| (integer("seq", row), integer("at_ns", row), text(&batch, "name", row)))
            .collect()
    }

    fn rows(rows: &[(i64, i64, &str)]) -> Vec<(i64, i64, String)> {
        rows.iter().map(|(seq, at_ns, name)| (*seq, *at_ns, (*name).to_owned())).collect()
    }

    #[test]
    fn what_is_deleted_leaves_the_handles_of_the_rest() {
        assert_eq!(shown(&Change::Delete(vec![1, 2])), rows(&[(0, 0, "a"), (3, 30, "d")]));
    }

    #[test]
    fn what_comes_twice_or_later_takes_its_place_in_the_order() {
        let twice = [(0, 0, "a"), (1, 10, ""), (2, 20, "c"), (3, 0, "a"), (4, 20, "c"), (5, 30, "d")];
        assert_eq!(shown(&Change::Duplicate(vec![0, 2])), rows(&twice));
        let later = [(0, 10, ""), (1, 20, "c"), (2, 25, "a"), (3, 30, "d")];
        assert_eq!(shown(&Change::Delay(vec![0], 25)), rows(&later));
        let last = [(0, 10, ""), (1, 20, "c"), (2, 30, "d"), (3, 30, "a")];
        assert_eq!(shown(&Change::Delay(vec![0], 30)), rows(&last));
    }

    #[test]
    fn values_are_set_row_by_row() {
        let set = Change::Set(vec![("name", vec![(0, Value::Null), (1, Value::Text("b".into()))])]);
        assert_eq!(shown(&set), rows(&[(0, 0, ""), (1, 10, "b"), (2, 20, "c"), (3, 30, "d")]));
        let payload = changed(&table(), &Change::Set(vec![("bytes", vec![(3, Value::Bytes(vec![9, 9]))])]));
        let payload = payload.expect("it can be changed");
        assert_eq!(value(&payload, "bytes", 3), Value::Bytes(vec![9, 9]));
        assert_eq!(value(&payload, "bytes", 2), Value::Bytes(b"3".to_vec()));
        assert!(changed(&table(), &Change::Set(vec![("nothing", vec![])])).is_err());
        assert!(changed(&table(), &Change::Set(vec![("seq", vec![(0, Value::Null)])])).is_err(), "it has no null");
    }
}
