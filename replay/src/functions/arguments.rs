//! The arguments of a function: which it takes, and how they are read.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

/// Checks a call against the function's forms and says into which types its arguments are to be cast.
pub(super) fn coerce(call: &str, forms: &[&[DataType]], given: &[DataType]) -> Result<Vec<DataType>> {
    let fitting = forms
        .iter()
        .find(|form| form.len() == given.len() && form.iter().zip(given).all(|(wanted, given)| fits(wanted, given)));
    match fitting {
        Some(form) => Ok(form.to_vec()),
        None => plan_err!("the arguments ({}) don't fit {call}", names(given)),
    }
}

fn names(types: &[DataType]) -> String {
    types.iter().map(DataType::to_string).collect::<Vec<_>>().join(", ")
}

/// A number that is no integer is refused, and a text where bytes are wanted too: both are mistakes that a cast hides.
fn fits(wanted: &DataType, given: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Null, Utf8, Utf8View};
    match (wanted, given) {
        (_, Null) => true,
        (LargeBinary, LargeBinary | Binary | BinaryView) => true,
        (Utf8, Utf8 | LargeUtf8 | Utf8View) => true,
        (DataType::Int64, given) => given.is_integer(),
        _ => false,
    }
}

/// The arguments of a call, row by row, cast as [`coerce`] said.
pub(super) struct Arguments {
    columns: Vec<ArrayRef>,
    /// Rows to answer.
    pub(super) rows: usize,
    /// Whether every argument was one value, so that the answer is one too.
    is_scalar: bool,
}

impl Arguments {
    pub(super) fn of(call: &ScalarFunctionArgs) -> Result<Arguments> {
        let is_scalar = call.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let columns = ColumnarValue::values_to_arrays(&call.args)?;
        let rows = if is_scalar { 1 } else { call.number_rows };
        Ok(Arguments { columns, rows, is_scalar })
    }

    pub(super) fn bytes(&self, column: usize, row: usize) -> Option<&[u8]> {
        let array = self.present(column, row)?.as_binary_opt::<i64>()?;
        Some(array.value(row))
    }

    pub(super) fn text(&self, column: usize, row: usize) -> Option<&str> {
        let array = self.present(column, row)?.as_string_opt::<i32>()?;
        Some(array.value(row))
    }

    pub(super) fn integer(&self, column: usize, row: usize) -> Option<i64> {
        let array = self.present(column, row)?.as_primitive_opt::<Int64Type>()?;
        Some(array.value(row))
    }

    fn present(&self, column: usize, row: usize) -> Option<&ArrayRef> {
        self.columns.get(column).filter(|array| array.is_valid(row))
    }

    /// The answer to the call.
    pub(super) fn answer(&self, array: ArrayRef) -> Result<ColumnarValue> {
        if !self.is_scalar {
            return Ok(ColumnarValue::Array(array));
        }
        datafusion::common::ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar)
    }
}
