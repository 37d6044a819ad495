//! What became of correlated pairs, in order of time, from the spans that a recording holds.

use recording::Stamped;
use recording::record::Span;
use serde_json::Value;

use super::Metrics;

/// The attribute of a span that is a pair's: the pair's name.
pub const PAIR: &str = "tapedeck.pair";
/// The attribute of an event that says what it is to its pair; `ack` for an acknowledgement.
pub const ROLE: &str = "tapedeck.pair.role";
/// The attribute of a pair's span that says something again.
pub const RETRANSMISSION: &str = "tapedeck.retransmission";
/// The attribute of a pair's span that was opened again before it was answered.
const SUPERSEDED: &str = "tapedeck.superseded";
/// The event that says when a pair was given up.
const GIVEN_UP: &str = "not closed";

/// Something that happened to a pair.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// Its opening packet was seen.
    Opened {
        /// The pair's name.
        pair: String,
        /// Whether it says something again.
        again: bool,
    },
    /// It was acknowledged.
    Acknowledged {
        /// The pair's name.
        pair: String,
    },
    /// Its closing packet was seen, or it was opened again, or given up.
    Closed {
        /// The pair's name.
        pair: String,
        /// `ok`, `error` or `unset`.
        status: String,
        /// From the opening packet to the closing one, where it was closed by one.
        seconds: Option<f64>,
        /// The trace of its span.
        trace_id: String,
        /// Its span.
        span_id: String,
    },
}

/// The moments of all pairs in a recording's spans, with their times, in order.
pub fn moments(spans: &[Stamped<Span>]) -> Vec<(i64, Moment)> {
    let mut moments: Vec<_> = spans.iter().flat_map(|span| of_span(&span.row)).collect();
    moments.sort_by_key(|(at_ns, _)| *at_ns);
    moments
}

fn of_span(span: &Span) -> Vec<(i64, Moment)> {
    let attributes: Value = serde_json::from_str(&span.attributes).unwrap_or_default();
    let Some(pair) = attributes[PAIR].as_str().map(str::to_owned) else { return Vec::new() };
    let events: Vec<Value> = serde_json::from_str(&span.events).unwrap_or_default();
    let opened = Moment::Opened { pair: pair.clone(), again: attributes[RETRANSMISSION] == true };
    let acks = events.iter().filter(|event| event["attributes"][ROLE] == "ack");
    let acks = acks.filter_map(|ack| Some((ack["at_ns"].as_i64()?, Moment::Acknowledged { pair: pair.clone() })));
    let given_up = || events.iter().find(|event| event["name"] == GIVEN_UP).and_then(|event| event["at_ns"].as_i64());
    let answered = span.end_ns.filter(|_| attributes[SUPERSEDED] != true);
    let closed = span.end_ns.or_else(given_up).map(|at_ns| {
        let closed = Moment::Closed {
            pair: pair.clone(),
            status: span.status.clone(),
            seconds: answered.map(|end_ns| (end_ns - span.start_ns) as f64 / 1e9),
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
        };
        (at_ns, closed)
    });
    [(span.start_ns, opened)].into_iter().chain(acks).chain(closed).collect()
}

impl Metrics {
    /// Something happened to a pair.
    pub fn take_moment(&mut self, at_ns: i64, moment: &Moment) {
        match moment {
            Moment::Opened { pair, again } => {
                self.pair_opened(pair);
                if *again {
                    self.pair_retransmitted(pair);
                }
            }
            Moment::Acknowledged { pair } => self.pair_acknowledged(pair),
            Moment::Closed { pair, status, seconds, trace_id, span_id } => {
                self.pair_closed(at_ns, pair, status, *seconds, trace_id, span_id);
            }
        }
    }
}
