//! HTTP/1.1 messages of one direction, cut out of a stream: a head, the bytes of its body, an end.
//!
//! The reader knows no meaning: how a body is delimited depends on the request a response
//! belongs to, so whoever takes a head answers with [`Reader::body`].

use super::Direction;

/// Bytes of a head, of a chunk's size line with its extensions, of the trailers.
const HEAD_BYTES: usize = 64 << 10;
/// Header lines of a head.
const HEADERS: usize = 128;

const BLANKS: [char; 2] = [' ', '\t'];

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Request { method: String, target: String },
    Response { status: u16, reason: String },
}

/// A message without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub start: Start,
    pub version: String,
    /// Lower-case names; repeated ones joined by `, `.
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a header that is a list has this element, whatever its case.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        let mut tokens = self.header(name).unwrap_or_default().split(',');
        tokens.any(|have| have.trim().eq_ignore_ascii_case(token))
    }

    /// How the body ends as far as the head says; None: it doesn't say. Where two readers could take it for two
    /// different things, nobody knows which one the peers are: that is not followed.
    fn length(&self) -> Result<Option<Framing>, String> {
        let lengths = self.header("content-length");
        if let Some(codings) = self.header("transfer-encoding") {
            return match codings.eq_ignore_ascii_case("chunked") {
                _ if lengths.is_some() => Err("both a transfer encoding and a content length".to_owned()),
                _ if self.version != "1.1" => Err(format!("a transfer encoding in HTTP/{}", self.version)),
                true => Ok(Some(Framing::Chunked)),
                false => Err(format!("transfer encoding `{codings}` can't be followed")),
            };
        }
        let Some(lengths) = lengths else {
            return Ok(None);
        };
        let mut lengths = lengths.split(',').map(|text| number(text.trim_matches(BLANKS), 10));
        match lengths.next().flatten() {
            Some(length) if lengths.all(|again| again == Some(length)) => Ok(Some(Framing::Length(length))),
            _ => Err("the content length is not a number".to_owned()),
        }
    }

    /// How the body of a request ends.
    pub(super) fn request_framing(&self) -> Result<Framing, String> {
        Ok(self.length()?.unwrap_or(Framing::Length(0)))
    }

    /// How the body of a response to `method` ends.
    pub(super) fn response_framing(&self, method: &str, status: u16) -> Result<Framing, String> {
        if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
            return Ok(Framing::Length(0));
        }
        Ok(self.length()?.unwrap_or(Framing::UntilClose))
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// What the reader found next.
pub(super) enum Step<'a> {
    Head(Head),
    Body(&'a [u8]),
    End,
    /// The stream can't be followed any further; the bytes that show it.
    Broken(String, Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Complete,
}

/// Cuts one direction of a connection into messages.
pub(super) struct Reader {
    direction: Direction,
    state: State,
    /// The head or line that is being read.
    line: Vec<u8>,
}

impl Reader {
    pub(super) fn new(direction: Direction) -> Reader {
        Reader { direction, state: State::Head, line: Vec::new() }
    }

    /// Whether nothing of a next message has been read.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Head && self.line.is_empty()
    }

    /// Says how the body behind the head that was just read ends.
    pub(super) fn body(&mut self, framing: Framing) {
        self.state = match framing {
            Framing::Length(0) => State::Complete,
            Framing::Length(length) => State::Body(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
    }

    /// The next step; None where more input is needed.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        loop {
            match self.state {
                State::Head => return self.head(input),
                State::Body(left) => return self.take(input, left, State::Body, State::Complete),
                State::Chunk(left) => return self.take(input, left, State::Chunk, State::ChunkEnd),
                State::UntilClose if input.is_empty() => return None,
                State::UntilClose => return Some(Step::Body(std::mem::take(input))),
                State::Complete => {
                    self.state = State::Head;
                    return Some(Step::End);
                }
                State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    if let Err(problem) = self.chunk_line(input)? {
                        return Some(Step::Broken(problem, std::mem::take(&mut self.line)));
                    }
                }
            }
        }
    }

    /// The stream ended here: the last step, if there was something left.
    pub(super) fn end(&mut self) -> Option<Step<'static>> {
        match self.state {
            State::UntilClose => Some(Step::End),
            _ if self.is_idle() => None,
            _ => Some(Step::Broken(
                "the connection ended inside an HTTP message".to_owned(),
                std::mem::take(&mut self.line),
            )),
        }
    }

    fn take<'a>(&mut self, input: &mut &'a [u8], left: u64, more: fn(u64) -> State, done: State) -> Option<Step<'a>> {
        if input.is_empty() {
            return None;
        }
        let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let bytes = input.split_off(..count)?;
        let left = left - count as u64;
        self.state = if left == 0 { done } else { more(left) };
        Some(Step::Body(bytes))
    }

    fn head<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        loop {
            match self.until_newline(input)? {
                // Empty lines before a message are allowed and mean nothing.
                Ok(()) if self.line == b"\r\n" => self.line.clear(),
                Ok(()) if self.line.ends_with(b"\n\r\n") => break,
                Ok(()) => {}
                Err(problem) => {
                    return Some(Step::Broken(problem, std::mem::take(&mut self.line)));
                }
            }
        }
        let line = std::mem::take(&mut self.line);
        let head = match self.direction {
            Direction::Sent => parse_request(&line),
            Direction::Received => parse_response(&line),
        };
        Some(match head {
            Ok(head) => Step::Head(head),
            Err(problem) => Step::Broken(problem, line),
        })
    }

    /// Reads a line of the chunked framing and takes its consequence.
    fn chunk_line(&mut self, input: &mut &[u8]) -> Option<Result<(), String>> {
        if let Err(problem) = self.until_newline(input)? {
            return Some(Err(problem));
        }
        let text = &self.line[..self.line.len() - 2];
        self.state = match self.state {
            State::ChunkSize => match chunk_size(text) {
                Some(0) => State::Trailers,
                Some(size) => State::Chunk(size),
                None => return Some(Err("a chunk's size is not a number".to_owned())),
            },
            State::ChunkEnd if text.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Some(Err("a chunk is longer than its size".to_owned())),
            _ if text.is_empty() => State::Complete,
            _ => State::Trailers,
        };
        self.line.clear();
        Some(Ok(()))
    }

    /// Moves input into `line` up to and with the next newline; None where it hasn't come yet.
    fn until_newline(&mut self, input: &mut &[u8]) -> Option<Result<(), String>> {
        let room = HEAD_BYTES.saturating_sub(self.line.len()).min(input.len());
        let newline = input[..room].iter().position(|byte| *byte == b'\n');
        let taken = input.split_off(..newline.map_or(room, |at| at + 1))?;
        self.line.extend_from_slice(taken);
        match newline {
            // Some readers take a bare line feed for the end of a line, others for part of it.
            Some(_) if !self.line.ends_with(b"\r\n") => Some(Err("a line of HTTP that ends without CR".to_owned())),
            Some(_) => Some(Ok(())),
            None if self.line.len() >= HEAD_BYTES => Some(Err(format!("an HTTP head of more than {HEAD_BYTES} bytes"))),
            None => None,
        }
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let (size, extension) = line.split_once(';').unwrap_or((line, ""));
    let is_plain = !extension.contains(|character: char| character.is_ascii_control() && character != '\t');
    number(size.trim_end_matches(BLANKS), 16).filter(|_| is_plain)
}

/// Digits and nothing else: no sign, which Rust would allow.
fn number(digits: &str, radix: u32) -> Option<u64> {
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| is_number)
}

fn parse_request(bytes: &[u8]) -> Result<Head, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => Ok(Head {
            start: Start::Request {
                method: request.method.unwrap_or_default().to_owned(),
                target: request.path.unwrap_or_default().to_owned(),
            },
            version: version(request.version),
            headers: collect(request.headers),
        }),
        Ok(httparse::Status::Partial) => Err("not an HTTP request".to_owned()),
        Err(error) => Err(format!("not an HTTP request: {error}")),
    }
}

fn parse_response(bytes: &[u8]) -> Result<Head, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => Ok(Head {
            start: Start::Response {
                status: response.code.unwrap_or_default(),
                reason: response.reason.unwrap_or_default().to_owned(),
            },
            version: version(response.version),
            headers: collect(response.headers),
        }),
        Ok(httparse::Status::Partial) => Err("not an HTTP response".to_owned()),
        Err(error) => Err(format!("not an HTTP response: {error}")),
    }
}

fn version(minor: Option<u8>) -> String {
    format!("1.{}", minor.unwrap_or_default())
}

fn collect(lines: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        let name = line.name.to_ascii_lowercase();
        let value = String::from_utf8_lossy(line.value);
        match headers.iter_mut().find(|(have, _)| *have == name) {
            Some((_, have)) => *have = format!("{have}, {value}"),
            None => headers.push((name, value.into_owned())),
        }
    }
    headers
}
