//! One connection of the load: sends frames from any thread, reads the echoes, and knows when each was meant to be sent.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, TcpStream as Blocking};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::ready;
use std::time::{Duration, Instant};

use collector::AnyError;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::load::Shared;
use crate::message::{Frame, frame_header, frame_lengths, fresh, mask};

const REQUEST: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Version: 13\r\n\r\n";
const SCRATCH: usize = 256 << 10;

/// A connection that has said its Socket.IO hello; blocking.
pub fn connect(port: u16) -> Result<Blocking, AnyError> {
    let mut socket = Blocking::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    socket.write_all(REQUEST.as_bytes())?;
    let (mut response, mut byte) = (Vec::new(), [0]);
    while !response.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        response.push(byte[0]);
    }
    if !response.starts_with(b"HTTP/1.1 101") {
        return Err(format!("no WebSocket: {}", String::from_utf8_lossy(&response)).into());
    }
    receive(&mut socket)?;
    send(&mut socket, b"40")?;
    receive(&mut socket)?;
    Ok(socket)
}

/// Sends one message, blocking.
pub fn send(socket: &mut Blocking, payload: &[u8]) -> io::Result<usize> {
    let key = [0x11, 0x9c, 0xe3, 0x47];
    let mut frame = frame_header(payload.len(), Some(key));
    let header = frame.len();
    frame.extend(payload);
    mask(&mut frame[header..], key);
    socket.write_all(&frame)?;
    Ok(frame.len())
}

/// Reads one message, blocking, and says how long its frame was.
pub fn receive(socket: &mut Blocking) -> io::Result<usize> {
    let (mut header, mut byte) = (Vec::new(), [0]);
    let (header, payload) = loop {
        socket.read_exact(&mut byte)?;
        header.push(byte[0]);
        if let Some(lengths) = frame_lengths(&header) {
            break lengths;
        }
    };
    socket.read_exact(&mut vec![0; payload])?;
    Ok(header + payload)
}

/// The sending half, and what is under way.
pub struct Lane {
    writer: OwnedWriteHalf,
    state: Mutex<State>,
    backlog: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    /// Numbers whose echo is due, with the time at which each was meant to be sent; without one it is not measured.
    due: VecDeque<(u64, Option<Instant>)>,
    latencies_ns: Vec<u64>,
}

impl Lane {
    /// Takes over a connection: the lane, and the half to be read.
    pub fn new(socket: Blocking) -> io::Result<(Lane, OwnedReadHalf)> {
        socket.set_nonblocking(true)?;
        let (reader, writer) = TcpStream::from_std(socket)?.into_split();
        Ok((Lane { writer, state: Mutex::default(), backlog: Notify::new() }, reader))
    }

    /// Sends the message with that number, or as much of it as there is room for; [`Lane::write`] sends the rest.
    pub fn send(&self, shared: &Shared, number: u64, meant: Option<Instant>) {
        let frame = shared.messages.frame(number);
        let mut state = self.lock();
        state.due.push_back((number, meant));
        state.frames.push_back(frame);
        if state.frames.len() == 1 && !self.flush(shared, &mut state).unwrap_or(true) {
            self.backlog.notify_one();
        }
    }

    /// Sends what had no room, whenever there is some.
    pub async fn write(&self, shared: &Shared) -> io::Result<()> {
        loop {
            self.backlog.notified().await;
            loop {
                self.writer.writable().await?;
                if self.flush(shared, &mut self.lock())? {
                    break;
                }
            }
        }
    }

    /// True once nothing waits.
    fn flush(&self, shared: &Shared, state: &mut State) -> io::Result<bool> {
        while let Some(frame) = state.frames.front_mut() {
            let mut parts = [IoSlice::new(&[]), IoSlice::new(&[]), IoSlice::new(&[])];
            let count = frame.rest(&shared.messages, &mut parts);
            match self.writer.try_write_vectored(&parts[..count]) {
                Ok(bytes) => {
                    if frame.advance(bytes) {
                        state.frames.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads echoes until the connection ends or one is not what was sent.
    pub async fn read(self: Arc<Lane>, mut reader: OwnedReadHalf, shared: Arc<Shared>) -> Result<(), AnyError> {
        let mut echo = Echo::default();
        let mut scratch = Vec::new();
        loop {
            let read = std::future::poll_fn(|context| {
                // One buffer for all lanes: it is only used while this one is polled.
                scratch = shared.scratch.take();
                scratch.resize(SCRATCH, 0);
                let mut buffer = ReadBuf::new(&mut scratch);
                let polled = Pin::new(&mut reader).poll_read(context, &mut buffer);
                let read = buffer.filled().len();
                if polled.is_pending() || read == 0 {
                    shared.scratch.put(std::mem::take(&mut scratch));
                }
                ready!(polled)?;
                std::task::Poll::Ready(Ok::<usize, io::Error>(read))
            })
            .await?;
            if read == 0 {
                return Err("a connection was closed in the middle of the load".into());
            }
            let taken = self.take(&mut echo, &scratch[..read], &shared);
            shared.scratch.put(std::mem::take(&mut scratch));
            taken?;
        }
    }

    fn take(&self, echo: &mut Echo, mut bytes: &[u8], shared: &Shared) -> Result<(), AnyError> {
        while !bytes.is_empty() {
            bytes = echo.feed(bytes);
            if echo.is_whole() {
                let now = Instant::now();
                let mut state = self.lock();
                let (number, meant) = state.due.pop_front().ok_or("an echo of nothing that was sent")?;
                if !echo.head.ends_with(&fresh(number)) || echo.payload != shared.messages.bytes() {
                    return Err(format!("message {number} came back altered").into());
                }
                state.latencies_ns.extend(meant.map(|meant| now.duration_since(meant).as_nanos() as u64));
                drop(state);
                *echo = Echo::default();
                if let Some(next) = shared.arrived(now) {
                    self.send(shared, next, Some(now));
                }
            }
        }
        Ok(())
    }

    /// The round trips measured since this was last asked, in ns.
    pub fn take_latencies(&self) -> Vec<u64> {
        std::mem::take(&mut self.lock().latencies_ns)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame from the server, as far as it has come: its beginning is kept, the rest is counted.
#[derive(Default)]
struct Echo {
    head: Vec<u8>,
    header: usize,
    payload: usize,
    seen: usize,
}

impl Echo {
    fn feed<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while self.header == 0 {
            let Some((byte, after)) = rest.split_first() else { return rest };
            self.head.push(*byte);
            rest = after;
            if let Some((header, payload)) = frame_lengths(&self.head) {
                (self.header, self.payload) = (header, payload);
            }
        }
        let now = rest.len().min(self.payload - self.seen);
        let kept = self.header + fresh(crate::message::FIRST).len() - self.head.len();
        self.head.extend(&rest[..now.min(kept)]);
        self.seen += now;
        &rest[now..]
    }

    fn is_whole(&self) -> bool {
        self.header > 0 && self.seen == self.payload
    }
}
