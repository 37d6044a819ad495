//! Names that the spec looks for and the recording doesn't have, although another is near.

use std::collections::BTreeSet;
use std::fmt;

/// The names of one assertion, and those that were recorded.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names of samples.
    pub samples: Vocabulary,
    /// Names of events.
    pub events: Vocabulary,
}

/// Names of one sort.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// What the assertion looks for.
    pub wanted: BTreeSet<String>,
    /// What was recorded.
    pub recorded: BTreeSet<String>,
}

/// A name that is absent, and the one that may have taken its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// `sample` or `event`.
    pub sort: &'static str,
    /// What the assertion looks for.
    pub wanted: String,
    /// What was recorded.
    pub near: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} is named `{}`; did you mean `{}`?", self.sort, self.wanted, self.near)
    }
}

impl Names {
    /// What has drifted; `None` where nothing has.
    pub fn drift(&self) -> Option<Drift> {
        let found = [("sample", &self.samples), ("event", &self.events)];
        found.into_iter().find_map(|(sort, names)| {
            let (wanted, near) = names.drifted()?;
            Some(Drift { sort, wanted: wanted.to_owned(), near: near.to_owned() })
        })
    }
}

impl Vocabulary {
    /// A wanted name that is absent, and a recorded one near it that isn't wanted itself.
    fn drifted(&self) -> Option<(&str, &str)> {
        let absent = self.wanted.difference(&self.recorded);
        let strangers: Vec<&String> = self.recorded.difference(&self.wanted).collect();
        absent.into_iter().find_map(|wanted| {
            let near = strangers
                .iter()
                .filter(|name| is_near(wanted, name))
                .min_by_key(|name| strsim::osa_distance(wanted, name))?;
            Some((wanted.as_str(), near.as_str()))
        })
    }
}

/// At most two letters differ, or one is the other after a prefix.
fn is_near(one: &str, other: &str) -> bool {
    let shorter = one.len().min(other.len());
    let is_suffix = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|prefix| prefix.ends_with(|character: char| !character.is_alphanumeric()))
    };
    let distance = strsim::osa_distance(one, other);
    (distance <= 2 && distance * 2 < shorter) || is_suffix(one, other) || is_suffix(other, one)
}
