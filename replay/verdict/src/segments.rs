//! Which runs belong together, by their colours: a Bayesian model of segments, without random numbers.
//!
//! A segment is a stretch of runs with one failure rate. It is in one of five states of health, each a Beta distribution of that
//! rate; it ends where the product may have changed (between versions), where the environment may have, or where an outage begins.
//! All ways to cut a history into segments are summed up, each weighed by its probability, exactly but for beginnings
//! that have become unlikely (less than 1e-4 of the mass); an added run costs one step of every beginning that is left.
//!
//! After R. P. Adams and D. J. C. MacKay, "Bayesian Online Changepoint Detection" (2007); P. Fearnhead, "Exact and efficient
//! Bayesian inference for multiple changepoint problems" (2006).

use crate::priors::{Beta, Priors};

/// How many states of health there are.
pub const STATES: usize = 5;
/// How many labels.
pub const LABELS: usize = 4;

/// Healthy: hardly ever broken.
pub const HEALTHY: usize = 0;
/// The first state that counts as worse, and not as rare flakes.
pub const LOW: usize = 2;
/// Broken, nearly always.
pub const BROKEN: usize = 4;

/// No change yet, or the environment's last, for the better.
pub const UNCHANGED: usize = 0;
/// The last change was the product's, for the worse.
pub const PRODUCT_WORSE: usize = 1;
/// The last change was the product's, for the better.
pub const PRODUCT_BETTER: usize = 2;
/// The last change was the environment's, for the worse.
pub const ENVIRONMENT_WORSE: usize = 3;

/// Mass by state and by the label of the last change.
pub type Mass = [[f64; LABELS]; STATES];

/// A beginning with less than this share of the mass is forgotten.
const FORGOTTEN: f64 = 1e-4;

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
            product: if step.version { priors.pace.product } else { 0.0 },
            environment: if step.environment { priors.environment_hazard } else { priors.unseen_hazard },
            outage: priors.pace.outage,
        }
    }

    /// That nothing happened.
    pub fn none(&self) -> f64 {
        (1.0 - self.product - self.environment - self.outage).max(0.0)
    }
}

/// The label of a change from one state to another.
pub fn label(worse: usize, better: usize, from: usize, to: usize) -> usize {
    if to > from { worse } else { better }
}

/// Segments that begin with one run, one in each state, or outages over segments in each.
#[derive(Clone, Debug)]
struct Beginning<const WAYS: usize> {
    mass: Mass,
    /// The mass over all labels, by what the runs since then are seen as.
    total: [f64; WAYS],
    /// The likelihood of the runs since then, with nothing having ended.
    since: [f64; WAYS],
    runs: f64,
    broken: f64,
    /// What is left of all that.
    weight: f64,
}

impl<const WAYS: usize> Beginning<WAYS> {
    fn new(mass: Mass, total: [f64; WAYS]) -> Self {
        Beginning { mass, total, since: [1.0; WAYS], runs: 0.0, broken: 0.0, weight: 0.0 }
    }

    /// Sees one more run; the rates are those of the ways to see it. What is left of it all.
    fn observe(&mut self, rates: &[Beta; WAYS], broken: bool) -> f64 {
        self.weight = 0.0;
        for ((since, total), rate) in self.since.iter_mut().zip(&self.total).zip(rates) {
            *since *= rate.of_next(broken, self.runs, self.broken);
            self.weight += *since * total;
        }
        self.runs += 1.0;
        self.broken += f64::from(u8::from(broken));
        self.weight
    }

    fn scale(&mut self, by: f64) {
        self.since.iter_mut().for_each(|since| *since *= by);
        self.weight *= by;
    }
}

/// Everything that the runs so far say about segments.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    bases: Vec<Beginning<STATES>>,
    outages: Vec<Beginning<1>>,
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
        if self.is_empty() {
            self.begin(priors);
        } else {
            self.advance(priors, Hazards::of(priors, step));
        }
        let probability = self.observe(priors, broken);
        self.log_evidence += probability.ln();
        probability
    }

    /// The probability that the next run is broken.
    pub fn predict(&self, priors: &Priors, step: Step) -> f64 {
        self.clone().push(priors, step, true)
    }

    /// Whether there was no run.
    pub fn is_empty(&self) -> bool {
        self.bases.is_empty()
    }

    /// Leaves out beginnings with less than this share of the mass.
    pub fn forget(&mut self, share: f64) {
        self.bases.retain(|base| base.weight >= share);
        self.outages.retain(|outage| outage.weight >= share);
    }

    /// The mass by state, of all together 1.
    pub fn now(&self) -> Now {
        let mut now = Now::default();
        for base in &self.bases {
            for ((sum, mass), since) in now.base.iter_mut().zip(&base.mass).zip(&base.since) {
                for (sum, mass) in sum.iter_mut().zip(mass) {
                    *sum += mass * since;
                }
            }
        }
        for outage in &self.outages {
            for (sum, mass) in now.outage.iter_mut().flatten().zip(outage.mass.iter().flatten()) {
                *sum += mass * outage.since[0];
            }
        }
        now
    }

    fn begin(&mut self, priors: &Priors) {
        let mut mass = Mass::default();
        for (row, start) in mass.iter_mut().zip(priors.start) {
            row[UNCHANGED] = start;
        }
        self.bases.push(Beginning::new(mass, priors.start));
    }

    fn advance(&mut self, priors: &Priors, hazards: Hazards) {
        let now = self.now();
        let (before, out) = (now.base_by_state(), now.outage_by_state());
        let mut base = now.outage.map(|row| row.map(|mass| priors.outage_end * priors.outage_returns * mass));
        let outage = now.base.map(|row| row.map(|mass| hazards.outage * mass));
        let lasting = priors.outage_end * (1.0 - priors.outage_returns);
        for from in 0..STATES {
            for to in (0..STATES).filter(|to| *to != from) {
                let chance = priors.transition[from][to];
                base[to][label(PRODUCT_WORSE, PRODUCT_BETTER, from, to)] += hazards.product * chance * before[from];
                base[to][label(ENVIRONMENT_WORSE, UNCHANGED, from, to)] +=
                    (hazards.environment * before[from] + lasting * out[from]) * chance;
            }
        }
        self.bases.iter_mut().for_each(|base| base.scale(hazards.none()));
        self.outages.iter_mut().for_each(|outage| outage.scale(1.0 - priors.outage_end));
        self.bases.push(Beginning::new(base, base.map(|row| row.iter().sum())));
        self.outages.push(Beginning::new(outage, [outage.iter().flatten().sum()]));
    }

    fn observe(&mut self, priors: &Priors, broken: bool) -> f64 {
        let bases: f64 = self.bases.iter_mut().map(|base| base.observe(&priors.health, broken)).sum();
        let outages: f64 = self.outages.iter_mut().map(|outage| outage.observe(&[priors.outage], broken)).sum();
        let total = bases + outages;
        self.bases.retain(|base| base.weight >= FORGOTTEN * total);
        self.outages.retain(|outage| outage.weight >= FORGOTTEN * total);
        self.bases.iter_mut().for_each(|base| base.scale(1.0 / total));
        self.outages.iter_mut().for_each(|outage| outage.scale(1.0 / total));
        total
    }
}
