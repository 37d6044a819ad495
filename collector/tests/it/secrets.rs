//! Secrets are planted wherever one can be, and looked for in every file of the recording, also while it is written.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use recording::reader::Recording;
use recording::record as r;

use crate::{Scene, wait_for};

/// Each secret is another one, so that what leaks says where from. Letters and digits only: nothing can split it.
fn secret(number: u32) -> String {
    format!("S{number:02}hunter2S{number:02}")
}

/// `§07` in a text is secret 7.
fn plant(text: &str) -> String {
    let mut parts = text.split('§');
    let mut planted = parts.next().unwrap().to_owned();
    for part in parts {
        match part.get(..2).and_then(|digits| digits.parse().ok()) {
            Some(number) => planted += &(secret(number) + &part[2..]),
            None => planted += &format!("§{part}"),
        }
    }
    planted
}

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=§01\r\n\
    Location: http://h/x?code=§02\r\nContent-Length: LENGTH\r\n\r\n";
const BODY: &str = r#"{"api_key":"§03","deep":[{"client_secret":{"x":"§04"}}],"text":"token=§05","stays":"here"}"#;

/// Answers every request with a page that holds secrets, one request a connection.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                let mut buffer = [0; 65536];
                // A client of these tests writes its whole request and then closes its side, or speaks only a head.
                while let Ok(read @ 1..) = connection.read(&mut buffer) {
                    seen.extend_from_slice(&buffer[..read]);
                    if seen.ends_with(b"\r\n\r\n") {
                        break;
                    }
                }
                let body = plant(BODY);
                let head = plant(PAGE).replace("LENGTH", &body.len().to_string());
                connection.write_all((head + &body).as_bytes()).unwrap_or_default();
            });
        }
    });
    port
}

fn post(port: u16, body: &str) {
    let target = "/socket.io/?EIO=4&transport=polling&sid=s1";
    send(port, &format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
}

fn send(port: u16, text: &str) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.write_all(plant(text).as_bytes()).unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    connection.read_to_end(&mut Vec::new()).unwrap_or_default();
}

/// What a careless client sends.
fn talk(port: u16) {
    send(
        port,
        "GET /socket.io/?EIO=4&transport=polling&access=§06#§07 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer §08\r\n\
         Cookie: session=§09\r\nX-Api-Key: §10\r\nProxy-Authorization: Basic §11\r\nX-Forwarded-For: 10.1.2.3\r\n\
         Referer: http://u:§12@h/?q=§13\r\nSec-WebSocket-Protocol: chat, Bearer.§14\r\n\r\n",
    );
    send(port, "GET http://u:§15@h/x?y=§16 HTTP/1.1\r\nHost: x\r\n\r\n");
    send(
        port,
        "GET /socket.io/?EIO=4&transport=websocket&access_token=§17 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Protocol: access_token, §18\r\n\r\n",
    );
    post(port, &plant(r#"40{"token":"§19","deep":{"pin":"§20"}}"#));
    let large = secret(21).repeat(1000);
    post(
        port,
        &plant(&format!(
            r#"42["login",{{"password":"§22","a":{{"secret_key":["§23",{{"x":"§24"}}]}},"Token":"{large}"}}]"#
        )),
    );
    post(port, &plant(r#"42["watch","rtmp://u:§25@h/live/§26/in?key=§27"]"#));
    post(port, &plant(r#"42["login",{"password":"§28","note":?}]"#));
    post(port, &plant(r#"42["login",{"password":"§29"#));
    send(port, "NOT HTTP\r\nAuthorization: Bearer §30\r\nX-Api-Key: §31\r\n\r\n");
}

const SCENARIO: &str = r#"
name = "careless"
kind = "process"
limit = "60s"
[params]
token = "§40"
[[process]]
name = "app"
command = ["sh", "-c", "echo password=§41; echo 'Authorization: Bearer §42'; echo '{\"secret\":\"§43\"}'; echo publishing rtmp://h/live/§44/in >&2; echo '{\"line\":\"{\\\\\"api_key\\\\\":\\\\\"§45\\\\\"}\"}'; exec sleep 1000", "--api-key", "§46", "--password=§47"]
env = { STREAM_KEY = "§48", PORT = "§49" }
[[tap]]
name = "t"
listen = "127.0.0.1:TAP"
upstream = "http://127.0.0.1:SERVER"
[[poll]]
name = "state"
url = "http://u:§50@127.0.0.1:SERVER/state?key=§51"
every = "100ms"
[[scrape]]
name = "numbers"
url = "http://u:§52@127.0.0.1:SERVER/metrics?key=§53"
every = "100ms"
"#;

/// Everything that a recording's tables hold, as text.
fn tables(recording: &Recording) -> String {
    macro_rules! all {
        ($($record:ident)*) => { [$(format!("{:?}", recording.rows::<r::$record>().unwrap()),)*].concat() };
    }
    let mut text = all!(Run Param SourceRow Packet ConnectionRow Scrape Sample Probe MediaPacket MediaPath Poll Event
        Stat Log Gap Span);
    for packet in recording.rows::<r::Packet>().unwrap() {
        text += &String::from_utf8_lossy(&packet.row.raw.unwrap_or_default());
    }
    for blob in recording.rows::<r::Blob>().unwrap() {
        text += &String::from_utf8_lossy(&blob.row.bytes);
    }
    text
}

fn must_hold_none(text: &str, what: &str) {
    let leaks: Vec<u32> = (1..=70).filter(|number| text.contains(&secret(*number))).collect();
    let near = |number: &u32| {
        let at = text.find(&secret(*number)).unwrap();
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(80)..(at + 20).min(text.len())]).into_owned()
    };
    assert!(leaks.is_empty(), "{what} holds {leaks:?}: {:?}", leaks.iter().map(near).collect::<Vec<_>>());
}

/// Folders 0700, files 0600; what can be read of a file as it lies there.
fn must_be_private(at: &Path) {
    let mode = std::fs::metadata(at).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, if at.is_dir() { 0o700 } else { 0o600 }, "{}", at.display());
    if at.is_dir() {
        std::fs::read_dir(at).unwrap().for_each(|entry| must_be_private(&entry.unwrap().path()));
    } else {
        must_hold_none(&String::from_utf8_lossy(&std::fs::read(at).unwrap()), &at.display().to_string());
    }
}

#[test]
fn no_secret_is_in_a_recording_and_nobody_else_can_read_it() {
    let tap = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let upstream = server();
    let scenario = plant(SCENARIO).replace("TAP", &tap.to_string()).replace("SERVER", &upstream.to_string());
    let scene = Scene::new(&scenario);
    let command = "until [ -e done ]; do sleep 0.01; done";
    let label = plant("api_token=§60");
    let wrapped = format!(
        "umask 0; exec {} record scenario.toml --runs runs --label {label} -- sh -c '{command}' -- --token {}",
        env!("CARGO_BIN_EXE_collector"),
        secret(61)
    );
    let collector = scene.shell(&wrapped).spawn().unwrap();
    wait_for("the tap listens", || TcpStream::connect(("127.0.0.1", tap)).ok());
    talk(tap);
    wait_for("all is in the journal", || {
        let recording = Recording::open(&scene.run_dir()?).ok()?;
        let (packets, logs) = (recording.rows::<r::Packet>().ok()?, recording.rows::<r::Log>().ok()?);
        let polls = recording.rows::<r::Poll>().ok()?;
        let raws = packets.iter().filter(|packet| packet.row.raw.is_some()).count();
        (raws >= 3 && packets.len() >= 5 && logs.len() >= 5 && !polls.is_empty()).then_some(())
    });
    let dir = scene.run_dir().unwrap();
    must_be_private(&dir);
    must_hold_none(&tables(&Recording::open(&dir).unwrap()), "the journal's tables");
    std::fs::write(scene.path("done"), "").unwrap();
    let output = collector.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{stderr}");
    must_hold_none(&stderr, "stderr");
    must_be_private(&dir);
    let recording = scene.recording();
    assert!(!recording.is_journal());
    let text = tables(&recording);
    must_hold_none(&text, "a table");
    // What is no secret is still there.
    for kept in ["10.1.2.3", "\"chat, redacted:", "\\\"stays\\\":\\\"here\\\"", "password=redacted:", "api_key"] {
        let found = text.contains(kept) || text.contains(&kept.replace('"', "\\\""));
        assert!(found, "{kept} is missing");
    }
}

#[test]
fn a_tap_listens_where_it_is_told_and_nowhere_else() {
    let scene = Scene::new("");
    let nothing = scene.command(&["tap", "--upstream", "http://127.0.0.1:9"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2), "no address is made up");
    let server = crate::traffic::Server::start();
    let sidecar = crate::traffic::Sidecar::start(&scene, server.port);
    let port = format!(":{:04X} ", sidecar.port);
    // Loopback, in the byte order of /proc/net/tcp; 0A is a socket that listens.
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", sidecar.pid())).unwrap()
        + &std::fs::read_to_string(format!("/proc/{}/net/tcp6", sidecar.pid())).unwrap_or_default();
    let listening: Vec<&str> = table.lines().filter(|line| line.contains(&port) && line.contains(" 0A ")).collect();
    assert!(matches!(&listening[..], [one] if one.contains(" 0100007F:")), "{listening:?}");
    assert_eq!(sidecar.end().0, Some(0));
}
