//! TOML with the place of everything, so that every complaint can name its line.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{KEYS, Place, Query, near};
use crate::error::Error;

/// A spec's text and where it was read.
pub struct Document<'t> {
    path: PathBuf,
    text: &'t str,
}

/// A text value and the byte where it begins.
pub struct Text {
    /// The text.
    pub value: String,
    /// The byte of its opening quote.
    pub at: usize,
}

/// One table of the document. Its keys are taken out one by one; unknown ones were refused when it was opened.
pub struct Section<'t> {
    document: &'t Document<'t>,
    name: &'static str,
    at: usize,
    entries: Vec<(String, usize, Spanned<DeValue<'t>>)>,
}

impl<'t> Document<'t> {
    pub fn new(path: &Path, text: &'t str) -> Document<'t> {
        Document { path: path.to_owned(), text }
    }

    /// The table of the whole document.
    pub fn root(&'t self) -> Result<Section<'t>, Error> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, format!("not TOML: {}", error.message().replace('\n', ", ")))
        })?;
        self.section("", table.span().start, table.into_inner())
    }

    fn section(&'t self, name: &'static str, at: usize, table: DeTable<'t>) -> Result<Section<'t>, Error> {
        let known = KEYS.into_iter().find(|(section, _)| *section == name).map(|(_, keys)| keys).unwrap_or_default();
        let mut entries = Vec::new();
        for (key, value) in table {
            let at = key.span().start;
            let key = key.into_inner().into_owned();
            if !known.is_empty() && !known.contains(&key.as_str()) {
                let place = if name.is_empty() { "at the top of the spec".to_owned() } else { format!("in {name}") };
                let near = near(&key, known.iter().copied());
                let remedy = if near.is_empty() { format!("; known are {}", known.join(", ")) } else { near };
                return Err(self.wrong(at, format!("unknown key `{key}` {place}{remedy}")));
            }
            entries.push((key, at, value));
        }
        entries.sort_by_key(|(_, at, _)| *at);
        Ok(Section { document: self, name, at, entries })
    }

    fn wrong(&self, at: usize, problem: String) -> Error {
        Error::Spec { path: self.path.clone(), line: self.line(at), problem }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
    }

    /// Line and column (from 1) of the first character inside the quotes that open at a byte.
    fn content(&self, at: usize) -> (usize, usize) {
        let text = self.text.get(at..).unwrap_or_default();
        let quotes = if text.starts_with("\"\"\"") || text.starts_with("'''") { 3 } else { 1 };
        if text.get(quotes..).is_some_and(|content| content.starts_with('\n') || content.starts_with("\r\n")) {
            return (self.line(at) + 1, 1);
        }
        let line_start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        (self.line(at), self.text[line_start..at].chars().count() + quotes + 1)
    }
}

impl<'t> Section<'t> {
    /// The byte where the section begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// An error at a byte of the document.
    pub fn wrong(&self, at: usize, problem: String) -> Error {
        self.document.wrong(at, problem)
    }

    /// An error for a key that must be there.
    pub fn missing(&self, key: &str, what: &str) -> Error {
        let place = if self.name.is_empty() { "the spec" } else { self.name };
        self.wrong(self.at, format!("{place} has no `{key}`: write {what}"))
    }

    /// The keys that are left, in the order of the file.
    pub fn names(&self) -> Vec<(String, usize)> {
        self.entries.iter().map(|(key, at, _)| (key.clone(), *at)).collect()
    }

    /// Whether a key is there and was not taken yet.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _, _)| name == key)
    }

    fn take(&mut self, key: &str) -> Option<(DeValue<'t>, usize)> {
        let index = self.entries.iter().position(|(name, _, _)| name == key)?;
        let (_, _, value) = self.entries.remove(index);
        Some((value.get_ref().clone(), value.span().start))
    }

    fn mismatch(&self, key: &str, at: usize, wanted: &str, found: &DeValue<'_>) -> Error {
        self.wrong(at, format!("`{key}` in {} must be {wanted}, not {}", self.name, found.type_str()))
    }

    /// A text, where the key is there.
    pub fn text(&mut self, key: &str) -> Result<Option<Text>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some((DeValue::String(value), at)) => Ok(Some(Text { value: value.into_owned(), at })),
            Some((other, at)) => Err(self.mismatch(key, at, "a text", &other)),
        }
    }

    /// A text that must be there and not be blank.
    pub fn required_text(&mut self, key: &str) -> Result<Text, Error> {
        let text = self.text(key)?.ok_or_else(|| self.missing(key, &format!("`{key} = \"…\"`")))?;
        if text.value.trim().is_empty() {
            return Err(self.wrong(text.at, format!("`{key}` in {} is empty", self.name)));
        }
        Ok(text)
    }

    /// A text or a list of texts, where the key is there.
    pub fn texts(&mut self, key: &str) -> Result<Option<Vec<Text>>, Error> {
        let Some((value, at)) = self.take(key) else { return Ok(None) };
        let items = match value {
            DeValue::String(value) => return Ok(Some(vec![Text { value: value.into_owned(), at }])),
            DeValue::Array(items) => items,
            other => return Err(self.mismatch(key, at, "a list of texts", &other)),
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(value) => texts.push(Text { value: value.clone().into_owned(), at: item.span().start }),
                other => return Err(self.mismatch(key, item.span().start, "a list of texts", other)),
            }
        }
        Ok(Some(texts))
    }

    /// A whole number and its place, where the key is there.
    pub fn integer(&mut self, key: &str) -> Result<Option<(i64, usize)>, Error> {
        let Some((value, at)) = self.take(key) else { return Ok(None) };
        let number = value.as_integer().and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        match number {
            Some(number) => Ok(Some((number, at))),
            None => Err(self.mismatch(key, at, "a whole number", &value)),
        }
    }

    /// `true` or `false`, where the key is there.
    pub fn boolean(&mut self, key: &str) -> Result<Option<bool>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some((DeValue::Boolean(value), _)) => Ok(Some(value)),
            Some((other, at)) => Err(self.mismatch(key, at, "true or false", &other)),
        }
    }

    /// A number, where the key is there.
    pub fn number(&mut self, key: &str) -> Result<Option<f64>, Error> {
        let Some((value, at)) = self.take(key) else { return Ok(None) };
        let text = match &value {
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            other => return Err(self.mismatch(key, at, "a number", other)),
        };
        match text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.mismatch(key, at, "a finite number", &value)),
        }
    }

    /// The texts of a table of texts, by their keys; none where the key is not there.
    pub fn pairs(&mut self, key: &str) -> Result<Vec<(String, Text)>, Error> {
        let table = match self.take(key) {
            None => return Ok(Vec::new()),
            Some((DeValue::Table(table), _)) => table,
            Some((other, at)) => return Err(self.mismatch(key, at, "a table of texts", &other)),
        };
        let mut pairs = Vec::new();
        for (name, value) in table {
            let at = value.span().start;
            match value.into_inner() {
                DeValue::String(text) => {
                    pairs.push((name.into_inner().into_owned(), Text { value: text.into_owned(), at }))
                }
                other => return Err(self.mismatch(key, at, "a table of texts", &other)),
            }
        }
        Ok(pairs)
    }

    /// SQL that must be there.
    pub fn required_query(&mut self, key: &str, owner: String) -> Result<Query, Error> {
        let text = self.required_text(key)?;
        let (line, column) = self.document.content(text.at);
        Ok(Query { sql: text.value, owner, place: Place::Typed { line, column }, path: self.document.path.clone() })
    }

    /// SQL that was made of what stands at a byte of the document.
    pub fn query(&self, at: usize, sql: String, owner: String) -> Query {
        Query { sql, owner, place: Place::Made { line: self.document.line(at) }, path: self.document.path.clone() }
    }

    /// The table under a key, where it is there.
    pub fn table(&mut self, key: &'static str) -> Result<Option<Section<'t>>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some((DeValue::Table(table), at)) => self.document.section(titled(key), at, table).map(Some),
            Some((other, at)) => Err(self.mismatch(key, at, "a table", &other)),
        }
    }

    /// The tables of a list of tables; none where the key is not there.
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Section<'t>>, Error> {
        let items = match self.take(key) {
            None => return Ok(Vec::new()),
            Some((DeValue::Array(items), _)) => items,
            Some((other, at)) => return Err(self.mismatch(key, at, &format!("written as `[[{key}]]`"), &other)),
        };
        let mut sections = Vec::new();
        for item in items {
            let at = item.span().start;
            match item.into_inner() {
                DeValue::Table(table) => sections.push(self.document.section(titled(key), at, table)?),
                other => return Err(self.mismatch(key, at, &format!("written as `[[{key}]]`"), &other)),
            }
        }
        Ok(sections)
    }
}

/// The name of a section in [`KEYS`] and in messages.
fn titled(key: &str) -> &'static str {
    let matches = |title: &&str| title.trim_matches(['[', ']']) == key;
    KEYS.into_iter().map(|(title, _)| title).find(matches).unwrap_or_default()
}
