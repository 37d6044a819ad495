//! Whatever becomes of the recording, traffic goes on as before, and the collector says at once what it lost.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use recording::reader::Recording;
use recording::record::{Blob, Gap, Packet, SourceRow};
use recording::run::State;

use crate::Scene;
use crate::traffic::{Client, Server, Sidecar};

const FAILED: &str = "recording has ended, traffic goes on";

/// A small disk of its own. It is gone with the test.
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// `None`, aloud, where this user may mount nothing.
    fn mount(scene: &Scene) -> Option<Disk> {
        let at = scene.path("runs");
        std::fs::create_dir(&at).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=640m,mode=700", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(&at).output().unwrap();
        if mounted.status.success() {
            return Some(Disk { at });
        }
        let why = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
        let needed = std::env::var("TAPEDECK_NEEDS_ROOT").is_ok_and(|needs| needs == "1");
        assert!(!needed, "a disk that can be full needs root: {why}");
        writeln!(std::io::stderr(), "skipped, it needs root: {why}").unwrap();
        None
    }

    fn free_bytes(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.at).unwrap();
        found.f_bavail * found.f_bsize
    }

    /// Takes all room but so much.
    fn fill(&self, free_bytes: u64) {
        let filler = std::fs::File::create(self.at.join("filler")).unwrap();
        let length = self.free_bytes().saturating_sub(free_bytes);
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, length).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.at.join("filler")).unwrap();
    }

    /// No collector begins on a disk that is as small as the tests need it.
    fn resize(&self, megabytes: u32) {
        let options = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.at).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// What was recorded of the messages is a beginning of them, whole.
fn must_begin_with(recording: &Recording, client: &Client) -> usize {
    let packets = recording.rows::<Packet>().unwrap();
    let blobs = recording.rows::<Blob>().unwrap();
    assert!(packets.iter().enumerate().all(|(at, packet)| packet.seq == at as i64), "seq is dense");
    let talks: Vec<&str> = packets.iter().filter_map(|packet| packet.row.args.as_deref()).collect();
    for (args, (number, sha256)) in talks.iter().zip(&client.said) {
        assert!(args.contains(sha256) && args.starts_with(&format!("[{number},")), "{args}");
        assert!(blobs.iter().any(|blob| blob.row.sha256 == *sha256), "no blob for message {number}");
    }
    assert!(talks.len() <= client.said.len(), "more than was said");
    talks.len()
}

/// Everything that was said comes into the journal.
fn must_be_recorded(dir: &Path, client: &Client) {
    crate::wait_for("all messages are in the journal", || {
        (must_begin_with(&Recording::open(dir).ok()?, client) == client.said.len()).then_some(())
    });
}

fn recover(scene: &Scene, dir: &Path) -> Recording {
    let recovered = scene.command(&["recover", dir.to_str().unwrap()]).output().unwrap();
    assert_eq!(recovered.status.code(), Some(0), "{}", String::from_utf8_lossy(&recovered.stderr));
    let recording = Recording::open(dir).unwrap();
    assert!(!recording.is_journal());
    recording
}

/// Traffic is as it was, while nothing can be recorded.
fn must_go_on(sidecar: &mut Sidecar, client: &mut Client, before: Duration) {
    let limit = 2 * before + Duration::from_millis(1);
    let during = client.round_trip_p99(limit);
    assert!(during <= limit, "{during:?}, it was {before:?}");
    client.say(300_000);
    sidecar.must_run();
}

#[test]
fn a_disk_that_becomes_full_ends_the_recording_and_nothing_else() {
    let scene = Scene::new("");
    let Some(disk) = Disk::mount(&scene) else { return };
    let server = Server::start();
    let mut sidecar = Sidecar::start(&scene, server.port);
    let mut client = Client::connect(sidecar.port);
    disk.resize(8);
    let before = client.round_trip_p99(Duration::MAX);
    let told = sidecar.wait_for_line(FAILED, || client.say(300_000));
    assert!(told.contains("No space left") && told.contains("make room"), "{told}");
    must_go_on(&mut sidecar, &mut client, before);
    let (code, stderr) = sidecar.end();
    assert_eq!(code, Some(3), "{stderr}");
    assert_eq!(stderr.matches(FAILED).count(), 1, "said once: {stderr}");
    assert!(stderr.contains("records are lost") && stderr.contains("`collector recover"), "{stderr}");
    let dir = scene.run_dir().unwrap();
    let unsealed = Recording::open(&dir).unwrap();
    assert_eq!((unsealed.state(), unsealed.is_journal()), (State::Incomplete, true));
    assert!(std::fs::read_dir(&dir).unwrap().all(|file| !file.unwrap().path().ends_with(".tmp")), "half a table");
    let recorded = must_begin_with(&unsealed, &client);
    assert!(recorded > 5, "{recorded}");
    disk.resize(64);
    let recovered = recover(&scene, &dir);
    assert_eq!((recovered.state(), must_begin_with(&recovered, &client)), (State::Incomplete, recorded));
}

#[test]
fn where_room_comes_back_what_is_missing_is_a_gap() {
    let scene = Scene::new("");
    let Some(disk) = Disk::mount(&scene) else { return };
    let server = Server::start();
    let mut sidecar = Sidecar::start(&scene, server.port);
    let mut client = Client::connect(sidecar.port);
    disk.resize(48);
    (0..5).for_each(|_| client.say(300_000));
    must_be_recorded(&scene.run_dir().unwrap(), &client);
    disk.fill(2 << 20);
    sidecar.wait_for_line(FAILED, || client.say(300_000));
    disk.make_room();
    (0..5).for_each(|_| client.say(300_000));
    let (code, stderr) = sidecar.end();
    assert_eq!(code, Some(3), "{stderr}");
    let recording = scene.recording();
    assert_eq!((recording.state(), recording.is_journal()), (State::Incomplete, false), "{stderr}");
    let recorded = must_begin_with(&recording, &client);
    assert!((5..client.said.len()).contains(&recorded), "{recorded} of {}", client.said.len());
    let gaps = recording.rows::<Gap>().unwrap();
    let tap = gaps.iter().find(|gap| gap.row.source == "tap:tap").unwrap();
    let unseen = (client.said.len() - recorded) as i64;
    assert!(tap.row.lost >= unseen && tap.row.to_ns > tap.row.from_ns, "{unseen} {gaps:?}");
    assert!(tap.row.reason.contains("No space left"), "{}", tap.row.reason);
    let lost: i64 = stderr.split(" records are lost").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(gaps.iter().map(|gap| gap.row.lost).sum::<i64>() >= lost, "{lost} {gaps:?}");
    let sources = recording.rows::<SourceRow>().unwrap();
    assert!(sources.iter().any(|source| source.row.source == "tap:tap" && source.row.state == "ended"));
}

#[test]
fn a_disk_that_is_full_when_the_run_ends_leaves_the_journal() {
    let scene = Scene::new("");
    let Some(disk) = Disk::mount(&scene) else { return };
    let server = Server::start();
    let sidecar = Sidecar::start(&scene, server.port);
    let mut client = Client::connect(sidecar.port);
    disk.resize(24);
    (0..20).for_each(|_| client.say(300_000));
    let dir = scene.run_dir().unwrap();
    must_be_recorded(&dir, &client);
    disk.fill(1 << 20);
    let (code, stderr) = sidecar.end();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("not sealed") && stderr.contains("`collector recover"), "{stderr}");
    assert!(!stderr.contains(FAILED), "{stderr}");
    disk.make_room();
    let recovered = recover(&scene, &dir);
    // Everything was recorded, up to the note of how the run ended: only the Parquet was missing.
    assert_eq!((recovered.state(), must_begin_with(&recovered, &client)), (State::Complete, 20));
}

#[test]
fn a_full_disk_that_also_holds_the_messages_changes_nothing() {
    let scene = Scene::new("");
    let Some(disk) = Disk::mount(&scene) else { return };
    let server = Server::start();
    let errors = std::fs::File::create(scene.path("runs/errors")).unwrap();
    let mut sidecar = Sidecar::start_with(&scene, server.port, errors.into());
    let mut client = Client::connect(sidecar.port);
    disk.resize(4);
    let before = client.round_trip_p99(Duration::MAX);
    disk.fill(64 << 10);
    crate::wait_for("the disk is full", || {
        client.say(300_000);
        (disk.free_bytes() == 0).then_some(())
    });
    must_go_on(&mut sidecar, &mut client, before);
    assert_eq!(sidecar.end().0, Some(3));
}

#[test]
fn a_folder_that_is_removed_is_missed_at_once() {
    let scene = Scene::new("");
    let server = Server::start();
    let mut sidecar = Sidecar::start(&scene, server.port);
    let mut client = Client::connect(sidecar.port);
    let before = client.round_trip_p99(Duration::MAX);
    std::fs::remove_dir_all(scene.run_dir().unwrap()).unwrap();
    let told = sidecar.wait_for_line(FAILED, || client.say(1000));
    assert!(told.contains("find the journal") && told.contains("leave a recording's folder"), "{told}");
    must_go_on(&mut sidecar, &mut client, before);
    let (code, stderr) = sidecar.end();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("records are lost") && stderr.contains("is gone"), "{stderr}");
}

#[test]
fn a_folder_that_is_moved_is_missed_and_can_be_recovered() {
    let scene = Scene::new("");
    let server = Server::start();
    let mut sidecar = Sidecar::start(&scene, server.port);
    let mut client = Client::connect(sidecar.port);
    let before = client.round_trip_p99(Duration::MAX);
    (0..5).for_each(|_| client.say(300_000));
    let dir = scene.run_dir().unwrap();
    must_be_recorded(&dir, &client);
    let moved = scene.path("moved");
    std::fs::rename(&dir, &moved).unwrap();
    sidecar.wait_for_line(FAILED, || client.say(1000));
    must_go_on(&mut sidecar, &mut client, before);
    let (code, stderr) = sidecar.end();
    assert_eq!(code, Some(3), "{stderr}");
    let recovered = recover(&scene, &moved);
    assert_eq!(recovered.state(), State::Incomplete);
    assert!(must_begin_with(&recovered, &client) >= 5);
}

/// Memory that a process holds, in bytes.
fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// A server that keeps what one connection brings, and tells how much.
fn listener() -> (u16, std::sync::mpsc::Receiver<(usize, bool)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, tell) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let told = told.clone();
            std::thread::spawn(move || {
                let (mut buffer, mut at, mut as_sent) = (vec![0; 1 << 16], 0, true);
                while let Ok(read @ 1..) = connection.read(&mut buffer) {
                    as_sent &= (at..at + read).zip(&buffer).all(|(at, byte)| *byte == head_byte(at));
                    at += read;
                }
                told.send((at, as_sent)).unwrap_or_default();
            });
        }
    });
    (port, tell)
}

/// What a head without an end is made of.
fn head_byte(at: usize) -> u8 {
    const BEGIN: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n";
    BEGIN.get(at).copied().unwrap_or(if at % 61 == 60 { b'\n' } else { b'a' + (at % 7) as u8 })
}

#[test]
fn slow_and_endless_heads_pass_and_take_no_memory() {
    let scene = Scene::new("");
    let (upstream, told) = listener();
    let sidecar = Sidecar::start(&scene, upstream);
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let client = TcpStream::connect(("127.0.0.1", sidecar.port)).unwrap();
            client.set_nodelay(true).unwrap();
            client
        })
        .collect();
    for at in 0..200 {
        slow.iter_mut().for_each(|client| client.write_all(&[head_byte(at)]).unwrap());
    }
    let head: Vec<u8> = (0..10 << 20).map(head_byte).collect();
    for _ in 0..4 {
        std::thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| TcpStream::connect(("127.0.0.1", sidecar.port)).unwrap().write_all(&head).unwrap());
            }
        });
    }
    drop(slow);
    // One more connection was the look whether the tap listens.
    let came: Vec<(usize, bool)> =
        (0..241).map(|_| told.recv_timeout(Duration::from_secs(20)).expect("a connection ended")).collect();
    let of = |bytes: usize| came.iter().filter(|found| **found == (bytes, true)).count();
    assert_eq!((of(0), of(200), of(10 << 20)), (1, 200, 40), "as they were sent");
    let held = resident_bytes(sidecar.pid());
    assert!(held < 100 << 20, "{} MB", held >> 20);
    sidecar.end();
}
