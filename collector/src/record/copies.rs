//! Copies of scenario and spec beside a recording, without secrets.

use toml::Value;

use crate::redact::Redactor;

/// A TOML text whose environment values, key-like words and URLs are redacted; comments are lost with the parsing,
/// since nobody can know what they hold.
pub(super) fn scenario(text: &str, redactor: &Redactor) -> String {
    match text.parse::<toml::Table>() {
        Ok(mut table) => {
            for (_, value) in &mut table {
                redact(value, redactor);
            }
            table.to_string()
        }
        // It was parsed before; a text that no longer parses is not copied.
        Err(error) => format!("# not copied: {}\n", error.message()),
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
        assert!(copy.contains("PORT") && copy.contains("name = \"a\"") && copy.contains("\"kept\""), "{copy}");
    }
}
