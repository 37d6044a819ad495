//! One assertion, a history of runs, one verdict, with a posterior that means what it says.
//!
//! Two channels look at the runs: their colours ([`segments`], [`smoothing`]) and their margins ([`margin`]); [`priors`] is what is
//! thought beforehand, [`plan`] what would decide what isn't decided, [`suite`] what many assertions say together. Runs that the
//! evidence excuses say nothing about the product, whatever their colour.
//!
//! Pure: exact sums and closed forms, no random numbers, no clock.

pub mod history;
mod margin;
mod plan;
mod priors;
mod rates;
mod segments;
mod smoothing;
mod suite;

use margin::Margins;
pub use margin::{Drift, Shift};
pub use plan::{MOST_RUNS, Of, Plan};
use priors::Pace;
pub use priors::{Learned, Priors};
pub use rates::Rate;
use segments::{BROKEN, HEALTHY, LOW, Segments, Step};
use smoothing::Smoothed;
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

    fn is_informative(&self) -> bool {
        matches!(self.outcome, Outcome::Held | Outcome::Broken) && !self.is_excused()
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
    /// A regression that is too unsure beside all others that were told.
    pub taken_back: bool,
    /// Runs that say something.
    pub informative: usize,
    /// Of these, broken.
    pub broken: usize,
    /// Runs that the evidence excuses.
    pub excused: usize,
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

    /// Which runs the environment spoilt.
    fn of_evidence(series: &Series) -> Colours {
        Colours::seen(series, |run| Some(run.attribution == Some(Attribution::Environment)))
    }

    fn broken(&self) -> usize {
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

const SURE_OF_REGRESSION: f64 = 0.85;
const SURE_OF_MARGIN: f64 = 0.80;
const SURE_OF_FIX: f64 = 0.85;
const SURE_OF_ENVIRONMENT: f64 = 0.80;
const SURE_OF_RATE: f64 = 0.80;
const SURE_OF_BROKEN: f64 = 0.90;

/// What an assertion's history means.
pub fn judge(learned: &Learned, series: &Series) -> Opinion {
    let priors = &learned.of_length(series);
    let colours = Colours::of(series);
    let segments = run_through(priors, &colours);
    let margins = margin::margins(priors, &measured(series));
    let resource = resource(priors, series);
    let excuse = excuse(priors, series, &segments);
    let mut posterior = by_colours(priors, &segments);
    posterior.give(margins.regression);
    posterior.blame(excuse);
    posterior.give(resource);
    let seen = Seen { margins: &margins, resource, excuse, broken: colours.broken(), runs: colours.runs.len() };
    let mut verdict = decide(&posterior, &seen);
    let mut smoothed = Smoothed::default();
    if matches!(verdict, Verdict::Regression | Verdict::Fixed | Verdict::Environment) {
        smoothed = smoothing::smooth(priors, &colours.runs);
    }
    if verdict == Verdict::Environment
        && excuse < SURE_OF_ENVIRONMENT
        && !shows_environment(series, &colours, &smoothed)
    {
        verdict = Verdict::Insufficient;
    }
    let change = match verdict {
        Verdict::Regression if resource >= SURE_OF_REGRESSION => {
            let evidence = Colours::of_evidence(series);
            let smoothed = smoothing::smooth(priors, &evidence.runs);
            located(series, places(&evidence, &smoothed, |at| at.last_worse))
        }
        Verdict::Regression => {
            let mut mass = places(&colours, &smoothed, |at| at.last_worse);
            add(&mut mass, &margins.at);
            located(series, mass)
        }
        Verdict::Fixed => located(series, places(&colours, &smoothed, |at| at.last_better)),
        _ => None,
    };
    let (before, since) = rates::around(&colours, &smoothed, change.as_ref().map(|change| change.place));
    Opinion {
        kind: (verdict == Verdict::Regression).then(|| kind(&seen, &segments)),
        plan: (verdict == Verdict::Insufficient).then(|| planned(priors, series, &colours, &segments)).flatten(),
        shift: margins.shift.filter(|_| margins.regression >= SURE_OF_MARGIN),
        drift: margins.drift,
        taken_back: false,
        informative: seen.runs,
        broken: seen.broken,
        excused: series.runs.iter().filter(|run| run.is_excused()).count(),
        verdict,
        posterior,
        change,
        before,
        since,
    }
}

impl Opinion {
    /// How sure the verdict is; where nothing is decided, how sure the likeliest answer is.
    pub fn probability(&self) -> f64 {
        let named = self.posterior.named();
        let own = named.iter().find(|(word, _)| *word == self.verdict.name()).map(|(_, share)| *share);
        own.unwrap_or_else(|| self.posterior.likeliest().1)
    }
}

/// What a verdict stands on, beside the posterior.
struct Seen<'a> {
    margins: &'a Margins,
    resource: f64,
    excuse: f64,
    broken: usize,
    runs: usize,
}

fn decide(posterior: &Posterior, seen: &Seen<'_>) -> Verdict {
    let by_margin = seen.margins.regression >= SURE_OF_MARGIN && seen.excuse == 0.0;
    if seen.runs == 0 && seen.excuse == 0.0 {
        Verdict::Insufficient
    } else if posterior.regression >= SURE_OF_REGRESSION || by_margin {
        Verdict::Regression
    } else if posterior.fixed >= SURE_OF_FIX {
        Verdict::Fixed
    } else if posterior.environment >= SURE_OF_ENVIRONMENT {
        Verdict::Environment
    } else if posterior.flaky + posterior.stable >= SURE_OF_RATE {
        if posterior.flaky > posterior.stable { Verdict::Flaky } else { Verdict::Stable }
    } else if seen.broken == 0 && seen.runs > 0 && seen.excuse == 0.0 {
        Verdict::Stable
    } else if posterior.broken_no_baseline >= SURE_OF_BROKEN {
        Verdict::BrokenNoBaseline
    } else {
        Verdict::Insufficient
    }
}

fn kind(seen: &Seen<'_>, segments: &Segments) -> Kind {
    let worse = segments.now().base.map(|row| row[segments::PRODUCT_WORSE]);
    let colours: f64 = worse[LOW..].iter().sum();
    if seen.resource >= SURE_OF_REGRESSION {
        Kind::Resource
    } else if colours < 0.5 {
        Kind::Margin
    } else if worse[BROKEN] > 0.5 * colours {
        Kind::Broken
    } else {
        Kind::FlakeRate
    }
}

fn run_through(priors: &Priors, colours: &Colours) -> Segments {
    let mut segments = Segments::default();
    for (step, broken) in &colours.runs {
        segments.push(priors, *step, *broken);
    }
    segments
}

/// That faults of the environment began with a version: then they are no excuse.
fn resource(priors: &Priors, series: &Series) -> f64 {
    let evidence = Colours::of_evidence(series);
    if evidence.broken() < 2 {
        return 0.0;
    }
    // Faults come by themselves far more often than a version brings them.
    let pace = Pace { product: priors.pace.outage, outage: priors.pace.product, ..priors.pace };
    let priors = Priors { pace, outage_returns: 1.0, ..priors.clone() };
    by_colours(&priors, &run_through(&priors, &evidence)).regression
}

fn by_colours(priors: &Priors, segments: &Segments) -> Posterior {
    let mut posterior = Posterior::default();
    let now = segments.now();
    posterior.environment = now.outage_by_state().iter().sum();
    for (state, row) in now.base.iter().enumerate() {
        for (label, mass) in row.iter().enumerate() {
            let share = match (label, state) {
                (segments::PRODUCT_BETTER, _) => &mut posterior.fixed,
                (segments::PRODUCT_WORSE, LOW..=BROKEN) => &mut posterior.regression,
                (segments::ENVIRONMENT_WORSE, LOW..=BROKEN) => &mut posterior.environment,
                (_, HEALTHY) => &mut posterior.stable,
                (_, BROKEN) => &mut posterior.broken_no_baseline,
                _ => &mut posterior.flaky,
            };
            *share += mass;
        }
    }
    if segments.is_empty() {
        posterior.stable = priors.start[HEALTHY];
        posterior.broken_no_baseline = priors.start[BROKEN];
        posterior.flaky = 1.0 - posterior.stable - posterior.broken_no_baseline;
    }
    let sum: f64 = posterior.named().iter().map(|(_, share)| share).sum();
    posterior.keep(1.0 / sum);
    posterior
}

impl Posterior {
    /// Makes room for what only other evidence shows: that the product became worse.
    fn give(&mut self, regression: f64) {
        self.keep(1.0 - regression);
        self.regression += regression;
    }

    /// Makes room for the environment's share in what is seen now.
    fn blame(&mut self, share: f64) {
        self.keep(1.0 - share);
        self.environment += share;
    }

    fn keep(&mut self, share: f64) {
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

/// How much of a last run that is broken and excused the excuse explains: the fraction of failures under it that would not
/// have been without it (the attributable fraction among the exposed; M. L. Levin 1953).
fn excuse(priors: &Priors, series: &Series, segments: &Segments) -> f64 {
    let judged = |run: &&Run| matches!(run.outcome, Outcome::Held | Outcome::Broken);
    let last = series.runs.iter().rev().find(judged);
    if !last.is_some_and(|run| run.is_excused() && run.outcome == Outcome::Broken) {
        return 0.0;
    }
    let excused = series.runs.iter().filter(judged).filter(|run| run.is_excused());
    let runs = excused.clone().count() as f64;
    let broken = excused.filter(|run| run.outcome == Outcome::Broken).count() as f64;
    let with = (broken + 1.0) / (runs + 1.25);
    let without = segments.predict(priors, Step::default());
    (1.0 - without / with).max(0.0)
}

/// Whether something recorded speaks for the environment: its fingerprint changed where things became worse, or faults were
/// seen since then.
fn shows_environment(series: &Series, colours: &Colours, smoothed: &Smoothed) -> bool {
    let since = smoothed.at.iter().rposition(|at| at.last_environment > 0.5 || at.outage_begins > 0.5);
    let Some(since) = since else { return false };
    let place = colours.places[since];
    let before = since.checked_sub(1).map_or(0, |before| colours.places[before]);
    colours.runs[since].0.environment || series.runs[before..=place].iter().any(Run::is_excused)
}

fn measured(series: &Series) -> Vec<margin::Measured> {
    let mut measured = Vec::new();
    let mut before: Option<&Run> = None;
    let green = |run: &Run| run.is_informative() && run.outcome == Outcome::Held;
    for (place, run) in series.runs.iter().enumerate().filter(|(_, run)| green(run)) {
        if let Some(margin) = run.margin {
            measured.push(margin::Measured { place, step: step(before, run), margin });
            before = Some(run);
        }
    }
    measured
}

fn places(colours: &Colours, smoothed: &Smoothed, mass: impl Fn(&smoothing::At) -> f64) -> Vec<(usize, f64)> {
    colours.places.iter().copied().zip(smoothed.at.iter().map(mass)).collect()
}

fn add(mass: &mut Vec<(usize, f64)>, more: &[(usize, f64)]) {
    for (place, more) in more {
        match mass.iter_mut().find(|(known, _)| known == place) {
            Some((_, mass)) => *mass += more,
            None => mass.push((*place, *more)),
        }
    }
}

/// Where the last change of the product lies, by the mass of each place.
fn located(series: &Series, mut mass: Vec<(usize, f64)>) -> Option<Change> {
    mass.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    let total: f64 = mass.iter().map(|(_, mass)| mass).sum();
    let (place, most) = *mass.first().filter(|(_, mass)| *mass > 0.0)?;
    let (mut among, mut covered) = (Vec::new(), 0.0);
    for (place, mass) in &mass {
        if covered >= 0.95 * total {
            break;
        }
        covered += mass;
        among.push(series.runs[*place].version);
    }
    among.dedup();
    let after = series.runs[place].version;
    let before = series.runs[..place].iter().rev().find(|run| run.version != after)?.version;
    Some(Change { place, before, after, probability: most / total, among })
}

/// What would decide a history: runs of the newest version, or, where these don't, of the one before it.
fn planned(priors: &Priors, series: &Series, colours: &Colours, segments: &Segments) -> Option<Plan> {
    let last = series.runs.last()?;
    let shown = colours.runs.iter().any(|(step, _)| step.environment) || series.runs.iter().any(Run::is_excused);
    let decided = |segments: &Segments| {
        let posterior = by_colours(priors, segments);
        let none = Margins::default();
        let seen = Seen { margins: &none, resource: 0.0, excuse: 0.0, broken: 1, runs: 1 };
        match decide(&posterior, &seen) {
            Verdict::Insufficient => false,
            Verdict::Environment => shown,
            _ => true,
        }
    };
    let seen = colours.places.last().and_then(|place| series.runs.get(*place));
    let newest = plan::newest(priors, segments, step(seen, last), &decided);
    if newest.runs.is_some() {
        return Some(newest);
    }
    let cut = colours.places.iter().position(|place| series.runs[*place].version == last.version)?;
    let before = colours.places.get(cut.checked_sub(1)?)?;
    let history = run_through(priors, &Colours { runs: colours.runs[..cut].to_vec(), places: vec![] });
    let control = Step { version: false, environment: series.runs[*before].environment != last.environment };
    let control = plan::before(priors, &history, control, &colours.runs[cut..], &decided);
    Some(if control.runs.is_some() { control } else { newest })
}

#[cfg(test)]
mod tests;
