//! `[[pair]]`: events that belong together.

use std::collections::BTreeSet;

use super::Resolver;
use crate::scenario::{Error, written};
use crate::spans::{JsonPath, Pair, is_own};

impl Resolver<'_> {
    pub(super) fn pairs(&self, written: Vec<written::Pair>, taps: &[String]) -> Result<Vec<Pair>, Error> {
        let mut names = BTreeSet::new();
        written
            .into_iter()
            .map(|pair| {
                let name = pair.name.clone().unwrap_or_else(|| pair.opens.clone());
                let place = format!("[[pair]] {name}");
                if !names.insert(name.clone()) {
                    return Err(self.error(place, "this name is taken: give each pair a `name` of its own"));
                }
                self.pair(&place, name, pair, taps)
            })
            .collect()
    }

    fn pair(&self, place: &str, name: String, pair: written::Pair, taps: &[String]) -> Result<Pair, Error> {
        if let Some(tap) = &pair.tap
            && !taps.contains(tap)
        {
            return Err(self.error(place, format!("there is no [[tap]] {tap}")));
        }
        if pair.closes.is_some() && pair.key.is_none() {
            let problem = "`closes` needs a `key`: the path in both events' arguments of what makes them one pair, as in `$[0].id`";
            return Err(self.error(place, problem));
        }
        if !pair.ok.is_empty() && pair.status.is_none() {
            return Err(self.error(place, "`ok` needs `status`: the path in the closing event where it stands"));
        }
        if let Some(name) = pair.attributes.keys().find(|name| is_own(name)) {
            return Err(
                self.error(place, format!("attributes: the span has a `{name}` of its own: choose another name"))
            );
        }
        let mut parts = BTreeSet::new();
        let named = [Some(&pair.opens), pair.closes.as_ref().filter(|closes| **closes != pair.opens)];
        let named = named.into_iter().flatten().chain(&pair.acks).chain(&pair.events).chain(&pair.errors);
        for event in named {
            if event.is_empty() {
                return Err(self.error(place, "an event's name is empty"));
            }
            if !parts.insert(event) {
                return Err(self.error(place, format!("`{event}` stands twice: an event has one part in a pair")));
            }
        }
        let path = |key: &str, text: Option<&str>| {
            text.map(|text| self.json_path(&format!("{place}: {key}"), text)).transpose()
        };
        Ok(Pair {
            key: path("key", pair.key.as_deref())?,
            status: path("status", pair.status.as_deref())?,
            error: path("error", pair.error.as_deref())?,
            stages: path("stages", pair.stages.as_deref())?,
            attributes: pair
                .attributes
                .iter()
                .map(|(name, text)| Ok((name.clone(), self.json_path(&format!("{place}: attributes.{name}"), text)?)))
                .collect::<Result<_, Error>>()?,
            name,
            tap: pair.tap,
            opens: pair.opens,
            closes: pair.closes,
            acks: pair.acks.into_iter().collect(),
            events: pair.events.into_iter().collect(),
            errors: pair.errors.into_iter().collect(),
            ok: pair.ok.into_iter().collect(),
        })
    }

    fn json_path(&self, place: &str, text: &str) -> Result<JsonPath, Error> {
        JsonPath::parse(text).ok_or_else(|| {
            self.error(
                place,
                format!("`{text}` is no path: write `$[0].id`, or `$[0].\"any name\"` (the first argument is `$[0]`)"),
            )
        })
    }
}
