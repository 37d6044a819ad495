//! GitHub's workflow commands: one annotation for each cause.

use super::{Cause, Status, Told};
use crate::report::plain;

/// GitHub shows no more of one step.
const MOST: usize = 10;
/// GitHub cuts longer messages.
const MESSAGE_BYTES: usize = 4_000;

/// The annotations, and the last line as a plain one.
pub fn annotations(told: &Told) -> String {
    let mut text = String::new();
    let shown = if told.causes.len() > MOST { MOST - 1 } else { MOST };
    for cause in told.causes.iter().take(shown) {
        text.push_str(&annotation(cause));
    }
    if let Some(more) = told.causes.len().checked_sub(shown).filter(|more| *more > 0) {
        text.push_str(&format!("::warning title={more} more causes::see the answer as markdown or json\n"));
    }
    text + &plain(&told.summary) + "\n"
}

fn annotation(cause: &Cause) -> String {
    let command = match cause.status {
        Status::Failed => "error",
        Status::Undecided => "warning",
        _ => "notice",
    };
    let file = cause.file.as_ref().map_or(String::new(), |file| format!("file={},", property(file)));
    let lines: Vec<String> = cause.lines.iter().map(|line| plain(line)).collect();
    let message = shortened(&lines.join("\n"), MESSAGE_BYTES);
    format!("::{command} {file}title={}::{}\n", property(&plain(&cause.title)), data(&message))
}

/// The text up to a line's end within so many bytes.
pub fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let cut = (0..=bytes.saturating_sub(4)).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    let end = text[..cut].rfind('\n').unwrap_or(cut);
    format!("{}\n…", &text[..end])
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
