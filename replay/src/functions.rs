//! The functions that specs have beyond SQL's own.
//!
//! | function | value |
//! |---|---|
//! | `audio_seconds(bytes, format, rate, channels)` | how long the audio is, decoded |
//! | `loudness(bytes, format, rate, channels)` | RMS over all channels in dBFS (a full-scale sine is -3); digital silence is -120 |
//! | `tonality(bytes, format, rate, channels)` | 1 for a constant tone or chord, 0 for speech and noise |
//! | `similarity(bytes, format, rate, channels, bytes, format, rate, channels)` | 1 for the same audio though re-encoded, louder, quieter or up to 1 s later; under 0.5 for other speech |
//! | `audio_rate(bytes, format, rate, channels)` | its sample rate in Hz, as the bytes say |
//! | `audio_channels(bytes, format, rate, channels)` | its channels, as the bytes say |
//! | `audio_codec(bytes)` | `aac` (ADTS), `m4a` (in MP4), `mp3`, `wav`, `flac` or `ogg`, by the first bytes |
//! | `frame_sizes(bytes)` | the sizes of ADTS frames without headers, as ` 371 368 402 `: how packets of other containers name the same sound |
//! | `language_confidence(text, code)` | how probable it is that the text is in that language (`en`, `es`, `fr`, `de`, `it`, `pt`) |
//! | `from_base64(text)` | the bytes behind a base64 text (or the bytes of one): a payload too small or too freely written to be stored decoded |
//!
//! `format`, `rate` and `channels` are what the sender claims; they matter only for raw PCM (`pcm_s16le`), whose bytes
//! don't say. They may be left out: `loudness(bytes)`, `similarity(bytes, bytes)`. What can't be decoded is NULL, as is
//! everything of NULL. The getters of JSON (`json_get_str`, `json_get_int`, …) are those of
//! `datafusion-functions-json`.
//!
//! Audio is decoded and measured once per context, however many queries ask. Nothing here reads a file or a clock.

mod arguments;
mod audio;
mod decode;
mod language;
mod payload;
mod similarity;
mod sniff;
mod sound;
mod spectrum;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
pub use sniff::adts_frames;

/// Makes the functions known to a context.
///
/// # Errors
/// Those of DataFusion, which has none to give for names that are free.
pub fn register(context: &SessionContext) -> Result<(), DataFusionError> {
    datafusion_functions_json::register_all(&mut context.clone())?;
    let sounds = Arc::default();
    for function in audio::functions(&sounds) {
        context.register_udf(ScalarUDF::from(function));
    }
    for function in audio::lookers() {
        context.register_udf(ScalarUDF::from(function));
    }
    context.register_udf(ScalarUDF::from(payload::FromBase64::default()));
    context.register_udf(ScalarUDF::from(language::Confidence::default()));
    Ok(())
}

#[cfg(test)]
mod tests;
