//! What the samples of one histogram promise together.

use super::super::line::{self, Line};
use super::rules::Part;

/// One histogram at one time, as far as it was read.
#[derive(Default)]
pub(super) struct Buckets {
    open: bool,
    group: String,
    timestamp: Option<i128>,
    /// The last bucket: its bound and its value.
    bound: Option<f64>,
    value: f64,
    count: Option<f64>,
    sum: Option<f64>,
    gauge: bool,
    negative_bounds: bool,
}

impl Buckets {
    /// Takes in a sample; returns what it breaks, and what the histogram before it broke.
    pub(super) fn sample(&mut self, part: Part, group: &str, line: &Line<'_>, timestamp: Option<i128>) -> Vec<String> {
        let mut broken = Vec::new();
        if !self.open || self.group != group || self.timestamp != timestamp {
            broken = self.close();
            *self = Self { open: true, group: group.to_owned(), timestamp, ..Self::default() };
        }
        match part {
            Part::Bucket => broken.extend(self.bucket(line)),
            Part::Count | Part::Gcount => self.count = Some(line.value),
            Part::Sum => self.sum = Some(line.value),
            Part::Gsum => {
                self.sum = Some(line.value);
                self.gauge = true;
            }
            _ => {}
        }
        broken
    }

    fn bucket(&mut self, line: &Line<'_>) -> Option<String> {
        let (_, le) = line.labels.iter().find(|(name, _)| name == "le")?;
        let bound = line::number(le).ok()?;
        let ascends = self.bound.is_none_or(|last| bound > last);
        let grows = line.value >= self.value || line.value.is_nan();
        self.negative_bounds |= bound < 0.0;
        self.bound = Some(bound);
        self.value = line.value;
        if !ascends {
            return Some("the buckets are out of order".to_owned());
        }
        (!grows).then(|| "a bucket holds less than the one below it".to_owned())
    }

    /// Ends the histogram; returns what it lacks.
    pub(super) fn close(&mut self) -> Vec<String> {
        let mut broken = Vec::new();
        if !std::mem::take(&mut self.open) {
            return broken;
        }
        if self.bound != Some(f64::INFINITY) {
            broken.push("a histogram has no '+Inf' bucket at its end".to_owned());
        }
        if self.count.is_some_and(|count| count != self.value) {
            broken.push("the count of a histogram is not its '+Inf' bucket".to_owned());
        }
        if self.count.is_some() != self.sum.is_some() {
            broken.push("a histogram has a count without a sum, or a sum without a count".to_owned());
        }
        if self.negative_bounds && self.sum.is_some() && !self.gauge {
            broken.push("a histogram with negative buckets can't have a sum".to_owned());
        }
        if self.gauge && !self.negative_bounds && self.sum.is_some_and(|sum| sum < 0.0) {
            broken.push("a histogram without negative buckets can't have a negative sum".to_owned());
        }
        broken
    }
}
