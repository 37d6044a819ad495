//! Real sockets on both sides of a tap: what arrives, whatever the decoder does.

use std::time::Duration;

use proptest::prelude::*;
use recording::Row;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;

/// Long enough for a loaded machine; nothing waits for it to pass.
const DEADLINE: Duration = Duration::from_secs(30);

/// What becomes of the copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decoding {
    /// They are decoded.
    On,
    /// Nobody takes them.
    Stalled,
    /// The thread that should take them died.
    Dead,
}

struct Scene {
    server: TcpListener,
    address: SocketAddr,
    intake: Intake,
    queue: Arc<Queue>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Scene {
    async fn new(decoding: Decoding) -> Scene {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        Scene::before(server, &format!("http://127.0.0.1:{port}"), decoding, Limits::default()).await
    }

    async fn before(server: TcpListener, upstream: &str, decoding: Decoding, limits: Limits) -> Scene {
        let upstream = scenario::Upstream::parse(upstream, None).unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let written = scenario::Tap { name: "t".to_owned(), listen: scenario::Listen::Address(listen), upstream };
        let intake = Intake::new(Clock::start());
        let redactor = Arc::new(Redactor::with_key(vec![3; 32], []));
        let mut tap = Tap::bind(&written, listen, &intake, redactor, &limits).await.unwrap();
        if decoding != Decoding::On {
            tap.queue = Arc::new(Queue::default());
            let queue = Arc::clone(&tap.queue);
            tap.decoder = std::thread::spawn(move || {
                assert_ne!(decoding, Decoding::Dead, "this decoder dies, as it should");
                while !queue.is_closed() {
                    std::thread::yield_now();
                }
            });
        }
        let (address, queue, stop) = (tap.address().unwrap(), Arc::clone(&tap.queue), CancellationToken::new());
        let running = tokio::spawn(tap.run(stop.clone()));
        Scene { server, address, intake, queue, stop, running }
    }

    /// Both ends of a new connection through the tap.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.address).await.unwrap();
        let (server, _) = self.server.accept().await.unwrap();
        (client, server)
    }

    async fn end(self) -> Vec<Row> {
        self.stop.cancel();
        self.running.await.unwrap();
        let mut entries = std::collections::VecDeque::new();
        self.intake.drain(&mut entries);
        entries.into_iter().map(|entry| entry.row).collect()
    }
}

fn gaps(rows: &[Row]) -> Vec<&str> {
    rows.iter().filter_map(|row| if let Row::Gap(gap) = row { Some(gap.reason.as_str()) } else { None }).collect()
}

fn kinds(rows: &[Row]) -> Vec<&str> {
    rows.iter()
        .filter_map(|row| if let Row::ConnectionRow(row) = row { Some(row.kind.as_str()) } else { None })
        .collect()
}

/// What one end does: writes chunks, says that it is done, and reads so many bytes at a time.
#[derive(Clone, Debug)]
struct End {
    writes: Vec<Vec<u8>>,
    read_bytes: usize,
}

fn end(start: &'static [u8]) -> impl Strategy<Value = End> {
    let chunk = (1_usize..200_000, any::<u8>()).prop_map(|(length, seed)| {
        (0..length).map(|at| seed.wrapping_add((at as u8).wrapping_mul(31))).collect::<Vec<u8>>()
    });
    (proptest::collection::vec(chunk, 0..6), prop_oneof![1_usize..50, 1000_usize..100_000], any::<bool>()).prop_map(
        move |(mut writes, read_bytes, is_http)| {
            if is_http {
                writes.insert(0, start.to_vec());
            }
            // A reader of few bytes at a time is slow enough with less.
            let most = if read_bytes < 50 { 30_000 } else { usize::MAX };
            writes.iter_mut().for_each(|chunk| chunk.truncate(most));
            End { writes, read_bytes }
        },
    )
}

const REQUEST: &[u8] =
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Writes all, half-closes, and reads until the other side has done the same.
async fn play(stream: TcpStream, end: End) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let End { writes, read_bytes } = end;
    let writing = tokio::spawn(async move {
        for chunk in writes {
            write.write_all(&chunk).await.unwrap();
            tokio::task::yield_now().await;
        }
        write.shutdown().await.unwrap();
        // Kept until the end of the test: dropped, it would be closed.
        write
    });
    let (mut got, mut buffer) = (Vec::new(), vec![0; read_bytes]);
    loop {
        match read.read(&mut buffer).await.unwrap() {
            0 => break,
            count => got.extend_from_slice(&buffer[..count]),
        }
    }
    writing.await.unwrap();
    got
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_as_sent(
        client in end(REQUEST),
        server in end(RESPONSE),
        decoding in prop_oneof![Just(Decoding::On), Just(Decoding::Stalled), Just(Decoding::Dead)],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let scene = Scene::new(decoding).await;
            let (client_stream, server_stream) = scene.connect().await;
            let both = async { tokio::join!(play(client_stream, client.clone()), play(server_stream, server.clone())) };
            let (at_client, at_server) = tokio::time::timeout(DEADLINE, both).await.expect("both ends come to an end");
            assert!(at_server == client.writes.concat(), "the server got {} bytes", at_server.len());
            assert!(at_client == server.writes.concat(), "the client got {} bytes", at_client.len());
            let rows = scene.end().await;
            match decoding {
                Decoding::On => assert_eq!((kinds(&rows)[0], *kinds(&rows).last().unwrap()), ("open", "close")),
                Decoding::Dead => assert_eq!(gaps(&rows), ["the decoder's thread died"]),
                Decoding::Stalled => {}
            }
        });
    }
}

#[tokio::test]
async fn a_reset_arrives_as_one_from_either_side() {
    let scene = Scene::new(Decoding::On).await;
    for from_client in [true, false] {
        let (client, server) = scene.connect().await;
        let (mut resets, mut other) = if from_client { (client, server) } else { (server, client) };
        resets.write_all(b"half a wor").await.unwrap();
        let mut got = [0; 10];
        other.read_exact(&mut got).await.unwrap();
        resets.set_zero_linger().unwrap();
        drop(resets);
        let seen = tokio::time::timeout(DEADLINE, other.read(&mut got)).await.expect("it is told");
        assert_eq!(seen.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    let rows = scene.end().await;
    assert_eq!(kinds(&rows).into_iter().filter(|kind| *kind == "reset").count(), 2, "{rows:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset_and_a_row() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    drop(server);
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::before(other, &format!("http://127.0.0.1:{port}"), Decoding::On, Limits::default()).await;
    let mut client = TcpStream::connect(scene.address).await.unwrap();
    let seen = tokio::time::timeout(DEADLINE, client.read(&mut [0])).await.expect("it is told");
    assert_eq!(seen.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(kinds(&scene.end().await), ["refused"]);
}

#[tokio::test]
async fn a_client_that_never_reads_stalls_only_itself() {
    let scene = Scene::new(Decoding::On).await;
    let (_never_reads, mut server) = scene.connect().await;
    // Until neither the tap nor a socket takes any more.
    let flood = tokio::spawn(async move { while server.write_all(&[b'x'; 65_536]).await.is_ok() {} });
    let (mut client, mut server) = scene.connect().await;
    for number in 0..1000_u32 {
        let exchange = async {
            client.write_u32(number).await.unwrap();
            let got = server.read_u32().await.unwrap();
            server.write_u32(got).await.unwrap();
            client.read_u32().await.unwrap()
        };
        assert_eq!(tokio::time::timeout(DEADLINE, exchange).await.expect("the others go on"), number);
    }
    assert!(!flood.is_finished());
    flood.abort();
    scene.end().await;
}

#[tokio::test]
async fn what_a_stalled_decoder_has_no_room_for_is_a_gap() {
    let scene = Scene::new(Decoding::Stalled).await;
    let (mut client, mut server) = scene.connect().await;
    let sink = tokio::spawn(async move { tokio::io::copy(&mut server, &mut tokio::io::sink()).await.unwrap() });
    let chunk = vec![1; 1 << 20];
    for _ in 0..200 {
        client.write_all(&chunk).await.unwrap();
    }
    client.shutdown().await.unwrap();
    assert_eq!(tokio::time::timeout(DEADLINE, sink).await.expect("all of it arrives").unwrap(), 200 << 20);
    let queue = Arc::clone(&scene.queue);
    scene.end().await;
    let mut items = std::collections::VecDeque::new();
    queue.drain(&mut items);
    let (mut held, mut lost) = (0, 0);
    for (_, observed) in items {
        match observed {
            Observed::Bytes { bytes, .. } => held += bytes.len(),
            Observed::Lost(stretch) => lost += stretch.bytes as usize,
            _ => {}
        }
    }
    assert_eq!(held + lost, 200 << 20);
    assert!(held <= 128 << 20 && held > 124 << 20, "{held}");
}

#[tokio::test]
async fn a_message_without_room_passes_and_is_a_gap_that_says_so() {
    let limits = Limits { message_bytes: 10_000, ..Limits::default() };
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", server.local_addr().unwrap());
    let scene = Scene::before(server, &upstream, Decoding::On, limits).await;
    let (mut client, mut server) = scene.connect().await;
    let message = |length: u16| {
        let header = [&[0x81, 0x80 | 126], &length.to_be_bytes()[..], &[0; 4]].concat();
        [&header, "42[\"x\",\"".as_bytes(), &vec![b'y'; usize::from(length) - 10], b"\"]"].concat()
    };
    let sent = [REQUEST, &message(20_000), &message(5_000)].concat();
    client.write_all(&sent).await.unwrap();
    server.write_all(RESPONSE).await.unwrap();
    let mut got = vec![0; sent.len()];
    tokio::time::timeout(DEADLINE, server.read_exact(&mut got)).await.expect("all of it arrives").unwrap();
    assert!(got == sent);
    drop((client, server));
    let rows = scene.end().await;
    assert_eq!(gaps(&rows), ["budget: the message has more than 10000 bytes"]);
    let packets = rows.iter().filter_map(|row| if let Row::Packet(packet) = row { Some(packet) } else { None });
    let problems: Vec<Option<&str>> = packets.map(|packet| packet.problem.as_deref()).collect();
    assert_eq!(problems, [Some("budget: the message has more than 10000 bytes"), None]);
}
