//! What OpenMetrics demands of each type, sample by sample.

use super::super::Kind;
use super::super::line::{self, Line};

/// The longest exemplar, in characters of its label names and values.
const EXEMPLAR_MAX_CHARS: usize = 128;

/// Which part of its family a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The name of the family itself.
    Base,
    Total,
    Created,
    Bucket,
    Count,
    Sum,
    Gcount,
    Gsum,
    Info,
}

impl Part {
    fn suffix(self) -> &'static str {
        match self {
            Self::Base => "",
            Self::Total => "_total",
            Self::Created => "_created",
            Self::Bucket => "_bucket",
            Self::Count => "_count",
            Self::Sum => "_sum",
            Self::Gcount => "_gcount",
            Self::Gsum => "_gsum",
            Self::Info => "_info",
        }
    }
}

fn parts(kind: Kind) -> &'static [Part] {
    match kind {
        Kind::Counter => &[Part::Total, Part::Created],
        Kind::Summary => &[Part::Base, Part::Count, Part::Sum, Part::Created],
        Kind::Histogram => &[Part::Bucket, Part::Count, Part::Sum, Part::Created],
        Kind::GaugeHistogram => &[Part::Bucket, Part::Gcount, Part::Gsum],
        Kind::Info => &[Part::Info],
        Kind::Gauge | Kind::StateSet | Kind::Unknown => &[Part::Base],
    }
}

/// The type a `# TYPE` line names.
pub(super) fn kind(word: &str) -> Result<Kind, String> {
    let kinds = [
        Kind::Counter,
        Kind::Gauge,
        Kind::Histogram,
        Kind::GaugeHistogram,
        Kind::StateSet,
        Kind::Info,
        Kind::Summary,
        Kind::Unknown,
    ];
    kinds.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| format!("{word:?} is no metric type"))
}

/// Which part of a family of this type has this suffix.
pub(super) fn part(kind: Kind, suffix: &str) -> Option<Part> {
    parts(kind).iter().copied().find(|part| part.suffix() == suffix)
}

/// The suffixes of all names that a family of this type lays claim to.
pub(super) fn claimed(kind: Kind) -> impl Iterator<Item = &'static str> {
    let others = parts(kind).iter().map(|part| part.suffix()).filter(|suffix| !suffix.is_empty());
    std::iter::once("").chain(others)
}

/// The label that parts the samples of one metric, and so does not part metrics.
pub(super) fn special_label(kind: Kind, part: Part, family: &str) -> Option<String> {
    match (kind, part) {
        (Kind::Summary, Part::Base) => Some("quantile".to_owned()),
        (Kind::Histogram | Kind::GaugeHistogram, Part::Bucket) => Some("le".to_owned()),
        (Kind::StateSet, _) => Some(family.to_owned()),
        _ => None,
    }
}

/// What one sample breaks, by itself.
pub(super) fn sample(kind: Kind, part: Part, family: &str, line: &Line<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    broken.extend(label_rule(kind, part, family, line));
    broken.extend(value_rule(kind, part, line.value));
    if let Some(exemplar) = &line.exemplar {
        let allowed = matches!(
            (kind, part),
            (Kind::Counter, Part::Total) | (Kind::Histogram | Kind::GaugeHistogram, Part::Bucket)
        );
        if !allowed {
            broken.push("only counters and buckets can have exemplars".to_owned());
        }
        let chars: usize =
            exemplar.labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        if chars > EXEMPLAR_MAX_CHARS {
            broken.push(format!("the exemplar's labels have {chars} characters, more than {EXEMPLAR_MAX_CHARS}"));
        }
    }
    broken
}

fn label_rule(kind: Kind, part: Part, family: &str, line: &Line<'_>) -> Option<String> {
    let label = special_label(kind, part, family)?;
    let value = line.labels.iter().find(|(name, _)| *name == label).map(|(_, value)| value.as_ref());
    let Some(value) = value else {
        return Some(format!("the label {label:?} is missing, which a {} needs", kind.as_str()));
    };
    if kind == Kind::StateSet {
        return None;
    }
    let Ok(bound) = line::number(value) else {
        return Some(format!("the label {label:?} must be a number, not {value:?}"));
    };
    let legal = match part {
        Part::Bucket => !bound.is_nan() && (bound != f64::INFINITY || value == "+Inf"),
        _ => (0.0..=1.0).contains(&bound),
    };
    (!legal).then(|| format!("the label {label:?} can't be {value:?}"))
}

fn value_rule(kind: Kind, part: Part, value: f64) -> Option<String> {
    let whole = matches!(part, Part::Bucket | Part::Count | Part::Gcount);
    let counts = whole || matches!(part, Part::Total | Part::Sum);
    let quantile = kind == Kind::Summary && part == Part::Base;
    if value.is_nan() && (counts || part == Part::Gsum) {
        Some("a count or sum can't be NaN".to_owned())
    } else if value < 0.0 && (counts || quantile) {
        Some("a count, sum or quantile can't be negative".to_owned())
    } else if whole && value.fract() != 0.0 {
        Some("a count of events must be a whole number".to_owned())
    } else if kind == Kind::Info && value != 1.0 {
        Some("an info metric can only be 1".to_owned())
    } else if kind == Kind::StateSet && value != 0.0 && value != 1.0 {
        Some("a state can only be 0 or 1".to_owned())
    } else {
        None
    }
}
