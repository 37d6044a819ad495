//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Judges recordings of end-to-end runs against a spec, offline.
///
/// A RUN is a recording's folder, `latest`, or the beginning of a run id in --runs.
/// RUNS is a folder of recordings.
#[derive(Debug, Parser)]
#[command(name = "replay", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXITS}"))]
pub struct Cli {
    /// The folder that run ids are looked up in.
    #[arg(long = "runs", global = true, default_value = "runs", value_name = "DIR")]
    pub runs_dir: PathBuf,
    /// How the answer is written.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// How long the queries on one recording may take, together, in seconds.
    #[arg(long, global = true, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Duration,
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  replay check latest                     judge the newest recording against the spec it was made for
  replay check runs/ --spec my.toml       judge every recording in a folder against another spec
  replay info latest                      what was recorded, by whom, and what it cost
  replay show latest packets#118          one row, as evidence names it
  replay sql latest \"SELECT event, count(*) FROM packets GROUP BY event\"
  replay explain my.toml FR-016           the query behind an assertion, and what it needs
  replay coverage my.toml                 which requirement is checked by what, and where nothing is";

const EXITS: &str = "Exit codes, the first that applies:
  2  could not run: usage, a bad spec, an unreadable recording
  1  something is broken without another explanation; coverage: nothing checks a requirement
  4  something is broken, all of it by the environment or the harness: a retry is reasonable
  3  nothing is broken, but something could not be judged, or nothing was judged at all
  0  everything that applies held";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: format 1 of SPEC.md.
    Json,
}

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the recordings in a folder, oldest first.
    #[command(after_help = "Example:\n  replay list runs --format json")]
    List {
        /// The folder; --runs where not given.
        folder: Option<PathBuf>,
    },
    /// Say what a recording holds: state, tables, sources, gaps, and what recording cost.
    #[command(after_help = "Example:\n  replay info latest")]
    Info {
        /// The recording.
        run: String,
    },
    /// Show a table, one of its rows, or save a blob.
    #[command(
        after_help = "Examples:\n  replay show latest timeline\n  replay show latest packets#118\n  replay show latest blob 3f2a -o speech.aac"
    )]
    Show {
        /// The recording.
        run: String,
        /// TABLE, TABLE#SEQ or `blob`.
        what: String,
        /// The blob's hash, or its beginning.
        sha: Option<String>,
        /// Where the blob is saved.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Judge recordings against a spec.
    ///
    /// Each is judged by itself. Where there are several, what the spec asks `over = "history"` is judged over all of
    /// them too, in a section of its own.
    #[command(
        after_help = "Examples:\n  replay check latest\n  replay check runs/ --spec spec.toml    each recording in the folder, and all of them as a history\n  replay check latest --format json"
    )]
    Check {
        /// Recordings, or folders of recordings.
        #[arg(required = true, value_name = "RUN|RUNS")]
        runs: Vec<String>,
        /// The spec; each recording's own copy where not given.
        #[arg(long)]
        spec: Option<PathBuf>,
    },
    /// Say what a history of outcomes means: regression, flake, environment, or not enough evidence.
    ///
    /// The history is CSV, or JSON lines, with the columns assertion, run, at, version, environment, outcome, margin and, where
    /// they are known, attribution and version_order; `-` reads it from the standard input.
    #[command(
        after_help = "Examples:\n  replay judge history.csv\n  replay judge history.csv --save-priors priors.json   what this project's histories taught\n  replay judge today.csv --priors priors.json --format json"
    )]
    Judge {
        /// The history.
        history: PathBuf,
        #[command(flatten)]
        judging: Judging,
    },
    /// Print the query behind an assertion, its bound and what it needs.
    #[command(after_help = "Examples:\n  replay explain spec.toml\n  replay explain spec.toml FR-016")]
    Explain {
        /// The spec.
        spec: PathBuf,
        /// The assertion; all of them, in one line each, where not given.
        id: Option<String>,
    },
    /// Say requirement by requirement what checks it; a requirement that nothing checks is exit 1.
    #[command(after_help = "Examples:\n  replay coverage spec.toml\n  replay coverage spec.toml --format json")]
    Coverage {
        /// The spec.
        spec: PathBuf,
    },
    /// Ask a recording, or all in a folder (their tables then begin with `run_id`).
    #[command(
        after_help = "Examples:\n  replay sql latest \"SELECT * FROM gaps\"\n  replay sql runs/ \"SELECT run_id, count(*) FROM packets GROUP BY run_id\""
    )]
    Sql(Sql),
    /// Print completions for a shell, to be sourced by it.
    #[command(after_help = "Example:\n  replay completions bash > ~/.local/share/bash-completion/completions/replay")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How a history is judged.
#[derive(Debug, Args)]
pub struct Judging {
    /// What is thought beforehand, as --save-priors wrote it; learned from the history itself where not given.
    #[arg(long, value_name = "FILE")]
    pub priors: Option<PathBuf>,
    /// Where to write what was thought beforehand.
    #[arg(long, value_name = "FILE")]
    pub save_priors: Option<PathBuf>,
    /// What else is a failure: flaky assertions are exit 5.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub fail_on: Option<FailOn>,
}

impl Judging {
    /// Whether a flaky assertion is a failure.
    pub fn fails_on_flaky(&self) -> bool {
        self.fail_on == Some(FailOn::Flaky)
    }
}

/// What is a failure only where that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A flaky assertion.
    Flaky,
}

/// `replay sql`.
#[derive(Debug, Args)]
pub struct Sql {
    /// The recording, or a folder of recordings.
    #[arg(value_name = "RUN|RUNS")]
    pub run: String,
    /// The query.
    pub query: String,
    /// Also the views of this spec.
    #[arg(long)]
    pub spec: Option<PathBuf>,
    /// Ask a running recording again and again until the first value of the answer is true or not 0.
    #[arg(long, hide = true)]
    pub until_true: bool,
    /// How often, in milliseconds.
    #[arg(long, hide = true, default_value = "500ms", value_parser = every)]
    pub every: Duration,
}

/// A moment further away than this may be beyond the clock's end.
const LONGEST: Duration = Duration::from_secs(86_400);

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        limit if limit > LONGEST => Err(format!("must be at most {} s, a day", LONGEST.as_secs())),
        limit => Ok(limit),
    }
}

fn every(text: &str) -> Result<Duration, String> {
    match text.strip_suffix("ms") {
        Some(milliseconds) => {
            let every = milliseconds.parse().map(Duration::from_millis).map_err(|error| error.to_string())?;
            if every > LONGEST { Err(format!("must be at most {} s, a day", LONGEST.as_secs())) } else { Ok(every) }
        }
        None => seconds(text),
    }
}
