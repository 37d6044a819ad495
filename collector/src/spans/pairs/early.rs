//! Answers that are recorded before their questions: a tap stamps what it reads at once and records it a little later, and
//! question and answer need not come on the same connection.

use std::collections::VecDeque;

use recording::record::Packet;
use serde_json::Value;

use super::super::draft::Handle;
use super::Seen;
use super::shelf::Entry;

/// How many answers wait for a question that may be recorded behind them, and how many acks: most acks are of events
/// that no pair is about, and must not push out an answer.
const MAX_EARLY: usize = 256;

/// What waits for its question, oldest first.
#[derive(Default)]
pub(super) struct Waiting {
    acks: VecDeque<Early>,
    answers: VecDeque<Early>,
}

impl Waiting {
    /// Keeps one, and gives the one that has to make room.
    pub(super) fn put(&mut self, early: Early) -> Option<Early> {
        let queue = if early.closes.is_some() { &mut self.answers } else { &mut self.acks };
        queue.push_back(early);
        if queue.len() > MAX_EARLY { queue.pop_front() } else { None }
    }

    /// The ack and the answer of this question.
    pub(super) fn take(&mut self, entry: &Entry) -> Vec<Early> {
        let queues = [&mut self.acks, &mut self.answers].into_iter();
        queues.filter_map(|queue| queue.remove(queue.iter().position(|early| early.answers(entry))?)).collect()
    }

    /// The oldest answer or ack, where it came before this time.
    pub(super) fn pop_before(&mut self, before_ns: i64) -> Option<Early> {
        let mut queues = [&mut self.acks, &mut self.answers].into_iter();
        queues.find_map(|queue| {
            queue.front().filter(|early| early.at_ns < before_ns)?;
            queue.pop_front()
        })
    }
}

/// An answer that came before its question.
pub(super) struct Early {
    /// An ack of Socket.IO doesn't say.
    pub(super) closes: Option<Closes>,
    pub(super) at_ns: i64,
    handle: Handle,
    pub(super) packet: Packet,
    parent: Option<String>,
    session: String,
}

/// What an answer closes.
pub(super) struct Closes {
    pub(super) pair: usize,
    pub(super) key: String,
    /// The last question of this key when the answer came: what is asked later, it does not follow.
    pub(super) asked: Option<String>,
}

impl Early {
    pub(super) fn new(closes: Option<Closes>, seen: &Seen<'_>) -> Early {
        let Seen { at_ns, handle, packet, .. } = *seen;
        let (parent, session) = (seen.parent.map(str::to_owned), seen.session.clone());
        Early { closes, at_ns, handle, packet: packet.clone(), parent, session }
    }

    pub(super) fn seen<'a>(&'a self, args: &'a Value) -> Seen<'a> {
        let Early { at_ns, handle, packet, .. } = self;
        Seen {
            at_ns: *at_ns,
            handle: *handle,
            packet,
            parent: self.parent.as_deref(),
            session: self.session.clone(),
            event: packet.event.as_deref().unwrap_or_default(),
            args,
        }
    }

    /// Whether it answers this question: the tap stamps both as it reads them, and hands a question on only then.
    pub(super) fn answers(&self, entry: &Entry) -> bool {
        let about = match &self.closes {
            Some(closes) => closes.pair == entry.pair && closes.key == entry.key,
            None => {
                entry.ack_id.is_some() && self.packet.ack_id == entry.ack_id && self.packet.namespace == entry.namespace
            }
        };
        let other_way = self.packet.tap == entry.tap && self.packet.direction != entry.direction;
        about && other_way && self.session == entry.session && self.at_ns >= entry.opened_ns
    }
}
