//! One span for each Engine.IO session, and one for each connection that came to nothing.

use std::collections::{BTreeMap, VecDeque};

use recording::record::{ConnectionRow, Packet};
use serde_json::json;

use super::Ended;
use super::draft::{Draft, Handle, shown};

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
}

impl Sessions {
    pub(super) fn packet(&mut self, at_ns: i64, handle: Handle, packet: &Packet, ended: &mut VecDeque<Ended>) {
        let Some(sid) = &packet.sid else { return };
        if !self.taps.contains_key(&packet.tap) {
            self.taps.insert(packet.tap.clone(), Tap::default());
        }
        let Some(tap) = self.taps.get_mut(&packet.tap) else { return };
        let connection = tap.connections.entry(packet.connection).or_default();
        if connection.sid.as_ref() != Some(sid) {
            connection.sid = Some(sid.clone());
        }
        if !tap.sessions.contains_key(sid) {
            tap.sessions.insert(sid.clone(), Session::begin(packet, sid, connection));
        }
        let Some(session) = tap.sessions.get_mut(sid) else { return };
        session.packet(at_ns, handle, packet);
        // A polling session has no connection whose end would be its own.
        if packet.engine_type.as_deref() == Some("close") && session.websocket.is_none() {
            tap.end(at_ns, sid, ended);
        }
    }

    /// Whether a connection ended that may have carried something.
    pub(super) fn connection(
        &mut self,
        at_ns: i64,
        handle: Handle,
        row: &ConnectionRow,
        ended: &mut VecDeque<Ended>,
    ) -> bool {
        let tap = self.taps.entry(row.tap.clone()).or_default();
        let kind = row.kind.as_str();
        match kind {
            "open" => {
                let peer = row.peer.clone();
                tap.connections.insert(row.connection, Connection { from_ns: Some(at_ns), handle, peer, sid: None });
                false
            }
            "refused" => {
                ended.push_back(Ended { at_ns, draft: refused(at_ns, handle, row) });
                false
            }
            // The close of a WebSocket is told with its code, the end of the connection with its peer.
            "close" | "reset" if row.peer.is_none() => {
                let told = json!({"tapedeck.close_code": row.close_code, "tapedeck.row": shown(handle)});
                if let Some(session) = tap.session_of(row.connection) {
                    session.draft.event("websocket close", at_ns, told);
                }
                false
            }
            "close" | "reset" => {
                if let Some(session) = tap.session_of(row.connection) {
                    session.draft.from_row(handle);
                    if kind == "reset" {
                        session.draft.failed(kind);
                    }
                }
                if let Some(Connection { sid: Some(sid), .. }) = tap.connections.remove(&row.connection) {
                    tap.end(at_ns, &sid, ended);
                }
                true
            }
            _ => false,
        }
    }

    pub(super) fn finish(&mut self, end_ns: i64, ended: &mut VecDeque<Ended>) {
        let sessions = std::mem::take(&mut self.taps).into_values().flat_map(|tap| tap.sessions.into_values());
        for Session { mut draft, websocket, last_ns } in sessions {
            draft.end_ns = websocket.is_none().then_some(last_ns);
            ended.push_back(Ended { at_ns: end_ns, draft });
        }
    }
}

impl Tap {
    /// The session that a connection belongs to alone.
    fn session_of(&mut self, connection: i64) -> Option<&mut Session> {
        let sid = self.connections.get(&connection)?.sid.as_ref()?;
        self.sessions.get_mut(sid).filter(|session| session.websocket == Some(connection))
    }

    fn end(&mut self, at_ns: i64, sid: &str, ended: &mut VecDeque<Ended>) {
        if let Some(Session { mut draft, .. }) = self.sessions.remove(sid) {
            draft.end_ns = Some(at_ns);
            ended.push_back(Ended { at_ns, draft });
        }
    }
}

impl Session {
    fn begin(packet: &Packet, sid: &str, connection: &Connection) -> Session {
        let from_ns = connection.from_ns.unwrap_or(packet.first_ns);
        let mut draft = Draft::new(subject(&packet.tap, sid), &packet.tap, "session", from_ns).of_kind("client");
        draft.set("session.id", sid);
        draft.set("messaging.system", "socket.io");
        draft.set("network.transport", "tcp");
        draft.set("network.peer.address", connection.peer.clone());
        draft.set("tapedeck.connection", packet.connection);
        draft.from_row(connection.handle);
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
    let detail = row.detail.as_deref().and_then(|detail| serde_json::from_str::<serde_json::Value>(detail).ok());
    let error = detail.as_ref().and_then(|detail| detail["error"].as_str()).unwrap_or("refused").to_owned();
    draft.set("network.transport", "tcp");
    draft.set("network.peer.address", row.peer.clone());
    draft.set("tapedeck.connection", *connection);
    draft.from_row(handle);
    draft.failed("refused");
    draft.exception(at_ns, "refused", &error);
    draft.end_ns = Some(at_ns);
    draft
}
