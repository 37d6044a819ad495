//! Where a run first went another way than runs that held: the events of one run against those of a *set* of others.
//!
//! Pure. Events are aligned by what they are (type#entity), never by the wall clock. The idea of asking what failing
//! runs share and passing ones lack is that of B. Liblit et al., "Scalable Statistical Bug Isolation" (PLDI 2005); the
//! spread is the median absolute deviation (F. Hampel, "The Influence Curve and Its Role in Robust Estimation", 1974).

mod rules;
mod trace;

pub use rules::{FEWEST_FOR_P, SPREADS};
pub use trace::{Event, Key, Trace};

use rules::Held;

/// How a run went another way.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// Every held run has the event, this one lacks it.
    Missing {
        /// What it follows, and at the latest how many seconds later in a held run.
        after: Option<(Key, f64)>,
    },
    /// No held run has it, or not as often.
    Extra,
    /// It came later after what it follows than in any held run.
    Late {
        /// What it follows.
        after: Key,
        /// Seconds after that.
        latency_s: f64,
        /// The most seconds in a held run.
        longest_s: f64,
        /// From how many seconds on it is late.
        limit_s: f64,
    },
    /// In every held run it comes after this one of the same type, here before it.
    Early {
        /// What came first in every held run.
        first: Key,
    },
    /// Its text is another one than in all held runs.
    Text {
        /// Here; none where there is no value.
        found: Option<String>,
        /// In every held run.
        usual: String,
    },
    /// Its number is beyond those of the held runs.
    Number {
        /// Here.
        found: f64,
        /// The least and the most in held runs.
        usual: (f64, f64),
        /// From where on it is beyond.
        limit: f64,
    },
}

/// One place where a run went another way.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// Which event.
    pub key: Key,
    /// How.
    pub how: How,
    /// When it left what is usual, in ns since the run's start: for what is missing or late when it was due.
    pub at_ns: Option<i64>,
    /// Whether records were lost where it should have been: then it proves nothing.
    pub in_gap: bool,
    /// Handles in this run: of the event, or of what it follows.
    pub evidence: Vec<String>,
    /// Handles in the first of the held runs.
    pub usual_evidence: Vec<String>,
}

impl How {
    /// The word in reports.
    pub fn name(&self) -> &'static str {
        match self {
            How::Missing { .. } => "missing",
            How::Extra => "extra",
            How::Late { .. } => "late",
            How::Early { .. } => "early",
            How::Text { .. } | How::Number { .. } => "value",
        }
    }

    /// How far beyond the usual it is, comparable among divergences of the same name.
    fn excess(&self) -> f64 {
        match self {
            How::Late { latency_s, limit_s, .. } => latency_s / limit_s.max(f64::MIN_POSITIVE),
            How::Number { found, usual: (least, most), limit } => {
                let nearest = if found > most { most } else { least };
                (found - nearest).abs() / (limit - nearest).abs().max(f64::MIN_POSITIVE)
            }
            How::Missing { .. } | How::Extra | How::Early { .. } | How::Text { .. } => f64::INFINITY,
        }
    }
}

/// Where a run went another way than every held run, by time. What only follows from something missing or extra is
/// left out; nothing can be said without a held run.
pub fn diverge(run: &Trace, held: &[&Trace]) -> Vec<Divergence> {
    let Some(first) = held.first() else { return Vec::new() };
    let held = Held::new(held);
    let mut found = held.missing(run);
    found.extend(held.extra(run));
    found.extend(held.late(run));
    found.extend(held.early(run));
    found.extend(held.values(run));
    for divergence in &mut found {
        divergence.usual_evidence = first.get(&divergence.key).map(|event| event.evidence.clone()).unwrap_or_default();
    }
    let rank = |one: &Divergence| (one.in_gap, one.at_ns.is_none(), one.at_ns, rank(&one.how), one.key.clone());
    found.sort_by_key(rank);
    found
}

/// Of what happens at the same moment the plainest first.
fn rank(how: &How) -> usize {
    match how {
        How::Missing { .. } => 0,
        How::Extra => 1,
        How::Late { .. } => 2,
        How::Text { .. } | How::Number { .. } => 3,
        How::Early { .. } => 4,
    }
}

/// The divergence that leads: the first of those that all broken runs share, else the first of the first run, and by how
/// many of the runs it is shared.
pub fn lead<'d>(broken: &[&'d [Divergence]]) -> Option<(&'d Divergence, usize)> {
    let (first, others) = broken.split_first()?;
    let told = |one: &&'d Divergence| !one.in_gap;
    let shared = |one: &Divergence| 1 + others.iter().filter(|other| has(other, one)).count();
    let by_all = first.iter().filter(told).find(|one| shared(one) == broken.len());
    by_all.or_else(|| first.iter().find(told)).map(|one| (one, shared(one)))
}

/// Whether the same event diverges in the same way among these.
pub fn has(divergences: &[Divergence], one: &Divergence) -> bool {
    divergences.iter().any(|other| other.key == one.key && other.how.name() == one.how.name())
}

/// How probable it is that a held run looks as unusual, in this way: (1 + held runs as extreme) / (held + 1), where each
/// held run is compared with the other ones. `None` below [`FEWEST_FOR_P`] held runs, where no number can be small.
pub fn p_value(one: &Divergence, held: &[&Trace]) -> Option<f64> {
    if held.len() < FEWEST_FOR_P {
        return None;
    }
    let as_extreme = |left_out: &usize| {
        let others: Vec<&Trace> =
            held.iter().enumerate().filter(|(place, _)| place != left_out).map(|(_, run)| *run).collect();
        let like = |other: &Divergence| {
            !other.in_gap && other.how.name() == one.how.name() && other.how.excess() >= one.how.excess()
        };
        diverge(held[*left_out], &others).iter().any(like)
    };
    let extreme = (0..held.len()).filter(as_extreme).count();
    Some((1 + extreme) as f64 / (held.len() + 1) as f64)
}

#[cfg(test)]
mod tests;
