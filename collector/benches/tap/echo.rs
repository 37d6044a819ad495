//! The server of the load, in a process of its own: answers the Engine.IO and Socket.IO handshake over WebSocket, and
//! sends every `echo` event back as it came. To a `sink` event it answers `ok`.

use std::net::Ipv4Addr;

use collector::AnyError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::message::{frame_header, frame_lengths, mask};

const OPEN: &str =
    r#"0{"sid":"BenchBenchBenchBench","upgrades":[],"pingInterval":300000,"pingTimeout":20000,"maxPayload":100000000}"#;
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const READ: usize = 64 << 10;

/// Serves until it is ended from outside.
pub fn serve(port: u16) -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            // A client that goes away in the middle is nothing to a server.
            tokio::spawn(async move { connection(socket).await.ok() });
        }
    })
}

async fn connection(mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(READ);
    let body = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    };
    buffer.drain(..body);
    let mut opening = RESPONSE.as_bytes().to_vec();
    opening.extend(frame_header(OPEN.len(), None));
    opening.extend(OPEN.as_bytes());
    socket.write_all(&opening).await?;
    loop {
        let mut at = 0;
        let wanted = loop {
            let Some((header, payload)) = frame_lengths(&buffer[at..]) else { break READ };
            let end = at + header + payload;
            if buffer.len() < end {
                break end - buffer.len();
            }
            if !answer(&mut socket, &mut buffer[at..end], header).await? {
                return socket.shutdown().await;
            }
            at = end;
        };
        buffer.drain(..at);
        buffer.reserve(wanted.max(READ));
        if socket.read_buf(&mut buffer).await? == 0 {
            return socket.shutdown().await;
        }
    }
}

/// Answers one frame; false where that was the last.
async fn answer(socket: &mut TcpStream, frame: &mut [u8], header: usize) -> std::io::Result<bool> {
    let opcode = frame[0] & 0x0f;
    let (head, payload) = frame.split_at_mut(header);
    if let Some(key) = head.last_chunk::<4>() {
        mask(payload, *key);
    }
    if opcode == 8 {
        return Ok(false);
    }
    if payload == b"40" {
        return reply(socket, br#"40{"sid":"SocketSocketSocket00"}"#).await;
    }
    if payload.starts_with(b"42[\"sink\",") {
        return reply(socket, &ok(payload)).await;
    }
    // The answer's header is four bytes shorter: it has no key.
    let answer_header = frame_header(payload.len(), None);
    frame[4..header].copy_from_slice(&answer_header);
    socket.write_all(&frame[4..]).await?;
    Ok(true)
}

async fn reply(socket: &mut TcpStream, payload: &[u8]) -> std::io::Result<bool> {
    let mut frame = frame_header(payload.len(), None);
    frame.extend(payload);
    socket.write_all(&frame).await?;
    Ok(true)
}

/// `42["sink",17,..]` is answered by `42["ok",17]`.
fn ok(payload: &[u8]) -> Vec<u8> {
    let digits = payload[10..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    [b"42[\"ok\",".as_slice(), &payload[10..10 + digits], b"]"].concat()
}
