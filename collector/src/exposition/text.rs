//! Prometheus text 0.0.4: its metadata and comments, and which family a sample belongs to.

use std::collections::HashMap;

use super::line::{self, Line};
use super::{Exposition, Format, Kind, Sample};

/// Reads a page of the text format.
pub(super) fn read(body: &[u8]) -> Exposition<'_> {
    let mut page = Page { read: Exposition::new(Format::Text), families: HashMap::new(), line: 0 };
    let ended = body.is_empty() || body.ends_with(b"\n");
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let mut last_is_blank = true;
    for bytes in body.split(|byte| *byte == b'\n') {
        page.line += 1;
        last_is_blank = bytes.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        if !last_is_blank {
            page.bytes(bytes);
        }
    }
    if !ended && !last_is_blank {
        page.read.broken_rule(page.line, "the page ends within a line");
    }
    page.read
}

#[derive(Default)]
struct Family {
    kind: Option<Kind>,
    help: bool,
}

struct Page<'a> {
    read: Exposition<'a>,
    families: HashMap<String, Family>,
    line: usize,
}

impl<'a> Page<'a> {
    fn bytes(&mut self, bytes: &'a [u8]) {
        let bytes = match bytes.strip_suffix(b"\r") {
            Some(stripped) => {
                self.read.broken_rule(self.line, "the line ends in a carriage return");
                stripped
            }
            None => bytes,
        };
        let comment = bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t')) == Some(&b'#');
        match std::str::from_utf8(bytes) {
            Ok(text) if comment => self.comment(text.trim_start_matches(BLANKS)),
            Ok(text) => self.sample(text.trim_start_matches(BLANKS)),
            // The documentation of a metric may be anything; only what is kept has to be UTF-8.
            Err(_) if comment => self.comment(String::from_utf8_lossy(bytes).trim_start_matches(BLANKS)),
            Err(_) => self.read.lost_line(self.line, "the line is not UTF-8"),
        }
    }

    fn comment(&mut self, text: &str) {
        let text = text[1..].trim_start_matches(BLANKS);
        let Some(rest) = text.strip_prefix("HELP").or_else(|| text.strip_prefix("TYPE")) else {
            return;
        };
        if !rest.starts_with(BLANKS) {
            return;
        }
        let help = text.starts_with('H');
        let rest = rest.trim_start_matches(BLANKS);
        if rest.is_empty() {
            return;
        }
        let (name, rest) = match line::metadata_name(rest, Format::Text) {
            Ok((name, rest)) if rest.is_empty() || rest.starts_with(BLANKS) => (name, rest.trim_start_matches(BLANKS)),
            Ok((name, _)) => {
                return self.read.broken_rule(self.line, format!("{name:?} is only part of a metric name"));
            }
            Err(text) => return self.read.broken_rule(self.line, text),
        };
        if rest.is_empty() {
            return;
        }
        if help {
            self.help(&name, rest);
        } else {
            self.kind(&name, rest);
        }
    }

    fn help(&mut self, name: &str, text: &str) {
        if std::mem::replace(&mut self.family(name).help, true) {
            self.read.broken_rule(self.line, format!("a second HELP line for {name:?}"));
        } else if let Some(escape) = bad_escape(text) {
            self.read.broken_rule(self.line, format!("{escape:?} is no escape sequence"));
        }
    }

    fn kind(&mut self, name: &str, word: &str) {
        let kind = match word.to_ascii_lowercase().as_str() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "gaugehistogram" | "gauge_histogram" => Kind::GaugeHistogram,
            "summary" => Kind::Summary,
            "untyped" => Kind::Unknown,
            _ => return self.read.broken_rule(self.line, format!("{word:?} is no metric type")),
        };
        let family = self.family(name);
        if family.kind.is_some() {
            let text = format!("a second TYPE line for {name:?}, or one after its samples");
            return self.read.broken_rule(self.line, text);
        }
        family.kind = Some(kind);
    }

    fn sample(&mut self, text: &'a str) {
        let line = match line::read(text, Format::Text) {
            Ok(line) => line,
            Err(text) => return self.read.lost_line(self.line, text),
        };
        if line.trailing_blank {
            self.read.broken_rule(self.line, "blanks at the end of the line");
        }
        let family = self.family(&line.name);
        let kind = *family.kind.get_or_insert(Kind::Unknown);
        if let Some(text) = broken_rule(kind, &line) {
            self.read.broken_rule(self.line, text);
        }
        let milliseconds = line.timestamp.and_then(|token| token.parse::<i64>().ok());
        self.read.samples.push(Sample {
            kind,
            value: line.value,
            source_unix_ns: milliseconds.and_then(|stamp| stamp.checked_mul(1_000_000)),
            name: line.name,
            labels: line.labels,
        });
    }

    /// The family of a name: its own, else the summary or histogram whose part it is, else a new one.
    fn family(&mut self, name: &str) -> &mut Family {
        let name = if self.families.contains_key(name) { name } else { self.owner(name).unwrap_or(name) };
        self.families.entry(name.to_owned()).or_default()
    }

    fn owner<'name>(&self, name: &'name str) -> Option<&'name str> {
        let (base, kinds): (_, &[Kind]) = match name.strip_suffix("_bucket") {
            Some(base) => (base, &[Kind::Histogram, Kind::GaugeHistogram]),
            None => (
                name.strip_suffix("_count").or_else(|| name.strip_suffix("_sum"))?,
                &[Kind::Summary, Kind::Histogram, Kind::GaugeHistogram],
            ),
        };
        let kind = self.families.get(base)?.kind?;
        kinds.contains(&kind).then_some(base)
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The rules of the text format for single samples: bounds are numbers, populations are not negative.
fn broken_rule(kind: Kind, line: &Line<'_>) -> Option<String> {
    let histogram = matches!(kind, Kind::Histogram | Kind::GaugeHistogram);
    let bound = match kind {
        Kind::Summary => "quantile",
        _ if histogram => "le",
        _ => return None,
    };
    if let Some((_, value)) = line.labels.iter().find(|(name, _)| name == bound)
        && line::number(value).is_err()
    {
        return Some(format!("the label {bound:?} must be a number, not {value:?}"));
    }
    let population = line.name.ends_with("_count") || line.name.ends_with("_bucket");
    (histogram && population && line.value < 0.0).then(|| "a histogram counts less than nothing".to_owned())
}

fn bad_escape(text: &str) -> Option<String> {
    let mut symbols = text.chars();
    while let Some(symbol) = symbols.next() {
        if symbol == '\\' {
            match symbols.next() {
                Some('n' | '\\' | '"') => {}
                Some(other) => return Some(format!("\\{other}")),
                None => return Some("\\".to_owned()),
            }
        }
    }
    None
}
