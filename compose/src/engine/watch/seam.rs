//! Messages of a container's log become lines, each once, however often the log is read again. No I/O here.

use bollard::container::LogOutput;

use crate::Stream;
use crate::engine::container::unix_ns;
use crate::lines::Lines;

/// `2026-01-31T12:00:00.000000000Z`, and a space.
const STAMP_BYTES: usize = 31;
/// The engine cuts longer messages into parts of this size, each with the stamp of the first one.
const PART_BYTES: usize = 16 * 1024;
/// Messages of the two streams may be written in another order than they were stamped; never by more than this.
const DISORDER_S: i64 = 2;

/// A line with the engine's stamp.
pub(super) type GiveLine<'a> = &'a mut dyn FnMut(Stream, String, Option<i64>);

/// Where the log was read up to.
pub(super) struct Seam {
    /// Whether the container writes to a terminal: then its log has neither frames nor streams.
    tty: bool,
    from_unix_ns: i64,
    stdout: Thread,
    stderr: Thread,
}

/// One stream of the log. The engine stamps its messages in the order in which it writes them.
#[derive(Default)]
struct Thread {
    lines: Lines,
    /// The stamp of the line that was begun.
    begun_unix_ns: Option<i64>,
    last_unix_ns: i64,
    /// How many messages with the last stamp were taken.
    taken: u64,
    /// Whether it is read again, and has not come to anything new yet.
    again: bool,
    /// How many messages with the last stamp have come by meanwhile.
    passed: u64,
}

impl Seam {
    pub(super) fn new(tty: bool, from_unix_ns: i64) -> Seam {
        Seam { tty, from_unix_ns, stdout: Thread::default(), stderr: Thread::default() }
    }

    /// The log is read again: from which second on, as the engine wants to know it.
    pub(super) fn read_again(&mut self) -> i32 {
        for thread in [&mut self.stdout, &mut self.stderr] {
            (thread.again, thread.passed) = (thread.last_unix_ns > 0, 0);
        }
        let last_unix_ns = self.stdout.last_unix_ns.max(self.stderr.last_unix_ns);
        let since_s = (last_unix_ns.max(self.from_unix_ns) / 1_000_000_000 - DISORDER_S).max(0);
        i32::try_from(since_s).unwrap_or(0)
    }

    /// Takes a message, unless it was taken before.
    pub(super) fn take(&mut self, message: LogOutput, give: GiveLine) {
        match message {
            LogOutput::StdOut { message } => self.take_part(Stream::Stdout, &message, give),
            LogOutput::StdErr { message } => self.take_part(Stream::Stderr, &message, give),
            LogOutput::Console { message } if self.tty => self.take_part(Stream::Stdout, &message, give),
            // Without a terminal that is half a message of a connection that broke: it will come again.
            LogOutput::Console { .. } | LogOutput::StdIn { .. } => {}
        }
    }

    /// Gives the lines that were begun and can't be completed any more.
    pub(super) fn finish(&mut self, give: GiveLine) {
        for (thread, stream) in [(&mut self.stdout, Stream::Stdout), (&mut self.stderr, Stream::Stderr)] {
            if let Some(line) = thread.lines.finish() {
                give(stream, line, thread.begun_unix_ns);
            }
        }
    }

    fn take_part(&mut self, stream: Stream, message: &[u8], give: GiveLine) {
        let (tty, from_unix_ns) = (self.tty, self.from_unix_ns);
        let thread = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        // What the engine says itself about a log that it can't read has no stamp.
        let Some((stamp, text)) = stamped(message) else {
            return thread.lines.push(message, |line| give(stream, line, None));
        };
        if stamp < from_unix_ns || !thread.is_new(stamp) {
            return;
        }
        let joined = (tty && text.len() > PART_BYTES).then(|| without(text, &message[..STAMP_BYTES]));
        let begun_unix_ns = thread.begun_unix_ns.get_or_insert(stamp);
        let mut line_unix_ns = *begun_unix_ns;
        thread.lines.push(joined.as_deref().unwrap_or(text), |line| {
            give(stream, line, Some(line_unix_ns));
            line_unix_ns = stamp;
        });
        thread.begun_unix_ns = (!text.ends_with(b"\n")).then_some(line_unix_ns);
    }
}

impl Thread {
    fn is_new(&mut self, unix_ns: i64) -> bool {
        if self.again && unix_ns < self.last_unix_ns {
            return false;
        }
        if self.again && unix_ns == self.last_unix_ns {
            self.passed += 1;
            let is_new = self.passed > self.taken;
            self.taken = self.taken.max(self.passed);
            return is_new;
        }
        self.taken = if unix_ns == self.last_unix_ns { self.taken + 1 } else { 1 };
        (self.again, self.last_unix_ns) = (false, unix_ns);
        true
    }
}

fn stamped(message: &[u8]) -> Option<(i64, &[u8])> {
    let (stamp, text) = message.split_at_checked(STAMP_BYTES)?;
    let stamp = std::str::from_utf8(stamp).ok()?.strip_suffix(' ')?;
    Some((unix_ns(stamp)?, text))
}

/// The parts of a long line of a terminal, without the stamps between them.
fn without(text: &[u8], stamp: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((part, after)) = rest.split_at_checked(PART_BYTES) {
        joined.extend_from_slice(part);
        rest = after.strip_prefix(stamp).unwrap_or(after);
    }
    joined.extend_from_slice(rest);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_UNIX_NS: i64 = 1_769_860_800_000_000_000;

    fn message(nanos: i64, text: &str) -> LogOutput {
        let message = format!("2026-01-31T12:00:00.{nanos:09}Z {text}").into_bytes().into();
        LogOutput::StdOut { message }
    }

    fn lines(seam: &mut Seam, messages: &[LogOutput]) -> Vec<(String, i64)> {
        let mut lines = Vec::new();
        for message in messages {
            let mut give = |_: Stream, line: String, unix_ns: Option<i64>| {
                lines.push((line, unix_ns.unwrap() - FIRST_UNIX_NS));
            };
            seam.take(message.clone(), &mut give);
        }
        lines
    }

    fn line(line: &str, nanos: i64) -> (String, i64) {
        (line.to_owned(), nanos)
    }

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let log = [message(1, "a\n"), message(2, "b\n"), message(2, "b\n"), message(2, "c\n"), message(3, "d\n")];
        let expected = lines(&mut Seam::new(false, 0), &log);
        assert_eq!(expected.len(), 5);
        for cut in 0..=log.len() {
            for from in 0..=cut.min(1) {
                let mut seam = Seam::new(false, 0);
                let mut found = lines(&mut seam, &log[..cut]);
                seam.read_again();
                found.extend(lines(&mut seam, &log[from..]));
                assert_eq!(found, expected, "cut at {cut}, read again from {from}");
            }
        }
    }

    #[test]
    fn parts_of_a_line_are_joined_under_the_first_ones_stamp() {
        let parts = [message(1, "one "), message(1, "and "), message(1, "two\n"), message(5, "x\ry\n")];
        let expected = [line("one and two", 1), line("x", 5), line("y", 5)];
        for cut in 0..parts.len() {
            let mut seam = Seam::new(false, 0);
            let mut found = lines(&mut seam, &parts[..cut]);
            seam.read_again();
            found.extend(lines(&mut seam, &parts));
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_terminals_long_line_has_no_stamps_inside() {
        let stamp = "2026-01-31T12:00:00.000000001Z ";
        let part = "x".repeat(PART_BYTES);
        let text = format!("{stamp}{part}{stamp}{part}{stamp}end\r\n");
        let mut seam = Seam::new(true, 0);
        let found = lines(&mut seam, &[LogOutput::Console { message: text.into_bytes().into() }]);
        assert_eq!(found, [(format!("{part}{part}end"), 1)]);
    }

    #[test]
    fn what_was_written_before_the_watch_is_left_out() {
        let mut seam = Seam::new(false, FIRST_UNIX_NS + 2);
        assert_eq!(seam.read_again(), (FIRST_UNIX_NS / 1_000_000_000 - DISORDER_S) as i32);
        assert_eq!(lines(&mut seam, &[message(1, "old\n"), message(2, "new\n")]), [line("new", 2)]);
    }

    #[test]
    fn half_a_message_is_no_line() {
        let mut seam = Seam::new(false, 0);
        assert!(lines(&mut seam, &[LogOutput::Console { message: "half".into() }]).is_empty());
    }

    #[test]
    fn a_line_that_nothing_ended_is_given_at_the_end() {
        let mut seam = Seam::new(false, 0);
        assert!(lines(&mut seam, &[message(4, "last words")]).is_empty());
        let mut last = Vec::new();
        seam.finish(&mut |stream, line, unix_ns| last.push((stream, line, unix_ns)));
        assert_eq!(last, [(Stream::Stdout, "last words".to_owned(), Some(FIRST_UNIX_NS + 4))]);
    }
}
