//! Rows of any query, for people and for programs.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use serde_json::{Map, Value, json};

use super::Table;

/// Longer texts are cut in tables for people.
const CELL_CHARACTERS: usize = 100;

/// A heading and rows in columns, long values cut.
pub fn table(schema: &Schema, batches: &[RecordBatch]) -> Table {
    let headings: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut table = Table::new(&headings);
    for batch in batches {
        for row in 0..batch.num_rows() {
            table.row(batch.columns().iter().map(|column| cut(cell(column, row))).collect());
        }
    }
    table
}

/// One row, a column a line, nothing cut.
pub fn upright(batch: &RecordBatch, row: usize) -> Table {
    let mut table = Table::new(&[]);
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        table.row(vec![field.name().clone(), cell(column, row)]);
    }
    table
}

/// Each row as an object.
pub fn objects(batches: &[RecordBatch]) -> Vec<Value> {
    let mut objects = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let fields = schema.fields().iter().zip(batch.columns());
            let object: Map<String, Value> =
                fields.map(|(field, column)| (field.name().clone(), value(column, row))).collect();
            objects.push(Value::Object(object));
        }
    }
    objects
}

/// A value for people; bytes as their count and beginning.
pub fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    if let Some(bytes) = bytes(column, row) {
        let start: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let more = if bytes.len() > 16 { "…" } else { "" };
        return format!("{} bytes {start}{more}", bytes.len());
    }
    match ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default()) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(error) => format!("({error})"),
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(CELL_CHARACTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn bytes(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    match column.data_type() {
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(row)),
        DataType::Binary => Some(column.as_binary::<i32>().value(row)),
        DataType::BinaryView => Some(column.as_binary_view().value(row)),
        _ => None,
    }
}

/// A value for programs; bytes in base64, what JSON has no word for as text.
fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    if let Some(bytes) = bytes(column, row) {
        return json!(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
    match column.data_type() {
        DataType::Boolean => json!(column.as_boolean().value(row)),
        data_type if data_type.is_integer() => match cast(&column.slice(row, 1), &DataType::Int64) {
            Ok(number) if !number.is_null(0) => json!(number.as_primitive::<Int64Type>().value(0)),
            _ => json!(cell(column, row)),
        },
        data_type if data_type.is_floating() => match cast(&column.slice(row, 1), &DataType::Float64) {
            Ok(number) if number.as_primitive::<Float64Type>().value(0).is_finite() => {
                json!(number.as_primitive::<Float64Type>().value(0))
            }
            _ => json!(cell(column, row)),
        },
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|item| value(&items, item)).collect()
        }
        _ => json!(cell(column, row)),
    }
}
