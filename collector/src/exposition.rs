//! Reads a metrics page: Prometheus text 0.0.4 and OpenMetrics 1.0.
//!
//! Every line gets a result of its own: a sample, a problem, or both (a sample that breaks a rule is still
//! a sample). One bad line never loses the page. The module does no I/O and owns no clock.
//!
//! Sources: the text format as Go's `expfmt.TextParser` reads it; OpenMetrics 1.0 (prometheus.io/docs/specs/om),
//! with the quoted UTF-8 names that both formats gained later.

use std::borrow::Cow;

mod line;
mod openmetrics;
mod text;

#[cfg(test)]
mod corpora;
#[cfg(test)]
mod tests;

/// How many problems of one page are kept; the rest are only counted.
const PROBLEMS_KEPT: usize = 64;

/// The `Accept` header that asks for OpenMetrics first and the text format next.
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The format a page was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// The type of a metric, as its `# TYPE` line declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Grows and falls.
    Gauge,
    /// Cumulative buckets with a count and a sum.
    Histogram,
    /// Buckets of a current state.
    GaugeHistogram,
    /// A set of booleans.
    StateSet,
    /// Constant labels.
    Info,
    /// Quantiles with a count and a sum.
    Summary,
    /// Not declared, or declared as `unknown` or `untyped`.
    Unknown,
}

impl Kind {
    /// The word of the `samples.type` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::StateSet => "stateset",
            Self::Info => "info",
            Self::Summary => "summary",
            Self::Unknown => "unknown",
        }
    }
}

/// Label names and values.
pub type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The sample's own name, with `_total`, `_bucket` and the like.
    pub name: Cow<'a, str>,
    /// The type of the family it belongs to.
    pub kind: Kind,
    /// Sorted by name, unescaped.
    pub labels: Labels<'a>,
    /// May be infinite or not a number.
    pub value: f64,
    /// The page's own time stamp, in ns since the Unix epoch; absent where it does not fit 64 bits.
    pub source_unix_ns: Option<i64>,
}

impl Sample<'_> {
    /// The labels as JSON text with sorted keys, `{"a":"b"}`.
    pub fn labels_json(&self) -> String {
        let mut json = String::with_capacity(2 + 24 * self.labels.len());
        json.push('{');
        for (index, (name, value)) in self.labels.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            push_json(&mut json, name);
            json.push(':');
            push_json(&mut json, value);
        }
        json.push('}');
        json
    }

    /// The series as Prometheus writes it: `name{a="b"}`, or `{"a name",a="b"}` where the name needs quotes.
    pub fn series(&self) -> String {
        let mut series = String::with_capacity(self.name.len() + 24 * self.labels.len());
        let quoted = !line::is_metric_name(&self.name);
        if quoted {
            series.push('{');
            push_quoted(&mut series, &self.name);
        } else {
            series.push_str(&self.name);
        }
        if !self.labels.is_empty() {
            series.push(if quoted { ',' } else { '{' });
            push_labels(&mut series, &self.labels, None);
        }
        if quoted || !self.labels.is_empty() {
            series.push('}');
        }
        series
    }
}

/// What is wrong with one line, or with the page as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, in one sentence without the line's number.
    pub text: String,
    /// Whether a sample may have been lost by it. A sample that merely breaks a rule is kept.
    pub lost: bool,
}

/// A page, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposition<'a> {
    /// The format it was read as.
    pub format: Format,
    /// In the page's order.
    pub samples: Vec<Sample<'a>>,
    /// The first problems, in the order they were found.
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: usize,
    /// How many of them may have lost a sample.
    pub lost: usize,
}

impl<'a> Exposition<'a> {
    fn new(format: Format) -> Self {
        Self { format, samples: Vec::new(), problems: Vec::new(), problem_count: 0, lost: 0 }
    }

    /// Whether the whole page follows its format.
    pub fn is_valid(&self) -> bool {
        self.problem_count == 0
    }

    /// One line about what was lost, `None` where nothing was.
    pub fn loss(&self) -> Option<String> {
        let first = self.problems.iter().find(|problem| problem.lost)?;
        let place = first.line;
        let more = if self.lost > 1 { format!(" (and {} more)", self.lost - 1) } else { String::new() };
        Some(format!("line {place} of the page: {}{more}", first.text))
    }

    fn problem(&mut self, line: usize, text: impl Into<String>, lost: bool) {
        self.problem_count += 1;
        self.lost += usize::from(lost);
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(Problem { line, text: text.into(), lost });
        }
    }

    fn broken_rule(&mut self, line: usize, text: impl Into<String>) {
        self.problem(line, text, false);
    }

    fn lost_line(&mut self, line: usize, text: impl Into<String>) {
        self.problem(line, text, true);
    }
}

/// Reads a page. The content type decides the format; where it is absent, names neither format or is belied
/// by the page, the page itself does.
pub fn parse<'a>(body: &'a [u8], content_type: Option<&str>) -> Exposition<'a> {
    match declared(content_type) {
        Some(Format::OpenMetrics) => {
            let page = openmetrics::read(body);
            if has_eof(body) || page.lost == 0 {
                return page;
            }
            let mut other = text::read(body);
            if other.lost >= page.lost {
                return page;
            }
            other.broken_rule(1, "the page is declared as OpenMetrics and written as Prometheus text");
            other
        }
        Some(Format::Text) => {
            let page = text::read(body);
            if page.is_valid() || !has_eof(body) {
                return page;
            }
            let other = openmetrics::read(body);
            if other.problem_count < page.problem_count { other } else { page }
        }
        None if has_eof(body) => openmetrics::read(body),
        None => text::read(body),
    }
}

fn declared(content_type: Option<&str>) -> Option<Format> {
    let media_type = content_type?.split(';').next()?.trim();
    if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
        Some(Format::OpenMetrics)
    } else if media_type.eq_ignore_ascii_case("text/plain") {
        Some(Format::Text)
    } else {
        None
    }
}

fn has_eof(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'\n').rev().any(|line| line == b"# EOF")
}

/// Writes `a="b",c="d"`, leaving out one name.
fn push_labels(text: &mut String, labels: &Labels<'_>, except: Option<&str>) {
    let mut first = true;
    for (name, value) in labels {
        if except == Some(name.as_ref()) {
            continue;
        }
        if !first {
            text.push(',');
        }
        first = false;
        if line::is_label_name(name) {
            text.push_str(name);
        } else {
            push_quoted(text, name);
        }
        text.push('=');
        push_quoted(text, value);
    }
}

fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    if value.bytes().any(|byte| matches!(byte, b'"' | b'\\' | b'\n')) {
        for symbol in value.chars() {
            match symbol {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
    } else {
        text.push_str(value);
    }
    text.push('"');
}

fn push_json(json: &mut String, value: &str) {
    json.push('"');
    if value.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        for symbol in value.chars() {
            match symbol {
                '"' => json.push_str("\\\""),
                '\\' => json.push_str("\\\\"),
                '\n' => json.push_str("\\n"),
                '\r' => json.push_str("\\r"),
                '\t' => json.push_str("\\t"),
                '\u{8}' => json.push_str("\\b"),
                '\u{c}' => json.push_str("\\f"),
                other if other < '\u{20}' => {
                    json.push_str(&format!("\\u{:04x}", u32::from(other)));
                }
                other => json.push(other),
            }
        }
    } else {
        json.push_str(value);
    }
    json.push('"');
}
