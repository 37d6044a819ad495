//! The functions on real audio, through SQL where the way there matters. `tests/data/make.sh` made the files.

use std::f64::consts::TAU;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use datafusion::prelude::SessionContext;

use super::decode::{RawPcm, decode};
use super::similarity::similarity;
use super::sniff;
use super::sound::{Sound, Sounds};

const RAW: RawPcm = RawPcm { rate: 16_000, channels: 1 };

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn sound(name: &str) -> Arc<Sound> {
    Sounds::default().get(&file(name), None).unwrap()
}

/// Raw PCM at 16 kHz of a function of the sample's number.
fn pcm(seconds: f64, value: impl Fn(usize) -> f64) -> Vec<u8> {
    let samples = (seconds * 16_000.0) as usize;
    (0..samples).flat_map(|i| ((value(i).clamp(-1.0, 1.0) * 32_767.0) as i16).to_le_bytes()).collect()
}

fn raw(bytes: &[u8]) -> Arc<Sound> {
    Sounds::default().get(bytes, Some(RAW)).unwrap()
}

fn sine(hz: f64, i: usize) -> f64 {
    (TAU * hz * i as f64 / 16_000.0).sin()
}

/// Noise that is the same in every run.
fn noise(i: usize) -> f64 {
    let mut bits = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^= bits >> 29;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 40) as f64 / f64::from(1 << 23) - 1.0
}

fn wav(pcm: &[u8]) -> Vec<u8> {
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav[4..8].copy_from_slice(&(36 + pcm.len() as u32).to_le_bytes());
    wav.extend(16_000_u32.to_le_bytes());
    wav.extend(32_000_u32.to_le_bytes());
    wav.extend(*b"\x02\0\x10\0data");
    wav.extend((pcm.len() as u32).to_le_bytes());
    wav.extend(pcm);
    wav
}

#[test]
fn bytes_are_measured_as_what_they_are() {
    for (name, codec, rate, channels, seconds) in [
        ("english.aac", "aac", 44_100, 2, 4.0),
        ("english-again.aac", "aac", 22_050, 1, 4.0),
        ("english.m4a", "m4a", 44_100, 1, 2.0),
        ("english.mp3", "mp3", 22_050, 1, 2.0),
        ("tone.aac", "aac", 16_000, 1, 2.0),
    ] {
        let sound = sound(name);
        assert_eq!(sniff::codec(&file(name)), Some(codec), "{name}");
        assert_eq!((sound.rate, sound.channels), (rate, channels), "{name}");
        // An encoder may put two blocks before the sound, and fills up the last.
        assert!((sound.seconds - seconds).abs() < 0.2, "{name} lasts {} s", sound.seconds);
    }
}

#[test]
fn the_same_speech_is_recognised_however_it_was_sent() {
    let english = sound("english.aac");
    for name in ["english.aac", "english-again.aac", "english.m4a", "english.mp3"] {
        let found = similarity(&english.shape, &sound(name).shape).unwrap();
        assert!(found > 0.9, "{name}: {found}");
        let turned = similarity(&sound(name).shape, &english.shape).unwrap();
        assert!((turned - found).abs() < 1e-6, "{name}: {found} one way and {turned} the other");
    }
}

#[test]
fn other_speech_is_not_similar() {
    let names = ["english.aac", "other-english.aac", "spanish.aac", "tone.aac"];
    for (i, a) in names.iter().enumerate() {
        for b in &names[..i] {
            let found = similarity(&sound(a).shape, &sound(b).shape).unwrap();
            assert!(found < 0.5, "{a} and {b}: {found}");
        }
    }
}

#[test]
fn a_shift_of_more_than_a_second_is_another_sound() {
    let speech = decode(&file("english.aac"), None).unwrap();
    let raw = RawPcm { rate: speech.mono_rate as u32, channels: 1 };
    let after = |seconds: f64, gain: f32| {
        let silence = vec![0.0; (seconds * speech.mono_rate) as usize];
        let samples = silence.iter().chain(&speech.mono).map(|sample| (sample * gain * 32_767.0) as i16);
        Sounds::default().get(&samples.flat_map(i16::to_le_bytes).collect::<Vec<u8>>(), Some(raw)).unwrap()
    };
    let now = after(0.0, 1.0);
    let soon = similarity(&now.shape, &after(0.937, 0.1).shape).unwrap();
    assert!(soon > 0.9, "{soon}");
    let late = similarity(&now.shape, &after(2.0, 1.0).shape).unwrap();
    assert!(late < 0.5, "{late}");
}

#[test]
fn silence_is_like_silence_only() {
    let silence = raw(&pcm(2.0, |_| 0.0));
    assert_eq!(similarity(&silence.shape, &raw(&pcm(1.0, |_| 0.0)).shape), Some(1.0));
    assert_eq!(similarity(&silence.shape, &sound("english.aac").shape), Some(0.0));
    assert_eq!(silence.loudness_dbfs, -120.0);
    assert_eq!(silence.tonality, 0.0);
}

#[test]
fn still_sounds_are_compared_by_their_pitch() {
    let (low, again) = (raw(&pcm(2.0, |i| 0.5 * sine(300.0, i))), raw(&pcm(3.0, |i| 0.1 * sine(300.0, i + 7))));
    assert!(similarity(&low.shape, &again.shape).unwrap() > 0.95);
    let high = raw(&pcm(2.0, |i| 0.5 * sine(1500.0, i)));
    assert!(similarity(&low.shape, &high.shape).unwrap() < 0.5);
}

#[test]
fn what_is_shorter_than_a_frame_is_like_nothing() {
    let short = raw(&pcm(0.01, |i| sine(440.0, i)));
    assert_eq!(similarity(&short.shape, &sound("english.aac").shape), None);
    assert_eq!(short.tonality, 0.0);
}

#[test]
fn loudness_is_rms_below_full_scale() {
    for (level, dbfs) in [(1.0, -3.01), (0.1, -23.01)] {
        let found = raw(&pcm(1.0, |i| level * sine(440.0, i))).loudness_dbfs;
        assert!((found - dbfs).abs() < 0.05, "{level}: {found}");
    }
    // Two channels that cancel each other are loud all the same.
    let opposed = pcm(1.0, |i| if i % 2 == 0 { 0.5 } else { -0.5 });
    let found = Sounds::default().get(&opposed, Some(RawPcm { rate: 16_000, channels: 2 })).unwrap();
    assert!((found.loudness_dbfs + 6.02).abs() < 0.05, "{}", found.loudness_dbfs);
    assert!((found.seconds - 0.5).abs() < 1e-9);
}

#[test]
fn tones_are_tonal_and_speech_and_noise_are_not() {
    for name in ["english.aac", "other-english.aac", "spanish.aac", "english-again.aac"] {
        assert!(sound(name).tonality < 0.3, "{name}: {}", sound(name).tonality);
    }
    assert!(sound("tone.aac").tonality > 0.9, "{}", sound("tone.aac").tonality);
    let tremolo = raw(&pcm(3.0, |i| (0.4 + 0.3 * sine(3.0, i)) * sine(440.0, i)));
    assert!(tremolo.tonality > 0.9, "{}", tremolo.tonality);
    let chord = raw(&pcm(3.0, |i| 0.2 * (sine(300.0, i) + sine(420.0, i) + sine(1000.0, i))));
    assert!(chord.tonality > 0.9, "{}", chord.tonality);
    let hiss = raw(&pcm(3.0, |i| 0.3 * noise(i)));
    assert!(hiss.tonality < 0.2, "{}", hiss.tonality);
}

#[test]
fn wav_and_raw_pcm_are_one_sound() {
    let bytes = pcm(1.0, |i| 0.3 * sine(500.0, i));
    let (from_wav, from_raw) = (Sounds::default().get(&wav(&bytes), None).unwrap(), raw(&bytes));
    assert_eq!((from_wav.rate, from_wav.channels), (16_000, 1));
    assert_eq!(from_wav.seconds, from_raw.seconds);
    assert!((from_wav.loudness_dbfs - from_raw.loudness_dbfs).abs() < 1e-6);
}

#[test]
fn a_claim_of_raw_pcm_is_believed_only_of_bytes_that_say_nothing() {
    let claim = |bytes: &[u8], format, rate| RawPcm::claimed(bytes, Some(format), Some(rate), Some(1));
    assert_eq!(claim(&[0; 8], "pcm_s16le", 16_000), Some(RAW));
    assert_eq!(claim(&file("tone.aac"), "pcm_s16le", 16_000), None);
    assert_eq!(claim(&[0; 8], "aac", 16_000), None);
    assert_eq!(claim(&[0; 8], "pcm_s16le", 0), None);
    assert_eq!(claim(&[0; 8], "pcm_s16le", i64::MAX), None);
}

#[test]
fn what_is_cut_off_is_measured_as_far_as_it_goes() {
    let whole = file("english.aac");
    let half = Sounds::default().get(&whole[..whole.len() / 2], None).unwrap();
    assert!(half.seconds > 1.0 && half.seconds < 3.0, "{}", half.seconds);
}

#[test]
fn nonsense_has_no_sound_and_does_no_harm() {
    let sounds = Sounds::default();
    assert!(sounds.get(b"", None).is_none());
    assert!(sounds.get(b"not audio at all", None).is_none());
    assert!(sounds.get(&[], Some(RAW)).is_none());
    for name in ["english.aac", "english.m4a", "english.mp3"] {
        let bytes = file(name);
        for round in 0..40_usize {
            let mut broken = bytes[..bytes.len().min(9000)].to_vec();
            for hit in 0..8 {
                let at = (round * 7919 + hit * 104_729) % broken.len();
                broken[at] = (noise(round * 8 + hit) * 127.0) as u8;
            }
            // Whatever comes of it, it comes back.
            sounds.get(&broken, None);
        }
    }
}

#[test]
fn a_reader_that_panics_costs_one_sound() {
    // 64 channels of which the mask names one: Symphonia 0.6.1 shifts by 63 and overflows, where overflows are caught.
    let mut wav = b"RIFF\xff\0\0\0WAVEfmt \x28\0\0\0\xfe\xff\x40\0\x80\x3e\0\0\0\x80\x1f\0\x80\0\x10\0".to_vec();
    wav.extend(*b"\x16\0\x10\0\x01\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71data\x80\0\0\0");
    wav.extend([0; 128]);
    let sounds = Sounds::default();
    sounds.get(&wav, None);
    assert!(sounds.get(&file("tone.aac"), None).is_some());
}

async fn ask(query: &str) -> datafusion::error::Result<RecordBatch> {
    let context = SessionContext::new();
    super::register(&context)?;
    let schema = arrow::datatypes::Schema::new(vec![
        arrow::datatypes::Field::new("name", arrow::datatypes::DataType::Utf8, false),
        arrow::datatypes::Field::new("bytes", arrow::datatypes::DataType::LargeBinary, true),
    ]);
    let names = ["english.aac", "english-again.aac", "spanish.aac", "tone.aac"];
    let files: Vec<Vec<u8>> = names.iter().map(|name| file(name)).collect();
    let name: arrow::array::StringArray = names.iter().copied().chain(["nothing", "text"]).map(Some).collect();
    let contents = files.iter().map(|bytes| Some(bytes.as_slice())).chain([None, Some(b"text".as_slice())]);
    let bytes: arrow::array::LargeBinaryArray = contents.collect();
    context.register_batch("audio", RecordBatch::try_new(Arc::new(schema), vec![Arc::new(name), Arc::new(bytes)])?)?;
    let batches = context.sql(query).await?.collect().await?;
    Ok(arrow::compute::concat_batches(&batches[0].schema(), &batches)?)
}

fn numbers(batch: &RecordBatch, column: usize) -> Vec<Option<f64>> {
    batch.column(column).as_primitive::<Float64Type>().iter().collect()
}

#[tokio::test]
async fn sql_calls_them_with_and_without_what_is_claimed() {
    let query = "SELECT audio_seconds(bytes), audio_seconds(bytes, 'pcm_s16le', 48000, 2), loudness(bytes),
                 tonality(bytes, NULL, NULL, NULL), audio_codec(bytes), audio_rate(bytes), audio_channels(bytes)
                 FROM audio ORDER BY name";
    let batch = ask(query).await.unwrap();
    assert!(numbers(&batch, 0)[0].unwrap() > 3.9);
    assert_eq!(numbers(&batch, 0)[2], None, "NULL of NULL");
    assert_eq!(numbers(&batch, 0)[4], None, "what can't be decoded is NULL");
    assert_eq!(numbers(&batch, 1)[0], numbers(&batch, 0)[0], "the bytes know better");
    assert!(numbers(&batch, 3)[5].unwrap() > 0.9);
    assert_eq!(batch.column(4).as_string::<i32>().value(0), "aac");
    assert!(batch.column(4).is_null(4));
    assert_eq!(batch.column(5).as_primitive::<arrow::datatypes::Int64Type>().value(1), 44_100);
    assert_eq!(batch.column(6).as_primitive::<arrow::datatypes::Int64Type>().value(1), 2);
}

#[tokio::test]
async fn sql_compares_two_sounds() {
    let query = "SELECT similarity(a.bytes, b.bytes), similarity(a.bytes, 'aac', 44100, 2, b.bytes, 'aac', 22050, 1)
                 FROM audio a CROSS JOIN audio b WHERE a.name = 'english.aac' ORDER BY b.name";
    let batch = ask(query).await.unwrap();
    let short = numbers(&batch, 0);
    assert!(short[0].unwrap() > 0.9 && short[1].unwrap() > 0.99 && short[3].unwrap() < 0.5, "{short:?}");
    assert_eq!(short[2], None);
    assert_eq!(short, numbers(&batch, 1));
}

#[tokio::test]
async fn sql_reads_json_and_tells_languages() {
    let query = r#"SELECT json_get_str('[{"text": "El tren a las montañas sale a las nueve."}]', 0, 'text'),
                   language_confidence(json_get_str('[{"text": "El tren a las montañas sale a las nueve."}]', 0, 'text'), 'es'),
                   language_confidence(NULL, 'es'), '[{"n": 7}]'->0->>'n',
                   from_base64('aGk=') = from_base64(CAST('aGk' AS BYTEA)), from_base64('?') IS NULL"#;
    let batch = ask(query).await.unwrap();
    assert!(numbers(&batch, 1)[0].unwrap() > 0.6, "{:?}", numbers(&batch, 1));
    assert_eq!(numbers(&batch, 2)[0], None);
    assert_eq!(batch.column(3).as_string::<i32>().value(0), "7");
    assert!(batch.column(4).as_boolean().value(0) && batch.column(5).as_boolean().value(0));
}

#[tokio::test]
async fn wrong_arguments_are_refused_with_the_right_ones() {
    for (query, remedy) in [
        ("SELECT loudness(name) FROM audio", "loudness(bytes, format, rate, channels) or loudness(bytes)"),
        ("SELECT loudness(bytes, 'aac') FROM audio", "loudness(bytes, format, rate, channels)"),
        ("SELECT from_base64(1) FROM audio", "from_base64(text)"),
        ("SELECT similarity(bytes) FROM audio", "similarity(bytes, bytes)"),
        ("SELECT language_confidence(name, 1) FROM audio", "language_confidence(text, code)"),
        ("SELECT language_confidence(name, 'klingon') FROM audio", "en, es, fr, de, it, pt"),
    ] {
        let error = ask(query).await.unwrap_err().to_string();
        assert!(error.contains(remedy), "{query}: {error}");
    }
}
