//! Verdicts, for people and for programs.

mod json;
mod text;

use super::{ci, print, print_json};
use crate::cli::Written;
use crate::error::Error;
use crate::exit::Exit;
use crate::verdicts::Verdicts;
pub use text::{counts, headline, said};

/// Writes verdicts in the form that was asked for.
///
/// # Errors
/// [`Error::Write`].
pub fn verdicts(written: Written, verdicts: &Verdicts, exit: Exit) -> Result<(), Error> {
    match written {
        Written::Text => print(&text::verdicts(verdicts, exit)).map(drop),
        Written::Json => print_json(&json::verdicts(verdicts)).map(drop),
        Written::Junit | Written::Github | Written::Markdown => ci::verdicts(written, verdicts, exit),
    }
}
