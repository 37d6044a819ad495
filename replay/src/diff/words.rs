//! Divergences in words.

use crate::judge::divergence::{Divergence, How};
use crate::report::number;

/// What went another way and how, without when and where.
pub fn divergence(one: &Divergence) -> String {
    let key = &one.key;
    match &one.how {
        How::Missing { after: Some((after, latest_s)) } => {
            format!("missing: {key}, due {} s after {after}", number(*latest_s))
        }
        How::Missing { after: None } => format!("missing: {key}"),
        How::Extra => format!("extra: {key}"),
        How::Late { after, latency_s, longest_s, .. } => {
            format!("late: {key}, {} s after {after}, usually {} s at most", number(*latency_s), number(*longest_s))
        }
        How::Early { first } => format!("early: {key}, before {first}"),
        How::Text { found: Some(found), usual } => format!("value: {key} says {found}, usually {usual}"),
        How::Text { found: None, usual } => format!("value: {key} says nothing, usually {usual}"),
        How::Number { found, usual: (least, most), .. } if least == most => {
            format!("value: {key} says {}, usually {}", number(*found), number(*least))
        }
        How::Number { found, usual: (least, most), .. } => {
            format!("value: {key} says {}, usually {} to {}", number(*found), number(*least), number(*most))
        }
    }
}

/// The same with when, and with the handles to look at.
pub fn placed(one: &Divergence) -> String {
    let when = one.at_ns.map_or(String::new(), |at_ns| format!("at {:.1} s, ", at_ns as f64 / 1e9));
    let gap = if one.in_gap { "; records were lost there, so it proves nothing" } else { "" };
    let handles = |evidence: &[String]| evidence.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
    let shown = match (one.evidence.is_empty(), one.usual_evidence.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(" ({})", handles(&one.evidence)),
        (true, false) => format!(" (there {})", handles(&one.usual_evidence)),
        (false, false) => format!(" ({}; there {})", handles(&one.evidence), handles(&one.usual_evidence)),
    };
    format!("{when}{}{gap}{shown}", divergence(one))
}
