//! Rows become Arrow columns. Only types that DuckDB, pyarrow, Polars and Spark all read: Utf8, LargeBinary, Int64,
//! Float64, Boolean.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, LargeBinaryArray, LargeBinaryBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::Table;
use crate::record::fields;

/// A Rust type that a column can have.
pub(crate) trait Value: Sized {
    fn field(name: &str) -> Field;
    fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef
    where
        Self: 'a;
    /// The values of a column; `None` where it has another type.
    fn values(column: &ArrayRef) -> Option<Vec<Self>>;
}

macro_rules! value {
    ($type:ty, $data_type:expr, $nullable:expr, $array:ty, $convert:expr, $back:expr) => {
        impl Value for $type {
            fn field(name: &str) -> Field {
                Field::new(name.trim_start_matches("r#"), $data_type, $nullable)
            }
            fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
                Arc::new(values.map($convert).collect::<$array>())
            }
            fn values(column: &ArrayRef) -> Option<Vec<Self>> {
                let array = column.as_any().downcast_ref::<$array>()?;
                Some(array.iter().map($back).collect())
            }
        }
    };
}

value!(String, DataType::Utf8, false, StringArray, |text: &'a String| Some(text.as_str()), |text| text
    .unwrap_or_default()
    .to_owned());
value!(Option<String>, DataType::Utf8, true, StringArray, |text: &'a Option<String>| text.as_deref(), |text| text
    .map(str::to_owned));
impl Value for Vec<u8> {
    fn field(name: &str) -> Field {
        Field::new(name, DataType::LargeBinary, false)
    }
    fn array<'a>(values: impl Iterator<Item = &'a Self>) -> ArrayRef {
        // Payloads are most of a recording: they are copied once, into room that is made once.
        let values: Vec<&Self> = values.collect();
        let bytes = values.iter().map(|bytes| bytes.len()).sum();
        let mut array = LargeBinaryBuilder::with_capacity(values.len(), bytes);
        values.into_iter().for_each(|bytes| array.append_value(bytes));
        Arc::new(array.finish())
    }
    fn values(column: &ArrayRef) -> Option<Vec<Self>> {
        let array = column.as_any().downcast_ref::<LargeBinaryArray>()?;
        Some(array.iter().map(|bytes| bytes.unwrap_or_default().to_vec()).collect())
    }
}
value!(
    Option<Vec<u8>>,
    DataType::LargeBinary,
    true,
    LargeBinaryArray,
    |bytes: &'a Option<Vec<u8>>| bytes.as_deref(),
    |bytes| bytes.map(<[u8]>::to_vec)
);
value!(i64, DataType::Int64, false, Int64Array, |number: &'a i64| Some(*number), |number| number.unwrap_or_default());
value!(Option<i64>, DataType::Int64, true, Int64Array, |number: &'a Option<i64>| *number, |number| number);
value!(f64, DataType::Float64, false, Float64Array, |number: &'a f64| Some(*number), |number| number
    .unwrap_or_default());
value!(Option<f64>, DataType::Float64, true, Float64Array, |number: &'a Option<f64>| *number, |number| number);
value!(bool, DataType::Boolean, false, BooleanArray, |flag: &'a bool| Some(*flag), |number| number.unwrap_or_default());

/// A struct that is a row of a table.
pub trait Record: Sized {
    /// The table.
    const TABLE: Table;
    /// Its columns after `seq` and `at_ns`.
    fn fields() -> Vec<Field>;
    /// The same columns, filled.
    fn columns(rows: &[Self]) -> Vec<ArrayRef>;
    /// The rows of a batch of this table; `None` where a column is missing or has another type.
    fn from_batch(batch: &RecordBatch) -> Option<Vec<Stamped<Self>>>;
}

/// A row with its place in its table.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped<R> {
    /// The handle: dense, in the order of intake.
    pub seq: i64,
    /// Nanoseconds since the run's start.
    pub at_ns: i64,
    /// The columns that follow.
    pub row: R,
}

/// `seq` and `at_ns` of a batch.
pub(crate) fn stamps(batch: &RecordBatch) -> Option<(Vec<i64>, Vec<i64>)> {
    Some((i64::values(batch.column_by_name("seq")?)?, i64::values(batch.column_by_name("at_ns")?)?))
}

/// Rows of one table with their `seq` and `at_ns`.
pub(crate) struct Rows<R> {
    seq: Vec<i64>,
    at_ns: Vec<i64>,
    records: Vec<R>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Rows { seq: Vec::new(), at_ns: Vec::new(), records: Vec::new() }
    }
}

impl<R: Record> Rows<R> {
    pub(crate) fn push(&mut self, seq: i64, at_ns: i64, record: R) {
        self.seq.push(seq);
        self.at_ns.push(at_ns);
        self.records.push(record);
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Everything pushed so far as one batch; leaves nothing behind.
    pub(crate) fn take_batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let Rows { seq, at_ns, records } = std::mem::take(self);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(seq)), Arc::new(Int64Array::from(at_ns))];
        columns.extend(R::columns(&records));
        RecordBatch::try_new(schema(R::TABLE), columns)
    }
}

/// The table's columns, `seq` and `at_ns` first.
pub(crate) fn schema(table: Table) -> SchemaRef {
    static SCHEMAS: LazyLock<Vec<SchemaRef>> = LazyLock::new(|| {
        Table::ALL
            .into_iter()
            .map(|table| {
                let mut columns = vec![i64::field("seq"), i64::field("at_ns")];
                columns.extend(fields(table));
                Arc::new(Schema::new(columns))
            })
            .collect()
    });
    Arc::clone(&SCHEMAS[usize::from(table.number())])
}
