//! The HTTP part of a connection: what the steps of its two readers mean to each other.

use super::{BOTH, Connection, Sink, Stream};
use crate::wire::channel::Channel;
use crate::wire::exchange::{self, Exchange};
use crate::wire::http::{self, Framing, Head, Start};
use crate::wire::polling::Body;
use crate::wire::{Direction, Item, Packet, Transport, websocket};

/// Requests that may wait for their responses.
const EXCHANGES: usize = 256;

impl Connection {
    pub(super) fn http(&mut self, direction: Direction, at_ns: i64, step: http::Step<'_>, sink: &mut Sink<'_>) {
        match step {
            http::Step::Head(head) => {
                let framing = match &head.start {
                    Start::Request { method, target } => {
                        let exchange = Exchange::new(method, target, &head);
                        self.request(&head, exchange, at_ns, sink)
                    }
                    Start::Response { status, .. } => self.response(&head, *status, at_ns, sink),
                };
                match (framing, &mut self.half(direction).stream) {
                    (Ok(framing), Stream::Http(reader)) => reader.body(framing),
                    (Ok(_), _) => {}
                    (Err(problem), _) => self.fail(direction, at_ns, &problem, &[], sink),
                }
            }
            http::Step::Body(bytes) => {
                if let Some(body) = &mut self.half(direction).body {
                    body.push(bytes, at_ns);
                }
            }
            http::Step::End => {
                if let Some(body) = self.half(direction).body.take() {
                    body.finish(&self.limits, sink);
                }
            }
            http::Step::Broken(problem, raw) => self.fail(direction, at_ns, &problem, &raw, sink),
        }
    }

    fn request(&mut self, head: &Head, exchange: Exchange, at_ns: i64, sink: &mut Sink<'_>) -> Result<Framing, String> {
        (sink.out)(Item::Notice(exchange::notice(head, Some(&exchange), at_ns)));
        if self.exchanges.len() >= EXCHANGES {
            return Err(format!("more than {EXCHANGES} requests without a response"));
        }
        let framing = head.request_framing()?;
        self.sent.body = Body::new(head, &exchange, at_ns, &self.limits);
        self.exchanges.push_back(exchange);
        Ok(framing)
    }

    fn response(&mut self, head: &Head, status: u16, at_ns: i64, sink: &mut Sink<'_>) -> Result<Framing, String> {
        let is_interim = (100..200).contains(&status) && status != 101;
        let exchange = match is_interim {
            true => self.exchanges.front().cloned(),
            false => self.exchanges.pop_front(),
        };
        (sink.out)(Item::Notice(exchange::notice(head, exchange.as_ref(), at_ns)));
        let method = exchange.as_ref().map_or("", |exchange| exchange.method.as_str());
        let framing = head.response_framing(method, status)?;
        if status == 101 {
            if !exchange.as_ref().is_some_and(|exchange| exchange.wants_upgrade) {
                return Err("an upgrade that no request asked for".to_owned());
            }
            self.upgrade(head, exchange);
        } else if method == "CONNECT" && (200..300).contains(&status) {
            self.switch(|_| Stream::Opaque);
        } else if let Some(exchange) = exchange.filter(|_| !is_interim) {
            self.received.body = Body::new(head, &exchange, at_ns, &self.limits);
        }
        Ok(framing)
    }

    fn upgrade(&mut self, head: &Head, exchange: Option<Exchange>) {
        if !head.lists("upgrade", "websocket") {
            return self.switch(|_| Stream::Opaque);
        }
        self.channel = Some(Channel::new(exchange.and_then(|exchange| exchange.peer)));
        let limits = self.limits.clone();
        self.switch(|direction| {
            let deflate = exchange::deflate(head, direction);
            Stream::WebSocket(Box::new(websocket::Reader::new(direction, &limits, deflate)))
        });
    }

    /// Both directions speak another protocol from here.
    fn switch(&mut self, stream: impl Fn(Direction) -> Stream) {
        for direction in BOTH {
            if self.half(direction).is_http() {
                self.half(direction).stream = stream(direction);
            }
        }
    }

    /// What should have been HTTP is not.
    fn fail(&mut self, direction: Direction, at_ns: i64, problem: &str, raw: &[u8], sink: &mut Sink<'_>) {
        let packet = Packet::new(direction, Transport::Polling, at_ns, at_ns);
        sink.packet(packet.with_problem(problem, raw));
        self.stop(direction, at_ns, problem, sink);
    }
}
