//! What differs between any two runs and says nothing: the run's own names, ids, times, sessions, ports. The rules are
//! a table, `replay diff --rules` prints it.

use std::sync::LazyLock;

use recording::run::RunFile;
use regex::{Captures, Regex};

/// One rule: what is found is written as what stands for it.
pub struct Rule {
    /// What stands for it.
    pub written: &'static str,
    /// What it is.
    pub says: &'static str,
    pattern: &'static str,
    is: fn(&str) -> bool,
}

/// The run's own names come first, then these, in their order.
pub const RULES: [Rule; 6] = [
    Rule {
        written: "${time}",
        says: "times of day with their date, and stamps like 20261124T070000Z",
        pattern: r"\b\d{4}-?\d{2}-?\d{2}[T ]\d{2}:?\d{2}:?\d{2}(?:[.,]\d+)?Z?\b",
        is: always,
    },
    Rule {
        written: "${time}",
        says: "seconds, milli-, micro- and nanoseconds since 1970 (10, 13, 16 or 19 digits that begin with 1)",
        pattern: r"\b1\d{9}(?:\d{3}){0,3}(?:\.\d+)?\b",
        is: always,
    },
    Rule {
        written: "${uuid}",
        says: "UUIDs",
        pattern: r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
        is: always,
    },
    Rule {
        written: "${hex}",
        says: "12 hexadecimal digits and more, one of them at least in 0 to 9",
        pattern: r"(?i)\b(?:0x)?[0-9a-f]{12,}\b",
        is: has_digit,
    },
    Rule {
        written: "${sid}",
        says: "session ids: 20 letters and digits, small and large ones among them",
        pattern: r"\b[A-Za-z0-9_-]{20}\b",
        is: is_mixed,
    },
    Rule {
        written: "${port}",
        says: "ports behind an IP address or localhost",
        pattern: r"\b(?P<kept>(?:\d{1,3}(?:\.\d{1,3}){3}|localhost):)\d{1,5}\b",
        is: always,
    },
];

static PATTERNS: LazyLock<Vec<(Regex, &Rule)>> =
    LazyLock::new(|| RULES.iter().filter_map(|rule| Some((Regex::new(rule.pattern).ok()?, rule))).collect());

fn always(_: &str) -> bool {
    true
}

fn has_digit(found: &str) -> bool {
    found.trim_start_matches("0x").contains(|letter: char| letter.is_ascii_digit())
}

fn is_mixed(found: &str) -> bool {
    let has = |is: fn(&char) -> bool| found.chars().any(|letter| is(&letter));
    has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit)
}

/// The noise of one run.
pub struct Noise {
    own: Vec<(String, &'static str)>,
}

/// Shorter names may be parts of other words.
const SHORTEST: usize = 4;

impl Noise {
    /// The names that are the run's own: its stream and its id.
    pub fn of(run: &RunFile) -> Noise {
        let mut own = vec![(run.stream.clone(), "${stream}"), (run.run_id.clone(), "${run}")];
        own.retain(|(name, _)| name.len() >= SHORTEST);
        // What contains another name is replaced before it.
        own.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Noise { own }
    }

    /// A text without noise.
    pub fn without(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, written) in &self.own {
            text = text.replace(name.as_str(), written);
        }
        for (pattern, rule) in PATTERNS.iter() {
            let write = |found: &Captures<'_>| match (rule.is)(&found[0]) {
                true => format!("{}{}", found.name("kept").map_or("", |kept| kept.as_str()), rule.written),
                false => found[0].to_owned(),
            };
            text = pattern.replace_all(&text, write).into_owned();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(stream: &str, run_id: &str) -> Noise {
        Noise { own: vec![(stream.into(), "${stream}"), (run_id.into(), "${run}")] }
    }

    #[test]
    fn every_rule_is_a_pattern() {
        assert_eq!(PATTERNS.len(), RULES.len());
    }

    #[test]
    fn what_is_noise() {
        let noise = noise("live-a1", "small-20261124T070000Z-aaaa");
        for (text, without) in [
            ("path live/live-a1/in", "path live/${stream}/in"),
            ("small-20261124T070000Z-aaaa", "${run}"),
            ("other-20261124T070000Z-bbbb", "other-${time}-bbbb"),
            ("2026-11-24 11:11:28,849 INFO up", "${time} INFO up"),
            ("2026-11-24T11:11:30.106Z up", "${time} up"),
            ("at 1795518697047 ms", "at ${time} ms"),
            ("at 1795518697.25", "at ${time}"),
            ("id 9C1c14b7-1eee-4a22-8ed6-c9fb2d41c207!", "id ${uuid}!"),
            ("sha256:4e811e9da999 0xdeadbeef0123", "sha256:${hex} ${hex}"),
            ("session nw3QcJVfDt8WStyLAAAA", "session ${sid}"),
            ("http://127.0.0.1:49152/x localhost:3000", "http://127.0.0.1:${port}/x localhost:${port}"),
        ] {
            assert_eq!(noise.without(text), without, "{text}");
        }
    }

    #[test]
    fn what_is_not() {
        let noise = noise("live-a1", "small-20261124T070000Z-aaaa");
        for text in
            ["9 of 10 answers", "status 200", "exit 137", "version 1.22.0", "deadbeefdeadbeef", "at 12:30", "12345678"]
        {
            assert_eq!(noise.without(text), text);
        }
    }
}
