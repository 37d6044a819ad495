//! The plan: which rounds of which candidates in which order, for one size and one number of connections.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector::AnyError;

use crate::message::{Messages, mix};
use crate::peers::{Candidate, Peer};
use crate::round::{Cell, Outcome, Pace, run};

/// How much is measured.
pub struct Plan {
    /// Rounds of each candidate.
    pub rounds: usize,
    /// The length of a round.
    pub length: Duration,
    /// Where orders of candidates come from.
    pub seed: u64,
    /// Who takes part.
    pub candidates: Vec<Candidate>,
    /// The share of direct's highest rate that "half" stands for.
    pub share: f64,
    /// Whether to measure at half of direct's rate.
    pub half: bool,
    /// Whether to measure at full speed.
    pub saturated: bool,
    /// Whether to look for the highest rate that leaves no gap.
    pub search: bool,
}

/// Each candidate's rounds, in the same order for all.
pub type Rounds = BTreeMap<Candidate, Vec<Outcome>>;

/// What was found for one cell.
pub struct Found {
    /// Bytes of a message.
    pub bytes: usize,
    /// Connections.
    pub connections: usize,
    /// Direct's rate at full speed, in messages per second.
    pub direct_max: f64,
    /// The rate that was asked for at half of that.
    pub asked: f64,
    /// At half of that.
    pub half: Rounds,
    /// At full speed.
    pub saturated: Rounds,
    /// The tap's highest rate without gaps, and whether more was tried.
    pub gap_free: Option<(f64, bool)>,
}

impl Plan {
    /// Measures one cell.
    pub fn cell(&self, bytes: usize, connections: usize, scratch: &Path) -> Result<Found, AnyError> {
        let messages = Arc::new(Messages::new(bytes));
        let echo = Peer::echo(scratch)?;
        let cell = Cell { messages, connections, echo: echo.port };
        let length = self.length;
        let one = |candidate: Candidate, pace, length| {
            let outcome = run(&cell, candidate, pace, length, scratch, &mut |_| Ok(()));
            let outcome = outcome.map_err(|error| format!("{}: {error}", candidate.name()))?;
            tell(candidate, pace, &outcome);
            Ok::<_, AnyError>(outcome)
        };
        eprintln!("{bytes} bytes, {connections} connections");
        // The best of three: what disturbs one of them would halve the load of everything that follows.
        let mut direct_max = f64::MIN_POSITIVE;
        for _ in 0..self.rounds.min(3) {
            direct_max = direct_max.max(one(Candidate::Direct, Pace::Closed, length)?.rate);
        }
        let rounds = |pace: Pace, from: usize| {
            let mut rounds = Rounds::new();
            for round in from..from + self.rounds {
                for candidate in self.shuffled(round, bytes, connections) {
                    let pace = paced(candidate, pace, bytes);
                    rounds.entry(candidate).or_default().push(one(candidate, pace, length)?);
                }
            }
            Ok::<_, AnyError>(rounds)
        };
        let half = if self.half { rounds(Pace::Open(direct_max * self.share), 0)? } else { Rounds::new() };
        let saturated = if self.saturated { rounds(Pace::Closed, self.rounds)? } else { Rounds::new() };
        let gap_free =
            if self.search { Some(self.search(direct_max, |pace| one(Candidate::Tap, pace, length))?) } else { None };
        Ok(Found { bytes, connections, direct_max, asked: direct_max * self.share, half, saturated, gap_free })
    }

    /// The highest rate at which everything was recorded, to an eighth: at full speed, or by halving what lies between.
    fn search(&self, max: f64, tap: impl Fn(Pace) -> Result<Outcome, AnyError>) -> Result<(f64, bool), AnyError> {
        let full = tap(Pace::Closed)?;
        if full.is_complete() {
            return Ok((full.rate, false));
        }
        let (mut low, mut high) = (0.0, full.rate.min(max));
        let mut next = high / 2.0;
        while high - low > high / 8.0 && next > 1.0 {
            match tap(Pace::Open(next))?.is_complete() {
                true => low = next,
                false => high = next,
            }
            next = (low + high) / 2.0;
        }
        Ok((low, true))
    }

    fn shuffled(&self, round: usize, bytes: usize, connections: usize) -> Vec<Candidate> {
        let mut left: Vec<Candidate> =
            self.candidates.iter().copied().filter(|candidate| candidate.takes(bytes, connections)).collect();
        let mut state = mix(self.seed ^ mix(round as u64 ^ (bytes as u64) << 20 ^ (connections as u64) << 8));
        let mut order = Vec::new();
        while !left.is_empty() {
            state = mix(state);
            order.push(left.swap_remove((state % left.len() as u64) as usize));
        }
        order
    }
}

/// mitmproxy gets what it can do, or it would be measured in minutes.
fn paced(candidate: Candidate, pace: Pace, bytes: usize) -> Pace {
    match pace {
        Pace::Open(rate) if candidate == Candidate::Mitmproxy => {
            Pace::Open(rate.min(if bytes > 10_000 { 10.0 } else { 200.0 }))
        }
        pace => pace,
    }
}

fn tell(candidate: Candidate, pace: Pace, outcome: &Outcome) {
    let pace = match pace {
        Pace::Open(rate) => format!("at {rate:.0}/s"),
        Pace::Closed => "at full speed".to_owned(),
    };
    eprint!(
        "  {:13} {pace:14} {:8.0}/s  p50 {:8.0} µs  p99 {:8.0} µs  relay {:6.1} µs/message",
        candidate.name(),
        outcome.rate,
        outcome.p50_ns / 1e3,
        outcome.p99_ns / 1e3,
        outcome.relay_us
    );
    if let Some(taped) = &outcome.taped {
        let threads: Vec<String> = outcome.threads_us.iter().map(|(name, us)| format!("{name} {us:.1}")).collect();
        eprint!(
            "  {} ({} of {} events, {} gaps, lost {}), recording {:.1} ms/MB, {} MB; µs: {}",
            if outcome.is_complete() { "complete" } else { "GAPS" },
            taped.events,
            2 * outcome.sent,
            taped.gaps,
            taped.lost,
            outcome.recording_ms_per_mb,
            outcome.peak_rss >> 20,
            threads.join(", ")
        );
        taped.reason.iter().for_each(|reason| eprint!("; {reason}"));
    }
    eprintln!();
}
