//! The command line, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use telemetry::otlp::Rejected;

/// Records a live run, without judging it.
#[derive(Debug, Parser)]
#[command(name = "collector", version, about, after_help = EXAMPLES, subcommand_required = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const RECORD_EXAMPLES: &str = "\
Examples:
  collector record fixtures/scenarios/021-process.toml --label reason=nightly
  collector record SCENARIO --repeat 3 --otlp http://127.0.0.1:4317
  collector record SCENARIO -- pytest tests/e2e    what a command does while the system is up";

const ATTACH_EXAMPLES: &str = "\
Examples:
  collector attach SCENARIO                        until Ctrl-C
  collector attach SCENARIO --for 90s --metrics 127.0.0.1:9464";

const TAP_EXAMPLES: &str = "\
Examples:
  collector tap --listen 127.0.0.1:3100 --upstream http://127.0.0.1:3000
  collector spans latest --scenario SCENARIO       afterwards: the spans of that scenario's pairs";

const EXAMPLES: &str = "\
Examples:
  collector doctor fixtures/scenarios/021-process.toml
  collector record fixtures/scenarios/021-process.toml --label reason=nightly
  collector record fixtures/scenarios/021-compose.toml --repeat 3
  collector record SCENARIO -- pytest tests/e2e
  collector record SCENARIO --otlp http://127.0.0.1:4317 --metrics 127.0.0.1:9464
  collector tap --listen 127.0.0.1:3100 --upstream http://127.0.0.1:3000
  tcpdump -i any -w run.pcap 'tcp port 3000 or tcp port 8080'
  collector import run.pcap --socketio 3000 --scrape service=8080/metrics
  replay check latest

Exit codes: 0 recorded, complete · 2 could not run · 3 recorded with gaps or cut off ·
4 the system under test did not come up (recorded all the same)";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check everything that a scenario needs, one line each with a remedy
    Doctor(Doctor),
    /// Start the system under test, record one run of it, stop it
    Record(Record),
    /// Record a system that is up already
    Attach(Attach),
    /// Record one Socket.IO path, nothing else
    Tap(TapOnly),
    /// Turn the journal of a cut-off recording into Parquet
    Recover(Recover),
    /// Derive a recording's spans anew, with the pairs of its scenario or another one
    Spans(Spans),
    /// Turn a packet capture into a recording
    Import(Import),
    /// Print a completion script for a shell
    Completions(Completions),
    /// End the process groups that a killed collector left behind
    #[command(hide = true)]
    Guard,
}

/// `collector doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// The scenario's TOML file
    pub scenario: PathBuf,
}

/// `collector record`
#[derive(Debug, Args)]
#[command(after_help = RECORD_EXAMPLES)]
pub struct Record {
    /// The scenario's TOML file, of kind `process` or `compose`
    pub scenario: PathBuf,
    /// What every recording command takes.
    #[command(flatten)]
    pub common: Common,
    /// Where the run is told while it happens.
    #[command(flatten)]
    pub telling: Telling,
    /// Record that many runs, one after another; Docker Compose projects stay up between them
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// At the end, keep the system up until Ctrl-C
    #[arg(long)]
    pub keep_up: bool,
    /// A command to run beside the recording; its exit code is recorded
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `collector attach`
#[derive(Debug, Args)]
#[command(after_help = ATTACH_EXAMPLES)]
pub struct Attach {
    /// The scenario's TOML file; what it says of processes, projects and faults is left out
    pub scenario: PathBuf,
    /// What every recording command takes.
    #[command(flatten)]
    pub common: Common,
    /// Where the run is told while it happens.
    #[command(flatten)]
    pub telling: Telling,
    /// Record for that long, as in 90s; else until the scenario's end or Ctrl-C
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
}

/// `collector tap`
#[derive(Debug, Args)]
#[command(after_help = TAP_EXAMPLES)]
pub struct TapOnly {
    /// Where clients connect, as in 127.0.0.1:3100
    #[arg(long, value_parser = listen_address)]
    pub listen: SocketAddr,
    /// The server, as in http://127.0.0.1:3000 or https://chat.example.com
    #[arg(long, value_name = "URL")]
    pub upstream: String,
    /// A PEM file of the authorities to trust for https://, instead of those that this machine trusts
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// What every recording command takes.
    #[command(flatten)]
    pub common: Common,
    /// Where the run is told while it happens.
    #[command(flatten)]
    pub telling: Telling,
    /// Record for that long, as in 90s; else until Ctrl-C
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
}

/// What every recording command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// The folder that recordings land in
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    /// A label for the recording; may be given again
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
}

/// Where a run is told while it is recorded.
#[derive(Clone, Debug, Default, Args)]
pub struct Telling {
    /// Send the run's spans to this receiver of OTLP: gRPC, or HTTP at port 4318 or with a path; `env` takes the OTEL_* variables' endpoint
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
    /// Serve the run's metrics to Prometheus at this address, as in 127.0.0.1:9464
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Log what the collector says and does on stderr, in this form; RUST_LOG says what besides
    #[arg(long, value_name = "FORM")]
    pub log: Option<Log>,
    /// Counts what the receiver took and refused
    #[arg(skip)]
    pub rejected: Rejected,
}

/// How the collector's own log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// For people
    Text,
    /// For programs: one JSON object a line
    Json,
}

/// `collector recover`
#[derive(Debug, Args)]
pub struct Recover {
    /// A recording: its folder, `latest`, or the beginning of its name
    pub run: String,
    /// The folder that recordings are in
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
}

/// `collector spans`
#[derive(Debug, Args)]
pub struct Spans {
    /// A recording: its folder, `latest`, or the beginning of its name
    pub run: String,
    /// A scenario whose [[pair]]s are taken instead of those of the recording's own copy
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// The folder that recordings are in
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
}

/// `collector import`
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct Import {
    /// A capture file: pcap or pcapng
    pub capture: PathBuf,
    /// The port of a Socket.IO server, or NAME=PORT; its rows are those of a tap (`socketio`, or that name); may be given again
    #[arg(long = "socketio", value_name = "PORT")]
    pub socketio: Vec<String>,
    /// A metrics page that somebody scraped, as in service=8080/metrics; may be given again
    #[arg(long = "scrape", value_name = "NAME=PORT/PATH")]
    pub scrapes: Vec<String>,
    /// Any other page that somebody asked for, as in service=8080/health; may be given again
    #[arg(long = "poll", value_name = "NAME=PORT/PATH")]
    pub polls: Vec<String>,
    /// What every recording command takes.
    #[command(flatten)]
    pub common: Common,
}

const IMPORT_EXAMPLES: &str = "\
Example:
  tcpdump -i any -w run.pcap 'tcp port 3000 or tcp port 8080'
  collector import run.pcap --socketio 3000 --scrape service=8080/metrics --poll health=8080/health
  replay check latest --spec SPEC

Start the capture before the connections: what was joined in the middle of a WebSocket can't be decoded. A spec that
names a tap finds it where the port has that name: --socketio NAME=PORT.";

/// `collector completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// bash, zsh, fish, elvish or powershell
    pub shell: clap_complete::Shell,
}

fn listen_address(written: &str) -> Result<SocketAddr, String> {
    crate::scenario::listen_address(written).ok_or_else(|| "no address: write 127.0.0.1:3100".to_owned())
}
