//! Which runs belong together, by their colours: an exact Bayesian model of segments.
//!
//! A segment is a stretch of runs with one failure rate. It is in one of five states of health, each a Beta distribution of that
//! rate; it ends where the product may have changed (between versions), where the environment may have, or where an outage begins.
//! All ways to cut a history into segments are summed up, each weighed by its probability; an added run costs one step of every
//! beginning that is still likely.
//!
//! After R. P. Adams and D. J. C. MacKay, "Bayesian Online Changepoint Detection" (2007); P. Fearnhead, "Exact and efficient
//! Bayesian inference for multiple changepoint problems" (2006).

use super::priors::Priors;

/// How many states of health there are.
pub const STATES: usize = 5;
/// How many labels.
pub const LABELS: usize = 5;

/// Healthy: hardly ever broken.
pub const HEALTHY: usize = 0;
/// The first state that counts as worse, and not as rare flakes.
pub const LOW: usize = 2;
/// Broken, nearly always.
pub const BROKEN: usize = 4;

/// No change yet.
pub const UNCHANGED: usize = 0;
/// The last change was the product's, for the worse.
pub const PRODUCT_WORSE: usize = 1;
/// The last change was the product's, for the better.
pub const PRODUCT_BETTER: usize = 2;
/// The last change was the environment's, for the worse.
pub const ENVIRONMENT_WORSE: usize = 3;
/// The last change was the environment's, for the better.
pub const ENVIRONMENT_BETTER: usize = 4;

/// Mass by state and by the label of the last change.
pub type Mass = [[f64; LABELS]; STATES];

/// A beginning with less than this share of the mass is forgotten.
const FORGOTTEN: f64 = 1e-9;

/// What changed between a run and the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// The version is another one.
    pub version: bool,
    /// The environment is another one.
    pub environment: bool,
}

/// The probabilities that something ends between two runs.
#[derive(Clone, Copy, Debug)]
pub struct Hazards {
    /// The product changed.
    pub product: f64,
    /// The environment changed for good.
    pub environment: f64,
    /// An outage begins.
    pub outage: f64,
}

impl Hazards {
    /// What may have happened at a step.
    pub fn of(priors: &Priors, step: Step) -> Hazards {
        Hazards {
            // Between two runs of the same version nothing of the product can have changed.
            product: if step.version { priors.product_hazard } else { 0.0 },
            environment: if step.environment { priors.environment_hazard } else { priors.unseen_hazard },
            outage: priors.outage_hazard,
        }
    }

    /// That nothing happened.
    pub fn none(&self) -> f64 {
        1.0 - self.product - self.environment - self.outage
    }
}

/// The label of a change from one state to another.
pub fn label(worse: usize, better: usize, from: usize, to: usize) -> usize {
    if to > from { worse } else { better }
}

/// A run at which segments begin: one in each state, and an outage over each.
#[derive(Clone, Debug)]
struct Beginning {
    base: Mass,
    outage: Mass,
    /// The likelihood of the runs since then in each state, with nothing having ended.
    base_since: [f64; STATES],
    outage_since: f64,
    runs: f64,
    broken: f64,
}

impl Beginning {
    fn weight(&self) -> f64 {
        let base: f64 =
            self.base.iter().zip(&self.base_since).map(|(row, since)| row.iter().sum::<f64>() * since).sum();
        base + self.outage.iter().flatten().sum::<f64>() * self.outage_since
    }
}

/// Everything that the runs so far say about segments.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    beginnings: Vec<Beginning>,
    /// The logarithm of the probability of the runs so far.
    pub log_evidence: f64,
}

/// The mass of paths by what they are in now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// In no outage.
    pub base: Mass,
    /// In an outage, over this state.
    pub outage: Mass,
}

impl Now {
    /// The mass over all labels, in no outage.
    pub fn base_by_state(&self) -> [f64; STATES] {
        self.base.map(|row| row.iter().sum())
    }

    /// The mass over all labels, in an outage.
    pub fn outage_by_state(&self) -> [f64; STATES] {
        self.outage.map(|row| row.iter().sum())
    }
}

impl Segments {
    /// Adds a run, `step` away from the one before. Returns its probability, given the ones before.
    pub fn push(&mut self, priors: &Priors, step: Step, broken: bool) -> f64 {
        if self.beginnings.is_empty() {
            self.begin(priors);
        } else {
            self.advance(priors, Hazards::of(priors, step));
        }
        let probability = self.observe(priors, broken);
        self.log_evidence += probability.ln();
        probability
    }

    /// The same, without changing anything.
    pub fn predict(&self, priors: &Priors, step: Step) -> f64 {
        self.clone().push(priors, step, true)
    }

    /// Whether there was no run.
    pub fn is_empty(&self) -> bool {
        self.beginnings.is_empty()
    }

    /// Leaves out beginnings with less than this share of the mass.
    pub fn forget(&mut self, share: f64) {
        let total: f64 = self.beginnings.iter().map(Beginning::weight).sum();
        self.beginnings.retain(|beginning| beginning.weight() >= share * total);
    }

    /// The mass by state, of all together 1.
    pub fn now(&self) -> Now {
        let mut now = Now::default();
        for beginning in &self.beginnings {
            for state in 0..STATES {
                for label in 0..LABELS {
                    now.base[state][label] += beginning.base[state][label] * beginning.base_since[state];
                    now.outage[state][label] += beginning.outage[state][label] * beginning.outage_since;
                }
            }
        }
        now
    }

    fn begin(&mut self, priors: &Priors) {
        let mut base = Mass::default();
        for (row, start) in base.iter_mut().zip(priors.start) {
            row[UNCHANGED] = start;
        }
        self.add(base, Mass::default());
    }

    fn add(&mut self, base: Mass, outage: Mass) {
        let since = [1.0; STATES];
        self.beginnings.push(Beginning { base, outage, base_since: since, outage_since: 1.0, runs: 0.0, broken: 0.0 });
    }

    fn advance(&mut self, priors: &Priors, hazards: Hazards) {
        let now = self.now();
        let (before, out) = (now.base_by_state(), now.outage_by_state());
        let (mut base, mut outage) = (Mass::default(), Mass::default());
        for to in 0..STATES {
            for label in 0..LABELS {
                base[to][label] = priors.outage_end * priors.outage_returns * now.outage[to][label];
                outage[to][label] = hazards.outage * now.base[to][label];
            }
        }
        let lasting = priors.outage_end * (1.0 - priors.outage_returns);
        for from in 0..STATES {
            for to in (0..STATES).filter(|to| *to != from) {
                let chance = priors.transition[from][to];
                base[to][label(PRODUCT_WORSE, PRODUCT_BETTER, from, to)] += hazards.product * chance * before[from];
                base[to][label(ENVIRONMENT_WORSE, ENVIRONMENT_BETTER, from, to)] +=
                    (hazards.environment * before[from] + lasting * out[from]) * chance;
            }
        }
        let none = hazards.none();
        for beginning in &mut self.beginnings {
            beginning.base_since = beginning.base_since.map(|since| since * none);
            beginning.outage_since *= 1.0 - priors.outage_end;
        }
        self.add(base, outage);
    }

    fn observe(&mut self, priors: &Priors, broken: bool) -> f64 {
        for beginning in &mut self.beginnings {
            for (since, health) in beginning.base_since.iter_mut().zip(&priors.health) {
                *since *= health.of_next(broken, beginning.runs, beginning.broken);
            }
            beginning.outage_since *= priors.outage.of_next(broken, beginning.runs, beginning.broken);
            beginning.runs += 1.0;
            beginning.broken += f64::from(u8::from(broken));
        }
        let total: f64 = self.beginnings.iter().map(Beginning::weight).sum();
        self.beginnings.retain(|beginning| beginning.weight() >= FORGOTTEN * total);
        for beginning in &mut self.beginnings {
            beginning.base_since = beginning.base_since.map(|since| since / total);
            beginning.outage_since /= total;
        }
        total
    }
}
