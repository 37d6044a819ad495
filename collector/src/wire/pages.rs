//! The pages that go over one HTTP connection: each answer to a GET that is wanted, whole, with its times.
//!
//! What a watcher asks for by itself, a packet capture only overhears. Requests and their answers are paired in order;
//! what is not wanted is passed over without being kept.

use std::collections::VecDeque;

use super::Direction;
use super::compression::decode_body;
use super::http::{Head, Reader, Start, Step};

/// Answers that are seen before their request are held up to that many bytes.
const HELD_BYTES: usize = 1 << 20;

/// Says of the target of a GET how many bytes of its answer are wanted, if any.
pub(crate) type Wanted<'a> = dyn Fn(&str) -> Option<usize> + 'a;

/// A request, and what came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    /// As requested: a path, perhaps with a query.
    pub(crate) target: String,
    /// The host that was asked for.
    pub(crate) host: Option<String>,
    /// When the request was there, in nanoseconds.
    pub(crate) asked_ns: i64,
    /// When the last byte was there, in nanoseconds.
    pub(crate) at_ns: i64,
    /// None where no answer came.
    pub(crate) status: Option<u16>,
    /// As claimed.
    pub(crate) content_type: Option<String>,
    /// Uncompressed, cut at what was wanted.
    pub(crate) body: Vec<u8>,
    /// Why it is not all that it should be.
    pub(crate) problem: Option<String>,
}

/// Which pages a gap took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// Those with these targets.
    Targets(Vec<String>),
    /// Any may have been in it.
    Unknown,
}

/// A request that waits for its answer.
struct Asked {
    method: String,
    page: Page,
    /// None: nobody wants it.
    limit: Option<usize>,
}

/// An answer whose body arrives.
struct Answer {
    page: Page,
    limit: usize,
    encoding: String,
    is_over: bool,
}

/// The pages of one connection.
pub(crate) struct Pages {
    requests: Reader,
    responses: Reader,
    asked: VecDeque<Asked>,
    answer: Option<Answer>,
    held: Vec<(i64, Vec<u8>)>,
    held_bytes: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Http,
    /// Another protocol from here.
    Switched,
    /// Not to be followed.
    Lost,
}

impl Pages {
    /// A connection whose next byte begins a request.
    pub(crate) fn new() -> Pages {
        Pages {
            requests: Reader::new(Direction::Sent),
            responses: Reader::new(Direction::Received),
            asked: VecDeque::new(),
            answer: None,
            held: Vec::new(),
            held_bytes: 0,
            state: State::Http,
        }
    }

    /// Takes bytes of one direction, which went by at `at_ns`.
    pub(crate) fn feed(
        &mut self,
        direction: Direction,
        at_ns: i64,
        bytes: &[u8],
        wanted: &Wanted<'_>,
        out: &mut dyn FnMut(Page),
    ) {
        match direction {
            Direction::Sent => {
                self.read_requests(at_ns, bytes, wanted);
                for (at_ns, bytes) in std::mem::take(&mut self.held) {
                    self.held_bytes -= bytes.len();
                    self.read_responses(at_ns, &bytes, out);
                }
            }
            Direction::Received => self.read_responses(at_ns, bytes, out),
        }
    }

    /// Some bytes of one direction are missing: nothing can be told apart any more.
    pub(crate) fn gap(&mut self, direction: Direction) -> Missed {
        let state = self.state;
        if state == State::Http {
            self.state = State::Lost;
        }
        let open = self.answer.take().map(|answer| answer.page.target);
        let asked = self.asked.drain(..).filter(|asked| asked.limit.is_some()).map(|asked| asked.page.target);
        let is_answering = open.is_some() || !self.responses.is_idle();
        let targets: Vec<String> = open.into_iter().chain(asked).collect();
        match (state, direction) {
            (State::Switched, _) => Missed::Targets(Vec::new()),
            (State::Http, Direction::Received) if is_answering || !targets.is_empty() => Missed::Targets(targets),
            _ => Missed::Unknown,
        }
    }

    /// No more bytes come from that side.
    pub(crate) fn end(&mut self, direction: Direction, at_ns: i64, out: &mut dyn FnMut(Page)) {
        if direction == Direction::Sent || self.state != State::Http {
            return;
        }
        self.state = State::Switched;
        let broken = match self.responses.end() {
            Some(Step::Broken(problem, _)) => Some(problem),
            _ => None,
        };
        if let Some(mut answer) = self.answer.take() {
            answer.page.problem = broken;
            answer.page.at_ns = at_ns;
            out(answer.finish());
        }
        for asked in self.asked.drain(..).filter(|asked| asked.limit.is_some()) {
            let problem = Some("the connection ended without an answer".to_owned());
            out(Page { at_ns, problem, ..asked.page });
        }
    }

    fn read_requests(&mut self, at_ns: i64, bytes: &[u8], wanted: &Wanted<'_>) {
        let mut input = bytes;
        while self.state == State::Http {
            match self.requests.next(&mut input) {
                Some(Step::Head(head)) => match head.request_framing() {
                    Ok(framing) => {
                        self.requests.body(framing);
                        self.asked.extend(Asked::new(head, at_ns, wanted));
                    }
                    Err(_) => self.state = State::Lost,
                },
                Some(Step::Body(_) | Step::End) => {}
                Some(Step::Broken(..)) => self.state = State::Lost,
                None => return,
            }
        }
    }

    fn read_responses(&mut self, at_ns: i64, bytes: &[u8], out: &mut dyn FnMut(Page)) {
        let mut input = bytes;
        while self.state == State::Http {
            if self.responses.is_idle() && self.asked.is_empty() {
                return self.hold(at_ns, input);
            }
            match self.responses.next(&mut input) {
                Some(Step::Head(head)) => self.respond(&head),
                Some(Step::Body(bytes)) => {
                    if let Some(answer) = &mut self.answer {
                        answer.push(bytes, at_ns);
                    }
                }
                Some(Step::End) => {
                    if let Some(mut answer) = self.answer.take() {
                        answer.page.at_ns = at_ns;
                        out(answer.finish());
                    }
                }
                Some(Step::Broken(problem, _)) => self.fail(problem, at_ns, out),
                None => return,
            }
        }
    }

    fn hold(&mut self, at_ns: i64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.held_bytes += bytes.len();
        self.held.push((at_ns, bytes.to_vec()));
        if self.held_bytes > HELD_BYTES {
            self.held = Vec::new();
            self.state = State::Lost;
        }
    }

    /// Not HTTP: what was asked gets that for an answer.
    fn fail(&mut self, problem: String, at_ns: i64, out: &mut dyn FnMut(Page)) {
        self.state = State::Lost;
        let open = self.answer.take().map(|answer| answer.page);
        let asked = self.asked.pop_front().filter(|asked| asked.limit.is_some()).map(|asked| asked.page);
        if let Some(page) = open.or(asked) {
            out(Page { at_ns, problem: Some(problem), ..page });
        }
    }

    fn respond(&mut self, head: &Head) {
        let Start::Response { status, .. } = head.start else {
            return;
        };
        let is_interim = (100..200).contains(&status) && status != 101;
        let asked = if is_interim { None } else { self.asked.pop_front() };
        let method = asked.as_ref().map_or("", |asked| asked.method.as_str());
        if status == 101 || (method == "CONNECT" && (200..300).contains(&status)) {
            self.state = State::Switched;
            return;
        }
        match head.response_framing(method, status) {
            Ok(framing) => self.responses.body(framing),
            Err(_) => self.state = State::Lost,
        }
        self.answer = asked.and_then(|asked| Answer::new(asked, head, status));
    }
}

impl Asked {
    fn new(head: Head, at_ns: i64, wanted: &Wanted<'_>) -> Option<Asked> {
        let host = head.header("host").map(str::to_owned);
        let Start::Request { method, target } = head.start else {
            return None;
        };
        let limit = wanted(&target).filter(|_| method == "GET");
        Some(Asked { method, page: Page { target, host, asked_ns: at_ns, ..Page::default() }, limit })
    }
}

impl Answer {
    fn new(asked: Asked, head: &Head, status: u16) -> Option<Answer> {
        let mut page = asked.page;
        page.status = Some(status);
        page.content_type = head.header("content-type").map(str::to_owned);
        let encoding = head.header("content-encoding").unwrap_or_default().to_owned();
        Some(Answer { page, limit: asked.limit?, encoding, is_over: false })
    }

    fn push(&mut self, bytes: &[u8], at_ns: i64) {
        let room = self.limit - self.page.body.len();
        self.is_over |= bytes.len() > room;
        self.page.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.page.at_ns = at_ns;
    }

    fn finish(mut self) -> Page {
        let page = &mut self.page;
        let mut problem = None;
        if self.is_over {
            problem = Some(format!("the page is longer than {} bytes: the rest is not kept", self.limit));
        }
        if !self.encoding.is_empty() {
            match decode_body(&page.body, &self.encoding, self.limit) {
                Ok(body) => page.body = body,
                Err(why) => {
                    page.body = Vec::new();
                    problem.get_or_insert(why);
                }
            }
        }
        page.problem = page.problem.take().or(problem);
        self.page
    }
}

/// Whether bytes begin with the first line of an HTTP request.
pub(crate) fn is_request_head(bytes: &[u8]) -> bool {
    let Some(line) = first_line(bytes) else {
        return false;
    };
    let mut words = line.split(|byte| *byte == b' ');
    let is_method = |word: &[u8]| (1..=20).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase);
    let is_target = |word: &[u8]| word.iter().all(u8::is_ascii_graphic) && !word.is_empty();
    words.next().is_some_and(is_method)
        && words.next().is_some_and(is_target)
        && words.next().is_some_and(|word| word.starts_with(b"HTTP/1."))
        && words.next().is_none()
}

/// Whether bytes begin with the first line of an HTTP response.
pub(crate) fn is_response_head(bytes: &[u8]) -> bool {
    first_line(bytes).is_some_and(|line| line.starts_with(b"HTTP/1."))
}

fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().take(16 << 10).position(|byte| *byte == b'\n')?;
    Some(bytes[..end].trim_ascii_end())
}

#[cfg(test)]
mod tests;
