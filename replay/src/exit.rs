//! Exit codes are an API. They are decided here and nowhere else; SPEC.md lists them.

use std::process::ExitCode;

use crate::judge::{Attribution, Judgement, Outcome};

/// How a command ended, by what a caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything held, or the answer was given.
    Held = 0,
    /// Something is broken without another explanation.
    Broken = 1,
    /// The command could not run: usage, a bad spec, an unreadable recording.
    CouldNotRun = 2,
    /// Nothing is broken, but something could not be judged.
    Inconclusive = 3,
    /// Something is broken, all of it by the environment or the harness: a retry is reasonable.
    Explained = 4,
}

impl Exit {
    /// The exit of a judging command: the first of broken, explained, inconclusive, held that applies.
    pub fn of<'a>(judgements: impl IntoIterator<Item = &'a Judgement>) -> Exit {
        let (mut explained, mut inconclusive) = (false, false);
        for judgement in judgements {
            match (judgement.outcome, judgement.attribution) {
                (Outcome::Broken, Some(Attribution::Environment | Attribution::Harness)) => explained = true,
                (Outcome::Broken, _) => return Exit::Broken,
                (Outcome::Inconclusive, _) => inconclusive = true,
                (Outcome::Held | Outcome::NotApplicable, _) => {}
            }
        }
        match (explained, inconclusive) {
            (true, _) => Exit::Explained,
            (false, true) => Exit::Inconclusive,
            (false, false) => Exit::Held,
        }
    }

    /// What the code means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Held => "everything that applies held",
            Exit::Broken => "broken without another explanation",
            Exit::CouldNotRun => "could not run",
            Exit::Inconclusive => "nothing broken, not everything could be judged",
            Exit::Explained => "broken, but by the environment or the harness: a retry is reasonable",
        }
    }

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
