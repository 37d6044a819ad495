//! What is thought before a history is seen, and how a project's own histories teach it better (empirical Bayes).

use super::segments::STATES;
use super::smoothing::{Counts, Smoothed};
use super::{Colours, Series};

/// A Beta distribution of a failure rate.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Beta {
    /// As many broken runs as were seen before, and one.
    pub broken: f64,
    /// As many held runs.
    pub held: f64,
}

impl Beta {
    /// The probability of the next run's colour, after some runs, of which some were broken.
    pub fn of_next(&self, broken: bool, runs: f64, so_far: f64) -> f64 {
        let hits = if broken { self.broken + so_far } else { self.held + runs - so_far };
        hits / (self.broken + self.held + runs)
    }
}

/// What is thought before a history is seen.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Priors {
    /// The failure rate in each state of health: healthy, rare, low, medium, broken.
    pub health: [Beta; STATES],
    /// The failure rate in an outage.
    pub outage: Beta,
    /// The state in which a history begins.
    pub start: [f64; STATES],
    /// The state that a change leads to, from each.
    pub transition: [[f64; STATES]; STATES],
    /// That a new version changes the state.
    pub product_hazard: f64,
    /// That another environment changes the state.
    pub environment_hazard: f64,
    /// That the environment changes the state between two runs although it looks the same.
    pub unseen_hazard: f64,
    /// That an outage begins between two runs.
    pub outage_hazard: f64,
    /// That an outage ends between two runs.
    pub outage_end: f64,
    /// That all is as before when it ends.
    pub outage_returns: f64,
}

impl Default for Priors {
    fn default() -> Priors {
        let beta = |broken, held| Beta { broken, held };
        Priors {
            health: [beta(0.5, 400.0), beta(1.5, 60.0), beta(3.0, 22.0), beta(4.0, 5.0), beta(40.0, 0.8)],
            outage: beta(4.0, 1.0),
            start: [0.80, 0.07, 0.05, 0.04, 0.04],
            transition: [
                [0.0, 0.10, 0.15, 0.20, 0.55],
                [0.20, 0.0, 0.15, 0.15, 0.50],
                [0.20, 0.10, 0.0, 0.20, 0.50],
                [0.25, 0.10, 0.15, 0.0, 0.50],
                [0.75, 0.08, 0.09, 0.08, 0.0],
            ],
            product_hazard: 0.02,
            environment_hazard: 0.02,
            unseen_hazard: 1e-4,
            outage_hazard: 0.002,
            outage_end: 0.35,
            outage_returns: 0.95,
        }
    }
}

/// How much the defaults count beside what was learned: as this many histories, changes and new versions.
const DEFAULTS_COUNT: f64 = 20.0;
/// How often the histories are gone through.
const ROUNDS: usize = 3;
/// More histories than these teach nothing new.
const MOST_HISTORIES: usize = 2_000;

impl Priors {
    /// Learns from a project's histories: how they begin, how often a new version changes something, and to what; how often
    /// there is an outage, and for how long.
    ///
    /// A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm" (1977).
    pub fn learned(series: &[Series]) -> Priors {
        let stride = series.len().div_ceil(MOST_HISTORIES).max(1);
        let histories: Vec<Colours> =
            series.iter().step_by(stride).map(Colours::of).filter(|colours| !colours.runs.is_empty()).collect();
        let mut priors = Priors::default();
        for _ in 0..ROUNDS {
            let halves = histories.chunks(histories.len().div_ceil(2).max(1));
            let mut total = Counts::default();
            std::thread::scope(|scope| {
                let work: Vec<_> = halves.map(|half| scope.spawn(|| counted(&priors, half))).collect();
                for part in work {
                    let part = part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                    total.add(&part);
                }
            });
            priors = priors.taught(&total);
        }
        priors
    }

    /// Whether every number of it can be one.
    ///
    /// # Errors
    /// What can't.
    pub fn check(&self) -> Result<(), String> {
        let betas = self.health.iter().chain([&self.outage]);
        if betas.flat_map(|beta| [beta.broken, beta.held]).any(|count| !count.is_finite() || count <= 0.0) {
            return Err("a state of health must have two numbers above 0".to_owned());
        }
        let hazards = [
            self.product_hazard,
            self.environment_hazard,
            self.unseen_hazard,
            self.outage_hazard,
            self.outage_end,
            self.outage_returns,
        ];
        let mut shares = [&self.start].into_iter().chain(&self.transition).flatten().chain(&hazards);
        if shares.any(|share| !(0.0..=1.0).contains(share)) || hazards[..4].iter().sum::<f64>() >= 1.0 {
            return Err("a probability must lie between 0 and 1".to_owned());
        }
        let whole = |row: &[f64; STATES]| (row.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        if !whole(&self.start) || !self.transition.iter().all(whole) {
            return Err("`start` and each row of `transition` must sum to 1".to_owned());
        }
        Ok(())
    }

    fn taught(&self, counts: &Counts) -> Priors {
        let default = Priors::default();
        let rate = |[hits, tries]: [f64; 2], default: f64| (hits + DEFAULTS_COUNT * default) / (tries + DEFAULTS_COUNT);
        let mut priors = Priors {
            start: shares(&counts.start, &default.start),
            product_hazard: rate(counts.product, default.product_hazard),
            outage_hazard: rate(counts.outage, default.outage_hazard),
            ..default.clone()
        };
        for (from, row) in priors.transition.iter_mut().enumerate() {
            *row = shares(&counts.transition[from], &default.transition[from]);
        }
        priors
    }
}

fn counted(priors: &Priors, histories: &[Colours]) -> Counts {
    let mut counts = Counts::default();
    for colours in histories {
        let Smoothed { counts: one, .. } = super::smoothing::smooth(priors, &colours.runs);
        counts.add(&one);
    }
    counts
}

fn shares(counts: &[f64; STATES], default: &[f64; STATES]) -> [f64; STATES] {
    let total: f64 = counts.iter().sum::<f64>() + DEFAULTS_COUNT;
    let mut shares = [0.0; STATES];
    for (share, (count, default)) in shares.iter_mut().zip(counts.iter().zip(default)) {
        *share = (count + DEFAULTS_COUNT * default) / total;
    }
    shares
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        for (mine, theirs) in self.start.iter_mut().zip(other.start) {
            *mine += theirs;
        }
        for (mine, theirs) in self.transition.iter_mut().flatten().zip(other.transition.iter().flatten()) {
            *mine += theirs;
        }
        for place in 0..2 {
            self.product[place] += other.product[place];
            self.outage[place] += other.outage[place];
            self.outage_end[place] += other.outage_end[place];
            self.outage_returns[place] += other.outage_returns[place];
        }
    }
}
