//! Verdicts, for people and for programs.

mod json;
mod text;

use super::{print, print_json};
use crate::cli::Format;
use crate::error::Error;
use crate::exit::Exit;
use crate::verdicts::Verdicts;

/// Writes verdicts in the form that was asked for.
///
/// # Errors
/// [`Error::Write`].
pub fn verdicts(format: Format, verdicts: &Verdicts, exit: Exit) -> Result<(), Error> {
    match format {
        Format::Text => print(&text::verdicts(verdicts, exit))?,
        Format::Json => print_json(&json::verdicts(verdicts))?,
    };
    Ok(())
}
