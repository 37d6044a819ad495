//! How surely a text is in a language.

use std::sync::{Arc, LazyLock};

use arrow::array::Float64Array;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use lingua::{IsoCode639_1, Language, LanguageDetector, LanguageDetectorBuilder};

use super::arguments::{self, Arguments};

/// Built once and kept: the models are loaded by the first texts that need them.
static DETECTOR: LazyLock<LanguageDetector> =
    LazyLock::new(|| LanguageDetectorBuilder::from_languages(&languages()).build());

fn languages() -> [Language; 6] {
    use Language::{English, French, German, Italian, Portuguese, Spanish};
    [English, French, German, Italian, Portuguese, Spanish]
}

/// The probability, among the six languages known here, that `text` is in the language of that ISO 639-1 code.
///
/// `None` where the text holds no word to judge by; [`UnknownLanguage`] where the code is none of the six, because an
/// answer of 0 would look like evidence.
fn confidence(text: &str, code: &str) -> std::result::Result<Option<f64>, UnknownLanguage> {
    let language = language(code).ok_or_else(|| UnknownLanguage(code.to_owned()))?;
    if !text.chars().any(char::is_alphabetic) {
        return Ok(None);
    }
    Ok(Some(DETECTOR.compute_language_confidence(text, language)))
}

fn language(code: &str) -> Option<Language> {
    let code: IsoCode639_1 = code.to_ascii_lowercase().parse().ok()?;
    languages().into_iter().find(|language| language.iso_code_639_1() == code)
}

/// A language that this program can't tell.
#[derive(Debug, thiserror::Error)]
#[error("language '{0}' is not one that language_confidence knows: en, es, fr, de, it, pt")]
struct UnknownLanguage(String);

/// `language_confidence(text, code)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Confidence {
    signature: Signature,
}

impl Default for Confidence {
    fn default() -> Confidence {
        Confidence { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Confidence {
    fn name(&self) -> &str {
        "language_confidence"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce("language_confidence(text, code)", &[&[DataType::Utf8, DataType::Utf8]], given)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = Arguments::of(&call)?;
        let confidence = |row| match (arguments.text(0, row), arguments.text(1, row)) {
            (Some(text), Some(code)) => {
                confidence(text, code).map_err(|error| DataFusionError::External(Box::new(error)))
            }
            _ => Ok(None),
        };
        let array = (0..arguments.rows).map(confidence).collect::<Result<Float64Array>>()?;
        arguments.answer(Arc::new(array))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        let english = "The train to the mountains leaves at nine and arrives in the evening.";
        let spanish = "El tren a las montañas sale a las nueve y llega por la noche.";
        assert!(confidence(english, "en").unwrap().unwrap() > 0.9);
        assert!(confidence(english, "es").unwrap().unwrap() < 0.1);
        assert!(confidence(spanish, "es").unwrap().unwrap() > 0.9);
        assert!(confidence(spanish, "pt").unwrap().unwrap() < 0.2);
    }

    #[test]
    fn a_text_without_words_has_no_language() {
        assert_eq!(confidence("", "es").unwrap(), None);
        assert_eq!(confidence(" 12:30 — 7 ", "es").unwrap(), None);
    }

    #[test]
    fn an_unknown_language_is_an_error_and_no_answer() {
        assert!(confidence("hola", "xx").is_err());
        assert!(confidence("hola", "ja").unwrap_err().to_string().contains("'ja'"));
        assert!(confidence("hola", "ES").is_ok());
    }
}
