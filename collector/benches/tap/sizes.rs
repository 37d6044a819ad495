//! How large a recording is against what crossed the wire. No load: one connection, one message after another.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use collector::AnyError;

use crate::lane::{connect, receive, send};
use crate::message::mix;
use crate::peers::{Candidate, Peer};
use crate::taped;

const MESSAGES: u64 = 20_000;

/// One recording's size.
pub struct Size {
    /// What was sent.
    pub what: &'static str,
    /// Bytes of frames on the wire, both ways.
    pub wire: u64,
    /// Bytes of the sealed folder.
    pub folder: u64,
    /// The most that the folder may have, as a share of the wire.
    pub target: f64,
}

/// Makes the three recordings.
pub fn measure(scratch: &Path) -> Result<Vec<Size>, AnyError> {
    let audio = audio(scratch)?;
    let distinct = || audio.iter().enumerate().map(|(number, payload)| sink(number as u64, payload));
    let repeated = || {
        (0..10).flat_map(|_| &audio[..audio.len().min(20)]).enumerate().map(|(at, payload)| sink(at as u64, payload))
    };
    let (large, wire) = recorded(distinct(), scratch)?;
    let mut sizes = vec![Size { what: "distinct AAC as base64", wire, folder: large, target: 0.78 }];
    let (folder, wire) = recorded(repeated(), scratch)?;
    sizes.push(Size { what: "payloads sent 10 times each", wire, folder, target: 0.40 });
    let (folder, wire) = recorded((0..MESSAGES).map(control), scratch)?;
    sizes.push(Size { what: "JSON control traffic, 20,000 events and their answers", wire, folder, target: 0.20 });
    Ok(sizes)
}

fn recorded(messages: impl Iterator<Item = String>, scratch: &Path) -> Result<(u64, u64), AnyError> {
    let echo = Peer::echo(scratch)?;
    let mut tap = Peer::of(Candidate::Tap, echo.port, scratch)?;
    let mut socket = connect(tap.port)?;
    let mut wire = 0;
    for message in messages {
        wire += send(&mut socket, message.as_bytes())? as u64;
        wire += receive(&mut socket)? as u64;
    }
    drop(socket);
    let ended = tap.end()?;
    let taped = taped::read(&tap.runs())?;
    if taped.gaps > 0 || ended.code != Some(0) {
        return Err(format!("a recording without load has {} gaps: {}", taped.gaps, ended.stderr).into());
    }
    Ok((taped.folder_bytes, wire))
}

/// Pieces of 2 s of real AAC at 128 kbit/s.
fn audio(scratch: &Path) -> Result<Vec<String>, AnyError> {
    let file = tempfile::NamedTempFile::new_in(scratch)?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-f", "lavfi", "-i", "anoisesrc=d=300:c=pink:r=44100:seed=7"]);
    ffmpeg.args(["-c:a", "aac", "-b:a", "128k", "-f", "adts"]).arg(file.path());
    let status = ffmpeg.status().map_err(|error| format!("ffmpeg can't be started: {error}: run make setup"))?;
    if !status.success() {
        return Err("ffmpeg could not make AAC; its reason is above".into());
    }
    Ok(std::fs::read(file.path())?.chunks(32_000).map(|piece| STANDARD.encode(piece)).collect())
}

fn sink(number: u64, payload: &str) -> String {
    format!(r#"42["sink",{number},{{"sequence":{number},"codec":"aac","sample_rate":44100,"audio":"{payload}"}}]"#)
}

/// What services tell each other while they work: few names, numbers that differ each time.
fn control(number: u64) -> String {
    let random = mix(number);
    let state = ["accepted", "working", "done", "late"][(random % 4) as usize];
    format!(
        r#"42["sink",{number},{{"stream":"live-{:04}","sequence":{number},"state":"{state}","position_s":{:.3},"took_ms":{},"queue":{{"length":{},"limit":64}},"source":"worker-{}"}}]"#,
        random >> 8 & 0x0f,
        number as f64 * 0.25,
        random >> 12 & 0x3ff,
        random >> 24 & 0x3f,
        random >> 32 & 7,
    )
}
