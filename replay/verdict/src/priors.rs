//! What is thought before a history is seen, and how a project's own histories teach it better (empirical Bayes).

use crate::segments::STATES;
use crate::smoothing::{self, Counts};
use crate::{Colours, Series};

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

/// How often things change in histories of some length: what is young changes more often than what is old.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// That a new version changes the state.
    pub product: f64,
    /// That a new version shifts the margin.
    pub margin: f64,
    /// That an outage begins between two runs.
    pub outage: f64,
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
    /// How often things change.
    pub pace: Pace,
    /// That a margin creeps, run by run or version by version: each.
    pub sloped: f64,
    /// That a margin that shifts falls.
    pub margin_falls: f64,
    /// How much a margin resembles the one before it.
    pub autocorrelation: f64,
    /// That another environment changes the state.
    pub environment_hazard: f64,
    /// That the environment changes the state between two runs although it looks the same.
    pub unseen_hazard: f64,
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
            pace: Pace { product: 0.02, margin: 0.02, outage: 0.002 },
            sloped: 0.05,
            margin_falls: 0.5,
            autocorrelation: 0.2,
            environment_hazard: 0.02,
            unseen_hazard: 1e-4,
            outage_end: 0.35,
            outage_returns: 0.95,
        }
    }
}

/// What a project's histories taught.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// For histories of any length.
    pub priors: Priors,
    /// How often things change by the length of a history: see [`Learned::of_length`].
    pub pace: [Pace; LENGTHS],
}

const LENGTHS: usize = 6;
/// How much the defaults count beside what was learned: as this many histories, changes and new versions.
const DEFAULTS_COUNT: f64 = 20.0;
/// How often the histories are gone through.
pub const ROUNDS: usize = 3;
/// More histories than these teach nothing new.
const MOST_HISTORIES: usize = 2_000;

impl Default for Learned {
    fn default() -> Learned {
        let priors = Priors::default();
        Learned { pace: [priors.pace; LENGTHS], priors }
    }
}

impl Learned {
    /// Learns from a project's histories: how they begin, how often a new version changes something, and to what; how often
    /// there is an outage; how often margins shift, and how much they resemble the one before.
    ///
    /// The same can be done side by side: [`lessons`], then [`ROUNDS`] times [`Taught::by`] parts of them, [`Taught::add`] and
    /// [`Taught::learned`].
    ///
    /// A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm" (1977).
    pub fn from(series: &[Series]) -> Learned {
        let lessons = lessons(series);
        (0..ROUNDS).fold(Learned::default(), |learned, _| Taught::by(&learned, &lessons).learned())
    }

    /// What is thought of a history of some length. Histories of 2, 3 to 4, 5 to 8, 9 to 16, 17 to 32 and more versions
    /// have a pace of their own: what is young changes more often than what is old, and a history is often cut where
    /// something happened. For outages it is as many times eight runs.
    pub fn of_length(&self, series: &Series) -> Priors {
        let (by_version, by_run) = lengths(series);
        let pace = Pace { outage: self.pace[by_run].outage, ..self.pace[by_version] };
        Priors { pace, ..self.priors.clone() }
    }

    /// The same with hazards that leave room for nothing to happen.
    fn capped(mut self) -> Learned {
        let priors = &mut self.priors;
        priors.environment_hazard = priors.environment_hazard.min(0.3);
        for pace in self.pace.iter_mut().chain([&mut priors.pace]) {
            let Pace { product, margin, outage } = pace;
            [product, margin].into_iter().for_each(|share| *share = share.min(0.6));
            *outage = outage.min(0.05);
        }
        self
    }

    /// Whether every number of it can be one.
    ///
    /// # Errors
    /// What can't.
    pub fn check(&self) -> Result<(), String> {
        let Priors { health, outage, start, transition, pace, .. } = &self.priors;
        let betas = health.iter().chain([outage]);
        if betas.flat_map(|beta| [beta.broken, beta.held]).any(|count| !count.is_finite() || count <= 0.0) {
            return Err("a state of health must have two numbers above 0".to_owned());
        }
        let priors = &self.priors;
        let hazards = [priors.environment_hazard, priors.unseen_hazard, 4.0 * priors.sloped, priors.autocorrelation];
        let shares = hazards.iter().chain([&priors.margin_falls]);
        if shares.clone().any(|share| !(0.0..1.0).contains(share)) {
            return Err("a hazard must lie between 0 and 1, `sloped` below a quarter".to_owned());
        }
        for pace in self.pace.iter().chain([pace]) {
            let sum = pace.product.max(pace.margin) + priors.environment_hazard.max(priors.unseen_hazard) + pace.outage;
            if [pace.product, pace.margin, pace.outage].iter().any(|share| *share < 0.0) || !(0.0..1.0).contains(&sum) {
                return Err("hazards must be 0 or more, and together below 1".to_owned());
            }
        }
        let ends = [priors.outage_end, priors.outage_returns];
        if [start].into_iter().chain(transition).flatten().chain(&ends).any(|share| !(0.0..=1.0).contains(share)) {
            return Err("a probability must lie between 0 and 1".to_owned());
        }
        let whole = |row: &[f64; STATES]| (row.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        if !whole(start) || !transition.iter().all(whole) {
            return Err("`start` and each row of `transition` must sum to 1".to_owned());
        }
        Ok(())
    }
}

/// The class of a history's length: by versions, and by runs.
fn lengths(series: &Series) -> (usize, usize) {
    let class = |many: usize| (many.max(2) - 1).ilog2().min(LENGTHS as u32 - 1) as usize;
    let versions = series.runs.chunk_by(|one, other| one.version == other.version).count();
    (class(versions), class(series.runs.len() / 8))
}

/// What happened in histories of one length, and where it could have.
#[derive(Clone, Copy, Default)]
struct Tried {
    product: [f64; 2],
    margin: [f64; 2],
    outage: [f64; 2],
}

/// What histories teach: sums over them.
#[derive(Default)]
pub struct Taught {
    colours: Counts,
    pace: [Tried; LENGTHS],
    /// Margins that fell, and those that fell or rose.
    falls: [f64; 2],
    /// Autocorrelations by how much they count, and that.
    alike: [f64; 2],
}

impl Taught {
    /// What histories teach somebody who thinks so far.
    pub fn by(learned: &Learned, histories: &[&Series]) -> Taught {
        let mut taught = Taught::default();
        for series in histories {
            let priors = learned.of_length(series);
            let (by_version, by_run) = lengths(series);
            let colours = Colours::of(series);
            if !colours.runs.is_empty() {
                let counts = smoothing::smooth(&priors, &colours.runs).counts;
                add(&mut taught.pace[by_version].product, counts.product);
                add(&mut taught.pace[by_run].outage, counts.outage);
                taught.colours.add(&counts);
            }
            let margins = crate::margin::margins(&priors, &crate::judge::measured(series));
            if margins.versions > 0 {
                add(&mut taught.pace[by_version].margin, [margins.changed, margins.versions as f64]);
                add(&mut taught.falls, [margins.ways[0], margins.ways[0] + margins.ways[1]]);
                add(&mut taught.alike, [margins.alike.0 * margins.alike.1, margins.alike.1]);
            }
        }
        taught
    }

    /// Adds what others taught.
    pub fn add(&mut self, other: &Taught) {
        self.colours.add(&other.colours);
        for (mine, theirs) in self.pace.iter_mut().zip(other.pace) {
            add(&mut mine.product, theirs.product);
            add(&mut mine.margin, theirs.margin);
            add(&mut mine.outage, theirs.outage);
        }
        add(&mut self.falls, other.falls);
        add(&mut self.alike, other.alike);
    }

    /// What is thought with all that.
    pub fn learned(&self) -> Learned {
        let default = Priors::default();
        let rate = |[hits, tries]: [f64; 2], default: f64| (hits + DEFAULTS_COUNT * default) / (tries + DEFAULTS_COUNT);
        let (counts, pace) = (&self.colours, default.pace);
        let sum = |of: &dyn Fn(&Tried) -> [f64; 2]| {
            self.pace.iter().map(of).fold([0.0; 2], |one, other| [one[0] + other[0], one[1] + other[1]])
        };
        let overall = Pace {
            product: rate(sum(&|tried| tried.product), pace.product),
            margin: rate(sum(&|tried| tried.margin), pace.margin),
            outage: rate(sum(&|tried| tried.outage), pace.outage),
        };
        let mut priors = Priors {
            start: shares(&counts.start, &default.start),
            pace: overall,
            environment_hazard: rate(counts.environment, default.environment_hazard),
            outage_end: rate(counts.outage_end, default.outage_end),
            margin_falls: rate(self.falls, default.margin_falls),
            autocorrelation: rate(self.alike, default.autocorrelation).clamp(0.0, 0.9),
            ..default.clone()
        };
        for (from, row) in priors.transition.iter_mut().enumerate() {
            *row = shares(&counts.transition[from], &default.transition[from]);
        }
        let paced = |tried: &Tried| Pace {
            product: rate(tried.product, overall.product),
            margin: rate(tried.margin, overall.margin),
            outage: rate(tried.outage, overall.outage),
        };
        Learned { priors, pace: self.pace.each_ref().map(paced) }.capped()
    }
}

fn add(mine: &mut [f64; 2], theirs: [f64; 2]) {
    mine[0] += theirs[0];
    mine[1] += theirs[1];
}

/// Histories to learn from, drawn by their names: whatever their order, the same.
pub fn lessons(series: &[Series]) -> Vec<&Series> {
    let mut drawn: Vec<(u64, &Series)> = series.iter().map(|one| (hash(one.assertion.as_bytes()), one)).collect();
    drawn.sort_by_key(|(hash, _)| *hash);
    drawn.into_iter().take(MOST_HISTORIES).map(|(_, one)| one).collect()
}

/// FNV-1a, and a last stir (G. Fowler, L. C. Noll, P. Vo; D. Stafford's mix 13).
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let stirred = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (stirred ^ (stirred >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (stirred >> 31)
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
        add(&mut self.product, other.product);
        add(&mut self.outage, other.outage);
        add(&mut self.outage_end, other.outage_end);
        add(&mut self.environment, other.environment);
    }
}
