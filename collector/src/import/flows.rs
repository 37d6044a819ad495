//! The TCP connections of a capture: which segment belongs to which, how each begins and ends.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::packet::Segment;
use super::stream::{Next, Stream};
use crate::wire::Direction;

/// Connections that are kept in mind at once; beyond that the quietest are let go.
const FLOWS: usize = 65_536;
/// What all connections together may hold back behind holes, in bytes.
const HELD_BYTES: usize = 256 << 20;
/// How long after a connection's end its stragglers are known for what they are.
const STRAGGLERS_NS: i64 = 1_000_000_000;

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It was accepted; `is_joined`: its beginning lies before the capture.
    Open {
        is_joined: bool,
    },
    Refused {
        why: &'static str,
    },
    Bytes {
        direction: Direction,
        bytes: Vec<u8>,
    },
    /// So many bytes are not in the capture.
    Gap {
        direction: Direction,
        from_ns: i64,
        bytes: u64,
    },
    /// One side will send no more.
    HalfClose {
        direction: Direction,
    },
    Reset {
        by: &'static str,
    },
    Close {
        by: &'static str,
    },
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

/// Takes what happens on the connection of that number, at a time.
pub(super) type Out<'a> = dyn FnMut(u64, Ends, i64, Event) + 'a;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A SYN without an answer so far.
    Asked,
    Open,
    Over,
}

struct Flow {
    number: u64,
    ends: Ends,
    state: State,
    /// Whether one of its SYNs was captured.
    has_handshake: bool,
    sent: Stream,
    received: Stream,
    last_ns: i64,
}

/// The connections to some ports.
pub(super) struct Flows {
    ports: HashSet<u16>,
    flows: HashMap<Ends, Flow>,
    next_number: u64,
    held_bytes: usize,
}

impl Flows {
    pub(super) fn new(ports: impl IntoIterator<Item = u16>) -> Flows {
        Flows { ports: ports.into_iter().collect(), flows: HashMap::new(), next_number: 0, held_bytes: 0 }
    }

    /// Takes a segment; false where it is of no connection to these ports.
    pub(super) fn take(&mut self, segment: &Segment<'_>, now_ns: i64, out: &mut Out<'_>) -> bool {
        let Some((ends, direction)) = self.ends(segment) else {
            return false;
        };
        if self.flows.get(&ends).is_some_and(|flow| flow.is_begun_anew(segment, direction, now_ns))
            && let Some(mut old) = self.flows.remove(&ends)
        {
            self.held_bytes -= old.held_bytes();
            old.end(now_ns, Event::Close { by: "a new connection between the same ports" }, out);
        }
        if !self.flows.contains_key(&ends) {
            if segment.rst || (!segment.syn && segment.length == 0) {
                return true;
            }
            self.make_room(now_ns, out);
            let flow = Flow::new(self.next_number, ends, now_ns);
            self.next_number += 1;
            self.flows.insert(ends, flow);
        }
        if let Some(flow) = self.flows.get_mut(&ends) {
            let before = flow.held_bytes();
            flow.take(segment, direction, now_ns, out);
            // What the other side had said before comes first, and so do its gaps.
            flow.drain([direction.other(), direction], now_ns, self.held_bytes > HELD_BYTES, out);
            self.held_bytes = self.held_bytes - before + flow.held_bytes();
        }
        true
    }

    /// The capture ends.
    pub(super) fn finish(&mut self, now_ns: i64, out: &mut Out<'_>) {
        let mut flows: Vec<Flow> = self.flows.drain().map(|(_, flow)| flow).collect();
        flows.sort_by_key(|flow| flow.number);
        for mut flow in flows {
            flow.end(now_ns, Event::Close { by: "the end of the capture" }, out);
        }
    }

    /// The server is who has one of the ports; where both have one, who is asked.
    fn ends(&self, segment: &Segment<'_>) -> Option<(Ends, Direction)> {
        let (source, destination) = (segment.source, segment.destination);
        let sent = (Ends { client: source, server: destination }, Direction::Sent);
        let received = (Ends { client: destination, server: source }, Direction::Received);
        match (self.ports.contains(&destination.port()), self.ports.contains(&source.port())) {
            (true, false) => Some(sent),
            (false, true) => Some(received),
            (false, false) => None,
            (true, true) if self.flows.contains_key(&sent.0) => Some(sent),
            (true, true) if self.flows.contains_key(&received.0) => Some(received),
            (true, true) if segment.syn && segment.ack.is_some() => Some(received),
            (true, true) => Some(sent),
        }
    }

    fn make_room(&mut self, now_ns: i64, out: &mut Out<'_>) {
        if self.flows.len() < FLOWS {
            return;
        }
        self.flows.retain(|_, flow| flow.state != State::Over || now_ns - flow.last_ns < STRAGGLERS_NS);
        let mut quietest: Vec<(i64, Ends)> = self.flows.values().map(|flow| (flow.last_ns, flow.ends)).collect();
        quietest.sort_by_key(|(last_ns, _)| *last_ns);
        let surplus = quietest.len().saturating_sub(FLOWS * 3 / 4);
        for (_, ends) in quietest.into_iter().take(surplus) {
            if let Some(mut flow) = self.flows.remove(&ends) {
                self.held_bytes -= flow.held_bytes();
                flow.end(now_ns, Event::Close { by: "the import, which follows no more connections at once" }, out);
            }
        }
    }
}

impl Flow {
    fn new(number: u64, ends: Ends, now_ns: i64) -> Flow {
        let (sent, received) = (Stream::default(), Stream::default());
        Flow { number, ends, state: State::Asked, has_handshake: false, sent, received, last_ns: now_ns }
    }

    fn held_bytes(&self) -> usize {
        self.sent.held_bytes() + self.received.held_bytes()
    }

    fn stream(&mut self, direction: Direction) -> &mut Stream {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    /// Whether a segment can't belong to this connection, but to a next one between the same ports.
    fn is_begun_anew(&self, segment: &Segment<'_>, direction: Direction, now_ns: i64) -> bool {
        let stream = match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        };
        if segment.syn {
            return stream.first_seq().is_some_and(|first| first != segment.seq.wrapping_add(1));
        }
        let end = segment.seq.wrapping_add(segment.length as u32);
        self.state == State::Over && segment.length > 0 && now_ns - self.last_ns > STRAGGLERS_NS && !stream.is_past(end)
    }

    fn take(&mut self, segment: &Segment<'_>, direction: Direction, now_ns: i64, out: &mut Out<'_>) {
        if self.state == State::Over {
            return;
        }
        self.last_ns = now_ns;
        let seq = if segment.syn { segment.seq.wrapping_add(1) } else { segment.seq };
        if segment.rst {
            return self.reset(direction, now_ns, out);
        }
        if segment.syn {
            self.stream(direction).start(seq, now_ns);
        }
        if let Some(ack) = segment.ack {
            self.stream(direction.other()).ack(ack, now_ns);
        }
        self.has_handshake |= segment.syn;
        if self.state == State::Asked && (!segment.syn || segment.ack.is_some()) {
            self.state = State::Open;
            out(self.number, self.ends, now_ns, Event::Open { is_joined: !self.has_handshake });
        }
        self.stream(direction).push(seq, segment.payload, segment.length, now_ns);
        if segment.fin {
            self.stream(direction).finish(seq.wrapping_add(segment.length as u32), now_ns);
        }
    }

    fn reset(&mut self, direction: Direction, now_ns: i64, out: &mut Out<'_>) {
        let by = match direction {
            Direction::Sent => "the client",
            Direction::Received => "the server",
        };
        match (self.state, direction) {
            (State::Asked, Direction::Received) => {
                self.state = State::Over;
                out(self.number, self.ends, now_ns, Event::Refused { why: "connection refused" });
            }
            _ => self.end(now_ns, Event::Reset { by }, out),
        }
    }

    /// Hands out everything that can be read now.
    fn drain(&mut self, order: [Direction; 2], now_ns: i64, is_over: bool, out: &mut Out<'_>) {
        if self.state != State::Open {
            return;
        }
        for direction in order {
            while let Some(next) = self.stream(direction).next(now_ns, is_over) {
                let (at_ns, event) = match next {
                    Next::Bytes { at_ns, bytes } => (at_ns, Event::Bytes { direction, bytes }),
                    Next::Gap { from_ns, to_ns, bytes } => (to_ns, Event::Gap { direction, from_ns, bytes }),
                    Next::End { at_ns } => (at_ns, Event::HalfClose { direction }),
                };
                out(self.number, self.ends, at_ns, event);
            }
        }
        if self.sent.has_ended() && self.received.has_ended() {
            self.state = State::Over;
            out(self.number, self.ends, now_ns, Event::Close { by: "both sides" });
        }
    }

    /// Nothing more will come of it.
    fn end(&mut self, now_ns: i64, how: Event, out: &mut Out<'_>) {
        match self.state {
            State::Over => return,
            State::Asked => out(self.number, self.ends, now_ns, Event::Refused { why: "no answer" }),
            State::Open => {
                self.drain([Direction::Sent, Direction::Received], now_ns, true, out);
                // Both sides may have ended with what was held back.
                if self.state == State::Open {
                    out(self.number, self.ends, now_ns, how);
                }
            }
        }
        self.state = State::Over;
    }
}
