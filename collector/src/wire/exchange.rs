//! What a request says about itself, its answer and the session it belongs to.

use serde_json::{Map, Value, json};

use super::compression::Deflate;
use super::engineio::Revision;
use super::http::{Head, Start};
use super::{Direction, Notice, NoticeKind};

/// What an Engine.IO request names in its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub sid: Option<String>,
    pub revision: Revision,
    /// Polling by script elements, which wraps the packets in JavaScript.
    pub is_jsonp: bool,
}

impl Peer {
    fn from_target(target: &str) -> Option<Peer> {
        let (_, query) = target.split_once('?')?;
        let query = query.split_once('#').map_or(query, |(query, _)| query);
        let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
        let value = |name| pairs().find(|(have, _)| *have == name).map(|(_, value)| value);
        let protocol = value("EIO");
        let transport = value("transport");
        if protocol.is_none() && !matches!(transport, Some("polling" | "websocket")) {
            return None;
        }
        Some(Peer {
            sid: value("sid").map(str::to_owned),
            revision: match protocol {
                Some("1" | "2" | "3") => Revision::V3,
                _ => Revision::V4,
            },
            is_jsonp: value("j").is_some(),
        })
    }
}

/// A request, kept until its response is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub method: String,
    pub target: String,
    /// None: not Engine.IO.
    pub peer: Option<Peer>,
    /// By an upgrade or CONNECT: what follows the request may not be HTTP.
    pub wants_upgrade: bool,
}

impl Exchange {
    pub(super) fn new(method: &str, target: &str, head: &Head) -> Exchange {
        Exchange {
            method: method.to_owned(),
            target: target.to_owned(),
            peer: Peer::from_target(target),
            wants_upgrade: method == "CONNECT"
                || head.header("upgrade").is_some() && head.lists("connection", "upgrade"),
        }
    }
}

/// The row of a request or a response. `exchange` is what it belongs to, if that is known.
pub(super) fn notice(head: &Head, exchange: Option<&Exchange>, at_ns: i64) -> Notice {
    let mut detail = Map::new();
    if let Some(exchange) = exchange {
        detail.insert("method".to_owned(), Value::from(exchange.method.as_str()));
        detail.insert("target".to_owned(), Value::from(exchange.target.as_str()));
    }
    detail.insert("version".to_owned(), Value::from(head.version.as_str()));
    let (direction, kind, status) = match &head.start {
        Start::Request { .. } => (Direction::Sent, NoticeKind::Request, None),
        Start::Response { status, reason } => {
            detail.insert("reason".to_owned(), Value::from(reason.as_str()));
            let kind = match status {
                101 => NoticeKind::Upgrade,
                _ => NoticeKind::Response,
            };
            (Direction::Received, kind, Some(i64::from(*status)))
        }
    };
    let headers = head.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
    detail.insert("headers".to_owned(), Value::Object(headers.collect()));
    if kind == NoticeKind::Upgrade {
        detail.insert("compression".to_owned(), compression(head));
    }
    Notice {
        direction,
        at_ns,
        kind,
        sid: exchange.and_then(|exchange| exchange.peer.as_ref()?.sid.clone()),
        status,
        close_code: None,
        detail: Value::Object(detail),
    }
}

/// The parameters of permessage-deflate that a response agrees to.
fn deflate_parameters(head: &Head) -> Option<Vec<(&str, &str)>> {
    let extensions = head.header("sec-websocket-extensions")?.split(',');
    for extension in extensions {
        let mut parameters = extension.split(';').map(str::trim);
        if parameters.next() == Some("permessage-deflate") {
            let pair = |text| match str::split_once(text, '=') {
                Some((name, value)) => (name.trim(), value.trim().trim_matches('"')),
                None => (text, ""),
            };
            return Some(parameters.map(pair).collect());
        }
    }
    None
}

fn compression(head: &Head) -> Value {
    let Some(parameters) = deflate_parameters(head) else {
        return Value::Null;
    };
    let mut detail = Map::new();
    detail.insert("extension".to_owned(), json!("permessage-deflate"));
    for (name, value) in parameters {
        let value = match value {
            "" => Value::Bool(true),
            value => value.parse::<i64>().map_or_else(|_| Value::from(value), Value::from),
        };
        detail.insert(name.to_owned(), value);
    }
    Value::Object(detail)
}

/// What a response 101 agrees to for one direction.
pub(super) fn deflate(head: &Head, direction: Direction) -> Option<Deflate> {
    let parameters = deflate_parameters(head)?;
    let forget = match direction {
        Direction::Sent => "client_no_context_takeover",
        Direction::Received => "server_no_context_takeover",
    };
    Some(Deflate { takeover: parameters.iter().all(|(name, _)| *name != forget) })
}
