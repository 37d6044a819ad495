//! Whether numbers are what their type says.

use super::{Group, Point};
use crate::metrics::series::{Kind, Part};

/// Whether all groups of a family are such as its type allows.
pub(super) fn fits<'g, 's: 'g>(kind: Kind, groups: impl IntoIterator<Item = &'g Group<'s>>) -> bool {
    let mut instants = groups.into_iter().flatten();
    match kind {
        Kind::Gauge | Kind::Unknown => true,
        Kind::Counter => instants.all(|points| {
            let has_total = points.iter().any(|point| point.part == Part::Plain);
            has_total && points.iter().all(|point| point.value >= 0.0)
        }),
        Kind::Histogram => instants.all(|points| is_histogram(points)),
        Kind::Summary => instants.all(|points| is_summary(points)),
    }
}

fn is_histogram(points: &[Point<'_>]) -> bool {
    let mut last = 0.0;
    let mut ends = false;
    for point in points {
        let Part::Bucket(bound) = point.part else { continue };
        if bound < 0.0 || point.value.fract() != 0.0 || point.value < last {
            return false;
        }
        last = point.value;
        ends = bound == f64::INFINITY;
    }
    let value = |part| points.iter().find(|point| point.part == part).map(|point| point.value);
    let adds_up = match (value(Part::Count), value(Part::Sum)) {
        (Some(count), Some(sum)) => count == last && sum >= 0.0,
        (None, None) => true,
        _ => false,
    };
    ends && adds_up
}

fn is_summary(points: &[Point<'_>]) -> bool {
    let has_count = points.iter().any(|point| point.part == Part::Count);
    has_count
        && points.iter().all(|point| match point.part {
            Part::Quantile(share) => (0.0..=1.0).contains(&share) && (point.value >= 0.0 || point.value.is_nan()),
            Part::Count => point.value >= 0.0 && point.value.fract() == 0.0,
            Part::Sum => point.value >= 0.0,
            _ => true,
        })
}
