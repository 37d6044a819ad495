//! A trace in the making: tracks within tracks, and on each what happened there.
//!
//! Slices of one track lie within one another or apart. Where they overlap otherwise, some go to a second track of the same name,
//! which Perfetto shows as one with the first.

use std::collections::{BTreeMap, HashMap};

use super::proto::{
    Clock, ClockSnapshot, CounterDescriptor, DebugAnnotation, Ordering, TracePacket, TrackDescriptor, TrackEvent, Type,
    Value,
};

/// The one writer of all packets.
const SEQUENCE: u32 = 1;
/// Perfetto's numbers of the clocks.
const BOOTTIME: u32 = 6;
const REALTIME: u32 = 1;

/// A track: its number.
pub type Track = u64;

/// Something that happened on a track.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    /// Where it begins, in ns since the run's start.
    pub from_ns: i64,
    /// Where it ends; what has no length is an instant.
    pub to_ns: Option<i64>,
    /// What it is called.
    pub name: String,
    /// The table that it comes from.
    pub table: &'static str,
    /// What else is known of it.
    pub notes: Vec<(String, Value)>,
    /// Flows that leave here.
    pub flows: Vec<u64>,
    /// Flows that arrive here.
    pub arriving: Vec<u64>,
}

/// A trace in the making.
#[derive(Default)]
pub struct Trace {
    descriptors: Vec<TrackDescriptor>,
    named: HashMap<(Track, String), Track>,
    happened: BTreeMap<Track, Vec<Happened>>,
    counted: Vec<(i64, TrackEvent)>,
}

impl Trace {
    /// The track of that name within another, made where there is none; 0 is above all.
    pub fn track(&mut self, within: Track, name: &str) -> Track {
        self.track_with(within, name, None)
    }

    /// The same for a number that changes.
    pub fn counter(&mut self, within: Track, name: &str, unit: &str) -> Track {
        let counter = CounterDescriptor { unit_name: Some(unit.to_owned()) };
        self.track_with(within, name, Some(counter))
    }

    fn track_with(&mut self, within: Track, name: &str, counter: Option<CounterDescriptor>) -> Track {
        if let Some(track) = self.named.get(&(within, name.to_owned())) {
            return *track;
        }
        let track = self.describe(within, name, counter);
        self.named.insert((within, name.to_owned()), track);
        track
    }

    fn describe(&mut self, within: Track, name: &str, counter: Option<CounterDescriptor>) -> Track {
        let number = self.descriptors.len() + 1;
        self.descriptors.push(TrackDescriptor {
            uuid: Some(number as u64),
            name: Some(name.to_owned()),
            parent_uuid: Some(within).filter(|within| *within > 0),
            counter,
            // In the order in which they were made.
            child_ordering: Some(Ordering::Explicit.into()),
            sibling_order_rank: Some(i32::try_from(number).unwrap_or(i32::MAX)),
        });
        number as u64
    }

    /// Something happened on a track.
    pub fn add(&mut self, track: Track, happened: Happened) {
        self.happened.entry(track).or_default().push(happened);
    }

    /// A number has become another.
    pub fn count(&mut self, track: Track, at_ns: i64, value: f64) {
        let event = TrackEvent {
            r#type: Some(Type::Counter.into()),
            track_uuid: Some(track),
            double_counter_value: Some(value),
            ..TrackEvent::default()
        };
        self.counted.push((at_ns, event));
    }

    /// Everything as packets in order of time, behind the tracks.
    pub fn packets(mut self, started_unix_ns: i64) -> Vec<TracePacket> {
        let mut events = std::mem::take(&mut self.counted);
        for (track, mut happened) in std::mem::take(&mut self.happened) {
            // Of what begins together, the longest is around the others.
            happened.sort_by_key(|one| (one.from_ns, std::cmp::Reverse(one.to_ns.unwrap_or(i64::MIN))));
            self.laid_out(track, happened, &mut events);
        }
        // What is at the same time keeps its order: an end before the next beginning.
        events.sort_by_key(|(at_ns, _)| *at_ns);
        let packet = || TracePacket { trusted_packet_sequence_id: Some(SEQUENCE), ..TracePacket::default() };
        let clock =
            |id: u32, ns: i64| Clock { clock_id: Some(id), timestamp: Some(u64::try_from(ns).unwrap_or_default()) };
        let clocks = vec![clock(BOOTTIME, 0), clock(REALTIME, started_unix_ns)];
        let snapshot = TracePacket { clock_snapshot: Some(ClockSnapshot { clocks }), ..packet() };
        let described = self.descriptors.into_iter();
        let described = described.map(|track| TracePacket { track_descriptor: Some(track), ..packet() });
        let events = events.into_iter().map(|(at_ns, event)| TracePacket {
            timestamp: Some(u64::try_from(at_ns).unwrap_or_default()),
            track_event: Some(event),
            ..packet()
        });
        [snapshot].into_iter().chain(described).chain(events).collect()
    }

    /// Puts what happened on a track, and on as many more of its name as it needs.
    fn laid_out(&mut self, track: Track, happened: Vec<Happened>, events: &mut Vec<(i64, TrackEvent)>) {
        let mut rows: Vec<Row> = vec![Row::new(track)];
        for one in happened {
            let Some(to_ns) = one.to_ns.map(|to_ns| to_ns.max(one.from_ns)) else {
                rows[0].end_until(one.from_ns);
                rows[0].events.push((one.from_ns, event(track, Type::Instant, one)));
                continue;
            };
            rows.iter_mut().for_each(|row| row.end_until(one.from_ns));
            let free = rows.iter().position(|row| row.open.last().is_none_or(|end_ns| *end_ns >= to_ns));
            let place = free.unwrap_or_else(|| {
                let above = self.descriptors[track as usize - 1].clone();
                let name = above.name.unwrap_or_default();
                rows.push(Row::new(self.describe(above.parent_uuid.unwrap_or_default(), &name, None)));
                rows.len() - 1
            });
            let row = &mut rows[place];
            row.open.push(to_ns);
            row.events.push((one.from_ns, event(row.track, Type::SliceBegin, one)));
        }
        for mut row in rows {
            row.end_until(i64::MAX);
            events.append(&mut row.events);
        }
    }
}

/// One track as it is filled.
struct Row {
    track: Track,
    /// Where the slices end that are open, the innermost last.
    open: Vec<i64>,
    events: Vec<(i64, TrackEvent)>,
}

impl Row {
    fn new(track: Track) -> Row {
        Row { track, open: Vec::new(), events: Vec::new() }
    }

    fn end_until(&mut self, now_ns: i64) {
        while let Some(end_ns) = self.open.pop_if(|end_ns| *end_ns <= now_ns) {
            self.events.push((end_ns, event(self.track, Type::SliceEnd, Happened::default())));
        }
    }
}

fn event(track: Track, kind: Type, happened: Happened) -> TrackEvent {
    let notes = happened.notes.into_iter();
    TrackEvent {
        debug_annotations: notes
            .map(|(name, value)| DebugAnnotation { name: Some(name), value: Some(value) })
            .collect(),
        r#type: Some(kind.into()),
        track_uuid: Some(track),
        categories: Some(happened.table).filter(|table| !table.is_empty()).map(str::to_owned).into_iter().collect(),
        name: Some(happened.name).filter(|_| kind != Type::SliceEnd),
        double_counter_value: None,
        flow_ids: happened.flows,
        terminating_flow_ids: happened.arriving,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(name: &str, from_ns: i64, to_ns: i64) -> Happened {
        Happened { from_ns, to_ns: Some(to_ns), name: name.to_owned(), ..Happened::default() }
    }

    /// `track:name(` for a beginning, `track:)` for an end, `track:name!` for an instant.
    fn shown(trace: Trace) -> String {
        let packets = trace.packets(0).into_iter();
        let events = packets.filter_map(|packet| Some((packet.timestamp?, packet.track_event?)));
        let events = events.map(|(at_ns, event)| {
            let sign = match event.r#type() {
                Type::SliceBegin => "(",
                Type::SliceEnd => ")",
                _ => "!",
            };
            let track = event.track_uuid.unwrap_or_default();
            format!("{at_ns}:{track}:{}{sign}", event.name.unwrap_or_default())
        });
        events.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn slices_nest_or_lie_apart() {
        let mut trace = Trace::default();
        let track = trace.track(0, "lane");
        for (name, from_ns, to_ns) in [("c", 10, 20), ("a", 0, 10), ("b", 2, 5), ("empty", 10, 10), ("over", 15, 25)] {
            trace.add(track, slice(name, from_ns, to_ns));
        }
        trace.add(track, Happened { from_ns: 12, name: "now".into(), ..Happened::default() });
        assert_eq!(
            shown(trace),
            "0:1:a( 2:1:b( 5:1:) 10:1:) 10:1:c( 10:1:empty( 10:1:) 12:1:now! 15:2:over( 20:1:) 25:2:)"
        );
    }

    #[test]
    fn tracks_are_found_again() {
        let mut trace = Trace::default();
        let (one, other) = (trace.track(0, "one"), trace.track(0, "other"));
        assert_eq!([trace.track(0, "one"), trace.track(one, "x")], [one, 3]);
        assert_eq!([trace.track(other, "x"), trace.track(one, "x")], [4, 3]);
    }
}
