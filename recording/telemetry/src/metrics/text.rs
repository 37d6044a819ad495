//! Names, labels and numbers as OpenMetrics 1.0 writes them.

use std::fmt::Write;

/// Adds `name="value"`, escaped, behind what is there already.
pub(crate) fn push_label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    push_escaped(labels, value);
    labels.push('"');
}

/// A text in which no backslash, quote or end of a line breaks the line.
pub(crate) fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            // A reader that goes by lines may take these for ends of lines as well.
            '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\0' => {
                text.push('\u{fffd}')
            }
            character => text.push(character),
        }
    }
}

/// A name of a metric; what OpenMetrics does not allow there is escaped as Prometheus does it (`U__`, `_2f_`), so that two names
/// never become one.
pub(crate) fn metric_name(name: &str) -> String {
    escaped_name(name, |character| character.is_ascii_alphanumeric() || character == '_' || character == ':')
}

/// The same for a label's name.
pub(crate) fn label_name(name: &str) -> String {
    escaped_name(name, |character| character.is_ascii_alphanumeric() || character == '_')
}

fn escaped_name(name: &str, is_allowed: impl Fn(char) -> bool) -> String {
    let begins_well = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
    if begins_well && name.chars().all(&is_allowed) {
        return name.to_owned();
    }
    let mut escaped = String::from("U__");
    for character in name.chars() {
        match character {
            '_' => escaped.push_str("__"),
            character if is_allowed(character) => escaped.push(character),
            character => {
                let _ = write!(escaped, "_{:x}_", u32::from(character));
            }
        }
    }
    escaped
}

/// Adds a number.
pub(crate) fn push_number(text: &mut String, number: f64) {
    let _ = match number {
        number if number.is_nan() => write!(text, "NaN"),
        number if number.is_infinite() => write!(text, "{}Inf", if number > 0.0 { '+' } else { '-' }),
        number if number != 0.0 && !(1e-6..1e17).contains(&number.abs()) => write!(text, "{number:e}"),
        number => write!(text, "{number}"),
    };
}

/// A bucket's bound: never without a point, so that everybody writes the same.
pub(crate) fn bound(number: f64) -> String {
    if number.is_infinite() || number.is_nan() {
        let mut text = String::new();
        push_number(&mut text, number);
        return text;
    }
    format!("{number:?}")
}

/// Adds a time since 1970 in seconds, to the microsecond: readers that cut it to milliseconds then find the right ones.
pub(crate) fn push_time(text: &mut String, unix_ns: i64) {
    let micros = unix_ns.div_euclid(1000);
    let sign = if micros < 0 { "-" } else { "" };
    let _ = write!(text, "{sign}{}.{:06}", micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_breaks_a_line() {
        let mut labels = String::new();
        push_label(&mut labels, "a", "say \"x\\y\"\nand\r}");
        push_label(&mut labels, "b", "");
        assert_eq!(labels, "a=\"say \\\"x\\\\y\\\"\\nand\u{fffd}}\",b=\"\"");
    }

    #[test]
    fn names_stay_apart() {
        for (name, written) in [
            ("http_requests:rate", "http_requests:rate"),
            ("http.requests", "U__http_2e_requests"),
            ("http_requests/s", "U__http__requests_2f_s"),
            ("0th", "U__0th"),
            ("", "U__"),
        ] {
            assert_eq!(metric_name(name), written);
        }
        assert_eq!(label_name("a:b"), "U__a_3a_b");
    }

    #[test]
    fn numbers() {
        let number = |number: f64| {
            let mut text = String::new();
            push_number(&mut text, number);
            text
        };
        assert_eq!([0.0, 1.0, 0.05, -2.5, 1e6].map(number), ["0", "1", "0.05", "-2.5", "1000000"]);
        assert_eq!([f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(number), ["+Inf", "-Inf", "NaN"]);
        assert_eq!([1e300, 1.5e-9].map(number), ["1e300", "1.5e-9"]);
        assert_eq!([1.0, 0.05, 60.0, f64::INFINITY].map(bound), ["1.0", "0.05", "60.0", "+Inf"]);
    }

    #[test]
    fn times() {
        let time = |unix_ns| {
            let mut text = String::new();
            push_time(&mut text, unix_ns);
            text
        };
        assert_eq!(time(1_795_518_686_708_935_683), "1795518686.708935");
        assert_eq!(time(978_307_200_000_000_000), "978307200.000000");
        assert_eq!(time(-1_500_000_000), "-1.500000");
    }
}
