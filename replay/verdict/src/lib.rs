//! One assertion, a history of runs, one verdict, with a posterior that means what it says.
//!
//! Two channels look at the runs: their colours ([`segments`], [`smoothing`]) and their margins ([`margin`]); [`priors`] is what is
//! thought beforehand, [`plan`] what would decide what isn't decided, [`suite`] what many assertions say together. Runs that the
//! evidence excuses say nothing about the product, whatever their colour.
//!
//! Pure: exact sums and closed forms, no random numbers, no clock.

mod excuses;
pub mod history;
mod judge;
mod margin;
mod opinion;
mod plan;
mod priors;
mod rates;
mod segments;
mod smoothing;
mod suite;

pub use excuses::{Began, Excuses};
pub use judge::judge;
pub use margin::{Drift, Shift};
pub use opinion::{Change, Kind, Opinion, Posterior, Verdict};
pub use plan::{MOST_RUNS, Of, Plan};
pub use priors::{Learned, Priors, ROUNDS, Taught, lessons};
pub use rates::Rate;
use segments::Step;
pub use suite::{Incident, together};

/// What became of an assertion on one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every observation satisfies the bound, and what was needed to see it was watched.
    Held,
    /// An observation violates the bound.
    Broken,
    /// The recording can't tell.
    Inconclusive,
    /// The assertion is not about this run.
    NotApplicable,
}

impl Outcome {
    /// Every outcome, in the order of summaries.
    pub const ALL: [Outcome; 4] = [Outcome::Held, Outcome::Broken, Outcome::Inconclusive, Outcome::NotApplicable];

    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Broken => "broken",
            Outcome::Inconclusive => "inconclusive",
            Outcome::NotApplicable => "not-applicable",
        }
    }
}

/// Why an outcome is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribution {
    /// The system under test.
    Product,
    /// What surrounds it.
    Environment,
    /// What runs and watches it.
    Harness,
    /// The spec looks for a name that has changed.
    SpecDrift,
    /// Broken, and nothing explains it.
    Unknown,
}

impl Attribution {
    /// The word in specs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Attribution::Product => "product",
            Attribution::Environment => "environment",
            Attribution::Harness => "harness",
            Attribution::SpecDrift => "spec-drift",
            Attribution::Unknown => "unknown",
        }
    }
}

/// One run of a history, as one assertion saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id: a place in the history's names.
    pub run: u32,
    /// When it began, in ns; only the order counts.
    pub at_ns: i64,
    /// The version under test: a place in the history's names.
    pub version: u32,
    /// The environment's fingerprint: a place in the history's names.
    pub environment: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where that is known.
    pub attribution: Option<Attribution>,
    /// The signed distance to the bound, finite, where it is a number.
    pub margin: Option<f64>,
}

impl Run {
    /// Whether the evidence takes the blame, so that it says nothing about the product.
    pub fn is_excused(&self) -> bool {
        matches!(self.attribution, Some(Attribution::Environment | Attribution::Harness))
    }

    /// Whether it could be judged at all.
    pub fn is_judged(&self) -> bool {
        matches!(self.outcome, Outcome::Held | Outcome::Broken)
    }

    fn is_informative(&self) -> bool {
        self.is_judged() && !self.is_excused()
    }
}

/// An assertion's runs, in the order of their versions, then of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The assertion.
    pub assertion: String,
    /// Its runs.
    pub runs: Vec<Run>,
}

/// The runs of a history that say something, by their colours.
pub struct Colours {
    /// What changed before each, and whether it was broken.
    pub runs: Vec<(Step, bool)>,
    /// Their places in the history.
    pub places: Vec<usize>,
}

impl Colours {
    /// The colours of a history.
    pub fn of(series: &Series) -> Colours {
        Colours::seen(series, |run| run.is_informative().then_some(run.outcome == Outcome::Broken))
    }

    /// Which of the judged runs faults broke.
    pub(crate) fn of_evidence(series: &Series) -> Colours {
        let spoilt = |run: &Run| run.is_excused() && run.outcome == Outcome::Broken;
        Colours::seen(series, |run| run.is_judged().then_some(spoilt(run)))
    }

    pub(crate) fn broken(&self) -> usize {
        self.runs.iter().filter(|(_, broken)| *broken).count()
    }

    fn seen(series: &Series, colour: impl Fn(&Run) -> Option<bool>) -> Colours {
        let mut colours = Colours { runs: Vec::new(), places: Vec::new() };
        let mut before: Option<&Run> = None;
        for (place, run) in series.runs.iter().enumerate() {
            if let Some(broken) = colour(run) {
                colours.runs.push((step(before, run), broken));
                colours.places.push(place);
                before = Some(run);
            }
        }
        colours
    }
}

fn step(before: Option<&Run>, run: &Run) -> Step {
    let differs = |of: fn(&Run) -> u32| before.is_some_and(|before| of(before) != of(run));
    Step { version: differs(|run| run.version), environment: differs(|run| run.environment) }
}

#[cfg(test)]
mod tests;
