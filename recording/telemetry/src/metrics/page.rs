//! A page of OpenMetrics 1.0: families, in them groups of series that differ in their part only, in these one instant after the other.
//!
//! What was recorded from somebody's page has the type that it told there, if it fits: a counter that is called so, a histogram that adds
//! up, and no name that two families lay claim to. Else its samples are `unknown`, each name a family of its own.

mod fits;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::history::History;
use super::known::Since;
use super::series::{Exemplar, Kind, Name, Part, Store};
use super::text::{bound, push_number, push_time};

/// A run's series, and what they were when.
pub(crate) struct Sheet<'s> {
    store: &'s Store,
    seen: Seen<'s>,
}

#[derive(Clone, Copy)]
enum Seen<'s> {
    Now(i64),
    Past(&'s History),
}

/// One value of one part of a group.
#[derive(Clone, Copy)]
pub(super) struct Point<'s> {
    /// `None` on a page of what is so now.
    unix_ns: Option<i64>,
    pub(super) part: Part,
    pub(super) value: f64,
    name: &'s str,
    exemplar: Option<&'s Exemplar>,
    /// When the run began, for the times of exemplars.
    start_unix_ns: i64,
}

impl Point<'_> {
    /// Readers go by milliseconds.
    fn ms(&self) -> Option<i64> {
        self.unix_ns.map(|unix_ns| unix_ns.div_euclid(1_000_000))
    }
}

impl<'s> Sheet<'s> {
    pub(crate) fn now(store: &'s Store, now_ns: i64) -> Sheet<'s> {
        Sheet { store, seen: Seen::Now(now_ns) }
    }

    pub(crate) fn past(store: &'s Store, history: &'s History) -> Sheet<'s> {
        Sheet { store, seen: Seen::Past(history) }
    }

    fn points(&self, id: usize) -> Vec<Point<'s>> {
        let series = &self.store.series[id];
        let name = self.store.names[series.name].text.as_str();
        let part = series.part;
        let history = match self.seen {
            Seen::Now(now_ns) => {
                let point = |value| {
                    let exemplar = series.exemplar.as_deref();
                    Point { unix_ns: None, part, value, name, exemplar, start_unix_ns: 0 }
                };
                return self.store.value(id, now_ns).map(point).into_iter().collect();
            }
            Seen::Past(history) => history,
        };
        let known = history.points.get(id).map_or(&[][..], Vec::as_slice);
        let first_ns = known.first().map_or(i64::MIN, |(at_ns, _)| *at_ns);
        let before = history.snapshots.iter().filter(|_| series.since == Since::Start);
        let before = before.take_while(|at_ns| **at_ns < first_ns).map(|at_ns| (*at_ns, 0.0));
        let start_unix_ns = history.start_unix_ns;
        let point = |(at_ns, value)| Point {
            unix_ns: Some(start_unix_ns.saturating_add(at_ns)),
            part,
            value,
            name,
            exemplar: history.exemplars.get(&(id, at_ns)),
            start_unix_ns,
        };
        before.chain(known.iter().copied()).map(point).collect()
    }
}

/// A series: its sheet's place, and its own.
type Place = (usize, usize);

/// Which series make a family, and what it is.
struct Family<'s> {
    name: &'s str,
    kind: Kind,
    help: &'static str,
    members: Vec<Place>,
}

/// A name, and what it is said to be: where two families claim one name, both are there until it is decided.
type FamilyKey<'s> = (&'s str, Kind);

/// Every family as a text of its own, the last of which ends the page.
pub(crate) fn families<'s>(sheets: &[Sheet<'s>]) -> impl Iterator<Item = String> + use<'s> {
    let sheets: Vec<Sheet<'s>> = sheets.iter().map(|sheet| Sheet { store: sheet.store, seen: sheet.seen }).collect();
    let planned = planned(&sheets);
    let texts = planned.into_values().map(move |family| written(&sheets, &family));
    texts.chain(std::iter::once("# EOF\n".to_owned()))
}

/// The families as their names and types claim them.
fn planned<'s>(sheets: &[Sheet<'s>]) -> BTreeMap<FamilyKey<'s>, Family<'s>> {
    let mut names: BTreeMap<&str, BTreeSet<(&str, Kind)>> = BTreeMap::new();
    for name in sheets.iter().flat_map(|sheet| &sheet.store.names) {
        names.entry(&name.text).or_default().insert((&name.family, name.kind));
    }
    // One name, told as two things, is neither.
    let mut unknown: BTreeSet<&str> =
        names.iter().filter(|(_, claims)| claims.len() > 1).map(|(name, _)| *name).collect();
    loop {
        let families = gathered(sheets, &unknown);
        let clashing = clashing(&families);
        if clashing.is_empty() {
            return families;
        }
        let is_typed = |name: &Name| !matches!(name.kind, Kind::Gauge | Kind::Unknown);
        let of_clashing = |name: &&&Name| is_typed(name) && clashing.contains(name.family.as_str());
        let known = unknown.len();
        let all: Vec<&'s Name> = sheets.iter().flat_map(|sheet| &sheet.store.names).collect();
        unknown.extend(all.iter().filter(of_clashing).map(|name| name.text.as_str()));
        if unknown.len() == known {
            return families;
        }
    }
}

fn gathered<'s>(sheets: &[Sheet<'s>], unknown: &BTreeSet<&str>) -> BTreeMap<FamilyKey<'s>, Family<'s>> {
    let mut families: BTreeMap<FamilyKey<'s>, Family<'s>> = BTreeMap::new();
    for (place, sheet) in sheets.iter().enumerate() {
        let mut claims: Vec<(&'s str, Kind, &'static str)> = Vec::new();
        for name in &sheet.store.names {
            claims.push(match unknown.contains(name.text.as_str()) {
                true => (name.text.as_str(), Kind::Unknown, ""),
                false => (name.family.as_str(), name.kind, name.help),
            });
        }
        for (id, series) in sheet.store.series.iter().enumerate() {
            let (name, kind, help) = claims[series.name];
            let family = families.entry((name, kind)).or_insert(Family { name, kind, help, members: Vec::new() });
            family.members.push((place, id));
        }
    }
    adopt_created(&mut families);
    families
}

/// Text pages tell `x_created` as a gauge of its own, where OpenMetrics has it within `x`.
fn adopt_created<'s>(families: &mut BTreeMap<FamilyKey<'s>, Family<'s>>) {
    let is_typed = |family: &Family<'_>| matches!(family.kind, Kind::Counter | Kind::Histogram | Kind::Summary);
    let typed: BTreeMap<&'s str, FamilyKey<'s>> =
        families.iter().filter(|(_, family)| is_typed(family)).map(|(key, family)| (family.name, *key)).collect();
    let created: Vec<(FamilyKey<'s>, FamilyKey<'s>)> = families
        .iter()
        .filter(|(_, family)| !is_typed(family))
        .filter_map(|(key, family)| Some((*key, *typed.get(family.name.strip_suffix("_created")?)?)))
        .collect();
    for (key, of) in created {
        let Some(adopted) = families.remove(&key) else { continue };
        if let Some(family) = families.get_mut(&of) {
            family.members.extend(adopted.members);
        }
    }
}

/// The typed families that claim a name which another claims too.
fn clashing<'s>(families: &BTreeMap<FamilyKey<'s>, Family<'s>>) -> BTreeSet<&'s str> {
    let mut claims: BTreeMap<String, Vec<&Family<'s>>> = BTreeMap::new();
    for family in families.values() {
        let suffixes: &[&str] = match family.kind {
            Kind::Counter => &["", "_total", "_created"],
            Kind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
            Kind::Summary => &["", "_count", "_sum", "_created"],
            Kind::Gauge | Kind::Unknown => &[""],
        };
        for suffix in suffixes {
            claims.entry(format!("{}{suffix}", family.name)).or_default().push(family);
        }
    }
    let contested = claims.into_values().filter(|families| families.len() > 1).flatten();
    contested.filter(|family| !matches!(family.kind, Kind::Gauge | Kind::Unknown)).map(|family| family.name).collect()
}

/// Points of series whose labels are the same, one instant after the other.
type Group<'s> = Vec<Vec<Point<'s>>>;

fn written(sheets: &[Sheet<'_>], family: &Family<'_>) -> String {
    let groups = groups(sheets, family);
    if fits::fits(family.kind, groups.values()) {
        return text(family.name, family.kind, family.help, &groups);
    }
    let mut names: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    for (sheet, id) in &family.members {
        let store = sheets[*sheet].store;
        names.entry(&store.names[store.series[*id].name].text).or_default().push((*sheet, *id));
    }
    let each = names.into_iter().map(|(name, members)| {
        let family = Family { name, kind: Kind::Unknown, help: "", members };
        text(name, Kind::Unknown, "", &self::groups(sheets, &family))
    });
    each.collect()
}

fn groups<'s>(sheets: &[Sheet<'s>], family: &Family<'s>) -> BTreeMap<String, Group<'s>> {
    let mut points: BTreeMap<String, Vec<Point<'s>>> = BTreeMap::new();
    for (sheet, id) in &family.members {
        let store = sheets[*sheet].store;
        let series = &store.series[*id];
        let mut of_series = sheets[*sheet].points(*id);
        let mut labels = series.labels.to_string();
        if family.kind == Kind::Unknown {
            // Each series is a group of its own.
            push_part(&mut labels, series.part);
            of_series.iter_mut().for_each(|point| point.part = Part::Plain);
        } else if store.names[series.name].text.strip_prefix(family.name) == Some("_created") {
            of_series.iter_mut().for_each(|point| point.part = Part::Created);
        }
        points.entry(labels).or_default().extend(of_series);
    }
    points.into_iter().map(|(labels, points)| (labels, instants(points))).collect()
}

/// In order of time and part; of what is at the same time to a reader, the first.
fn instants(mut points: Vec<Point<'_>>) -> Group<'_> {
    let place = |point: &Point<'_>| (point.part.place().0, point.part.place().1);
    points.sort_by(|one, other| {
        let (one_place, other_place) = (place(one), place(other));
        let by_part = one_place.0.cmp(&other_place.0).then(one_place.1.total_cmp(&other_place.1));
        one.unix_ns.cmp(&other.unix_ns).then(by_part)
    });
    let mut group: Group<'_> = Vec::new();
    for point in points {
        let Some(instant) = group.last_mut() else {
            group.push(vec![point]);
            continue;
        };
        let first = instant[0];
        match first.ms() == point.ms() {
            false => group.push(vec![point]),
            true if first.unix_ns == point.unix_ns && instant.last().map(place) != Some(place(&point)) => {
                instant.push(point);
            }
            true => {}
        }
    }
    group
}

fn text(name: &str, kind: Kind, help: &str, groups: &BTreeMap<String, Group<'_>>) -> String {
    let mut text = String::new();
    if groups.values().all(Vec::is_empty) {
        return text;
    }
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        Kind::Unknown => "unknown",
    };
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if !help.is_empty() {
        if let Some(unit) = ["seconds", "bytes", "ratio", "cpus"].iter().find(|unit| is_unit(name, unit)) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
    }
    for (labels, group) in groups {
        for point in group.iter().flatten() {
            push_point(&mut text, labels, point);
        }
    }
    text
}

fn is_unit(name: &str, unit: &str) -> bool {
    name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

fn push_part(labels: &mut String, part: Part) {
    let (label, number) = match part {
        Part::Bucket(number) => ("le", number),
        Part::Quantile(number) => ("quantile", number),
        _ => return,
    };
    let _ = write!(labels, ",{label}=\"{}\"", bound(number));
}

fn push_point(text: &mut String, labels: &str, point: &Point<'_>) {
    text.push_str(point.name);
    text.push('{');
    text.push_str(labels);
    push_part(text, point.part);
    text.push_str("} ");
    push_number(text, point.value);
    if let Some(unix_ns) = point.unix_ns {
        text.push(' ');
        push_time(text, unix_ns);
    }
    if let (Part::Bucket(_), Some(exemplar)) = (point.part, point.exemplar) {
        let Exemplar { trace_id, span_id, value, at_ns } = exemplar;
        let _ = write!(text, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} ");
        push_number(text, *value);
        if point.unix_ns.is_some() {
            text.push(' ');
            push_time(text, point.start_unix_ns.saturating_add(*at_ns));
        }
    }
    text.push('\n');
}
