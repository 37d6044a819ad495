//! The values inside of JSON, and the same text with one of them altered.

use serde_json::Value;

/// One value that is no list or object.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The way to it, as RFC 6901 (JSON Pointer) writes it.
    pub pointer: String,
    /// The last name on that way; empty where there is none.
    pub key: String,
    /// The value.
    pub value: Value,
}

/// Every leaf; a reference to a blob is one too, since what it stands for is a text.
pub fn leaves(json: &Value) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(json, "", "", &mut found);
    found
}

fn collect(json: &Value, pointer: &str, key: &str, found: &mut Vec<Leaf>) {
    match json {
        Value::Object(fields) if !fields.contains_key("$blob") => {
            for (name, value) in fields {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                collect(value, &format!("{pointer}/{escaped}"), name, found);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                collect(value, &format!("{pointer}/{place}"), key, found);
            }
        }
        value => found.push(Leaf { pointer: pointer.to_owned(), key: key.to_owned(), value: value.clone() }),
    }
}

/// The way to a leaf for people: without the places in lists that have only one item to tell apart.
pub fn in_words(pointer: &str) -> String {
    let names = pointer.split('/').filter(|name| !name.is_empty() && name.parse::<usize>().is_err());
    names.map(|name| name.replace("~1", "/").replace("~0", "~")).collect::<Vec<_>>().join(".")
}

/// What a leaf may say instead, each with the word for it.
pub fn instead(value: &Value) -> Vec<(&'static str, Value)> {
    match value {
        Value::Bool(flag) => vec![("negated", Value::Bool(!flag))],
        Value::Number(number) => {
            let zero = if number.as_f64() == Some(0.0) { ("1", 1.into()) } else { ("0", 0.into()) };
            let double = match number.as_i64() {
                Some(whole) => whole.checked_mul(2).map(Value::from),
                None => number.as_f64().map(|number| (2.0 * number).into()),
            };
            let double = double.filter(|double| double != value).map(|double| ("doubled", double));
            std::iter::once(zero).chain(double).collect()
        }
        Value::String(text) if text.is_empty() => vec![("another text", "altered".into())],
        Value::String(text) => vec![("emptied", "".into()), ("another text", altered(text).into())],
        _ => Vec::new(),
    }
}

/// The text that stands next to a text in the same object, where it says something else.
pub fn sibling<'a>(all: &'a [Leaf], leaf: &Leaf) -> Option<&'a Leaf> {
    let parent = |leaf: &Leaf| leaf.pointer.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    let place = all.iter().position(|other| other.pointer == leaf.pointer)?;
    let others = all.iter().cycle().skip(place + 1).take(all.len() - 1);
    let texts = others.filter(|other| other.value.is_string() && leaf.value.is_string() && other.value != leaf.value);
    texts.into_iter().find(|other| parent(other) == parent(leaf))
}

/// A text of the same length that says nothing.
pub fn altered(text: &str) -> String {
    "altered ".chars().cycle().take(text.chars().count()).collect()
}

/// The JSON with one leaf replaced, or removed; `None` where there is no such leaf.
pub fn with(json: &Value, pointer: &str, value: Option<Value>) -> Option<Value> {
    let mut json = json.clone();
    let (parent, last) = pointer.rsplit_once('/')?;
    match (json.pointer_mut(parent)?, value) {
        (Value::Object(fields), None) => _ = fields.remove(&last.replace("~1", "/").replace("~0", "~"))?,
        (Value::Object(fields), Some(value)) => *fields.get_mut(&last.replace("~1", "/").replace("~0", "~"))? = value,
        (Value::Array(items), None) => *items.get_mut(last.parse::<usize>().ok()?)? = Value::Null,
        (Value::Array(items), Some(value)) => *items.get_mut(last.parse::<usize>().ok()?)? = value,
        _ => return None,
    }
    Some(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_by_their_ways() {
        let json = json!([{ "a/b": { "$blob": "3f", "bytes": 7 }, "c": [1, { "d": true }] }]);
        let found: Vec<(String, String)> = leaves(&json).into_iter().map(|leaf| (leaf.pointer, leaf.key)).collect();
        let expected = [("/0/a~1b", "a/b"), ("/0/c/0", "c"), ("/0/c/1/d", "d")];
        assert_eq!(found, expected.map(|(pointer, key)| (pointer.to_owned(), key.to_owned())));
        assert_eq!(in_words("/0/a~1b/1/d"), "a/b.d");
    }

    #[test]
    fn one_leaf_is_altered_and_nothing_else() {
        let json = json!([{ "a/b": 1, "c": [2, 3] }]);
        assert_eq!(with(&json, "/0/a~1b", Some(json!(9))), Some(json!([{ "a/b": 9, "c": [2, 3] }])));
        assert_eq!(with(&json, "/0/a~1b", None), Some(json!([{ "c": [2, 3] }])));
        assert_eq!(with(&json, "/0/c/1", None), Some(json!([{ "a/b": 1, "c": [2, null] }])));
        assert_eq!(with(&json, "/0/d", None), None);
    }

    #[test]
    fn the_next_text_in_the_same_object() {
        let all = leaves(&json!({ "a": "x", "n": 1, "in": { "c": "z" }, "b": "y" }));
        let next = |pointer: &str| {
            let leaf = all.iter().find(|leaf| leaf.pointer == pointer)?;
            sibling(&all, leaf).map(|other| other.key.as_str())
        };
        assert_eq!((next("/a"), next("/b"), next("/n"), next("/in/c")), (Some("b"), Some("a"), None, None));
    }

    #[test]
    fn what_a_leaf_may_say_instead_differs_from_it() {
        for value in [json!(0), json!(7), json!(-1.5), json!(true), json!(""), json!("hola, mundo"), json!(i64::MAX)] {
            let instead = instead(&value);
            assert!(!instead.is_empty() && instead.iter().all(|(_, other)| *other != value), "{value}: {instead:?}");
        }
        assert_eq!(altered("a text of some length").chars().count(), 21);
    }
}
