//! What speaks for and against the faults that excuse runs: an environment never acquits silently.

use crate::{Outcome, Run, Series};

/// How the runs that faults spoilt lie in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excuses {
    /// Judged runs that were spoilt.
    pub runs: usize,
    /// Of these, broken.
    pub broken: usize,
    /// Of these, held: with such a fault it need not break.
    pub held: usize,
    /// Where they began, if it was with a version: then it may be what the product does to its environment.
    pub began: Option<Began>,
}

/// A version with which faults began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began {
    /// The version.
    pub version: u32,
    /// Runs before it, none of them spoilt.
    pub before: usize,
    /// Runs since then.
    pub since: usize,
    /// Of these, spoilt.
    pub spoilt: usize,
}

impl Excuses {
    /// Those of a history; none where no run was spoilt.
    pub fn of(series: &Series) -> Option<Excuses> {
        let judged: Vec<&Run> = series.runs.iter().filter(|run| run.is_judged()).collect();
        let spoilt: Vec<&Run> = judged.iter().copied().filter(|run| run.is_excused()).collect();
        let count = |outcome| spoilt.iter().filter(|run| run.outcome == outcome).count();
        let first = spoilt.first()?;
        let before = judged.iter().position(|run| run.version == first.version)?;
        let since = judged.len() - before;
        let began = Began { version: first.version, before, since, spoilt: spoilt.len() };
        Some(Excuses {
            runs: spoilt.len(),
            broken: count(Outcome::Broken),
            held: count(Outcome::Held),
            began: (before > 0 && 2 * began.spoilt > since && began.spoilt > 1).then_some(began),
        })
    }
}
