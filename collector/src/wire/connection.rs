//! One TCP connection: HTTP exchanges, then perhaps a WebSocket.
//!
//! The tap copies each direction on its own, so a response can be seen before its request and a
//! client's first frame before the 101 that allows it. What can't be understood without the
//! other direction is held until that has caught up.

mod exchanges;

use std::collections::VecDeque;

use super::channel::Channel;
use super::exchange::Exchange;
use super::http;
use super::polling::Body;
use super::websocket::{self, Step};
use super::{Direction, Item, Limits, Packet, Sessions, Transport};

/// Bytes that may be held while the other direction is behind, with the cost of each chunk.
const HELD_BYTES: usize = 1 << 20;
const CHUNK_BYTES: usize = 64;

const BOTH: [Direction; 2] = [Direction::Sent, Direction::Received];

/// Where a connection's items go, and what it shares with others.
pub(super) struct Sink<'a> {
    pub sessions: &'a mut Sessions,
    pub out: &'a mut dyn FnMut(Item),
}

impl Sink<'_> {
    pub(super) fn packet(&mut self, packet: Packet) {
        (self.out)(packet.into_item());
    }
}

enum Stream {
    Http(http::Reader),
    WebSocket(Box<websocket::Reader>),
    /// Another protocol after an upgrade or CONNECT: nothing to tell.
    Opaque,
    /// Ended, or not to be followed.
    Done,
}

struct Half {
    stream: Stream,
    body: Option<Body>,
    held: VecDeque<(i64, Vec<u8>)>,
    held_bytes: usize,
    ended_ns: Option<i64>,
    /// A chunk of it is being decoded: held ones must wait behind it.
    is_running: bool,
}

impl Half {
    fn new(direction: Direction) -> Half {
        Half {
            stream: Stream::Http(http::Reader::new(direction)),
            body: None,
            held: VecDeque::new(),
            held_bytes: 0,
            ended_ns: None,
            is_running: false,
        }
    }

    fn is_http(&self) -> bool {
        matches!(self.stream, Stream::Http(_))
    }

    fn is_between_messages(&self) -> bool {
        matches!(&self.stream, Stream::Http(reader) if reader.is_idle())
    }
}

/// Decodes one TCP connection through a tap.
pub struct Connection {
    limits: Limits,
    sent: Half,
    received: Half,
    /// Requests without a response so far, oldest first.
    exchanges: VecDeque<Exchange>,
    channel: Option<Channel>,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(limits: &Limits) -> Connection {
        Connection {
            limits: limits.clone(),
            sent: Half::new(Direction::Sent),
            received: Half::new(Direction::Received),
            exchanges: VecDeque::new(),
            channel: None,
        }
    }

    /// Takes the bytes of one read, which went through at `at_ns`.
    pub fn feed(
        &mut self,
        direction: Direction,
        at_ns: i64,
        bytes: &[u8],
        sessions: &mut Sessions,
        out: &mut impl FnMut(Item),
    ) {
        let mut sink = Sink { sessions, out };
        let rest = match self.half(direction).held.is_empty() {
            true => self.run(direction, at_ns, bytes, &mut sink),
            false => bytes,
        };
        self.hold(direction, at_ns, rest, &mut sink);
    }

    /// `lost_bytes` of one direction were not copied. Where they lie within one WebSocket frame, its message has a
    /// problem, and the next one is read again. Else nothing after them can be told apart, so the direction is
    /// [`Item::Stopped`]; both are, as long as requests and responses need each other.
    pub fn gap(
        &mut self,
        direction: Direction,
        at_ns: i64,
        lost_bytes: u64,
        sessions: &mut Sessions,
        out: &mut impl FnMut(Item),
    ) {
        let half = self.half(direction);
        if half.held.is_empty()
            && let Stream::WebSocket(reader) = &mut half.stream
            && reader.skip(lost_bytes)
        {
            return;
        }
        let mut sink = Sink { sessions, out };
        self.stop(direction, at_ns, &format!("{lost_bytes} bytes were lost"), &mut sink);
    }

    /// One direction ended: no more bytes come from that side.
    pub fn end(&mut self, direction: Direction, at_ns: i64, sessions: &mut Sessions, out: &mut impl FnMut(Item)) {
        let mut sink = Sink { sessions, out };
        self.half(direction).ended_ns = Some(at_ns);
        self.drain(direction, &mut sink);
        self.drain(direction.other(), &mut sink);
    }

    fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    /// Whether the next bytes mean nothing until the other direction has caught up.
    fn is_blocked(&self, direction: Direction) -> bool {
        match direction {
            Direction::Sent => {
                self.sent.is_between_messages()
                    && self.received.is_http()
                    && self.received.ended_ns.is_none()
                    && self.exchanges.iter().any(|exchange| exchange.wants_upgrade)
            }
            Direction::Received => {
                self.received.is_between_messages()
                    && self.received.ended_ns.is_none()
                    && self.sent.is_http()
                    && self.exchanges.is_empty()
            }
        }
    }

    /// Decodes until the input is used up or blocked; what is left comes back. What was held of
    /// the other direction goes on as soon as a step allows it, so that the order of items does
    /// not depend on where chunks end.
    fn run<'a>(&mut self, direction: Direction, at_ns: i64, mut input: &'a [u8], sink: &mut Sink<'_>) -> &'a [u8] {
        self.half(direction).is_running = true;
        while !self.is_blocked(direction) {
            let has_moved = self.advance(direction, at_ns, &mut input, sink);
            self.drain(direction.other(), sink);
            if !has_moved {
                input = &[];
                break;
            }
        }
        self.half(direction).is_running = false;
        input
    }

    fn hold(&mut self, direction: Direction, at_ns: i64, bytes: &[u8], sink: &mut Sink<'_>) {
        if bytes.is_empty() {
            return;
        }
        let half = self.half(direction);
        half.held.push_back((at_ns, bytes.to_vec()));
        half.held_bytes += bytes.len() + CHUNK_BYTES;
        if half.held_bytes > HELD_BYTES {
            let reason = "the other direction is too far behind";
            self.stop(direction, at_ns, reason, sink);
        }
    }

    /// Decodes what was held of a direction, as far as it is blocked no longer, and its end.
    fn drain(&mut self, direction: Direction, sink: &mut Sink<'_>) {
        while !self.half(direction).is_running && !self.is_blocked(direction) {
            let half = self.half(direction);
            if let Some((at_ns, bytes)) = half.held.pop_front() {
                half.held_bytes -= bytes.len() + CHUNK_BYTES;
                let rest = self.run(direction, at_ns, &bytes, sink);
                if !rest.is_empty() {
                    let half = self.half(direction);
                    half.held_bytes += rest.len() + CHUNK_BYTES;
                    half.held.push_front((at_ns, rest.to_vec()));
                }
            } else if let Some(at_ns) = half.ended_ns.take() {
                self.close(direction, at_ns, sink);
            } else {
                break;
            }
        }
    }

    /// One step of one direction; false where it needs more input.
    fn advance(&mut self, direction: Direction, at_ns: i64, input: &mut &[u8], sink: &mut Sink<'_>) -> bool {
        match &mut self.half(direction).stream {
            Stream::Http(reader) => match reader.next(input) {
                Some(step) => self.http(direction, at_ns, step, sink),
                None => return false,
            },
            Stream::WebSocket(reader) => match reader.next(input, at_ns) {
                Some(step) => self.websocket(direction, at_ns, step, sink),
                None => return false,
            },
            Stream::Opaque | Stream::Done => return false,
        }
        true
    }

    fn websocket(&mut self, direction: Direction, at_ns: i64, step: Step, sink: &mut Sink<'_>) {
        let broken = match &step {
            Step::Broken(problem, _) => Some(problem.clone()),
            _ => None,
        };
        if let Some(channel) = &mut self.channel {
            channel.take(direction, at_ns, step, sink);
        }
        if let Some(problem) = broken {
            self.stop(direction, at_ns, &problem, sink);
        }
    }

    /// Ends the decoding of a direction, and of the other one where that needs this one.
    fn stop(&mut self, direction: Direction, at_ns: i64, reason: &str, sink: &mut Sink<'_>) {
        let is_http = self.half(direction).is_http();
        for each in BOTH {
            let is_meant = each == direction || is_http && self.half(each).is_http();
            if !is_meant || matches!(self.half(each).stream, Stream::Opaque | Stream::Done) {
                continue;
            }
            let half = self.half(each);
            half.stream = Stream::Done;
            half.body = None;
            half.held.clear();
            half.held_bytes = 0;
            (sink.out)(Item::Stopped { direction: each, at_ns, reason: reason.to_owned() });
            if let Some(channel) = &self.channel {
                channel.end(each, sink);
            }
        }
    }

    /// No more bytes come from this side, and all of them were decoded.
    fn close(&mut self, direction: Direction, at_ns: i64, sink: &mut Sink<'_>) {
        let half = self.half(direction);
        let body = half.body.take();
        match std::mem::replace(&mut half.stream, Stream::Done) {
            Stream::Http(mut reader) => match (reader.end(), body) {
                (Some(http::Step::End), Some(body)) => body.finish(&self.limits, sink),
                (Some(http::Step::Broken(problem, _)), Some(body)) => body.cut_off(problem, sink),
                (Some(http::Step::Broken(problem, raw)), None) if !raw.is_empty() => {
                    let packet = Packet::new(direction, Transport::Polling, at_ns, at_ns);
                    sink.packet(packet.with_problem(problem, &raw));
                }
                _ => {}
            },
            Stream::WebSocket(mut reader) => {
                if let Some(channel) = &mut self.channel {
                    if let Some(step) = reader.end() {
                        channel.take(direction, at_ns, step, sink);
                    }
                    channel.end(direction, sink);
                }
            }
            Stream::Opaque | Stream::Done => {}
        }
    }
}
