//! The grammar of one sample line, of names and of numbers; both formats share it and differ in [`Format`].

use std::borrow::Cow;

use super::{Format, Labels};

/// A sample line, taken apart.
pub(super) struct Line<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) labels: Labels<'a>,
    pub(super) value: f64,
    pub(super) timestamp: Option<&'a str>,
    pub(super) exemplar: Option<Exemplar<'a>>,
    /// Blanks at the end, which neither format allows; the sample before them is plain enough.
    pub(super) trailing_blank: bool,
}

/// The exemplar of an OpenMetrics sample.
pub(super) struct Exemplar<'a> {
    pub(super) labels: Labels<'a>,
}

/// Whether a metric name can stand without quotes.
pub(super) fn is_metric_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit()) && name.bytes().all(legal)
}

/// Whether a label name can stand without quotes.
pub(super) fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

/// A decimal number, an infinity or NaN; no hexadecimal, no underscores, nothing that overflows.
pub(super) fn number(token: &str) -> Result<f64, String> {
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
    let infinite = unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity");
    if infinite {
        return Ok(if token.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if token.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    let decimal = token.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    match token.parse::<f64>() {
        Ok(value) if decimal && value.is_finite() => Ok(value),
        Ok(_) if decimal => Err(format!("the number {token:?} does not fit a 64-bit float")),
        _ => Err(format!("{token:?} is not a number")),
    }
}

/// Reads a sample line without its line feed.
pub(super) fn read(line: &str, format: Format) -> Result<Line<'_>, String> {
    let mut scan = Scan { line, at: 0, format };
    let (name, labels) = scan.series()?;
    scan.separator("the value")?;
    let value = number(scan.token())?;
    let mut read = Line { name, labels, value, timestamp: None, exemplar: None, trailing_blank: false };
    match format {
        Format::Text => scan.rest_of_text(&mut read)?,
        Format::OpenMetrics => scan.rest_of_openmetrics(&mut read)?,
    }
    Ok(read)
}

/// Reads a name of a metadata line, quoted or not, and returns what follows it.
pub(super) fn metadata_name(line: &str, format: Format) -> Result<(Cow<'_, str>, &str), String> {
    let mut scan = Scan { line, at: 0, format };
    let name = scan.metric_name()?;
    Ok((name, &line[scan.at..]))
}

struct Scan<'a> {
    line: &'a str,
    at: usize,
    format: Format,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take_while(&mut self, legal: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !legal(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The text format lets blanks stand between any two tokens, OpenMetrics nowhere.
    fn blanks(&mut self) {
        if self.format == Format::Text {
            self.take_while(is_blank);
        }
    }

    /// What parts two fields: one space in OpenMetrics, any blanks (or none) in the text format.
    fn separator(&mut self, next: &str) -> Result<(), String> {
        if self.format == Format::Text {
            self.blanks();
        } else if !self.take(b' ') {
            return Err(format!("one space is expected before {next}, not {}", self.found()));
        }
        Ok(())
    }

    fn token(&mut self) -> &'a str {
        match self.format {
            Format::Text => self.take_while(|byte| !is_blank(byte)),
            Format::OpenMetrics => self.take_while(|byte| byte != b' '),
        }
    }

    fn found(&self) -> String {
        match self.rest().chars().next() {
            Some(symbol) => format!("{symbol:?}"),
            None => "the end of the line".to_owned(),
        }
    }

    fn series(&mut self) -> Result<(Cow<'a, str>, Labels<'a>), String> {
        if self.take(b'{') {
            let (name, labels) = self.labels(true)?;
            return Ok((name.ok_or("the metric name is missing")?, labels));
        }
        if self.format == Format::OpenMetrics && self.peek() == Some(b'"') {
            return Err("a quoted metric name belongs inside the braces".to_owned());
        }
        let name = self.metric_name()?;
        self.blanks();
        let labels = if self.take(b'{') { self.labels(false)?.1 } else { Vec::new() };
        Ok((name, labels))
    }

    fn metric_name(&mut self) -> Result<Cow<'a, str>, String> {
        let name = self.name(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')?;
        if name.is_empty() {
            return Err(format!("a metric name is expected, not {}", self.found()));
        }
        Ok(name)
    }

    fn name(&mut self, legal: impl Fn(u8) -> bool) -> Result<Cow<'a, str>, String> {
        if self.take(b'"') {
            return self.quoted();
        }
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err("a name can't begin with a digit".to_owned());
        }
        Ok(Cow::Borrowed(self.take_while(legal)))
    }

    /// The labels after `{`, up to and with `}`, sorted; and the name among them, where `named` allows one.
    fn labels(&mut self, named: bool) -> Result<(Option<Cow<'a, str>>, Labels<'a>), String> {
        let mut metric = None;
        let mut labels = Labels::new();
        self.blanks();
        let mut closed = self.take(b'}');
        while !closed {
            let quoted = self.peek() == Some(b'"');
            let name = self.name(|byte| byte.is_ascii_alphanumeric() || byte == b'_')?;
            if name.is_empty() {
                return Err(format!("a label name is expected, not {}", self.found()));
            }
            self.blanks();
            if self.take(b'=') {
                self.blanks();
                let value = self.label_value(&name)?;
                labels.push((name, value));
            } else if !named || !(quoted || self.format == Format::Text) {
                return Err(format!("'=' is expected after the label name {name:?}, not {}", self.found()));
            } else if metric.replace(name).is_some() {
                return Err("the metric has two names".to_owned());
            }
            closed = self.label_end()?;
        }
        labels.sort_unstable();
        if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("the label {:?} stands twice", pair[0].0));
        }
        Ok((metric, labels))
    }

    fn label_value(&mut self, name: &str) -> Result<Cow<'a, str>, String> {
        let reserved = match self.format {
            Format::Text => name == "__name__",
            Format::OpenMetrics => name.starts_with("__"),
        };
        if reserved {
            return Err(format!("the label name {name:?} is reserved"));
        }
        if !self.take(b'"') {
            return Err(format!("the value of the label {name:?} must be quoted, not begin with {}", self.found()));
        }
        self.quoted()
    }

    /// After a label: true where the labels end here. Only the text format allows a comma before the end.
    fn label_end(&mut self) -> Result<bool, String> {
        self.blanks();
        if self.take(b'}') {
            return Ok(true);
        }
        if !self.take(b',') {
            return Err(format!("',' or '}}' is expected after a label, not {}", self.found()));
        }
        self.blanks();
        Ok(self.format == Format::Text && self.take(b'}'))
    }

    /// The text after an opening quote, up to and with the closing one, unescaped.
    fn quoted(&mut self) -> Result<Cow<'a, str>, String> {
        let start = self.at;
        let plain = self.take_while(|byte| byte != b'"' && byte != b'\\');
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        self.at = start;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|byte| byte != b'"' && byte != b'\\'));
            if self.take(b'"') {
                return Ok(Cow::Owned(text));
            }
            self.at += 1; // the backslash, or one past the end
            match self.line.get(self.at..).and_then(|rest| rest.chars().next()) {
                Some('n') => text.push('\n'),
                Some(symbol @ ('"' | '\\')) => text.push(symbol),
                Some(symbol) if self.format == Format::OpenMetrics => text.extend(['\\', symbol]),
                Some(symbol) => return Err(format!("'\\{symbol}' is no escape sequence")),
                None => return Err("a quoted text has no end".to_owned()),
            }
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
    }

    fn rest_of_text(&mut self, line: &mut Line<'a>) -> Result<(), String> {
        let before = self.at;
        self.blanks();
        line.trailing_blank = self.at > before && self.rest().is_empty();
        if self.rest().is_empty() {
            return Ok(());
        }
        let token = self.token();
        if token.parse::<i64>().is_err() {
            return Err(format!("the time stamp {token:?} is not a whole number of milliseconds"));
        }
        line.timestamp = Some(token);
        line.trailing_blank = !self.rest().is_empty();
        if self.rest().bytes().all(is_blank) { Ok(()) } else { Err("something follows the time stamp".to_owned()) }
    }

    fn rest_of_openmetrics(&mut self, line: &mut Line<'a>) -> Result<(), String> {
        if self.rest() == " " {
            line.trailing_blank = true;
            return Ok(());
        }
        if !self.rest().is_empty() && !self.rest().starts_with(" #") {
            line.timestamp = Some(self.timestamp()?);
        }
        if self.rest().is_empty() {
            return Ok(());
        }
        if !self.rest().starts_with(" # {") {
            return Err(format!("{:?} follows the sample: neither a time stamp nor an exemplar", self.rest()));
        }
        self.at += " # {".len();
        let (_, labels) = self.labels(false)?;
        self.separator("the value of the exemplar")?;
        number(self.token())?;
        if !self.rest().is_empty() {
            self.timestamp()?;
        }
        if !self.rest().is_empty() {
            return Err("something follows the exemplar".to_owned());
        }
        line.exemplar = Some(Exemplar { labels });
        Ok(())
    }

    fn timestamp(&mut self) -> Result<&'a str, String> {
        self.separator("the time stamp")?;
        let token = self.token();
        match number(token) {
            Ok(seconds) if seconds.is_finite() => Ok(token),
            _ => Err(format!("the time stamp {token:?} is not a finite number of seconds")),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
