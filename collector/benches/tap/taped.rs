//! What a tap's recording holds, read back: nothing is taken on trust.

use std::path::Path;

use collector::AnyError;
use recording::reader::{Recording, list};
use recording::record::{Gap, Packet};

/// What was recorded of a round.
#[derive(Clone, Debug, Default)]
pub struct Taped {
    /// `echo` events, both ways.
    pub events: u64,
    /// Rows of `gaps`.
    pub gaps: u64,
    /// What they say is lost.
    pub lost: i64,
    /// Bytes of the sealed folder.
    pub folder_bytes: u64,
    /// The first gap's reason.
    pub reason: Option<String>,
}

/// Reads the one recording in that folder.
pub fn read(runs: &Path) -> Result<Taped, AnyError> {
    let dirs = list(runs)?;
    let [dir] = dirs.as_slice() else {
        return Err(format!("{} recordings in {}, one was expected", dirs.len(), runs.display()).into());
    };
    let recording = Recording::open(dir)?;
    if recording.is_journal() {
        return Err("the tap left a journal: it did not end in order".into());
    }
    let packets = recording.rows::<Packet>()?;
    let events = packets.iter().filter(|packet| packet.row.event.as_deref() == Some("echo")).count() as u64;
    let gaps = recording.rows::<Gap>()?;
    Ok(Taped {
        events,
        gaps: gaps.len() as u64,
        lost: gaps.iter().map(|gap| gap.row.lost).sum(),
        folder_bytes: bytes_in(dir)?,
        reason: gaps.first().map(|gap| gap.row.reason.clone()),
    })
}

fn bytes_in(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_in(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
