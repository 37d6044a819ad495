//! What the tap costs, and what others cost that record nothing: `make bench`, or
//! `cargo bench -p collector --bench tap -- --help`.
//!
//! In the order of a run: a [`plan`] of rounds, interleaved in random order · each [`round`] starts a candidate of
//! [`peers`] in front of an [`echo`] server and puts [`load`] on it, made of [`lane`]s and [`message`]s · what processes
//! used is read from `/proc` ([`usage`]), what a tap recorded from its recording ([`taped`]) · [`sizes`] needs no load ·
//! [`report`] writes the tables and compares them with the targets.

mod echo;
mod lane;
mod load;
mod message;
mod peers;
mod plan;
mod profile;
mod report;
mod round;
mod sizes;
mod taped;
mod usage;
mod written;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use collector::{AnyError, chain};

use peers::Candidate;
use plan::Plan;

const CELLS: [(usize, usize); 6] = [(1000, 1), (1000, 50), (1000, 500), (700_000, 1), (700_000, 50), (700_000, 500)];

/// Measures the tap against other programs that stand in the path.
#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "cargo bench -p collector --bench tap --")]
struct Options {
    /// One short round of two cells: shows that everything works, measures nothing
    #[arg(long)]
    quick: bool,
    /// Only messages of that many bytes on that many connections, as in 1000,50; may be given again
    #[arg(long, value_name = "BYTES,CONNECTIONS", value_parser = cell)]
    only: Vec<(usize, usize)>,
    /// Who takes part; all unless told
    #[arg(long, value_delimiter = ',', value_enum)]
    candidates: Vec<Candidate>,
    /// What is measured; all unless told
    #[arg(long, value_delimiter = ',', value_enum)]
    parts: Vec<Part>,
    /// Rounds of each candidate
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The length of a round
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    seconds: f64,
    /// The share of direct's highest rate at which latency is measured
    #[arg(long, default_value_t = 0.5)]
    share: f64,
    /// Where the order of candidates comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the tables into BENCHMARKS.md, too
    #[arg(long)]
    write: bool,
    /// The folder for recordings, on a real disk; removed afterwards
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Instead: profile one tap under the load of the first cell, into that file of perf's
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// With --profile: at full speed, not at half of direct's rate
    #[arg(long, requires = "profile")]
    full: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Latency at half of direct's rate
    Half,
    /// Throughput at full speed
    Saturated,
    /// The highest rate without gaps
    Search,
    /// The size of recordings
    Sizes,
}

fn cell(text: &str) -> Result<(usize, usize), String> {
    let (bytes, connections) = text.split_once(',').ok_or("write BYTES,CONNECTIONS, as in 1000,50")?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is no number"));
    match (number(bytes)?, number(connections)?) {
        (200..=8_000_000, connections @ 1..) => Ok((number(bytes)?, connections)),
        _ => Err("messages have 200 to 8000000 bytes, and there is at least one connection".to_owned()),
    }
}

fn main() -> ExitCode {
    let told: Vec<String> = std::env::args().collect();
    let done = match told.get(1).map(String::as_str) {
        // This program again, as the server of the load.
        Some("echo") => told.get(2).ok_or_else(|| "echo PORT".into()).and_then(|port| echo::serve(port.parse()?)),
        _ => run(Options::parse()),
    };
    done.map_or_else(
        |error: AnyError| {
            eprintln!("bench: {}", chain(&*error));
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

#[expect(clippy::print_stdout, reason = "the tables are the result")]
fn run(options: Options) -> Result<(), AnyError> {
    let scratch = match &options.scratch {
        Some(folder) => tempfile::tempdir_in(folder)?,
        // Beside the programs: /tmp may be memory.
        None => tempfile::tempdir_in(std::env::current_exe()?.parent().ok_or("the program has no folder")?)?,
    };
    let cells = match (options.only.is_empty(), options.quick) {
        (false, _) => options.only.clone(),
        (true, true) => vec![CELLS[0], CELLS[4]],
        (true, false) => CELLS.to_vec(),
    };
    let plan = options.plan();
    if let Some(file) = &options.profile {
        return profile::profile(file, cells[0], plan.length, options.full, scratch.path());
    }
    let load = options.has(Part::Half) || options.has(Part::Saturated) || options.has(Part::Search);
    let mut found = Vec::new();
    for (bytes, connections) in cells.into_iter().filter(|_| load) {
        found.push(plan.cell(bytes, connections, scratch.path())?);
    }
    let sizes = if options.has(Part::Sizes) { sizes::measure(scratch.path())? } else { Vec::new() };
    let text = format!("{}\n{}", written::header(&plan), report::tables(&found, &sizes));
    println!("{text}");
    if options.write { written::write(&text) } else { Ok(()) }
}

impl Options {
    fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    fn plan(&self) -> Plan {
        let all = || Candidate::value_variants().to_vec();
        Plan {
            rounds: if self.quick { 1 } else { self.rounds.max(1) },
            length: Duration::from_secs_f64(if self.quick { 1.0 } else { self.seconds.clamp(0.1, 600.0) }),
            seed: self.seed,
            share: self.share,
            candidates: if self.candidates.is_empty() { all() } else { self.candidates.clone() },
            half: self.has(Part::Half),
            saturated: self.has(Part::Saturated),
            search: self.has(Part::Search) && !self.quick,
        }
    }
}
