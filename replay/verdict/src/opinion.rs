//! What can be said of a history.

use crate::{Drift, Excuses, Plan, Rate, Shift};

/// What a history means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It holds.
    Stable,
    /// It breaks now and then, and did before.
    Flaky,
    /// The product became worse.
    Regression,
    /// The product became better.
    Fixed,
    /// What surrounds the product is the reason.
    Environment,
    /// The spec is another one, not the product.
    SpecChange,
    /// It never held.
    BrokenNoBaseline,
    /// The runs don't decide.
    Insufficient,
}

/// What kind of regression it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It held and is broken now.
    Broken,
    /// It breaks more often.
    FlakeRate,
    /// The margin became smaller.
    Margin,
    /// Faults of the environment began with a version: it is what the product does to its environment.
    Resource,
}

/// The probability of each answer; together 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Posterior {
    /// It holds.
    pub stable: f64,
    /// It breaks now and then, and nothing of the product changed that.
    pub flaky: f64,
    /// The last change was the product's, for the worse.
    pub regression: f64,
    /// The last change was the product's, for the better.
    pub fixed: f64,
    /// The environment is worse than it was.
    pub environment: f64,
    /// It never held.
    pub broken_no_baseline: f64,
    /// The spec is another one.
    pub spec_change: f64,
}

/// The product's change: between which versions, and how sure that is.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The place of the first run after it.
    pub place: usize,
    /// The last version before it.
    pub before: u32,
    /// The first version with it.
    pub after: u32,
    /// That it lies there, given that there is one.
    pub probability: f64,
    /// The fewest versions, likeliest first, one of which is the first with it by 95 %.
    pub among: Vec<u32>,
}

/// What an assertion's history means.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// The verdict.
    pub verdict: Verdict,
    /// What kind of regression, where it is one.
    pub kind: Option<Kind>,
    /// The probability of each answer.
    pub posterior: Posterior,
    /// Where the product changed, where it did.
    pub change: Option<Change>,
    /// Broken runs before the change.
    pub before: Option<Rate>,
    /// Broken runs since the change, or in all.
    pub since: Rate,
    /// The shift of the margin, where that is what changed.
    pub shift: Option<Shift>,
    /// A margin that creeps.
    pub drift: Option<Drift>,
    /// What would decide, where nothing is decided.
    pub plan: Option<Plan>,
    /// Whether the newest version was seen at all: a run of it says something.
    pub newest: bool,
    /// A regression that is too unsure beside all others that were told.
    pub taken_back: bool,
    /// Runs that say something.
    pub informative: usize,
    /// Of these, broken.
    pub broken: usize,
    /// The runs that faults excuse, and what speaks for and against that.
    pub excuses: Option<Excuses>,
}

impl Opinion {
    /// How sure the verdict is; where nothing is decided, how sure the likeliest answer is.
    pub fn probability(&self) -> f64 {
        let named = self.posterior.named();
        let own = named.iter().find(|(word, _)| *word == self.verdict.name()).map(|(_, share)| *share);
        own.unwrap_or_else(|| self.posterior.likeliest().1)
    }
}

impl Posterior {
    /// Makes room for what only other evidence shows: that the product became worse.
    pub fn give(&mut self, regression: f64) {
        self.keep(1.0 - regression);
        self.regression += regression;
    }

    /// Makes room for the environment's share in what is seen now.
    pub fn blame(&mut self, share: f64) {
        self.keep(1.0 - share);
        self.environment += share;
    }

    /// Takes from all of them alike: this share is kept.
    pub fn keep(&mut self, share: f64) {
        let Posterior { stable, flaky, regression, fixed, environment, broken_no_baseline, spec_change } = self;
        for part in [stable, flaky, regression, fixed, environment, broken_no_baseline, spec_change] {
            *part *= share;
        }
    }

    /// The likeliest answer.
    pub fn likeliest(&self) -> (&'static str, f64) {
        self.named().into_iter().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or_default()
    }

    /// Under its word, each of them.
    pub fn named(&self) -> [(&'static str, f64); 7] {
        [
            (Verdict::Regression.name(), self.regression),
            (Verdict::Fixed.name(), self.fixed),
            (Verdict::Environment.name(), self.environment),
            (Verdict::Flaky.name(), self.flaky),
            (Verdict::Stable.name(), self.stable),
            (Verdict::BrokenNoBaseline.name(), self.broken_no_baseline),
            (Verdict::SpecChange.name(), self.spec_change),
        ]
    }
}

impl Verdict {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Stable => "stable",
            Verdict::Flaky => "flaky",
            Verdict::Regression => "regression",
            Verdict::Fixed => "fixed",
            Verdict::Environment => "environment",
            Verdict::SpecChange => "spec_change",
            Verdict::BrokenNoBaseline => "broken_no_baseline",
            Verdict::Insufficient => "insufficient",
        }
    }
}

impl Kind {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Broken => "broken",
            Kind::FlakeRate => "flake_rate",
            Kind::Margin => "margin",
            Kind::Resource => "resource",
        }
    }
}
