//! Answers for systems that run tests: JUnit, GitHub's annotations, Markdown.
//!
//! What `check` and the verdicts say is first turned into [`Case`]s, so that each form is written once.

mod github;
mod junit;
mod markdown;
mod of_check;
mod of_verdicts;

use super::{CheckReport, print};
use crate::cli::Written;
use crate::error::Error;
use crate::exit::Exit;
use crate::verdicts::Verdicts;

/// How a case ended, as such systems see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Good.
    Passed,
    /// Good now, but not in every run.
    Flaky,
    /// Broken.
    Failed,
    /// It could not be judged, or not the product is the reason: no pass, and no failure of the product.
    Undecided,
    /// It was not asked.
    Skipped,
}

/// One assertion.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The run's id, or the history's name.
    pub suite: String,
    /// The assertion.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// The word for it: an outcome with its attribution, or a verdict.
    pub word: String,
    /// What it comes to, in one line.
    pub message: String,
    /// The evidence, a line each.
    pub details: Vec<String>,
    /// Other runs in which it was broken.
    pub broken_runs: Vec<String>,
}

/// Cases with one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// How bad it is: that of the worst of them.
    pub status: Status,
    /// What it is, in one line.
    pub title: String,
    /// What belongs to it, a line each.
    pub lines: Vec<String>,
    /// The spec's file, where there is one.
    pub file: Option<String>,
}

/// All that is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Every assertion, in the spec's order.
    pub cases: Vec<Case>,
    /// What is not good, by cause, the worst first.
    pub causes: Vec<Cause>,
    /// The last line.
    pub summary: String,
}

/// The answer of `check` in one of these forms.
///
/// # Errors
/// [`Error::Write`].
pub fn check(written: Written, report: &CheckReport, exit: Exit) -> Result<(), Error> {
    write(written, &of_check::told(report, exit))
}

/// Verdicts in one of these forms.
///
/// # Errors
/// [`Error::Write`].
pub fn verdicts(written: Written, verdicts: &Verdicts, exit: Exit) -> Result<(), Error> {
    write(written, &of_verdicts::told(verdicts, exit))
}

fn write(written: Written, told: &Told) -> Result<(), Error> {
    print(&match written {
        Written::Github => github::annotations(told),
        Written::Markdown => markdown::summary(told),
        _ => junit::report(told)?,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;
