//! Judges recordings against a spec, offline.
//!
//! In the order data meets them: a recording's tables become [`views`] · [`measure`] runs an assertion's query and
//! gives observations · [`judge`] says what became of it · [`report`] tells it. [`spec`] is what was asked for,
//! [`exit`] what the caller learns. It needs no network and no running system.

mod bound;
mod check;
mod cli;
mod coverage;
mod diff;
mod error;
mod evidence;
mod exit;
mod explain;
mod export;
mod functions;
mod info;
mod judge;
mod list;
mod matrix;
mod measure;
mod mutate;
mod report;
mod runs;
mod show;
mod spans;
mod spec;
mod sql;
mod traces;
mod verdicts;
mod views;
mod why;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::FromArgMatches;

use cli::{Cli, Command};
use error::Error;
use exit::Exit;

fn main() -> ExitCode {
    let typed = Cli::from_arg_matches(&Cli::told().get_matches()).unwrap_or_else(|error| error.exit());
    let answered = typed.settled().and_then(|cli| on_large_stack(&cli));
    match answered {
        Ok(exit) => exit.into(),
        Err(error) => {
            report_error(&error);
            Exit::CouldNotRun.into()
        }
    }
}

/// Queries are also looked at outside of the engine's threads: there they may nest as deeply.
fn on_large_stack(cli: &Cli) -> Result<Exit, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(views::STACK_BYTES).spawn_scoped(scope, || run(cli));
        let ended = thread.map_err(Error::Engine)?.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn run(cli: &Cli) -> Result<Exit, Error> {
    match &cli.command {
        Command::List { folder } => list::list(cli, folder.as_deref()),
        Command::Info { run } => info::info(cli, run),
        Command::Show { run, what, sha, output } => show::show(cli, run, what, sha.as_deref(), output.as_deref()),
        Command::Check { runs, spec, against } => check::check(cli, runs, spec.as_deref(), against.as_deref()),
        Command::Verdict(asked) => verdicts::verdict(cli, asked),
        Command::Judge { history, judging } => verdicts::judge(cli, history, judging),
        Command::Mutate(asked) => mutate::mutate(cli, asked),
        Command::Explain { spec, id } => explain::explain(cli, spec, id.as_deref()),
        Command::Coverage { spec } => coverage::coverage(cli, spec),
        Command::Why(asked) => why::why(cli, asked),
        Command::Diff(asked) => diff::diff(cli, asked),
        Command::History { runs, spec, width } => matrix::history(cli, runs, spec.as_deref(), *width),
        Command::Export(asked) => export::export(cli, asked),
        Command::Traces(asked) => traces::traces(cli, asked),
        Command::Sql(sql) => sql::sql(cli, sql),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::told(), "replay", &mut script);
            report::print(&String::from_utf8_lossy(&script))
        }
    }
}

/// The error and what it came from, in one line.
fn report_error(error: &Error) {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    let line = report::plain(&line.split_whitespace().collect::<Vec<_>>().join(" "));
    let name =
        if io::stderr().is_terminal() && report::colours_wanted() { "\x1b[31mreplay:\x1b[0m" } else { "replay:" };
    // Where even the error output is closed, the exit code still tells.
    let _ = writeln!(io::stderr(), "{name} {line}");
}
