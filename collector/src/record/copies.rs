//! Copies of scenario and spec beside a recording, without secrets.

use toml::Value;

use crate::redact::Redactor;
use crate::spans::JsonPath;

/// A TOML text whose environment values, key-like words and URLs are redacted; comments are lost with the parsing,
/// since nobody can know what they hold.
pub(super) fn scenario(text: &str, redactor: &Redactor) -> String {
    match text.parse::<toml::Table>() {
        Ok(mut table) => {
            for (name, value) in &mut table {
                match (name.as_str(), value) {
                    ("pair", Value::Array(pairs)) => pairs.iter_mut().for_each(|pair| keep_paths(pair, redactor)),
                    (_, value) => redact(value, redactor),
                }
            }
            table.to_string()
        }
        // It was parsed before; a text that no longer parses is not copied.
        Err(error) => format!("# not copied: {}\n", error.message()),
    }
}

/// Where a value stands is no secret, whatever it is called: `recover` and `spans` read it again.
fn keep_paths(pair: &mut Value, redactor: &Redactor) {
    match pair {
        Value::String(text) if JsonPath::parse(text).is_some() => {}
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| keep_paths(value, redactor)),
        value => redact(value, redactor),
    }
}

fn redact(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.text(text),
        Value::Array(items) => words(items, redactor),
        Value::Table(table) => {
            for (name, value) in table.iter_mut() {
                match value {
                    Value::Table(variables) if name == "env" => hide_all(variables, redactor),
                    Value::String(text) if crate::redact::is_secret_name(name) => *text = redactor.token(text),
                    value => redact(value, redactor),
                }
            }
        }
        _ => {}
    }
}

/// The words of a command: what follows a flag named like a secret is one.
fn words(items: &mut [Value], redactor: &Redactor) {
    let mut hide = false;
    for item in items {
        match item {
            Value::String(word) if hide => {
                *word = redactor.token(word);
                hide = false;
            }
            Value::String(word) => {
                hide = word.starts_with('-') && !word.contains('=') && crate::redact::is_secret_name(word);
                *word = redactor.text(word);
            }
            item => redact(item, redactor),
        }
    }
}

fn hide_all(variables: &mut toml::Table, redactor: &Redactor) {
    for (_, value) in variables.iter_mut() {
        match value {
            Value::String(text) => *text = redactor.token(text),
            // A service may be called `env`.
            Value::Table(variables) => hide_all(variables, redactor),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_values_and_secrets_are_hidden() {
        let text = "name = 'x'\n[[process]]\nname = 'a'\ncommand = ['run', '--api-key=hunter2', '--token', 'hunter2', 'kept']\n\
                    env = { PORT = 'hunter2', N = 'hunter2' }\n[[project]]\nname = 'p'\nenv = { N = 'hunter2' }\nservices = { s = { env = { N = 'hunter2' } }, env = { env = { N = 'hunter2' } } }\n\
                    health = ['http://127.0.0.1/health?key=hunter2']\n[params]\ntoken = 'hunter2'\n";
        let copy = scenario(text, &Redactor::with_key(vec![1; 32], []));
        assert!(!copy.contains("hunter2"), "{copy}");
        let pair = "[[pair]]\nopens = 'a'\ncloses = 'b'\nkey = '$[0].token'\nattributes = { tokens = '$[0].tokens', token = 'hunter2' }\n";
        let copied = scenario(pair, &Redactor::with_key(vec![1; 32], []));
        assert!(copied.contains("$[0].token\"") && copied.contains("$[0].tokens"), "{copied}");
        assert!(copy.contains("PORT") && copy.contains("name = \"a\"") && copy.contains("\"kept\""), "{copy}");
    }
}
