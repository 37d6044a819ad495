//! What the rows of each table do to the series.

use recording::record::{ConnectionRow, Event, MediaPacket, MediaPath, Packet, Poll, Probe, Run, Sample, Scrape, Stat};

use super::Metrics;
use super::known::{Known, Since};
use super::series::{Kind, Life, Name, New, Part};
use super::text::{label_name, metric_name, push_label};

/// No more sessions than these are told apart.
const MOST_SESSIONS: usize = 100_000;

/// The names that a run's own series begin with.
const OURS: &str = "tapedeck_";

/// Numbers that only grow.
const COUNTERS: [&str; 5] =
    ["cpu/used_ns", "cpu/waited_ns", "cpu/throttled_ns", "cpu/periods", "cpu/throttled_periods"];

impl Metrics {
    pub(super) fn run(&mut self, run: &Run) {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let (version, spec) = (or_empty(&run.version), or_empty(&run.spec_id));
        let values = [&run.kind, &run.stream, &version, &spec, &self.trace_id];
        let Some(id) = self.store.known(Known::RunInfo, &values.map(String::as_str), Life::Kept) else { return };
        if let Some(before) = self.info.replace(id).filter(|before| *before != id) {
            self.store.series[before].life = Life::Ended;
        }
        let info = &mut self.store.series[id];
        (info.value, info.life) = (1.0, Life::Kept);
    }

    pub(super) fn packet(&mut self, packet: &Packet) {
        if matches!(packet.packet_type.as_deref(), Some("event" | "binary_event")) {
            let event = packet.event.as_deref().unwrap_or_default();
            self.store.add(Known::Events, &[&packet.tap, &packet.direction, event], 1.0);
        }
        if packet.problem.is_some() {
            self.store.add(Known::PacketProblems, &[&packet.tap], 1.0);
        }
        let Some(sid) = &packet.sid else { return };
        let session = self.store.key((&packet.tap, sid));
        // Mostly it is the session of the packet before.
        if session == std::mem::replace(&mut self.last_session, session) || self.sessions.contains(&session) {
            return;
        }
        if self.sessions.len() >= MOST_SESSIONS {
            self.store.refused += 1;
            return;
        }
        self.sessions.insert(session);
        self.store.add(Known::Sessions, &[&packet.tap], 1.0);
    }

    pub(super) fn connection(&mut self, row: &ConnectionRow) {
        self.store.add(Known::Connections, &[&row.tap, &row.kind], 1.0);
    }

    pub(super) fn media_packet(&mut self, at_ns: i64, packet: &MediaPacket) {
        let of = [packet.target.as_str(), packet.kind.as_str()];
        self.store.add(Known::MediaBytes, &of, packet.bytes as f64);
        self.store.add(Known::MediaPackets, &of, 1.0);
        self.store.add(
            Known::MediaSeconds,
            &of,
            packet.duration_s.filter(|seconds| *seconds > 0.0).unwrap_or_default(),
        );
        if let Some(id) = self.store.known(Known::MediaSilence, &of, Life::Elapsing) {
            let silence = &mut self.store.series[id];
            (silence.at_ns, silence.life) = (at_ns.max(silence.at_ns), Life::Elapsing);
            if !self.silences.iter().any(|(known, _)| *known == id) {
                self.silences.push((id, packet.target.clone()));
            }
        }
    }

    pub(super) fn media_path(&mut self, row: &MediaPath) {
        let of = [row.target.as_str(), row.path.as_str()];
        self.store.set(Known::PathReady, &of, f64::from(u8::from(row.ready)));
        if let Some(readers) = row.readers {
            self.store.set(Known::PathReaders, &of, readers as f64);
        }
        if let Some(bytes) = row.bytes_received {
            self.store.set(Known::PathBytes, &of, bytes as f64);
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.store.add(Known::TimelineEvents, &[&event.source, &event.subject, &event.event], 1.0);
        if event.source == "media" && event.event == "media.end" {
            for (id, _) in self.silences.iter().filter(|(_, target)| *target == event.subject) {
                self.store.series[*id].life = Life::Ended;
            }
        }
    }

    pub(super) fn scrape(&mut self, at_ns: i64, scrape: &Scrape) {
        let target = self.store.target(&scrape.target);
        self.store.scraped[target].1 = at_ns;
        let is_up = is_answered(scrape.status, scrape.error.as_deref());
        self.store.set(Known::ScrapeUp, &[&scrape.target], is_up);
        self.store.set(Known::ScrapeSeconds, &[&scrape.target], scrape.took_ms / 1e3);
    }

    pub(super) fn poll(&mut self, poll: &Poll) {
        let is_up = is_answered(poll.status, poll.error.as_deref());
        self.store.set(Known::PollUp, &[&poll.target], is_up);
        self.store.set(Known::PollSeconds, &[&poll.target], poll.took_ms / 1e3);
    }

    pub(super) fn probe(&mut self, probe: &Probe) {
        self.store.set(Known::ProbeSuccess, &[&probe.target], f64::from(u8::from(probe.ok)));
        self.store.set(Known::ProbeSeconds, &[&probe.target], probe.took_ms / 1e3);
    }

    pub(super) fn stat(&mut self, at_ns: i64, stat: &Stat) {
        match (stat.source.as_str(), stat.metric.as_str()) {
            ("tap", "relay/bytes") => self.store.set(Known::TapBytes, &[&stat.subject], stat.value),
            ("tap", "relay/chunks") => self.store.set(Known::TapChunks, &[&stat.subject], stat.value),
            ("tap", "relay/added_max_ns") => self.store.set(Known::TapAddedMax, &[&stat.subject], stat.value / 1e9),
            ("tap", metric) => self.added(&stat.subject, metric, stat.value),
            ("recorder", "lag/max_ns") => self.store.set(Known::RecorderLag, &[], stat.value / 1e9),
            ("recorder", "rows/dropped") => self.store.set(Known::RecorderDropped, &[], stat.value),
            ("recorder", "journal/bytes") => self.store.set(Known::RecorderJournal, &[], stat.value),
            ("recorder", _) => {}
            _ => self.measured(at_ns, stat),
        }
    }

    /// A part of the histogram of what a tap added.
    fn added(&mut self, tap: &str, metric: &str, value: f64) {
        let (part, value) = match (metric.strip_prefix("relay/added_le/"), metric) {
            (Some(bound), _) => match bound.parse().ok().filter(|bound: &f64| !bound.is_nan()) {
                Some(bound) => (Part::Bucket(bound), value),
                None => return,
            },
            (None, "relay/added_sum_ns") => (Part::Sum, value / 1e9),
            (None, _) => return,
        };
        let is_all = part == Part::Bucket(f64::INFINITY);
        for part in [Some(part), is_all.then_some(Part::Count)].into_iter().flatten() {
            let (place, bound) = part.place();
            let key = self.store.key((Known::TapAdded as u16, tap, place, bound.to_bits()));
            let id = self.store.find(key, |store| store.of_known(Known::TapAdded, &[tap], part, Life::Kept));
            if let Some(id) = id {
                self.store.series[id].value = value;
            }
        }
    }

    /// A number about a process, a container, the host or the collector.
    fn measured(&mut self, at_ns: i64, stat: &Stat) {
        let key = self.store.key((u16::MAX, &stat.source, &stat.metric, &stat.unit, &stat.subject));
        let id = self.store.find(key, |store| {
            let mut labels = store.shared();
            push_label(&mut labels, "subject", &stat.subject);
            let name = measured_name(&stat.source, &stat.metric, &stat.unit);
            New { name, labels, part: Part::Plain, since: Since::Told, life: Life::Fresh }
        });
        if let Some(id) = id {
            let series = &mut self.store.series[id];
            series.value = if stat.unit == "ns" { stat.value / 1e9 } else { stat.value };
            series.at_ns = at_ns;
        }
    }

    /// A sample of somebody's page: its series.
    pub(super) fn sample(&mut self, at_ns: i64, sample: &Sample) -> Option<usize> {
        let key = self.store.key((u16::MAX - 1, &sample.target, &sample.r#type, &sample.name, &sample.labels));
        let target = self.store.target(&sample.target);
        let id = self.store.find(key, |store| sampled(sample, store.shared(), target))?;
        let series = &mut self.store.series[id];
        (series.value, series.at_ns) = (sample.value, at_ns);
        Some(id)
    }
}

fn is_answered(status: Option<i64>, error: Option<&str>) -> f64 {
    let is_up = status.is_some_and(|status| (200..300).contains(&status)) && error.is_none();
    f64::from(u8::from(is_up))
}

/// The name of a number in the table `stats`: the unit comes last, and is not said twice.
fn measured_name(source: &str, metric: &str, unit: &str) -> Name {
    let is_counter = COUNTERS.contains(&metric);
    let metric = metric.replace('/', "_");
    let (metric, unit) = match unit {
        "ns" => (metric.trim_end_matches("_ns"), "seconds"),
        "bytes" | "ratio" | "cpus" => (metric.as_str(), unit),
        _ => (metric.as_str(), ""),
    };
    let says_unit = unit.is_empty() || metric.rsplit('_').next() == Some(unit);
    let unit = if says_unit { String::new() } else { format!("_{unit}") };
    let family = metric_name(&format!("{OURS}{source}_{metric}{unit}"));
    let (text, kind) =
        if is_counter { (format!("{family}_total"), Kind::Counter) } else { (family.clone(), Kind::Gauge) };
    Name { text, family, kind, help: "A number of the table stats." }
}

/// A series of somebody's page, under its own name.
fn sampled(sample: &Sample, mut labels: String, target: usize) -> New {
    let own: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&sample.labels).unwrap_or_default();
    let own = own.iter().map(|(name, value)| (label_name(name), value.as_str().unwrap_or_default()));
    let own: Vec<(String, &str)> = own.collect();
    let name = metric_name(&sample.name);
    let text = if name.starts_with(OURS) { format!("exported_{name}") } else { name };
    let (kind, family, part) = declared(&text, &sample.r#type, &own);
    push_label(&mut labels, "target", &sample.target);
    let by_part = match part {
        Part::Bucket(_) => "le",
        Part::Quantile(_) => "quantile",
        _ => "",
    };
    for (label, value) in own.iter().filter(|(label, _)| label != by_part) {
        let mut written = label.clone();
        // A label that has such a name already keeps it.
        while ["run", "scenario", "target"].contains(&written.as_str())
            || (written != *label && own.iter().any(|(other, _)| *other == written))
        {
            written.insert_str(0, "exported_");
        }
        push_label(&mut labels, &written, value);
    }
    let family = family.to_owned();
    New { name: Name { text, family, kind, help: "" }, labels, part, since: Since::Told, life: Life::OfScrape(target) }
}

/// What a sample is by the type that its page told.
fn declared<'n>(name: &'n str, told: &str, labels: &[(String, &str)]) -> (Kind, &'n str, Part) {
    let number = |wanted: &str| {
        let (_, value) = labels.iter().find(|(label, _)| label == wanted)?;
        value.parse().ok().filter(|number: &f64| !number.is_nan())
    };
    let kind = match told {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        _ => Kind::Unknown,
    };
    if let (Kind::Summary, Some(share)) = (kind, number("quantile")) {
        return (kind, name, Part::Quantile(share));
    }
    let has_parts = matches!(kind, Kind::Histogram | Kind::Summary);
    let parts = [
        ("_total", kind == Kind::Counter, Some(Part::Plain)),
        ("_created", kind == Kind::Counter || has_parts, Some(Part::Created)),
        ("_bucket", kind == Kind::Histogram, number("le").map(Part::Bucket)),
        ("_count", has_parts, Some(Part::Count)),
        ("_sum", has_parts, Some(Part::Sum)),
    ];
    for (suffix, fits, part) in parts {
        let family = name.strip_suffix(suffix).filter(|family| fits && !family.is_empty());
        if let (Some(family), Some(part)) = (family, part) {
            return (kind, family, part);
        }
    }
    let kind = if kind == Kind::Gauge { Kind::Gauge } else { Kind::Unknown };
    (kind, name, Part::Plain)
}
