//! `replay export`: recordings as other programs read them.

mod facts;
mod openmetrics;
mod otlp;
mod output;
mod perfetto;
mod verdicts;

use clap::ValueEnum;

use crate::cli::{Cli, Export, To};
use crate::error::Error;
use crate::exit::Exit;

/// Writes recordings down.
///
/// # Errors
/// Anything that keeps one of them from being read, judged or written.
pub fn export(cli: &Cli, asked: &Export) -> Result<Exit, Error> {
    refuse_useless(asked)?;
    match asked.to {
        To::Otlp => otlp::export(cli, asked),
        To::Openmetrics => openmetrics::export(cli, asked),
        To::Perfetto => perfetto::export(cli, asked),
    }
}

/// Refuses what would be passed over in silence.
fn refuse_useless(asked: &Export) -> Result<(), Error> {
    let useless: &[(&str, bool)] = match asked.to {
        To::Otlp => &[("-o", asked.output.is_some()), ("--rebase", asked.rebase)],
        To::Openmetrics => &[("--otlp", asked.otlp.is_some())],
        To::Perfetto => {
            &[("--otlp", asked.otlp.is_some()), ("--rebase", asked.rebase), ("--spec", asked.spec.is_some())]
        }
    };
    let Some((option, _)) = useless.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
    let to = asked.to.to_possible_value().map_or_else(String::new, |to| to.get_name().to_owned());
    Err(Error::Usage(format!("--to {to} has no use for {option}: leave it out")))
}
