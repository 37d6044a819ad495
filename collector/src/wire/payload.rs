//! Lifts large values out of JSON while it is parsed, so that they are never copied into it.
//!
//! A string of 4 KiB or more and a binary attachment become
//! `{"$blob": sha256, "bytes": n, "encoding": "base64" | "utf8" | "binary"}`. A peer's own key
//! `$blob` becomes `$$blob`, its `$$blob` becomes `$$$blob`, so the way back is known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, json};
use sha2::{Digest, Sha256};

use super::{Blob, media_type};

/// Strings of so many bytes are lifted.
const LARGE_BYTES: usize = 4096;

/// Parses JSON text and lifts its large strings. More than `max_values` values are refused, as
/// parsed JSON takes many times the memory of its text.
pub(super) fn parse(text: &str, max_values: usize) -> Result<(Value, Vec<Blob>), String> {
    let mut lifter = Lifter { blobs: Vec::new(), values_left: max_values };
    let mut json = serde_json::Deserializer::from_str(text);
    let value = lifter.deserialize(&mut json);
    match value.and_then(|value| json.end().map(|()| value)) {
        Ok(value) => Ok((value, lifter.blobs)),
        Err(_) if lifter.values_left == 0 => Err(format!("budget: the JSON has more than {max_values} values")),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

/// A blob and the reference that stands for it.
pub(super) fn lift(bytes: Vec<u8>, encoding: &str) -> (Value, Blob) {
    let sha256 = hex(&Sha256::digest(&bytes));
    let reference = json!({"$blob": sha256, "bytes": bytes.len(), "encoding": encoding});
    let media_type = media_type::sniff(&bytes);
    let blob = Blob { sha256, bytes, media_type };
    (reference, blob)
}

/// Puts the references of attachments where their placeholders are.
pub(super) fn attach(value: &mut Value, attachments: &[Value]) -> Result<(), String> {
    match value {
        Value::Array(items) => all(items.iter_mut(), attachments),
        Value::Object(fields) if is_placeholder(fields) => {
            let number = fields.get("num").and_then(Value::as_u64);
            let number = number.and_then(|number| usize::try_from(number).ok());
            match number.and_then(|number| attachments.get(number)) {
                Some(reference) => *value = reference.clone(),
                None => return Err("a placeholder names no attachment".to_owned()),
            }
            Ok(())
        }
        Value::Object(fields) => all(fields.values_mut(), attachments),
        _ => Ok(()),
    }
}

fn all<'a>(values: impl Iterator<Item = &'a mut Value>, attachments: &[Value]) -> Result<(), String> {
    // All of them are tried: what has arrived is shown although something else is missing.
    let mut result = Ok(());
    for value in values {
        result = result.and(attach(value, attachments));
    }
    result
}

fn is_placeholder(fields: &Map<String, Value>) -> bool {
    fields.get("_placeholder") == Some(&Value::Bool(true))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A peer's key must not look like one of ours.
fn escape(mut key: String) -> String {
    if key.strip_suffix("$blob").is_some_and(|rest| rest.bytes().all(|b| b == b'$')) {
        key.insert(0, '$');
    }
    key
}

struct Lifter {
    blobs: Vec<Blob>,
    values_left: usize,
}

impl Lifter {
    fn spend<E: Error>(&mut self) -> Result<(), E> {
        match self.values_left.checked_sub(1) {
            Some(left) => self.values_left = left,
            None => return Err(E::custom("too many values")),
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Value {
        if text.len() < LARGE_BYTES {
            return Value::String(text.to_owned());
        }
        // STANDARD takes only the one canonical text of the bytes, so encoding them gives it back.
        let (reference, blob) = match STANDARD.decode(text) {
            Ok(bytes) => lift(bytes, "base64"),
            Err(_) => lift(text.as_bytes().to_vec(), "utf8"),
        };
        self.blobs.push(blob);
        reference
    }
}

impl<'de> DeserializeSeed<'de> for &mut Lifter {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Lifter {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(self.string(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(&mut *self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            fields.insert(escape(key), access.next_value_seed(&mut *self)?);
        }
        Ok(Value::Object(fields))
    }
}
