//! Where a value stands in an event's arguments: a path as SQL/JSON writes it, `$[0].job.id`.

use serde_json::Value;

/// A path to one value. It has no wildcards and no filters: a key is one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// The same as an RFC 6901 pointer.
    pointer: String,
}

impl JsonPath {
    /// Reads `$`, the number of an argument as in `[0]`, then any of `[0]`, `.name` and `."any name"`. `None` where it is
    /// none.
    pub fn parse(text: &str) -> Option<JsonPath> {
        let mut rest = text.trim().strip_prefix('$').filter(|rest| rest.starts_with('['))?;
        let mut pointer = String::new();
        while !rest.is_empty() {
            let step;
            (step, rest) = match rest.strip_prefix('[') {
                Some(index) => index.split_once(']').filter(|(index, _)| index.parse::<usize>().is_ok())?,
                None => member(rest.strip_prefix('.')?)?,
            };
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        Some(JsonPath { pointer })
    }

    /// The value there.
    pub fn find<'a>(&self, args: &'a Value) -> Option<&'a Value> {
        args.pointer(&self.pointer).filter(|value| !value.is_null())
    }

    /// The value there as text, where it is one that can tell things apart.
    pub fn text(&self, args: &Value) -> Option<String> {
        match self.find(args)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }
}

fn member(rest: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = rest.strip_prefix('"') {
        return quoted.split_once('"');
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_what_it_names_and_nothing_else() {
        let args = serde_json::json!([{"id": "a", "n": 7, "in": {"x/y": [true, null]}}]);
        let text = |path: &str| JsonPath::parse(path).expect("it is a path").text(&args);
        assert_eq!(text("$[0].id").as_deref(), Some("a"));
        assert_eq!(text("$[0].n").as_deref(), Some("7"));
        assert_eq!(text("$[0].in.\"x/y\"[0]").as_deref(), Some("true"));
        for nothing in ["$[1].id", "$[0].in", "$[0].in.\"x/y\"[1]"] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
        for wrong in ["", "$", "$.id", "id", "[0].id", "$[x]", "$[0]id", "$.", "$..id", "$[0].a-b", "$[*].id", "$[0"] {
            assert_eq!(JsonPath::parse(wrong), None, "{wrong}");
        }
    }
}
