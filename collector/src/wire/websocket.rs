//! WebSocket messages of one direction (RFC 6455), with permessage-deflate (RFC 7692).
//!
//! Violations after which both peers must fail the connection end the decoding, too; a message
//! that is wrong only in itself comes out with its problem.

use super::assembly::Assembly;
use super::compression::{Deflate, Inflater};
use super::{Direction, Limits};

const CONTROL_BYTES: u64 = 125;

/// A text or binary message, put together.
pub(super) struct Message {
    pub is_text: bool,
    pub payload: Vec<u8>,
    pub first_ns: i64,
    pub wire_bytes: i64,
    pub compressed: bool,
    pub problem: Option<String>,
}

/// What the reader found next.
pub(super) enum Step {
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Vec<u8>),
    /// The stream can't be followed any further; the bytes that show it.
    Broken(String, Vec<u8>),
}

#[derive(Clone, Copy)]
struct Frame {
    opcode: u8,
    is_final: bool,
    mask: Option<[u8; 4]>,
    length: u64,
    done: u64,
}

impl Frame {
    fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }
}

struct Partial {
    is_text: bool,
    payload: Assembly,
    /// The beginning as it was on the wire, for the row of a message that can't be inflated.
    deflated: Assembly,
    is_inflated: bool,
    first_ns: i64,
    wire_bytes: i64,
    compressed: bool,
    problem: Option<String>,
}

impl Partial {
    fn inflate(&mut self, result: Result<(), String>) {
        if let Err(problem) = result {
            self.is_inflated = false;
            self.problem.get_or_insert(problem);
        }
    }

    /// The payload; of one that isn't whole or can't be inflated, what there is.
    fn into_bytes(self) -> Vec<u8> {
        match self.compressed {
            true => self.deflated.into_bytes(),
            false => self.payload.into_bytes(),
        }
    }

    fn into_message(mut self) -> Message {
        let (is_text, first_ns, wire_bytes) = (self.is_text, self.first_ns, self.wire_bytes);
        let compressed = self.compressed;
        let mut problem = self.problem.take();
        let payload = if compressed && !self.is_inflated {
            self.into_bytes()
        } else {
            self.payload.finish().unwrap_or_else(|(bytes, over)| {
                problem = Some(over);
                bytes
            })
        };
        Message { is_text, payload, first_ns, wire_bytes, compressed, problem }
    }
}

/// Cuts one direction of an upgraded connection into messages.
pub(super) struct Reader {
    direction: Direction,
    limits: Limits,
    header: Vec<u8>,
    header_ns: i64,
    frame: Option<Frame>,
    message: Option<Partial>,
    control: Vec<u8>,
    scratch: Vec<u8>,
    inflater: Option<Inflater>,
}

impl Reader {
    /// `deflate` is what was agreed for this direction.
    pub(super) fn new(direction: Direction, limits: &Limits, deflate: Option<Deflate>) -> Reader {
        Reader {
            direction,
            limits: limits.clone(),
            header: Vec::new(),
            header_ns: 0,
            frame: None,
            message: None,
            control: Vec::new(),
            scratch: Vec::new(),
            inflater: deflate.map(Inflater::new),
        }
    }

    /// The next step; None where more input is needed.
    pub(super) fn next(&mut self, input: &mut &[u8], at_ns: i64) -> Option<Step> {
        loop {
            let mut frame = match self.frame {
                Some(frame) => frame,
                None => {
                    if let Err(problem) = self.begin(input, at_ns)? {
                        return Some(Step::Broken(problem, std::mem::take(&mut self.header)));
                    }
                    continue;
                }
            };
            let left = frame.length - frame.done;
            let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
            self.take(&frame, input.split_off(..count)?);
            frame.done += count as u64;
            self.frame = Some(frame);
            if frame.done < frame.length {
                return None;
            }
            self.frame = None;
            if let Some(step) = self.finish(&frame) {
                return Some(step);
            }
        }
    }

    /// The stream ended here: what there is of an unfinished message or frame.
    pub(super) fn end(&mut self) -> Option<Step> {
        let bytes = match self.message.take() {
            Some(message) => message.into_bytes(),
            None if self.frame.is_some() => std::mem::take(&mut self.control),
            None if !self.header.is_empty() => std::mem::take(&mut self.header),
            None => return None,
        };
        let problem = "the connection ended inside a WebSocket message";
        Some(Step::Broken(problem.to_owned(), bytes))
    }

    /// Reads a frame's header; None where it isn't complete.
    fn begin(&mut self, input: &mut &[u8], at_ns: i64) -> Option<Result<(), String>> {
        if self.header.is_empty() && !input.is_empty() {
            self.header_ns = at_ns;
        }
        loop {
            let missing = header_bytes(&self.header) - self.header.len();
            if missing == 0 {
                break;
            }
            let taken = input.split_off(..missing.min(input.len()))?;
            if taken.is_empty() {
                return None;
            }
            self.header.extend_from_slice(taken);
        }
        let frame = match parse_header(&self.header) {
            Ok(frame) => frame,
            Err(problem) => return Some(Err(problem)),
        };
        if !frame.is_control()
            && let Err(problem) = self.begin_data(&frame)
        {
            return Some(Err(problem));
        }
        self.header.clear();
        self.control.clear();
        self.frame = Some(frame);
        Some(Ok(()))
    }

    fn begin_data(&mut self, frame: &Frame) -> Result<(), String> {
        let reserved = self.header[0] & 0x40 != 0;
        match (frame.opcode, &self.message) {
            (0, None) => return Err("a continuation of no message".to_owned()),
            (0, Some(_)) if reserved => return Err("RSV1 on a continuation".to_owned()),
            (0, Some(_)) => {}
            (_, Some(_)) => return Err("a message inside another message".to_owned()),
            (opcode, None) => {
                self.message = Some(Partial {
                    is_text: opcode == 1,
                    payload: Assembly::new(&self.limits),
                    deflated: Assembly::beginning(&self.limits),
                    is_inflated: reserved && self.inflater.is_some(),
                    first_ns: self.header_ns,
                    wire_bytes: 0,
                    compressed: reserved,
                    problem: (reserved && self.inflater.is_none())
                        .then(|| "compressed, although that was not agreed".to_owned()),
                });
            }
        }
        let Some(message) = &mut self.message else {
            return Ok(());
        };
        if !message.compressed {
            message.payload.expect(frame.length);
        }
        let bytes = self.header.len() as u64 + frame.length;
        message.wire_bytes = message.wire_bytes.saturating_add_unsigned(bytes);
        if frame.mask.is_some() != (self.direction == Direction::Sent) {
            let problem = match self.direction {
                Direction::Sent => "a client's frame is not masked",
                Direction::Received => "a server's frame is masked",
            };
            message.problem.get_or_insert_with(|| problem.to_owned());
        }
        Ok(())
    }

    /// Takes the next bytes of a frame's payload.
    fn take(&mut self, frame: &Frame, bytes: &[u8]) {
        let unmasked = |bytes: &mut [u8]| {
            if let Some(mask) = frame.mask {
                unmask(bytes, mask, frame.done);
            }
        };
        let Some(message) = self.message.as_mut().filter(|_| !frame.is_control()) else {
            let begin = self.control.len();
            self.control.extend_from_slice(bytes);
            return unmasked(&mut self.control[begin..]);
        };
        if !message.compressed {
            return message.payload.push_with(bytes, unmasked);
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        unmasked(&mut self.scratch);
        message.deflated.push(&self.scratch);
        if let Some(inflater) = &mut self.inflater {
            let inflated = inflater.push(&self.scratch, &mut message.payload);
            message.inflate(inflated);
        }
    }

    /// Takes note that the next `bytes` of the stream are missing; false where it can't be told what follows them.
    pub(super) fn skip(&mut self, bytes: u64) -> bool {
        let Some(frame) = &mut self.frame else {
            return false;
        };
        if frame.is_control() || frame.length - frame.done <= bytes {
            return false;
        }
        frame.done += bytes;
        if let Some(message) = &mut self.message {
            message.payload.give_up(format!("{bytes} bytes of it were lost"));
            if let Some(inflater) = self.inflater.as_mut().filter(|_| message.compressed) {
                inflater.lose();
            }
        }
        true
    }

    /// A frame is complete.
    fn finish(&mut self, frame: &Frame) -> Option<Step> {
        match frame.opcode {
            8 => return Some(Step::Close(std::mem::take(&mut self.control))),
            9 => return Some(Step::Ping(std::mem::take(&mut self.control))),
            10 => return Some(Step::Pong(std::mem::take(&mut self.control))),
            _ if !frame.is_final => return None,
            _ => {}
        }
        let mut message = self.message.take()?;
        if message.compressed
            && let Some(inflater) = &mut self.inflater
        {
            let inflated = inflater.finish(&mut message.payload);
            message.inflate(inflated);
        }
        Some(Step::Message(message.into_message()))
    }
}

/// How long the header is, as far as its beginning says.
fn header_bytes(header: &[u8]) -> usize {
    let Some(second) = header.get(1) else {
        return 2;
    };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    2 + length + mask
}

fn parse_header(header: &[u8]) -> Result<Frame, String> {
    let (first, second) = (header[0], header[1]);
    let (extended, mask) = match second & 0x80 {
        0 => (&header[2..], None),
        _ => match header[2..].split_last_chunk::<4>() {
            Some((extended, mask)) => (extended, Some(*mask)),
            None => (&header[2..], None),
        },
    };
    let frame = Frame {
        opcode: first & 0x0f,
        is_final: first & 0x80 != 0,
        mask,
        length: match extended {
            [] => u64::from(second & 0x7f),
            bytes => bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        },
        done: 0,
    };
    if first & 0x30 != 0 || (frame.is_control() && first & 0x40 != 0) {
        Err("not WebSocket: a reserved bit is set".to_owned())
    } else if !matches!(frame.opcode, 0..=2 | 8..=10) {
        Err(format!("not WebSocket: opcode {}", frame.opcode))
    } else if frame.is_control() && (!frame.is_final || frame.length > CONTROL_BYTES) {
        Err("not WebSocket: a control frame is too long or not final".to_owned())
    } else if frame.length >> 63 != 0 {
        Err("not WebSocket: a frame's length is negative".to_owned())
    } else {
        Ok(frame)
    }
}

/// Eight bytes at a time: this runs over every byte that a client sends.
fn unmask(bytes: &mut [u8], mask: [u8; 4], done: u64) {
    let at = |index: u64| mask[((done + index) % 4) as usize];
    let wide: [u8; 8] = std::array::from_fn(|index| at(index as u64));
    let key = u64::from_ne_bytes(wide);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(wide) {
        *byte ^= mask;
    }
}
