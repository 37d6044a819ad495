//! Bytes of a stream become lines.

/// Bytes of a line that are kept.
const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// Cuts a stream into lines, holding at most one line of 64 KiB. A line ends with `\n`, `\r\n` or, as progress
/// displays do, `\r`.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    left_out: usize,
    after_return: bool,
}

impl Lines {
    /// Takes the next bytes and gives every line that they complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut give: impl FnMut(String)) {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r') else {
                return self.extend(bytes);
            };
            self.extend(&bytes[..end]);
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            give(self.take());
        }
    }

    /// The line that the end of the stream completes, if one was begun.
    pub(crate) fn finish(&mut self) -> Option<String> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn extend(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(LINE_LIMIT_BYTES - self.line.len());
        self.line.extend_from_slice(&bytes[..kept]);
        self.left_out += bytes.len() - kept;
    }

    fn take(&mut self) -> String {
        let mut line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        match std::mem::take(&mut self.left_out) {
            0 => {}
            left_out => line.push_str(&format!(" … ({left_out} bytes more)")),
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(parts: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut given) = (Lines::default(), Vec::new());
        for part in parts {
            lines.push(part, |line| given.push(line));
        }
        given.extend(lines.finish());
        given
    }

    #[test]
    fn a_line_ends_in_any_of_three_ways_however_it_is_cut() {
        let text = b"one\ntwo\r\nthree\rfour\n\nsix";
        let expected = ["one", "two", "three", "four", "", "six"];
        assert_eq!(lines_of(&[text]), expected);
        for cut in 0..=text.len() {
            assert_eq!(lines_of(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let long = vec![b'x'; LINE_LIMIT_BYTES + 10];
        let lines = lines_of(&[&long, b"yy\nnext\n"]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("x … (12 bytes more)"), "{}", &lines[0][lines[0].len() - 40..]);
        assert_eq!(lines[0].matches('x').count(), LINE_LIMIT_BYTES);
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(lines_of(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(lines_of(&[b""]).is_empty());
    }
}
