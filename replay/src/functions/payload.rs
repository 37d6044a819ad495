//! `from_base64(text)`: a payload that was too small, or too freely written, to be stored decoded.

use std::sync::Arc;

use arrow::array::LargeBinaryArray;
use arrow::datatypes::DataType;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::arguments::{self, Arguments};

/// Padding or none, as peers please.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes behind a base64 text, line breaks and spaces aside; `None` where it is none.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    LENIENT.decode(text).ok()
}

/// `from_base64(text)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FromBase64 {
    signature: Signature,
}

impl Default for FromBase64 {
    fn default() -> FromBase64 {
        FromBase64 { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for FromBase64 {
    fn name(&self) -> &str {
        "from_base64"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce(
            "from_base64(text) or from_base64(bytes)",
            &[&[DataType::Utf8], &[DataType::LargeBinary]],
            given,
        )
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::LargeBinary)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = Arguments::of(&call)?;
        let text = |row| arguments.text(0, row).map(str::as_bytes).or_else(|| arguments.bytes(0, row));
        let bytes = |row| text(row).and_then(decode);
        arguments.answer(Arc::new((0..arguments.rows).map(bytes).collect::<LargeBinaryArray>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_pad_and_break_lines_as_they_please() {
        for text in ["aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ", "aGVsbG8g\r\nd29ybGQ=\n"] {
            assert_eq!(decode(text.as_bytes()).unwrap(), b"hello world", "{text:?}");
        }
        assert_eq!(decode(b"").unwrap(), b"");
        assert_eq!(decode(b"not base64!"), None);
    }
}
