//! `replay export`: recordings as other programs read them.

mod facts;
mod openmetrics;
mod otlp;
mod output;
mod perfetto;
mod verdicts;

use crate::cli::{Cli, Export, To};
use crate::error::Error;
use crate::exit::Exit;

/// Writes recordings down.
///
/// # Errors
/// Anything that keeps one of them from being read, judged or written.
pub fn export(cli: &Cli, asked: &Export) -> Result<Exit, Error> {
    match asked.to {
        To::Otlp => otlp::export(cli, asked),
        To::Openmetrics => openmetrics::export(cli, asked),
        To::Perfetto => perfetto::export(cli, asked),
    }
}
