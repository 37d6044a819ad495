//! OpenMetrics 1.0: the order of lines, and what each type demands of its samples.
//!
//! The page is a row of families; [`Family`] holds what is known of the one being read, [`Buckets`] what a
//! histogram promises over several lines.

use std::borrow::Cow;
use std::collections::HashSet;

use super::line::{self, Line};
use super::{Exposition, Format, Kind, Sample, push_labels};

mod buckets;
mod rules;

use buckets::Buckets;
use rules::Part;

/// Reads a page of OpenMetrics.
pub(super) fn read(body: &[u8]) -> Exposition<'_> {
    let read = Exposition::new(Format::OpenMetrics);
    let mut page = Page { read, family: None, names: HashSet::new(), eof: false, line: 0 };
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    for bytes in body.split(|byte| *byte == b'\n') {
        page.line += 1;
        page.bytes(bytes);
    }
    page.close_family();
    if !page.eof {
        page.read.broken_rule(page.line, "the page does not end with '# EOF'");
    }
    page.read
}

struct Page<'a> {
    read: Exposition<'a>,
    family: Option<Family<'a>>,
    /// Every name that the families so far lay claim to.
    names: HashSet<String>,
    eof: bool,
    line: usize,
}

/// What is known of the family that is being read.
struct Family<'a> {
    name: Cow<'a, str>,
    kind: Option<Kind>,
    help: bool,
    unit: Option<&'a str>,
    /// The line of the first mention.
    line: usize,
    samples: usize,
    /// The labels that part the metrics of a family, as text, of the metric being read.
    group: String,
    groups: HashSet<String>,
    timestamp: Option<i128>,
    /// Which samples of the current metric and time were seen.
    points: HashSet<String>,
    buckets: Buckets,
}

impl<'a> Family<'a> {
    fn new(name: Cow<'a, str>, line: usize) -> Self {
        Self {
            name,
            kind: None,
            help: false,
            unit: None,
            line,
            samples: 0,
            group: String::new(),
            groups: HashSet::new(),
            timestamp: None,
            points: HashSet::new(),
            buckets: Buckets::default(),
        }
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Unknown)
    }

    fn part(&self, sample: &str) -> Option<Part> {
        rules::part(self.kind(), sample.strip_prefix(self.name.as_ref())?)
    }
}

impl<'a> Page<'a> {
    fn broken_rule(&mut self, text: impl Into<String>) {
        self.read.broken_rule(self.line, text);
    }

    fn bytes(&mut self, bytes: &'a [u8]) {
        let (bytes, carriage) = match bytes.strip_suffix(b"\r") {
            Some(stripped) => (stripped, true),
            None => (bytes, false),
        };
        if carriage {
            self.broken_rule("the line ends in a carriage return");
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.read.lost_line(self.line, "the line is not UTF-8");
        };
        if self.eof {
            self.broken_rule("something follows '# EOF'");
        }
        if text == "# EOF" {
            self.eof = true;
        } else if let Some(comment) = text.strip_prefix('#') {
            if let Err(text) = self.metadata(comment) {
                self.broken_rule(text);
            }
        } else if text.is_empty() {
            self.broken_rule("a blank line");
        } else {
            match line::read(text, Format::OpenMetrics) {
                Ok(line) => self.sample(line),
                Err(text) => self.read.lost_line(self.line, text),
            }
        }
    }

    fn metadata(&mut self, comment: &'a str) -> Result<(), String> {
        let keyword = comment.get(..6).filter(|word| matches!(*word, " TYPE " | " HELP " | " UNIT "));
        let keyword = keyword.ok_or("a comment must be '# TYPE', '# HELP', '# UNIT' or '# EOF'")?.trim();
        let (name, rest) = line::metadata_name(&comment[6..], Format::OpenMetrics)?;
        let rest = rest.strip_prefix(' ').ok_or_else(|| format!("a space is expected after the name {name:?}"))?;
        if self.family.as_ref().is_none_or(|family| family.name != name) {
            self.close_family();
            self.family = Some(Family::new(name, self.line));
        }
        let Some(family) = self.family.as_mut() else { return Ok(()) };
        if family.samples > 0 {
            return Err(format!("metadata of {:?} after its samples", family.name));
        }
        let again = match keyword {
            "HELP" => std::mem::replace(&mut family.help, true),
            "TYPE" => family.kind.replace(rules::kind(rest)?).is_some(),
            _ => family.unit.replace(rest).is_some(),
        };
        if again { Err(format!("a second {keyword} line for {:?}", family.name)) } else { Ok(()) }
    }

    fn sample(&mut self, line: Line<'a>) {
        if line.trailing_blank {
            self.broken_rule("a space at the end of the line");
        }
        if self.family.as_ref().is_none_or(|family| family.part(&line.name).is_none()) {
            self.close_family();
            self.family = Some(Family::new(line.name.clone(), self.line));
        }
        let Some(family) = self.family.as_mut() else { return };
        family.samples += 1;
        let kind = family.kind();
        let part = family.part(&line.name).unwrap_or(Part::Base);
        let timestamp = line.timestamp.and_then(nanoseconds);
        let mut broken = rules::sample(kind, part, &family.name, &line);
        broken.extend(family.order(part, &line, timestamp));
        for text in broken {
            self.broken_rule(text);
        }
        self.read.samples.push(Sample {
            kind,
            value: line.value,
            source_unix_ns: timestamp.and_then(|ns| i64::try_from(ns).ok()),
            name: line.name,
            labels: line.labels,
        });
    }

    fn close_family(&mut self) {
        let Some(mut family) = self.family.take() else { return };
        let kind = family.kind();
        let mut broken = family.buckets.close();
        if let Some(unit) = family.unit.filter(|unit| !unit.is_empty()) {
            let base = family.name.strip_suffix(unit).and_then(|base| base.strip_suffix('_'));
            if base.is_none() {
                broken.push(format!("the name {:?} does not end with its unit {unit:?}", family.name));
            }
            if matches!(kind, Kind::Info | Kind::StateSet) {
                broken.push(format!("{:?} can't have a unit: it is of type {}", family.name, kind.as_str()));
            }
        }
        for suffix in rules::claimed(kind) {
            let name = format!("{}{suffix}", family.name);
            if self.names.contains(&name) {
                broken.push(format!("the name {name:?} is already taken by another metric family"));
            }
            self.names.insert(name);
        }
        for text in broken {
            self.read.broken_rule(family.line, text);
        }
    }
}

impl Family<'_> {
    /// The rules over several lines: metrics don't interleave, time does not go back, nothing is said twice.
    fn order(&mut self, part: Part, line: &Line<'_>, timestamp: Option<i128>) -> Vec<String> {
        let mut broken = Vec::new();
        let special = rules::special_label(self.kind(), part, &self.name);
        let mut group = String::new();
        if self.kind() != Kind::Info {
            push_labels(&mut group, &line.labels, special.as_deref());
        }
        if self.samples == 1 || group != self.group {
            self.points.clear();
            if !self.groups.insert(group.clone()) {
                broken.push("the samples of a metric are not in one place".to_owned());
            }
        } else if timestamp.is_some() != self.timestamp.is_some() {
            broken.push("some samples of the metric have a time stamp and some have none".to_owned());
        } else if timestamp < self.timestamp && self.kind() != Kind::Info {
            broken.push("the time stamps of the metric go back".to_owned());
        } else if timestamp != self.timestamp {
            self.points.clear();
        }
        let mut point = line.name.as_ref().to_owned();
        point.push('{');
        push_labels(&mut point, &line.labels, None);
        let again = !self.points.insert(point);
        if again && timestamp.is_none() {
            broken.push("the sample stands twice".to_owned());
        }
        if !again && matches!(self.kind(), Kind::Histogram | Kind::GaugeHistogram) {
            broken.extend(self.buckets.sample(part, &group, line, timestamp));
        }
        self.group = group;
        self.timestamp = timestamp;
        broken
    }
}

/// Seconds as ns, exactly where they are written without an exponent; what is finer than 1 ns is cut off.
fn nanoseconds(token: &str) -> Option<i128> {
    let (sign, digits) = match token.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, token.strip_prefix('+').unwrap_or(token)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        let seconds: f64 = token.parse().ok()?;
        return Some((seconds * 1e9) as i128);
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i128 = format!("{fraction:0<9}")[..9].parse().ok()?;
    Some(sign * whole.saturating_mul(1_000_000_000).saturating_add(fraction))
}
