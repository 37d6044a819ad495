//! The faults that every spec has, without writing anything: a TOML file of our own, read by the code that reads a spec.

use std::collections::BTreeSet;
use std::path::Path;

use super::document::{Document, Section};
use super::{Fault, Origin, View, resolve};
use crate::error::Error;

const PATH: &str = "faults.toml (built in)";
const TEXT: &str = include_str!("faults.toml");
/// How the names of the views behind the default faults begin: no view of a spec may.
const PREFIX: &str = "fault_";
/// The one of them that a spec may write itself.
pub const CONCERNS: &str = "fault_concerns";

/// The default faults, and the views behind them.
pub struct Defaults {
    views: Vec<View>,
    faults: Vec<Fault>,
}

impl Defaults {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Spec`] where the built-in file is bad.
    pub fn read() -> Result<Defaults, Error> {
        let document = Document::new(Path::new(PATH), TEXT);
        let mut root = document.root()?;
        let views = resolve::views(root.table("views")?)?;
        let mut ids = BTreeSet::new();
        let mut faults = Vec::new();
        for mut section in root.tables("fault")? {
            faults.push(Fault { origin: Origin::Default, ..resolve::fault(&mut section, &mut ids)? });
        }
        Ok(Defaults { views, faults })
    }

    /// The spec's own views, then those of the defaults that it didn't write itself.
    pub fn behind_views(&self, mut own: Vec<View>) -> Vec<View> {
        let missing = self.views.iter().filter(|view| own.iter().all(|known| known.name != view.name));
        let missing: Vec<View> = missing.cloned().collect();
        own.extend(missing);
        own
    }

    /// The spec's own faults, then the defaults that none of them replaces.
    pub fn behind_faults(self, mut own: Vec<Fault>) -> Vec<Fault> {
        for fault in &mut own {
            if fault.id.is_some() && self.faults.iter().any(|default| default.id == fault.id) {
                fault.origin = Origin::Replacement;
            }
        }
        let kept: Vec<Fault> =
            self.faults.into_iter().filter(|default| own.iter().all(|fault| fault.id != default.id)).collect();
        own.extend(kept);
        own
    }
}

/// Refuses views of a spec that would shadow those of the defaults.
///
/// # Errors
/// [`Error::Spec`] with the line.
pub fn refuse_reserved(views: &Section<'_>) -> Result<(), Error> {
    match views.names().into_iter().find(|(name, _)| name.starts_with(PREFIX) && name != CONCERNS) {
        None => Ok(()),
        Some((name, at)) => {
            let problem = format!(
                "the view `{name}` begins with `{PREFIX}`, as those of the default faults do: choose another name \
                 (only `{CONCERNS}` can be written anew)"
            );
            Err(views.wrong(at, problem))
        }
    }
}
