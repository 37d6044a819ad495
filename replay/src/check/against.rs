//! The same recordings under an old spec and a new one.

use std::path::Path;

use crate::cli::{Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::judge::{self, Pair};
use crate::report::against::Against;
use crate::report::{self, AssertionReport, CheckReport};

/// Tells what flips between two answers about the same recordings, and says how the program ends.
///
/// # Errors
/// [`Error::Write`].
pub fn compare(cli: &Cli, old: &Path, before: &CheckReport, after: &CheckReport) -> Result<Exit, Error> {
    let pairs = pairs(before, after);
    let exit = Exit::of_change(&pairs);
    let against = Against { old, before, after, compared: judge::compare(&pairs) };
    match cli.format {
        Format::Text => report::print(&against.text(exit))?,
        Format::Json => report::print_json(&against.json())?,
    };
    Ok(exit)
}

/// Every assertion of each recording, and over them, under both specs: in the new one's order, then what is gone.
fn pairs<'r>(before: &'r CheckReport, after: &'r CheckReport) -> Vec<Pair<'r>> {
    let mut pairs = Vec::new();
    for (before, after) in before.runs.iter().zip(&after.runs) {
        pairs.extend(paired(Some(&after.run_id), &before.assertions, &after.assertions));
    }
    let over = |report: &'r CheckReport| report.history.iter().map(|history| &history.assertion);
    pairs.extend(paired(None, over(before), over(after)));
    pairs
}

fn paired<'r>(
    run_id: Option<&'r str>,
    before: impl IntoIterator<Item = &'r AssertionReport>,
    after: impl IntoIterator<Item = &'r AssertionReport>,
) -> Vec<Pair<'r>> {
    let mut before: Vec<&AssertionReport> = before.into_iter().collect();
    let pair = |report: &'r AssertionReport| {
        let place = before.iter().position(|known| known.id == report.id);
        let before = place.map(|place| &before.remove(place).judgement);
        Pair { id: &report.id, run_id, before, after: Some(&report.judgement) }
    };
    let mut pairs: Vec<Pair<'r>> = after.into_iter().map(pair).collect();
    pairs.extend(before.iter().map(|gone| Pair { id: &gone.id, run_id, before: Some(&gone.judgement), after: None }));
    pairs
}
