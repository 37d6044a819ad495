//! Exit codes are an API. They are decided here and nowhere else; SPEC.md lists them.

use std::process::ExitCode;

use crate::judge::{Attribution, Judgement, Outcome, Pair};
use verdict::Verdict;

/// How a command ended, by what a caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything held, or the answer was given.
    Held,
    /// Something is broken without another explanation.
    Broken,
    /// The command could not run: usage, a bad spec, an unreadable recording.
    CouldNotRun,
    /// Nothing is broken, but something could not be judged.
    Inconclusive,
    /// No assertion applies to any of the recordings: nothing was judged.
    NothingJudged,
    /// Outcomes flip between two specs, and no run is new.
    SpecChange,
    /// Something is broken, all of it by the environment or the harness: a retry is reasonable.
    Explained,
    /// Something is flaky, and that was to be a failure.
    Flaky,
}

impl Exit {
    /// The exit of a judging command: the first of broken, explained, inconclusive, held that applies, and
    /// [`Exit::NothingJudged`] where none does.
    pub fn of<'a>(judgements: impl IntoIterator<Item = &'a Judgement>) -> Exit {
        let (mut explained, mut inconclusive, mut held) = (false, false, false);
        for judgement in judgements {
            match (judgement.outcome, judgement.attribution) {
                (Outcome::Broken, Some(Attribution::Environment | Attribution::Harness)) => explained = true,
                (Outcome::Broken, _) => return Exit::Broken,
                (Outcome::Inconclusive, _) => inconclusive = true,
                (Outcome::Held, _) => held = true,
                (Outcome::NotApplicable, _) => {}
            }
        }
        match (explained, inconclusive, held) {
            (true, _, _) => Exit::Explained,
            (false, true, _) => Exit::Inconclusive,
            (false, false, true) => Exit::Held,
            (false, false, false) => Exit::NothingJudged,
        }
    }

    /// The exit of a command that gives verdicts over histories, by the same order.
    pub fn of_verdicts(verdicts: impl IntoIterator<Item = Verdict>, fail_on_flaky: bool) -> Exit {
        let exit = |verdict| match verdict {
            Verdict::Regression | Verdict::BrokenNoBaseline => Exit::Broken,
            Verdict::Environment => Exit::Explained,
            Verdict::Insufficient => Exit::Inconclusive,
            Verdict::SpecChange => Exit::SpecChange,
            Verdict::Flaky if fail_on_flaky => Exit::Flaky,
            Verdict::Flaky | Verdict::Stable | Verdict::Fixed => Exit::Held,
        };
        let order = [Exit::Broken, Exit::Explained, Exit::Inconclusive, Exit::SpecChange, Exit::Flaky, Exit::Held];
        let found: Vec<Exit> = verdicts.into_iter().map(exit).collect();
        order.into_iter().find(|exit| found.contains(exit)).unwrap_or(Exit::NothingJudged)
    }

    /// The exit where the same recordings were judged under two specs: what flips is no news about a run, so that only
    /// the rest can be worse than [`Exit::SpecChange`].
    pub fn of_change(pairs: &[Pair<'_>]) -> Exit {
        match Exit::of(pairs.iter().filter(|pair| !pair.flips()).filter_map(|pair| pair.after)) {
            exit @ (Exit::Broken | Exit::Explained) => exit,
            _ if pairs.iter().any(Pair::flips) => Exit::SpecChange,
            exit => exit,
        }
    }

    /// What the code means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Held => "everything that applies held",
            Exit::Broken => "broken without another explanation",
            Exit::CouldNotRun => "could not run",
            Exit::Inconclusive => "nothing broken, not everything could be judged",
            Exit::NothingJudged => "nothing was judged: no assertion applies to these recordings",
            Exit::SpecChange => "outcomes flip with the spec: no run is new",
            Exit::Explained => "broken, but by the environment or the harness: a retry is reasonable",
            Exit::Flaky => "nothing got worse, but something is flaky",
        }
    }

    /// The same of verdicts over histories.
    pub fn meaning_of_verdicts(self) -> &'static str {
        match self {
            Exit::Held => "nothing got worse",
            Exit::Broken => "the product got worse, or never held",
            Exit::Inconclusive => "the runs don't decide everything",
            Exit::NothingJudged => "the history has no runs that were judged",
            exit => exit.meaning(),
        }
    }

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Exit::Held => 0,
            Exit::Broken => 1,
            Exit::CouldNotRun => 2,
            Exit::Inconclusive | Exit::NothingJudged | Exit::SpecChange => 3,
            Exit::Explained => 4,
            Exit::Flaky => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
