//! Which row of a recording is what on which track.

use std::collections::{BTreeMap, HashMap};

use recording::Stamped;
use recording::record::{
    ConnectionRow, Event, Gap, Log, MediaPacket, Packet, Poll, Probe, Scrape, SourceRow, Span, Stat,
};
use serde_json::Value as Json;
use telemetry::metrics::pairs::{self, Moment};

use super::proto::Value;
use super::trace::{Happened, Trace, Track};

/// The longest line of a log that is told, in characters.
const MOST_LETTERS: usize = 200;

/// A run's trace in the making.
pub struct Lanes {
    /// The trace.
    pub trace: Trace,
    run: Track,
    end_ns: i64,
    /// Flows that leave packets, and those that arrive, by the packets' numbers.
    flows: HashMap<i64, (Vec<u64>, Vec<u64>)>,
}

/// The handle of a row, as an annotation.
fn row(table: &str, seq: i64) -> (String, Value) {
    ("row".into(), Value::Text(format!("{table}#{seq}")))
}

fn text(name: &str, value: Option<&str>) -> Option<(String, Value)> {
    value.map(|value| (name.to_owned(), Value::Text(value.to_owned())))
}

fn began(at_ns: i64, took_ms: f64) -> i64 {
    at_ns.saturating_sub((took_ms * 1e6) as i64).max(0)
}

impl Lanes {
    /// Of a run that is so long.
    pub fn new(run_id: &str, end_ns: i64) -> Lanes {
        let mut trace = Trace::default();
        let run = trace.track(0, run_id);
        Lanes { trace, run, end_ns, flows: HashMap::new() }
    }

    fn lane(&mut self, names: &[&str]) -> Track {
        names.iter().fold(self.run, |within, name| self.trace.track(within, name))
    }

    /// The spans, by service, with what happened in them. Of those of correlated pairs it is remembered which packets they join.
    pub fn spans(&mut self, spans: &[Stamped<Span>]) {
        for Stamped { seq, row: span, .. } in spans {
            let lane = self.lane(&["spans", &span.service]);
            let attributes: Json = serde_json::from_str(&span.attributes).unwrap_or_default();
            self.remember_flow(span, &attributes);
            let mut notes = vec![row("spans", *seq)];
            notes.extend(text("span_id", Some(&span.span_id)));
            notes.extend(text("status", Some(&span.status)));
            notes.extend(annotations(&attributes));
            self.trace.add(
                lane,
                Happened {
                    from_ns: span.start_ns,
                    to_ns: Some(span.end_ns.unwrap_or(self.end_ns)),
                    name: span.name.clone(),
                    table: "spans",
                    notes,
                    ..Happened::default()
                },
            );
            let events: Vec<Json> = serde_json::from_str(&span.events).unwrap_or_default();
            for event in &events {
                let (Some(name), Some(at_ns)) = (event["name"].as_str(), event["at_ns"].as_i64()) else { continue };
                let mut notes = vec![row("spans", *seq)];
                notes.extend(annotations(&event["attributes"]));
                let name = format!("{}: {name}", span.name);
                let lane = self.lane(&["spans", &format!("{}: events", span.service)]);
                self.trace
                    .add(lane, Happened { from_ns: at_ns, name, table: "span events", notes, ..Happened::default() });
            }
        }
        self.in_flight(spans);
    }

    fn remember_flow(&mut self, span: &Span, attributes: &Json) {
        let handles: Vec<&str> =
            attributes["tapedeck.recorded_as"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let is_pair = attributes[pairs::PAIR].is_string();
        let ([opened, .., closed], true, Ok(id)) =
            (handles.as_slice(), is_pair, u64::from_str_radix(&span.span_id, 16))
        else {
            return;
        };
        let packet = |handle: &str| handle.strip_prefix("packets#").and_then(|seq| seq.parse::<i64>().ok());
        if let (Some(opened), Some(closed)) = (packet(opened), packet(closed)) {
            self.flows.entry(opened).or_default().0.push(id);
            self.flows.entry(closed).or_default().1.push(id);
        }
    }

    fn in_flight(&mut self, spans: &[Stamped<Span>]) {
        let mut in_flight: BTreeMap<String, i64> = BTreeMap::new();
        for (at_ns, moment) in pairs::moments(spans) {
            let (pair, change) = match moment {
                Moment::Opened { pair, .. } => (pair, 1),
                Moment::Closed { pair, .. } => (pair, -1),
                Moment::Acknowledged { .. } => continue,
            };
            let within = self.lane(&["in flight"]);
            let track = self.trace.counter(within, &pair, "pairs");
            let now = in_flight.entry(pair).or_default();
            *now += change;
            self.trace.count(track, at_ns, *now as f64);
        }
    }

    /// Packets, by tap and direction, with the flows of pairs between them: the spans come first.
    pub fn packets(&mut self, packets: Vec<Stamped<Packet>>) {
        for Stamped { seq, at_ns, row: packet } in packets {
            let lane = self.lane(&["taps", &format!("{} {}", packet.tap, packet.direction)]);
            let (flows, arriving) = self.flows.remove(&seq).unwrap_or_default();
            let named = packet.event.as_ref().or(packet.packet_type.as_ref()).or(packet.engine_type.as_ref());
            let mut notes = vec![row("packets", seq), ("bytes".into(), Value::Int(packet.wire_bytes))];
            notes.extend(text("sid", packet.sid.as_deref()));
            notes.extend(text("problem", packet.problem.as_deref()));
            let name = named.cloned().unwrap_or_else(|| "unreadable".to_owned());
            let from_ns = packet.first_ns.min(at_ns);
            self.trace
                .add(lane, Happened { from_ns, to_ns: Some(at_ns), name, table: "packets", notes, flows, arriving });
        }
    }

    /// What happened to connections.
    pub fn connections(&mut self, rows: Vec<Stamped<ConnectionRow>>) {
        for Stamped { seq, at_ns, row: connection } in rows {
            let lane = self.lane(&["taps", &format!("{} connections", connection.tap)]);
            let mut notes = vec![row("connections", seq), ("connection".into(), Value::Int(connection.connection))];
            notes.extend(text("detail", connection.detail.as_deref()));
            self.instant(lane, at_ns, connection.kind, "connections", notes);
        }
    }

    /// The timeline: a phase lasts until the next, what starts until it exits, a medium until it ends; the rest are instants.
    pub fn timeline(&mut self, rows: &[Stamped<Event>]) {
        for (place, Stamped { seq, at_ns, row: event }) in rows.iter().enumerate() {
            let same = |later: &Event| later.source == event.source && later.subject == event.subject;
            let later = || rows[place + 1..].iter().filter(|later| same(&later.row));
            let until = |ends: &[&str]| {
                let end = later().find(|later| ends.contains(&later.row.event.as_str()));
                Some(end.map_or(self.end_ns, |end| end.at_ns).max(*at_ns))
            };
            let to_ns = match (event.source.as_str(), event.event.as_str()) {
                ("run", _) => later().map(|later| later.at_ns).next(),
                ("media", "media.join") => until(&["media.end"]),
                (_, "start") => until(&["exit", "die", "start"]),
                _ => None,
            };
            let group = if event.source == "run" { "run" } else { event.source.as_str() };
            let lane = if event.source == "run" { self.lane(&["phases"]) } else { self.lane(&[group, &event.subject]) };
            let mut notes = vec![row("timeline", *seq)];
            notes.extend(event.exit_code.map(|code| ("exit_code".to_owned(), Value::Int(code))));
            notes.extend(annotations(&serde_json::from_str(&event.attributes).unwrap_or_default()));
            let name = event.event.clone();
            self.trace
                .add(lane, Happened { from_ns: *at_ns, to_ns, name, table: "timeline", notes, ..Happened::default() });
        }
    }

    /// Each packet of a medium.
    pub fn media(&mut self, rows: Vec<Stamped<MediaPacket>>) {
        for Stamped { seq, at_ns, row: packet } in rows {
            let lane = self.lane(&["media", &packet.target, &packet.kind]);
            let mut notes = vec![row("media_packets", seq), ("bytes".into(), Value::Int(packet.bytes))];
            notes.extend(packet.pts_s.map(|pts_s| ("pts_s".to_owned(), Value::Double(pts_s))));
            let name = if packet.key { "key packet" } else { "packet" };
            self.instant(lane, at_ns, name.to_owned(), "media_packets", notes);
        }
    }

    /// What the collector asked, and how long that took.
    pub fn looks(&mut self, scrapes: Vec<Stamped<Scrape>>, polls: Vec<Stamped<Poll>>, probes: Vec<Stamped<Probe>>) {
        let status = |status: Option<i64>| status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        for Stamped { seq, at_ns, row: Scrape { target, status: code, took_ms, error, .. } } in scrapes {
            self.look("scrapes", seq, &target, (began(at_ns, took_ms), at_ns), status(code), error.as_deref());
        }
        for Stamped { seq, at_ns, row: Poll { target, status: code, took_ms, error, .. } } in polls {
            self.look("polls", seq, &target, (began(at_ns, took_ms), at_ns), status(code), error.as_deref());
        }
        for Stamped { seq, at_ns, row: Probe { target, ok, took_ms, error, .. } } in probes {
            let name = if ok { "ok" } else { "unreadable" };
            self.look("probes", seq, &target, (began(at_ns, took_ms), at_ns), name.to_owned(), error.as_deref());
        }
    }

    fn look(
        &mut self,
        table: &'static str,
        seq: i64,
        target: &str,
        window: (i64, i64),
        name: String,
        error: Option<&str>,
    ) {
        let lane = self.lane(&[table, target]);
        let mut notes = vec![row(table, seq)];
        notes.extend(text("error", error));
        let (from_ns, at_ns) = window;
        self.trace.add(lane, Happened { from_ns, to_ns: Some(at_ns), name, table, notes, ..Happened::default() });
    }

    /// Every line that was written.
    pub fn logs(&mut self, rows: Vec<Stamped<Log>>) {
        for Stamped { seq, at_ns, row: log } in rows {
            let lane = self.lane(&["logs", &format!("{} {}", log.subject, log.stream)]);
            let line: String = log.line.chars().take(MOST_LETTERS).collect();
            self.instant(lane, at_ns, line, "logs", vec![row("logs", seq)]);
        }
    }

    /// What was watched, and what was lost of it.
    pub fn watched(&mut self, sources: Vec<Stamped<SourceRow>>, gaps: Vec<Stamped<Gap>>) {
        for Stamped { seq, row: SourceRow { source, from_ns, to_ns, .. }, .. } in sources {
            let Some(from_ns) = from_ns else { continue };
            let (to_ns, notes) = (Some(to_ns.unwrap_or(self.end_ns)), vec![row("sources", seq)]);
            let lane = self.lane(&["sources", &source]);
            self.trace.add(
                lane,
                Happened { from_ns, to_ns, name: "live".into(), table: "sources", notes, ..Happened::default() },
            );
        }
        for Stamped { seq, row: Gap { from_ns, to_ns, source, lost, reason }, .. } in gaps {
            let lane = self.lane(&["gaps", &source]);
            let notes = vec![row("gaps", seq), ("lost".into(), Value::Int(lost))];
            self.trace.add(
                lane,
                Happened { from_ns, to_ns: Some(to_ns), name: reason, table: "gaps", notes, ..Happened::default() },
            );
        }
    }

    /// CPU and memory of all that is watched, as numbers that change.
    pub fn stats(&mut self, stats: Vec<Stamped<Stat>>) {
        let mut used: HashMap<(String, String), (i64, f64)> = HashMap::new();
        for Stamped { at_ns, row: stat, .. } in stats {
            let of = format!("{} {}", stat.source, stat.subject);
            let (group, unit, value) = match stat.metric.as_str() {
                "memory/rss" | "memory/used" => ("memory", "bytes", stat.value),
                "cpu/busy_ratio" => ("CPU", "ratio", stat.value),
                "cpu/used_ns" => {
                    let before = used.insert((stat.source, stat.subject), (at_ns, stat.value));
                    let Some((before_ns, before)) = before.filter(|(before_ns, _)| *before_ns < at_ns) else {
                        continue;
                    };
                    ("CPU", "CPUs", (stat.value - before).max(0.0) / (at_ns - before_ns) as f64)
                }
                _ => continue,
            };
            let within = self.lane(&[group]);
            let track = self.trace.counter(within, &of, unit);
            self.trace.count(track, at_ns, value);
        }
    }

    fn instant(&mut self, lane: Track, at_ns: i64, name: String, table: &'static str, notes: Vec<(String, Value)>) {
        self.trace.add(lane, Happened { from_ns: at_ns, name, table, notes, ..Happened::default() });
    }
}

/// What a JSON object says, name by name.
fn annotations(object: &Json) -> Vec<(String, Value)> {
    let members = object.as_object().into_iter().flatten();
    let value = |value: &Json| match value {
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Double)),
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Null => None,
        other => Some(Value::Text(other.to_string())),
    };
    members.filter_map(|(name, member)| Some((name.clone(), value(member)?))).collect()
}
