//! Spans on their way while a run is recorded.
//!
//! Whoever has a span hands it over and goes on: where there is no room it is counted as lost, and the recording still
//! has it. A task of its own sends; what a receiver does not take stays in the queue and is tried again, at growing
//! intervals, until the run has ended and the last chance is over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Row, Sender};

/// What the queue holds.
const MAX_SPANS: usize = 16_384;
const MAX_BYTES: usize = 32 << 20;
/// Spans that one round takes.
const ROUND: usize = 2_048;
/// How long spans wait for company.
const GATHER: Duration = Duration::from_millis(200);
/// Between two attempts, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Where spans are handed over.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Row>,
    bytes: usize,
    /// In a call that is not answered yet.
    calling: u64,
    sent: u64,
    lost: u64,
    problem: Option<String>,
    told: bool,
    ending: bool,
}

/// What became of a run's spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Taken by the receiver.
    pub sent: u64,
    /// Not taken, or never offered for want of room.
    pub lost: u64,
    /// Not answered for yet.
    pub waiting: u64,
    /// What the receiver said last, where it took nothing.
    pub problem: Option<String>,
}

impl Ended {
    /// So many of those that were sent were refused after all.
    pub fn refused(&mut self, spans: u64) {
        if spans > 0 {
            let spans = spans.min(self.sent);
            (self.sent, self.lost) = (self.sent - spans, self.lost + spans);
            self.problem.get_or_insert_with(|| "it refused them".to_owned());
        }
    }
}

impl Live {
    /// Begins to send what is handed over. Called within a tokio runtime; `say` is told once when the receiver takes
    /// nothing.
    pub fn spawn(sender: Sender, say: impl Fn(String) + Send + Sync + 'static) -> (Live, Sending) {
        let live = Live { shared: Arc::new(Shared { state: Mutex::default(), ended: Notify::new() }) };
        let task = tokio::spawn(live.clone().run(sender, say));
        (live.clone(), Sending { live, task })
    }

    /// Hands a span over. Never waits.
    pub fn offer(&self, row: Row) {
        let bytes = weight(&row);
        let mut state = self.lock();
        if state.ending || state.queue.len() >= MAX_SPANS || state.bytes + bytes > MAX_BYTES {
            state.lost += 1;
            return;
        }
        state.bytes += bytes;
        state.queue.push_back(row);
    }

    /// How it stands.
    pub fn stands(&self) -> Ended {
        let state = self.lock();
        let (waiting, problem) = (state.queue.len() as u64 + state.calling, state.problem.clone());
        Ended { sent: state.sent, lost: state.lost, waiting, problem }
    }

    #[cfg(test)]
    pub(super) fn calling(&self) -> u64 {
        self.lock().calling
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self, mut sender: Sender, say: impl Fn(String)) {
        let mut backoff = BACKOFF.0;
        loop {
            let round = self.take();
            let is_over = round.is_empty() && self.lock().ending;
            if is_over {
                return;
            }
            let went_well = round.is_empty() || self.send(&mut sender, round, &say).await;
            let rest = if went_well { GATHER } else { backoff };
            backoff = if went_well { BACKOFF.0 } else { (backoff * 2).min(BACKOFF.1) };
            if went_well && !self.lock().queue.is_empty() {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                // At the end nothing is gathered, and a receiver that is down gets one attempt more at once.
                () = self.shared.ended.notified() => {}
            }
        }
    }

    fn take(&self) -> Vec<Row> {
        let mut state = self.lock();
        let many = state.queue.len().min(ROUND);
        let rows: Vec<Row> = state.queue.drain(..many).collect();
        state.bytes -= rows.iter().map(weight).sum::<usize>();
        rows
    }

    async fn send(&self, sender: &mut Sender, round: Vec<Row>, say: &impl Fn(String)) -> bool {
        self.lock().calling = round.len() as u64;
        let outcome = sender.send(round).await;
        let mut state = self.lock();
        state.calling = 0;
        state.sent += outcome.sent as u64;
        let went_well = outcome.left.is_empty();
        state.bytes += outcome.left.iter().map(weight).sum::<usize>();
        match outcome.refused {
            // Those behind them may be welcome.
            true => state.queue.extend(outcome.left),
            false => outcome.left.into_iter().rev().for_each(|row| state.queue.push_front(row)),
        }
        state.problem = if went_well { None } else { outcome.problem };
        let tell = !went_well && !std::mem::replace(&mut state.told, true);
        let problem = state.problem.clone().unwrap_or_default();
        drop(state);
        if tell {
            say(problem);
        }
        went_well
    }
}

/// The task that sends.
pub struct Sending {
    live: Live,
    task: JoinHandle<()>,
}

impl Sending {
    /// How it stands.
    pub fn stands(&self) -> Ended {
        self.live.stands()
    }

    /// Lets nothing more in, and gives what is left that long. What then was not taken is lost to the receiver.
    pub async fn end(self, within: Duration) -> Ended {
        let Sending { live, mut task } = self;
        live.lock().ending = true;
        live.shared.ended.notify_one();
        let is_late = tokio::time::timeout(within, &mut task).await.is_err();
        if is_late {
            task.abort();
            // Aborted where it stood: only then is it certain what it still holds.
            task.await.unwrap_or_default();
        }
        let mut ended = live.stands();
        if is_late {
            ended.problem.get_or_insert_with(|| format!("no answer within {} s", within.as_secs_f64()));
        }
        ended.lost += std::mem::take(&mut ended.waiting);
        ended
    }
}

/// About what a span holds in memory, in bytes.
pub(super) fn weight(row: &Row) -> usize {
    let span = &row.row;
    512 + span.attributes.len() + span.events.len() + span.links.len() + span.name.len() + span.service.len()
}
