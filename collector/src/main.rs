//! Records a live run of a system, beside it and without harm to it.
//!
//! In the order a packet meets them: [`tap`] relays the bytes and copies them · [`wire`] decodes the copies ·
//! [`redact`] takes secrets out · [`intake`] is the one door to the [`recorder`], which keeps rows in the journal.
//! Beside the tap watch [`scrape`], [`poll`], [`paths`], [`probe`], [`media`] and [`watch`]. A [`scenario`] says what is
//! run and watched, [`record`] runs it, [`doctor`] checks beforehand that it can be. Nothing here judges.

mod cli;
mod doctor;
mod exposition;
mod folder;
mod handshake;
mod intake;
mod media;
mod paths;
mod poll;
mod probe;
mod record;
mod recorder;
mod recover;
mod redact;
mod scenario;
mod scrape;
mod status;
mod tap;
mod until;
mod watch;
mod wire;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("collector: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn run(cli: Cli) -> Result<ExitCode, AnyError> {
    match cli.command {
        Command::Guard => {
            compose::guard::run(std::io::stdin().lock());
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(completions) => {
            let mut command = Cli::command();
            clap_complete::generate(completions.shell, &mut command, "collector", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Recover(command) => recover::recover(&command),
        Command::Doctor(command) => runtime()?.block_on(doctor::doctor(&command)),
        Command::Record(command) => runtime()?.block_on(record::record(command)),
        Command::Attach(command) => runtime()?.block_on(record::attach(command)),
        Command::Tap(command) => runtime()?.block_on(record::tap(command)),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
