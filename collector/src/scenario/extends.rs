//! A scenario that says only what differs from another one: `extends = "../base.toml"`.
//!
//! The files of a chain are merged as TOML before anything is checked, so that every check sees one scenario. Each
//! value keeps its place in its own file: the files lie behind one another in one imagined text, and what is wrong at
//! a place of that text is said of the file that holds it.

mod merge;
mod places;

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::written::{self, File};
use super::{Error, read_text};

/// The most files in a chain.
const MAX_FILES: usize = 8;

/// A scenario as it was written, in one file or several.
pub(super) struct Source {
    /// Its keys.
    pub(super) file: File,
    /// A text that says all of it: the file's own where it extends nothing.
    pub(super) text: String,
}

/// One file of a chain.
struct Layer {
    path: PathBuf,
    text: String,
    /// Where its text begins in the imagined one.
    from: usize,
}

/// Reads a scenario file and those that it extends.
///
/// # Errors
/// [`Error`] with the file and the place where something is wrong.
pub(super) fn read(path: &Path) -> Result<Source, Error> {
    let mut layers = chain(path)?;
    if layers.len() == 1 {
        let text = layers.remove(0).text;
        return Ok(Source { file: written::parse(path, &text)?, text });
    }
    let merged = merged(&layers)?;
    let wrong = |error: toml::de::Error| place_of(&layers, &error);
    let file = File::deserialize(Deserializer::from(merged.clone())).map_err(wrong)?;
    let table = toml::Table::deserialize(Deserializer::from(merged)).map_err(wrong)?;
    Ok(Source { file, text: table.to_string() })
}

/// The files of a chain, the one that was asked for first.
fn chain(path: &Path) -> Result<Vec<Layer>, Error> {
    let mut layers = vec![Layer { path: path.to_owned(), text: read_text(path)?, from: 0 }];
    let mut seen = vec![std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())];
    while let Some(base) = layers.last().and_then(base_of) {
        let Some(last) = layers.last() else { break };
        let wrong = |problem: String| Error::Meaning { path: last.path.clone(), place: "extends".to_owned(), problem };
        let known = std::fs::canonicalize(&base).map_err(|_| {
            wrong(format!("there is no file {} (paths begin at the scenario's folder)", base.display()))
        })?;
        if seen.contains(&known) {
            return Err(wrong(format!("{} extends itself in the end: break the circle", base.display())));
        }
        if layers.len() == MAX_FILES {
            return Err(wrong(format!("more than {MAX_FILES} files extend one another: say more in fewer files")));
        }
        let from = last.from + last.text.len() + 1;
        seen.push(known);
        layers.push(Layer { text: read_text(&base)?, path: base, from });
    }
    Ok(layers)
}

/// The file that this one extends. What is no TOML, or no path, is refused where the whole is parsed.
fn base_of(layer: &Layer) -> Option<PathBuf> {
    let table: toml::Table = layer.text.parse().ok()?;
    let base = table.get("extends")?.as_str()?;
    Some(layer.path.parent().unwrap_or(Path::new("")).join(base))
}

/// All of them as one table, from the one that extends nothing to the one that was asked for.
fn merged(layers: &[Layer]) -> Result<Spanned<DeTable<'_>>, Error> {
    let mut whole = DeTable::new();
    let mut span = 0..0;
    for (number, layer) in layers.iter().enumerate().rev() {
        let parsed = DeTable::parse(&layer.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            written::syntax(&layer.path, &layer.text, at, error.message())
        })?;
        span = moved(parsed.span(), layer.from);
        let mut table = merge::moved(parsed.into_inner(), layer.from);
        if number + 1 < layers.len() {
            // Each file's name is its own; what it extends has been read.
            table.remove("extends");
            whole.remove("name");
        }
        places::hold(&mut table, &whole, &places::folder(&layer.path));
        merge::merge(&mut whole, table);
    }
    if let Some(first) = layers.first() {
        places::free(&mut whole, &places::folder(&first.path));
    }
    Ok(Spanned::new(span, whole))
}

fn moved(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

/// What is wrong in the imagined text, said of the file that holds the place.
fn place_of(layers: &[Layer], error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start);
    let holds = |layer: &&Layer| at >= layer.from;
    let (path, text, from) = match layers.iter().rev().find(holds) {
        Some(layer) => (layer.path.as_path(), layer.text.as_str(), layer.from),
        None => (Path::new(""), "", 0),
    };
    written::syntax(path, text, at - from, error.message())
}

#[cfg(test)]
mod tests;
