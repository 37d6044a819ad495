//! `--to perfetto`: what happened in a run, as a trace for Perfetto (ui.perfetto.dev, or its trace processor).

mod lanes;
mod proto;
mod trace;

use std::io::{self, IsTerminal};

use prost::Message;
use recording::reader::Recording;

use super::output::Output;
use crate::cli::{Cli, Export};
use crate::error::Error;
use crate::exit::Exit;
use crate::runs;
use lanes::Lanes;
use proto::TracePacket;

/// So many packets are written at once.
const CHUNK: usize = 4096;

/// Writes the trace of one run.
///
/// # Errors
/// Anything that keeps it from being read or written.
pub fn export(cli: &Cli, asked: &Export) -> Result<Exit, Error> {
    let [run] = asked.runs.as_slice() else {
        return Err(Error::Usage("a Perfetto trace is of one recording: name one".into()));
    };
    if asked.file().is_none() && io::stdout().is_terminal() {
        return Err(Error::Usage("a Perfetto trace is nothing for a terminal: name a file by -o".into()));
    }
    let recording = runs::open(&cli.runs_dir, run)?;
    let packets = traced(&recording)?.trace.packets(recording.run().started_unix_ns);
    let mut output = Output::open(asked.file())?;
    for some in packets.chunks(CHUNK) {
        if !output.write(&encoded(some))? {
            return Ok(Exit::Held);
        }
    }
    output.finish()?;
    Ok(Exit::Held)
}

/// Parts of a trace behind one another are a trace.
fn encoded(packets: &[TracePacket]) -> Vec<u8> {
    proto::Trace { packet: packets.to_vec() }.encode_to_vec()
}

fn traced(recording: &Recording) -> Result<Lanes, Error> {
    let mut lanes = Lanes::new(&recording.run().run_id, recording.end_ns());
    lanes.timeline(&recording.rows()?);
    lanes.spans(&recording.rows()?);
    lanes.packets(recording.rows()?);
    lanes.connections(recording.rows()?);
    lanes.media(recording.rows()?);
    lanes.looks(recording.rows()?, recording.rows()?, recording.rows()?);
    lanes.logs(recording.rows()?);
    lanes.watched(recording.rows()?, recording.rows()?);
    lanes.stats(recording.rows()?);
    Ok(lanes)
}
