//! `15s`, `500ms`, `5m`, `1h`: how long something may take.

/// Nothing that is judged takes longer than a week.
const LONGEST_NS: f64 = 7.0 * 86_400e9;

/// Nanoseconds; none where the text is no duration, or none that something can take.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    let plain = |character: char| character.is_ascii_digit() || character == '.';
    let ns = digits.chars().all(plain).then(|| digits.parse::<f64>().ok()).flatten()? * scale;
    (1.0..=LONGEST_NS).contains(&ns).then(|| ns.round() as i64)
}

/// The same in seconds, as bounds have it.
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}
