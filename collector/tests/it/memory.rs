//! What a tap holds in memory, whatever is pushed through it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use recording::reader::{self, Recording};
use recording::record::{Gap, Packet};

use super::wait_for;

const CONNECTIONS: usize = 200;
const MESSAGE_BYTES: usize = 50_000_000;
const REQUEST: &[u8] =
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// The most memory that a process had at any time, in bytes.
fn peak_bytes(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A server that answers the upgrade and counts what comes after it.
fn serve(server: TcpListener, counted: &'static AtomicU64) {
    for stream in server.incoming() {
        let mut stream = stream.unwrap();
        std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || {
                let mut request = vec![0; REQUEST.len()];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(RESPONSE).unwrap();
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    counted.fetch_add(count as u64, Ordering::Relaxed);
                }
            })
            .unwrap();
    }
}

fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(REQUEST).unwrap();
    let mut response = vec![0; RESPONSE.len()];
    stream.read_exact(&mut response).unwrap();
    stream
}

/// The header of a client's frame with a mask of zeros.
fn header(bytes: usize) -> Vec<u8> {
    let mut header = vec![0x81, 0x80 | 127];
    header.extend((bytes as u64).to_be_bytes());
    header.extend([0; 4]);
    header
}

#[test]
fn two_hundred_messages_of_50_mb_at_once_stay_below_512_mb() {
    static COUNTED: AtomicU64 = AtomicU64::new(0);
    let runs = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = server.local_addr().unwrap().port();
    std::thread::spawn(move || serve(server, &COUNTED));
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut collector = Command::new(env!("CARGO_BIN_EXE_collector"))
        .args(["tap", "--listen", &format!("127.0.0.1:{port}"), "--upstream", &format!("http://127.0.0.1:{upstream}")])
        .arg("--runs")
        .arg(runs.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the tap listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(port)).collect();

    // All of them grow at the same time, a piece each in turn.
    let begin = b"42[\"large\",\"";
    let frame = header(MESSAGE_BYTES);
    for stream in &mut streams {
        stream.write_all(&frame).unwrap();
        stream.write_all(begin).unwrap();
    }
    let piece = vec![b'x'; 1_000_000];
    let mut left = MESSAGE_BYTES - begin.len();
    while left > 0 {
        let count = left.min(piece.len());
        streams.iter_mut().for_each(|stream| stream.write_all(&piece[..count]).unwrap());
        left -= count;
    }
    // Small ones on the same connections, after it.
    for stream in &mut streams {
        let small = b"42[\"small\"]";
        stream.write_all(&[&[0x81, 0x80 | small.len() as u8, 0, 0, 0, 0], &small[..]].concat()).unwrap();
    }
    let sent = (CONNECTIONS * (frame.len() + MESSAGE_BYTES + 6 + 11)) as u64;
    wait_for("every byte arrives", || (COUNTED.load(Ordering::Relaxed) == sent).then_some(()));
    drop(streams);
    let peak = peak_bytes(&collector);
    rustix::process::kill_process(rustix::process::Pid::from_child(&collector), rustix::process::Signal::INT).unwrap();
    let ended = collector.wait().unwrap();
    assert_eq!(ended.code(), Some(3), "a run with gaps");
    assert!(peak < 512_000_000, "{peak} bytes");

    let dirs = reader::list(runs.path()).unwrap();
    let recording = Recording::open(&dirs[0]).unwrap();
    let gaps = recording.rows::<Gap>().unwrap();
    // Which of the two it is, depends on how far the decoder is behind.
    let of_memory = |reason: &str| reason.starts_with("budget: ") || reason.starts_with("the tap's queue was full");
    assert!(gaps.iter().any(|gap| of_memory(&gap.row.reason)), "{gaps:?}");
    let packets = recording.rows::<Packet>().unwrap();
    let whole = |name: &str| {
        packets
            .iter()
            .filter(|packet| packet.row.event.as_deref() == Some(name) && packet.row.problem.is_none())
            .count()
    };
    eprintln!("peak {} MB; {} large and {} small messages kept", peak / 1_000_000, whole("large"), whole("small"));
    assert!(whole("large") <= CONNECTIONS && packets.len() <= 2 * CONNECTIONS);
}
