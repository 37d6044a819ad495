//! The `collector` program: reads its command line and does what it says. What exit codes mean stands in `--help`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use collector::cli::{Cli, Command};
use collector::status::{answer, fail};
use collector::{AnyError, chain, doctor, import, own, record, recover, rederive};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            fail(format_args!("collector: {}", chain(&*error)));
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, AnyError> {
    match cli.command {
        Command::Guard => {
            compose::guard::run(std::io::stdin().lock());
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(completions) => {
            let mut script = Vec::new();
            clap_complete::generate(completions.shell, &mut Cli::command(), "collector", &mut script);
            answer(String::from_utf8_lossy(&script).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Recover(command) => recover::recover(&command),
        Command::Spans(command) => rederive::spans(&command),
        Command::Import(command) => import::import(&command),
        Command::Doctor(command) => runtime()?.block_on(doctor::doctor(&command)),
        Command::Record(command) => {
            runtime()?.block_on(own::lived(command.telling.clone(), "record", record::record(command)))
        }
        Command::Attach(command) => {
            runtime()?.block_on(own::lived(command.telling.clone(), "attach", record::attach(command)))
        }
        Command::Tap(command) => runtime()?.block_on(own::lived(command.telling.clone(), "tap", record::tap(command))),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
