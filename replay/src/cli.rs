//! What can be typed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::error::Error;

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
    #[arg(long = "format", global = true, value_enum, default_value_t = Written::Text)]
    pub written: Written,
    /// The same, for commands that answer people or programs only.
    #[arg(skip)]
    pub format: Format,
    /// How long the queries on one recording may take, together, in seconds.
    #[arg(long, global = true, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Duration,
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  replay check latest                     judge the newest recording against its own spec
  replay check runs/ --spec my.toml       judge every recording in a folder against another spec
  replay check runs/ --against old.toml   what another spec says of the same recordings
  replay mutate latest                    which changes of it would no requirement notice?
  replay verdict runs/                    regression, flake, environment, or not enough evidence
  replay judge history.csv                the same over outcomes from anywhere
  replay info latest                      what was recorded, by whom, and what it cost
  replay show latest packets#118          one row, as evidence names it
  replay why latest FR-016                what happened, who is to blame, what speaks against it
  replay diff runs/good latest            where the second run first went another way than the first
  replay history runs/                    every assertion in every run, the newest on the right
  replay sql latest \"SELECT event, count(*) FROM packets GROUP BY event\"
  replay explain my.toml FR-016           the query behind an assertion, and what it needs
  replay export latest --to openmetrics   every number of a run, with times, for Prometheus
  replay coverage my.toml                 which requirement is checked by what, or by nothing";

const EXITS: &str = "Exit codes, the first that applies:
  2  could not run: usage, a bad spec, an unreadable recording
  1  something is broken without another explanation; coverage: nothing checks a requirement
  4  something is broken, all of it by the environment or the harness: a retry is reasonable
  3  nothing is broken, but something could not be judged, or nothing was judged at all; --against: outcomes flip
  5  judge, verdict: something is flaky, with --fail-on flaky
  0  everything that applies held";

/// How an answer can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Written {
    /// For people.
    Text,
    /// For programs: format 1 of SPEC.md.
    Json,
    /// JUnit XML (commands that judge).
    Junit,
    /// GitHub's annotations, one for each cause (commands that judge).
    Github,
    /// Markdown, as for a job summary (commands that judge).
    Markdown,
}

/// Commands whose answer has one form: --format is not in their help, and refused.
const OF_ONE_FORM: [&str; 3] = ["export", "traces", "completions"];

impl Cli {
    /// The command line, as help and completions tell it.
    pub fn told() -> clap::Command {
        let told = Cli::command();
        let format = told.get_arguments().find(|argument| argument.get_id() == "written");
        let hidden = format.map(|format| format.clone().hide(true));
        OF_ONE_FORM.iter().fold(told, |told, name| told.mut_subcommand(name, |command| command.args(hidden.clone())))
    }

    /// Settles how the answer is written: only judgements come in every form.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn settled(mut self) -> Result<Cli, Error> {
        let judges = matches!(self.command, Command::Check { .. } | Command::Verdict(_) | Command::Judge { .. });
        let has_one_form =
            matches!(self.command, Command::Export(_) | Command::Traces(_) | Command::Completions { .. });
        let refused = |problem: &str| Err(Error::Usage(problem.to_owned()));
        self.format = match self.written {
            Written::Text => Format::Text,
            _ if has_one_form => return refused("what this command gives has one form: leave out --format"),
            Written::Json => Format::Json,
            _ if judges => Format::Text,
            _ => return refused("this command answers as text or json: only what judges has more forms"),
        };
        Ok(self)
    }
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
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
    ///
    /// With --against the same recordings are judged under an old spec too. An outcome that is another there is a change
    /// of the spec, since no run is new: what flips is listed by assertion.
    #[command(
        after_help = "Examples:\n  replay check latest\n  replay check runs/ --spec spec.toml    each recording in the folder, and all of them as a history\n  replay check latest --format json\n  replay check runs/ --spec new.toml --against old.toml    would the new spec have caught it?"
    )]
    Check {
        /// Recordings, or folders of recordings.
        #[arg(required = true, value_name = "RUN|RUNS")]
        runs: Vec<String>,
        /// The spec; each recording's own copy where not given.
        #[arg(long)]
        spec: Option<PathBuf>,
        /// The old spec, to compare with.
        #[arg(long, value_name = "OLD")]
        against: Option<PathBuf>,
    },
    /// Change one recorded fact at a time, in memory, and say which change no requirement noticed.
    ///
    /// A fact that is deleted, duplicated, delayed or altered should break something, if the spec asks for it. Of each sort of fact the
    /// first, one in the middle and the last are tried. The recording itself is never changed.
    #[command(
        after_help = "Examples:\n  replay mutate latest\n  replay mutate latest --spec my.toml --assertion FR-018    what would this one not notice?\n  replay mutate latest --all --format json"
    )]
    Mutate(Mutate),
    /// Say about one assertion in one run: what happened, who is to blame, and what speaks against that.
    #[command(
        after_help = "Examples:\n  replay why latest FR-016\n  replay why latest FR-016 --spec spec.toml --held 5"
    )]
    Why(Why),
    /// Compare two runs: what differs around them, and where the second first went another way.
    ///
    /// Events are aligned by what they are, never by the wall clock; ids, times and sessions are noise.
    #[command(
        after_help = "Examples:\n  replay diff runs/good latest\n  replay diff runs/good latest --spec spec.toml    also by its [diff], with outcomes that differ\n  replay diff --rules                               what is compared how, and what is noise"
    )]
    Diff(Diff),
    /// Show what became of each assertion in each run, the newest on the right.
    #[command(
        after_help = "Examples:\n  replay history runs/ --spec spec.toml\n  replay history runs/ --width 200 | less -S\n\nH held, B broken, b broken by the environment or the harness, i inconclusive, . not applicable"
    )]
    History {
        /// Recordings, or folders of recordings.
        #[arg(required = true, value_name = "RUN|RUNS")]
        runs: Vec<String>,
        /// The spec; each recording's own copy where not given.
        #[arg(long)]
        spec: Option<PathBuf>,
        /// Fit into so many columns; the terminal's width, or 100, where not given.
        #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..))]
        width: Option<u16>,
    },
    /// Judge recordings and say what they mean together: regression, flake, environment, or not enough evidence.
    ///
    /// All are judged by one spec; that of the newest where none is named.
    #[command(
        after_help = "Examples:\n  replay verdict runs/\n  replay verdict runs/ --spec spec.toml --format markdown\n  replay verdict runs/ --spec new.toml --against old.toml    what is only the spec's change"
    )]
    Verdict(Verdict),
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
    /// Print the query behind an assertion, its bound and what it needs; or the query behind a fault.
    #[command(
        after_help = "Examples:\n  replay explain spec.toml\n  replay explain spec.toml FR-016\n  replay explain spec.toml fault:container-oom"
    )]
    Explain {
        /// The spec.
        spec: PathBuf,
        /// The assertion, or fault:ID; all of them, in one line each, where not given.
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
    /// Give recordings to other programs: Jaeger, Prometheus, Perfetto.
    ///
    /// OTLP has the spans, with the ids that they had while the run was recorded, and on them what the spec found broken.
    /// OpenMetrics has everything that is a number, each second of the run, the samples of scraped pages at their own times, and, where
    /// there is a spec, what became of its assertions. Perfetto's trace has everything that happened.
    #[command(
        after_help = "Examples:\n  replay export latest --to otlp --otlp http://127.0.0.1:4317\n  replay export latest --to openmetrics -o run.om && \\\n    promtool tsdb create-blocks-from openmetrics run.om data/\n  replay export runs/good latest --to openmetrics --rebase    both begin on 2001-01-01\n  replay export latest --to perfetto -o run.perfetto-trace    for ui.perfetto.dev"
    )]
    Export(Export),
    /// Serve Jaeger's UI over recordings, and over what is sent to it while it runs.
    #[command(
        after_help = "Examples:\n  replay traces latest\n  replay traces & collector record SCENARIO --otlp http://127.0.0.1:4317"
    )]
    Traces(Traces),
    /// Print completions for a shell, to be sourced by it.
    #[command(after_help = "Example:\n  replay completions bash > ~/.local/share/bash-completion/completions/replay")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `replay why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The recording.
    pub run: String,
    /// The assertion.
    pub id: String,
    /// The spec; the recording's own copy where not given.
    #[arg(long)]
    pub spec: Option<PathBuf>,
    /// Compare with at most so many runs in which it held, the nearest ones in --runs and beside the recording.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub held: usize,
}

/// `replay diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The run that counts as usual, and the one that is compared with it.
    #[arg(value_name = "RUN", num_args = 2, required_unless_present = "rules")]
    pub runs: Vec<String>,
    /// The spec; the second recording's own copy where not given, and none where it has none.
    #[arg(long)]
    pub spec: Option<PathBuf>,
    /// Print what is compared how, and what is noise.
    #[arg(long)]
    pub rules: bool,
}

/// `replay verdict`.
#[derive(Debug, Args)]
pub struct Verdict {
    /// Recordings, or folders of recordings.
    #[arg(required = true, value_name = "RUN|RUNS")]
    pub runs: Vec<String>,
    /// The spec.
    #[arg(long)]
    pub spec: Option<PathBuf>,
    /// The old spec: what flips on the same recordings is a change of the spec.
    #[arg(long, value_name = "OLD")]
    pub against: Option<PathBuf>,
    /// How they are judged.
    #[command(flatten)]
    pub judging: Judging,
}

/// How a history is judged.
#[derive(Clone, Debug, Args)]
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

/// `replay mutate`.
#[derive(Debug, Args)]
pub struct Mutate {
    /// The recording.
    pub run: String,
    /// The spec; the recording's own copy where not given.
    #[arg(long)]
    pub spec: Option<PathBuf>,
    /// Only this assertion; may be given several times.
    #[arg(long = "assertion", value_name = "ID")]
    pub assertions: Vec<String>,
    /// Try every fact, not the first, one in the middle and the last of each sort.
    #[arg(long)]
    pub all: bool,
}

/// `replay export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Recordings, or folders of recordings.
    #[arg(required = true, value_name = "RUN|RUNS")]
    pub runs: Vec<String>,
    /// What is written.
    #[arg(long, value_enum)]
    pub to: To,
    /// Where; the standard output where not given, or `-` (openmetrics, perfetto).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The receiver: gRPC, or HTTP at port 4318; `env` takes the endpoint of the OTEL_* variables; http://127.0.0.1:4317
    /// where not given (otlp).
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
    /// Let every run begin on 2001-01-01 at midnight (UTC), so that runs can be laid over one another (openmetrics).
    #[arg(long)]
    pub rebase: bool,
    /// The spec whose assertions are judged; each recording's own copy where not given, and none where it has none (otlp, openmetrics).
    #[arg(long)]
    pub spec: Option<PathBuf>,
}

impl Export {
    /// The file; none where it is the standard output.
    pub fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new("-"))
    }
}

/// What recordings can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// Spans, sent to a receiver of OTLP such as Jaeger.
    Otlp,
    /// OpenMetrics 1.0 with time stamps, as `promtool tsdb create-blocks-from openmetrics` reads it.
    Openmetrics,
    /// A trace for Perfetto, of one recording.
    Perfetto,
}

/// `replay traces`.
#[derive(Debug, Args)]
pub struct Traces {
    /// Recordings to show from the start.
    #[arg(value_name = "RUN|RUNS")]
    pub runs: Vec<String>,
    /// Where the pages are served.
    #[arg(long, default_value = "127.0.0.1:16686", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where spans are received, as OTLP over gRPC.
    #[arg(long, default_value = "127.0.0.1:4317", value_name = "ADDR")]
    pub listen_otlp: SocketAddr,
    /// The spec that says which assertions failed; each recording's own copy where not given.
    #[arg(long)]
    pub spec: Option<PathBuf>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_can_be_pasted() {
        let mut told = Cli::told();
        told.build();
        let commands = std::iter::once(&told).chain(told.get_subcommands());
        for help in commands.filter_map(|command| command.get_after_help()) {
            for line in help.to_string().lines() {
                // Longer lines are wrapped where help is written.
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
    }

    #[test]
    fn help_has_format_where_there_are_forms() {
        let mut told = Cli::told();
        told.build();
        for command in told.get_subcommands().filter(|command| command.get_name() != "help") {
            let format = command.get_arguments().find(|argument| argument.get_id() == "written").unwrap();
            assert_eq!(format.is_hide_set(), OF_ONE_FORM.contains(&command.get_name()), "{}", command.get_name());
        }
    }
}
