//! The functions of audio, as DataFusion calls them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::arguments::{self, Arguments};
use super::decode::RawPcm;
use super::sniff;
use super::sound::{Sound, Sounds};

/// One piece of audio as a call names it.
const AUDIO: [DataType; 4] = [DataType::LargeBinary, DataType::Utf8, DataType::Int64, DataType::Int64];

/// All functions that listen, remembering what they heard in `sounds`.
pub(super) fn functions(sounds: &Arc<Sounds>) -> [Listener; 6] {
    let of = |name, measure| Listener { name, measure, sounds: Arc::clone(sounds), signature: user_defined() };
    [
        of("audio_seconds", Measure::Number(|sound| sound.seconds)),
        of("loudness", Measure::Number(|sound| sound.loudness_dbfs)),
        of("tonality", Measure::Number(|sound| sound.tonality)),
        of("audio_rate", Measure::Count(|sound| sound.rate)),
        of("audio_channels", Measure::Count(|sound| sound.channels)),
        of("similarity", Measure::Similarity),
    ]
}

fn user_defined() -> Signature {
    Signature::user_defined(Volatility::Immutable)
}

#[derive(Debug)]
enum Measure {
    Number(fn(&Sound) -> f64),
    Count(fn(&Sound) -> u32),
    Similarity,
}

/// A function that decodes audio.
#[derive(Debug)]
pub(super) struct Listener {
    name: &'static str,
    measure: Measure,
    sounds: Arc<Sounds>,
    signature: Signature,
}

// What is remembered changes how long an answer takes, never the answer: the name alone tells functions apart.
impl PartialEq for Listener {
    fn eq(&self, other: &Listener) -> bool {
        self.name == other.name
    }
}

impl Eq for Listener {}

impl Hash for Listener {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Listener {
    /// The audio whose bytes are in that column, with what is claimed of it in the next three, if they were given.
    fn hear(&self, arguments: &Arguments, column: usize, row: usize, claimed: bool) -> Option<Arc<Sound>> {
        let bytes = arguments.bytes(column, row)?;
        let raw = claimed.then(|| {
            let (rate, channels) = (arguments.integer(column + 2, row), arguments.integer(column + 3, row));
            RawPcm::claimed(bytes, arguments.text(column + 1, row), rate, channels)
        });
        self.sounds.get(bytes, raw.flatten())
    }

    fn similarity(&self, arguments: &Arguments, row: usize, claimed: bool) -> Option<f64> {
        let second = if claimed { AUDIO.len() } else { 1 };
        let (a, b) = (self.hear(arguments, 0, row, claimed)?, self.hear(arguments, second, row, claimed)?);
        self.sounds.similarity(&a, &b)
    }
}

impl ScalarUDFImpl for Listener {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name;
        match self.measure {
            Measure::Similarity => {
                let call = format!(
                    "{name}(bytes, format, rate, channels, bytes, format, rate, channels) or {name}(bytes, bytes)"
                );
                let short = [DataType::LargeBinary, DataType::LargeBinary];
                arguments::coerce(&call, &[&[AUDIO, AUDIO].concat(), &short], given)
            }
            _ => {
                let call = format!("{name}(bytes, format, rate, channels) or {name}(bytes)");
                arguments::coerce(&call, &[&AUDIO, &AUDIO[..1]], given)
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.measure {
            Measure::Count(_) => DataType::Int64,
            Measure::Number(_) | Measure::Similarity => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = Arguments::of(&call)?;
        let claimed = call.args.len() >= AUDIO.len();
        let rows = 0..arguments.rows;
        let heard = |row| self.hear(&arguments, 0, row, claimed);
        let array: ArrayRef = match self.measure {
            Measure::Number(of) => {
                Arc::new(rows.map(|row| heard(row).map(|sound| of(&sound))).collect::<Float64Array>())
            }
            Measure::Count(of) => {
                Arc::new(rows.map(|row| heard(row).map(|sound| i64::from(of(&sound)))).collect::<Int64Array>())
            }
            Measure::Similarity => {
                Arc::new(rows.map(|row| self.similarity(&arguments, row, claimed)).collect::<Float64Array>())
            }
        };
        arguments.answer(array)
    }
}

/// The functions that look at bytes without decoding them.
pub(super) fn lookers() -> [Looker; 2] {
    let of = |name, look| Looker { name, look, signature: user_defined() };
    [of("audio_codec", |bytes| sniff::codec(bytes).map(str::to_owned)), of("frame_sizes", sniff::frame_sizes)]
}

/// A function of bytes that gives a text.
#[derive(Debug)]
pub(super) struct Looker {
    name: &'static str,
    look: fn(&[u8]) -> Option<String>,
    signature: Signature,
}

impl PartialEq for Looker {
    fn eq(&self, other: &Looker) -> bool {
        self.name == other.name
    }
}

impl Eq for Looker {}

impl Hash for Looker {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Looker {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce(&format!("{}(bytes)", self.name), &[&AUDIO[..1]], given)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = Arguments::of(&call)?;
        let look = |row| arguments.bytes(0, row).and_then(self.look);
        arguments.answer(Arc::new((0..arguments.rows).map(look).collect::<StringArray>()))
    }
}
