//! One span for each Engine.IO session, and one for each connection that came to nothing.

use std::collections::{BTreeMap, VecDeque};

use recording::record::{ConnectionRow, Packet};
use serde_json::json;

use super::draft::{Draft, Handle, shown};
use super::{Ended, pairs};

/// The most sessions that are followed at a time at one tap; the one that is silent longest then ends.
const MAX_SESSIONS: usize = 10_000;
/// Of how many sessions it is remembered that they have ended: what comes late begins no new one.
const MAX_ENDED: usize = 1_024;

/// The name of a session's span in a trace.
pub(super) fn subject(tap: &str, sid: &str) -> String {
    format!("session/{tap}/{sid}")
}

struct Session {
    draft: Draft,
    /// The WebSocket connection that it is on; polls come on any.
    websocket: Option<i64>,
    last_ns: i64,
}

#[derive(Default)]
struct Connection {
    from_ns: Option<i64>,
    handle: Handle,
    peer: Option<String>,
    sid: Option<String>,
}

/// Sessions as they come and go, by tap.
#[derive(Default)]
pub(super) struct Sessions {
    taps: BTreeMap<String, Tap>,
}

#[derive(Default)]
struct Tap {
    /// By sid.
    sessions: BTreeMap<String, Session>,
    connections: BTreeMap<i64, Connection>,
    /// Sessions that have ended, oldest first; and those, and connections, that did since anybody asked.
    ended: VecDeque<String>,
    left: Vec<String>,
    /// Since when the server refuses connections, and how many.
    refused: Option<(Draft, u64)>,
}

impl Sessions {
    pub(super) fn packet(&mut self, at_ns: i64, handle: Handle, packet: &Packet, ended: &mut VecDeque<Ended>) {
        let Some(sid) = &packet.sid else { return };
        if !self.taps.contains_key(&packet.tap) {
            self.taps.insert(packet.tap.clone(), Tap::default());
        }
        let Some(tap) = self.taps.get_mut(&packet.tap) else { return };
        if !tap.sessions.contains_key(sid) && tap.has_ended(sid) {
            return;
        }
        let connection = tap.connections.get_mut(&packet.connection);
        if !tap.sessions.contains_key(sid) {
            let begun = Session::begin(packet, sid, connection.as_deref());
            if tap.sessions.len() >= MAX_SESSIONS {
                tap.end_idle(ended);
            }
            tap.sessions.insert(sid.clone(), begun);
        }
        if let Some(connection) =
            tap.connections.get_mut(&packet.connection).filter(|known| known.sid.as_ref() != Some(sid))
        {
            connection.sid = Some(sid.clone());
        }
        let Some(session) = tap.sessions.get_mut(sid) else { return };
        session.packet(at_ns, handle, packet);
        // A polling session has no connection whose end would be its own.
        if packet.engine_type.as_deref() == Some("close") && session.websocket.is_none() {
            tap.end(at_ns, sid, ended);
        }
    }

    /// Whether a session has a span, or has had one.
    pub(super) fn is_told(&self, tap: &str, sid: &str) -> bool {
        self.taps.get(tap).is_some_and(|tap| tap.sessions.contains_key(sid) || tap.has_ended(sid))
    }

    /// The sessions that ended since the last time, by tap.
    pub(super) fn left(&mut self) -> Vec<(String, String)> {
        let taps = self.taps.iter_mut();
        taps.flat_map(|(name, tap)| tap.left.drain(..).map(|session| (name.clone(), session))).collect()
    }

    pub(super) fn connection(&mut self, at_ns: i64, handle: Handle, row: &ConnectionRow, ended: &mut VecDeque<Ended>) {
        let tap = self.taps.entry(row.tap.clone()).or_default();
        let kind = row.kind.as_str();
        match kind {
            "open" => {
                if let Some((mut draft, attempts)) = tap.refused.take() {
                    draft.set("tapedeck.attempts", attempts);
                    draft.made_of(handle);
                    draft.end_ns = Some(at_ns);
                    ended.push_back(Ended { at_ns, draft });
                }
                let peer = row.peer.clone();
                tap.connections.insert(row.connection, Connection { from_ns: Some(at_ns), handle, peer, sid: None });
            }
            "refused" => {
                let (draft, attempts) = tap.refused.get_or_insert_with(|| (refused(at_ns, handle, row), 0));
                *attempts += 1;
                draft.exception(at_ns, "refused", &problem_of(row));
            }
            // The close of a WebSocket is told with its code, the end of the connection with its peer.
            "close" | "reset" if row.peer.is_none() => {
                let told = json!({"tapedeck.close_code": row.close_code, "tapedeck.row": shown(handle)});
                if let Some((sid, session)) = tap.session_of(row.connection) {
                    session.draft.event("websocket close", at_ns, told);
                    // Whoever said so may be back before the connection has ended.
                    tap.left.push(sid);
                }
            }
            "close" | "reset" => {
                if let Some((sid, session)) = tap.session_of(row.connection) {
                    session.draft.made_of(handle);
                    if kind == "reset" {
                        session.draft.failed(kind);
                    }
                    tap.end(at_ns, &sid, ended);
                }
                tap.connections.remove(&row.connection);
                tap.left.push(pairs::sessionless(row.connection));
            }
            _ => {}
        }
    }

    pub(super) fn finish(&mut self, end_ns: i64, ended: &mut VecDeque<Ended>) {
        for tap in std::mem::take(&mut self.taps).into_values() {
            if let Some((mut draft, attempts)) = tap.refused {
                draft.set("tapedeck.attempts", attempts);
                ended.push_back(Ended { at_ns: end_ns, draft });
            }
            for Session { mut draft, websocket, last_ns } in tap.sessions.into_values() {
                draft.end_ns = websocket.is_none().then_some(last_ns);
                ended.push_back(Ended { at_ns: end_ns, draft });
            }
        }
    }
}

impl Tap {
    fn has_ended(&self, sid: &str) -> bool {
        self.ended.iter().any(|ended| ended == sid)
    }

    /// The session whose WebSocket a connection is.
    fn session_of(&mut self, connection: i64) -> Option<(String, &mut Session)> {
        let sid = self.connections.get(&connection)?.sid.clone()?;
        let session = self.sessions.get_mut(&sid).filter(|session| session.websocket == Some(connection))?;
        Some((sid, session))
    }

    /// Ends the session that has been silent longest.
    fn end_idle(&mut self, ended: &mut VecDeque<Ended>) {
        let idle = self.sessions.iter().min_by_key(|(_, session)| session.last_ns);
        if let Some((sid, last_ns)) = idle.map(|(sid, session)| (sid.clone(), session.last_ns)) {
            self.end(last_ns, &sid, ended);
        }
    }

    fn end(&mut self, at_ns: i64, sid: &str, ended: &mut VecDeque<Ended>) {
        if let Some(Session { mut draft, .. }) = self.sessions.remove(sid) {
            draft.end_ns = Some(at_ns);
            ended.push_back(Ended { at_ns, draft });
            if self.ended.len() >= MAX_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(sid.to_owned());
            self.left.push(sid.to_owned());
        }
    }
}

impl Session {
    fn begin(packet: &Packet, sid: &str, connection: Option<&Connection>) -> Session {
        let from_ns = connection.and_then(|connection| connection.from_ns).unwrap_or(packet.first_ns);
        let mut draft = Draft::new(subject(&packet.tap, sid), &packet.tap, "session", from_ns).of_kind("client");
        draft.set("session.id", sid);
        draft.set("messaging.system", "socket.io");
        draft.set("network.transport", "tcp");
        draft.set("network.peer.address", connection.and_then(|connection| connection.peer.clone()));
        draft.set("tapedeck.connection", packet.connection);
        draft.made_of(connection.and_then(|connection| connection.handle));
        Session { draft, websocket: None, last_ns: packet.first_ns }
    }

    fn packet(&mut self, at_ns: i64, handle: Handle, packet: &Packet) {
        self.last_ns = at_ns;
        if packet.transport == "websocket" && self.websocket != Some(packet.connection) {
            self.websocket = Some(packet.connection);
            self.draft.event("websocket", at_ns, json!({"tapedeck.connection": packet.connection}));
        }
        let told = match (packet.engine_type.as_deref(), packet.packet_type.as_deref()) {
            _ if packet.problem.is_some() => "problem",
            (Some("close"), _) => "close",
            (_, Some("connect")) => "connect",
            (_, Some("disconnect")) => "disconnect",
            (_, Some("connect_error")) => "connect_error",
            _ => return,
        };
        let attributes = json!({
            "messaging.destination.name": packet.namespace,
            "tapedeck.direction": packet.direction,
            "tapedeck.problem": packet.problem,
            "tapedeck.row": shown(handle),
        });
        self.draft.event(told, at_ns, attributes);
        if matches!(told, "problem" | "connect_error") {
            self.draft.failed(told);
        }
    }
}

fn refused(at_ns: i64, handle: Handle, row: &ConnectionRow) -> Draft {
    let ConnectionRow { tap, connection, .. } = row;
    let mut draft = Draft::new(format!("connect/{tap}/{connection}"), tap, "connect", at_ns).of_kind("client");
    draft.set("network.transport", "tcp");
    draft.set("tapedeck.connection", *connection);
    draft.made_of(handle);
    draft.failed("refused");
    draft
}

fn problem_of(row: &ConnectionRow) -> String {
    let detail = row.detail.as_deref().and_then(|detail| serde_json::from_str::<serde_json::Value>(detail).ok());
    detail.as_ref().and_then(|detail| detail["error"].as_str()).unwrap_or("refused").to_owned()
}
