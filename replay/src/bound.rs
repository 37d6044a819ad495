//! What every observation of an assertion must satisfy: `<= 10`, `59..61`, `in {success, partial}`.
//!
//! The bound decides, the margin only describes: the signed distance to the bound, in the assertion's unit; negative
//! where the bound is violated, null for text.

use std::fmt;
use std::str::FromStr;

/// A bound, as parsed. It displays as it is written in SPEC.md.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// `= x`
    Is(Point),
    /// `!= x`
    IsNot(Point),
    /// `in {a, b}`
    In(Vec<Point>),
    /// `< x`
    Below(f64),
    /// `<= x`
    AtMost(f64),
    /// `> x`
    Above(f64),
    /// `>= x`
    AtLeast(f64),
    /// `a..b`, both included
    Within(f64, f64),
}

/// One value that a bound names: always a text, and a number where it reads as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// As written, without quotes.
    pub text: String,
    /// As a number; none where it was quoted or is no number.
    pub number: Option<f64>,
}

/// Why a text is no bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no bound: write `= x`, `!= x`, `< x`, `<= x`, `> x`, `>= x`, `a..b` or `in {{a, b}}` ({problem})")]
pub struct BadBound {
    text: String,
    problem: &'static str,
}

impl Bound {
    /// Whether a number satisfies the bound, and its margin. NaN satisfies nothing.
    pub fn number(&self, x: f64) -> (bool, f64) {
        let distance = |point: &Point| point.number.map_or(f64::INFINITY, |b| (x - b).abs());
        match self {
            Bound::Is(point) => signed(distance(point) == 0.0, distance(point)),
            Bound::IsNot(point) => (distance(point) > 0.0, distance(point)),
            Bound::In(points) => {
                let nearest = points.iter().map(distance).fold(f64::INFINITY, f64::min);
                signed(nearest == 0.0, nearest)
            }
            Bound::Below(b) => (x < *b, b - x),
            Bound::AtMost(b) => (x <= *b, b - x),
            Bound::Above(b) => (x > *b, x - b),
            Bound::AtLeast(b) => (x >= *b, x - b),
            Bound::Within(a, b) => (x >= *a && x <= *b, (x - a).min(b - x)),
        }
    }

    /// Whether a text satisfies the bound; `None` where the bound only speaks of numbers.
    pub fn text(&self, x: &str) -> Option<bool> {
        match self {
            Bound::Is(point) => Some(point.text == x),
            Bound::IsNot(point) => Some(point.text != x),
            Bound::In(points) => Some(points.iter().any(|point| point.text == x)),
            _ => None,
        }
    }

    /// Whether numbers can be compared with it.
    pub fn takes_numbers(&self) -> bool {
        match self {
            Bound::Is(point) | Bound::IsNot(point) => point.number.is_some(),
            Bound::In(points) => points.iter().all(|point| point.number.is_some()),
            _ => true,
        }
    }

    /// Whether texts can be compared with it.
    pub fn takes_texts(&self) -> bool {
        self.text("").is_some()
    }
}

fn signed(satisfied: bool, distance: f64) -> (bool, f64) {
    (satisfied, if distance == 0.0 { 0.0 } else { -distance })
}

impl FromStr for Bound {
    type Err = BadBound;

    fn from_str(text: &str) -> Result<Bound, BadBound> {
        let bad = |problem| BadBound { text: text.to_owned(), problem };
        let trimmed = text.trim();
        if let Some(set) = trimmed.strip_prefix("in").map(str::trim_start).filter(|rest| rest.starts_with('{')) {
            return points(set).map(Bound::In).map_err(bad);
        }
        let number = |rest: &str| finite(rest).ok_or_else(|| bad("a finite number must follow"));
        let operator = trimmed.trim_start_matches(['<', '>', '=', '!']);
        let rest = operator.trim();
        match &trimmed[..trimmed.len() - operator.len()] {
            "=" => point(rest).map(Bound::Is).map_err(bad),
            "!=" => point(rest).map(Bound::IsNot).map_err(bad),
            "<" => number(rest).map(Bound::Below),
            "<=" => number(rest).map(Bound::AtMost),
            ">" => number(rest).map(Bound::Above),
            ">=" => number(rest).map(Bound::AtLeast),
            "" => {
                let (a, b) = rest.split_once("..").ok_or_else(|| bad("no operator and no `..`"))?;
                let (a, b) = (number(a)?, number(b)?);
                if a <= b { Ok(Bound::Within(a, b)) } else { Err(bad("the range is empty")) }
            }
            _ => Err(bad("unknown operator")),
        }
    }
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// One value: bare, or in single or double quotes (then a text even if it reads as a number).
fn point(text: &str) -> Result<Point, &'static str> {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            let inner = inner.strip_suffix(quote).ok_or("a quote is not closed")?;
            return Ok(Point { text: inner.to_owned(), number: None });
        }
    }
    match text {
        "" => Err("a value must follow"),
        _ => Ok(Point { text: text.to_owned(), number: finite(text) }),
    }
}

fn points(set: &str) -> Result<Vec<Point>, &'static str> {
    let inner = set.strip_prefix('{').and_then(|rest| rest.trim_end().strip_suffix('}')).ok_or("`}` is missing")?;
    let mut points = Vec::new();
    let mut rest = inner;
    loop {
        let end = end_of_point(rest)?;
        points.push(point(&rest[..end])?);
        match rest[end..].strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(points),
        }
    }
}

/// Where the value at the beginning ends: at a comma outside of quotes, or with the text.
fn end_of_point(text: &str) -> Result<usize, &'static str> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, ',') => return Ok(at),
            (None, '"' | '\'') if text[..at].trim().is_empty() => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    if quote.is_some() { Err("a quote is not closed") } else { Ok(text.len()) }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Is(point) => write!(f, "= {point}"),
            Bound::IsNot(point) => write!(f, "!= {point}"),
            Bound::In(points) => {
                let points: Vec<String> = points.iter().map(Point::to_string).collect();
                write!(f, "in {{{}}}", points.join(", "))
            }
            Bound::Below(b) => write!(f, "< {b}"),
            Bound::AtMost(b) => write!(f, "<= {b}"),
            Bound::Above(b) => write!(f, "> {b}"),
            Bound::AtLeast(b) => write!(f, ">= {b}"),
            Bound::Within(a, b) => write!(f, "{a}..{b}"),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.number.is_some()
            || (finite(&self.text).is_none()
                && self.text == self.text.trim()
                && !self.text.is_empty()
                && !self.text.contains([',', '{', '}', '"', '\'']));
        match (bare, self.text.contains('"')) {
            (true, _) => f.write_str(&self.text),
            (false, false) => write!(f, "\"{}\"", self.text),
            (false, true) => write!(f, "'{}'", self.text),
        }
    }
}

#[cfg(test)]
mod tests;
