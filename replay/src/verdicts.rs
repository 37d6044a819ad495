//! `replay judge` and `replay verdict`: verdicts over a history from anywhere, and over recordings.

pub mod recorded;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::cli::{self, Cli, Judging};
use crate::error::Error;
use crate::exit::Exit;
use crate::report;
use verdict::history::{self, Failure, Form, History};
use verdict::{Incident, Learned, Of, Opinion, Series, Taught};

/// What became of a history: an opinion for each of its assertions.
pub struct Verdicts {
    /// The history.
    pub history: History,
    /// What each assertion's runs mean, in the history's order.
    pub opinions: Vec<Opinion>,
    /// Regressions by cause: places of assertions.
    pub incidents: Vec<Incident>,
}

/// Judges a history from a file.
///
/// # Errors
/// Anything that keeps it from being judged.
pub fn judge(cli: &Cli, path: &Path, judging: &Judging) -> Result<Exit, Error> {
    let verdicts = Verdicts::of(read(path)?, judging)?;
    tell(cli, &verdicts, judging, false)
}

/// Judges recordings against one spec, and what came of them as a history.
///
/// # Errors
/// Anything that keeps one of them from being judged.
pub fn verdict(cli: &Cli, asked: &cli::Verdict) -> Result<Exit, Error> {
    let recorded = recorded::read(cli, asked)?;
    let mut verdicts = Verdicts::of(recorded.history, &asked.judging)?;
    let mut flips = false;
    if let Some(change) = recorded.change {
        let judging = Judging { save_priors: None, ..asked.judging.clone() };
        let before = Verdicts::of(change.before, &judging)?;
        flips = !change.flips.is_empty() || !change.gone.is_empty();
        recorded::spec_changes(&mut verdicts, &before, &change.flips, &change.gone);
    }
    tell(cli, &verdicts, &asked.judging, flips)
}

/// Reads a history: CSV, or JSON lines where its name or its first letter says so; `-` is the standard input.
fn read(path: &Path) -> Result<History, Error> {
    let failed = |source| Error::ReadHistory { path: path.to_owned(), source };
    let input: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut input = BufReader::with_capacity(1 << 18, input);
    let named = path.extension().is_some_and(|ending| ["jsonl", "ndjson", "json"].iter().any(|known| ending == *known));
    let start = input.fill_buf().map_err(failed)?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let lines = named || start.first() == Some(&b'{');
    let form = if lines { Form::JsonLines } else { Form::Csv };
    history::read(input, form).map_err(|failure| match failure {
        Failure::Read(source) => failed(source),
        Failure::Says(line, problem) => Error::History { path: path.to_owned(), line, problem },
    })
}

/// Says what was found, and how the program ends.
fn tell(cli: &Cli, verdicts: &Verdicts, judging: &Judging, flips: bool) -> Result<Exit, Error> {
    let told = verdicts.opinions.iter().map(|opinion| opinion.verdict);
    let exit = match Exit::of_verdicts(told, judging.fails_on_flaky()) {
        Exit::Held | Exit::NothingJudged if flips => Exit::SpecChange,
        exit => exit,
    };
    report::verdicts(cli.written, verdicts, exit)?;
    Ok(exit)
}

impl Verdicts {
    /// Judges every assertion of a history.
    ///
    /// # Errors
    /// [`Error::Priors`], [`Error::Write`].
    pub fn of(history: History, judging: &Judging) -> Result<Verdicts, Error> {
        let priors = match &judging.priors {
            Some(path) => read_priors(path)?,
            None => learn(&history.series),
        };
        if let Some(path) = &judging.save_priors {
            save_priors(path, &priors)?;
        }
        let judged = |part: &[Series]| part.iter().map(|series| verdict::judge(&priors, series)).collect::<Vec<_>>();
        let mut opinions = side_by_side(&history.series, judged).concat();
        let incidents = verdict::together(&history.series, &mut opinions);
        Ok(Verdicts { history, opinions, incidents })
    }

    /// The version that a plan is about.
    pub fn version_of(&self, series: &Series, of: Of) -> Option<&str> {
        let newest = series.runs.last()?.version;
        let version = match of {
            Of::Newest => newest,
            Of::Before => series.runs.iter().rev().find(|run| run.version != newest)?.version,
        };
        Some(self.history.names.name(version))
    }
}

/// As [`Learned::from`], on all CPUs. The parts are always as many: sums are the same on every machine.
fn learn(series: &[Series]) -> Learned {
    let lessons = verdict::lessons(series);
    (0..verdict::ROUNDS).fold(Learned::default(), |learned, _| {
        let mut total = Taught::default();
        side_by_side(&lessons, |part| Taught::by(&learned, part)).iter().for_each(|part| total.add(part));
        total.learned()
    })
}

/// In how many parts work is done at the same time.
const PARTS: usize = 8;

/// What work on parts of some items gives, in their order.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(PARTS).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(|| work(part))).collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn read_priors(path: &Path) -> Result<Learned, Error> {
    let failed = |problem: String| Error::Priors { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let priors: Learned = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    priors.check().map_err(failed)?;
    Ok(priors)
}

fn save_priors(path: &Path, priors: &Learned) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(priors)
        .map_err(|error| Error::Priors { path: path.to_owned(), problem: error.to_string() })?;
    std::fs::write(path, text + "\n").map_err(|source| Error::Write { to: path.display().to_string(), source })
}
