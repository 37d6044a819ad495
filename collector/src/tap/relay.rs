//! Bytes go through as they come: read, written to the other side, and only then copied for the decoder.
//!
//! A half-close is passed on as one, a reset as a reset; nothing is read before what was read last has been written, so
//! a slow reader slows down its own peer and nobody else. There are no time-outs: long polls are quiet.

use std::io;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Link;
use super::queue::Observed;
use super::upstream::Stream;
use crate::wire::Direction;

/// How a connection ended.
pub(super) enum Ended {
    /// Both sides said that they are done.
    Closed,
    /// One side reset it, or could not be written to.
    Reset(io::Error),
    /// The tap was told to stop.
    Stopped,
}

impl Ended {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Ended::Closed | Ended::Stopped => "close",
            Ended::Reset(_) => "reset",
        }
    }

    pub(super) fn detail(&self) -> Value {
        match self {
            Ended::Closed => json!({"by": "both sides"}),
            Ended::Reset(error) => json!({"error": error.to_string()}),
            Ended::Stopped => json!({"by": "the tap, which was stopped"}),
        }
    }
}

/// Relays until both directions have ended, or one of them with an error.
pub(super) async fn relay(link: &Link, mut client: TcpStream, mut upstream: Stream) -> Ended {
    for socket in [&client, upstream.tcp()] {
        // An old kernel without these options still relays correctly.
        let options = socket.set_nodelay(true).and_then(|()| socket2::SockRef::from(socket).set_keepalive(true));
        if options.is_err() {
            break;
        }
    }
    match pump_both(link, &mut client, &mut upstream).await {
        Ok(_) => Ended::Closed,
        Err(error) => {
            for socket in [&client, upstream.tcp()] {
                // Where even this fails the socket is gone already.
                if socket.set_zero_linger().is_err() {
                    continue;
                }
            }
            Ended::Reset(error)
        }
    }
}

async fn pump_both(link: &Link, client: &mut TcpStream, upstream: &mut Stream) -> io::Result<((), ())> {
    let (client_read, client_write) = client.split();
    match upstream {
        Stream::Tcp(upstream) => {
            let (upstream_read, upstream_write) = upstream.split();
            tokio::try_join!(
                pump(link, Direction::Sent, client_read, upstream_write),
                pump(link, Direction::Received, upstream_read, client_write),
            )
        }
        tls => {
            let (upstream_read, upstream_write) = tokio::io::split(tls);
            tokio::try_join!(
                pump(link, Direction::Sent, client_read, upstream_write),
                pump(link, Direction::Received, upstream_read, client_write),
            )
        }
    }
}

async fn pump(
    link: &Link,
    direction: Direction,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    loop {
        let chunk = link.buffers.read(&mut from).await?;
        let received = Instant::now();
        let at_ns = link.clock.ns_at(received);
        if chunk.is_empty() {
            link.queue.push(link.connection, Observed::HalfClose { direction, at_ns });
            return match to.shutdown().await {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
                _ => Ok(()),
            };
        }
        to.write_all(&chunk).await?;
        // TLS may keep what was written; TCP has nothing to flush.
        to.flush().await?;
        link.delay.add(received.elapsed(), chunk.len());
        link.queue.push_bytes(link.connection, direction, at_ns, chunk);
    }
}
