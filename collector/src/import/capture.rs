//! A capture file, read packet by packet: pcap (micro- and nanoseconds, both byte orders) and pcapng (several sections
//! and interfaces, each with its own resolution of time).
//!
//! Only one packet is in memory at a time. How a file ends is a fact about it: a cut-off one is read as far as it goes.

use std::fs::File;
use std::path::{Path, PathBuf};

use pcap_parser::pcapng::{Block, EnhancedPacketBlock, InterfaceDescriptionBlock, SectionHeaderBlock};
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{IDB_MAGIC, LegacyPcapBlock, PcapBlockOwned, PcapError, PcapHeader};

use super::packet::Link;

const BUFFER_BYTES: usize = 1 << 20;
/// A packet that needs more is none.
const MAX_BUFFER_BYTES: usize = 64 << 20;

/// A file that is no capture.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("open the capture {}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("{} is no capture: {problem}", path.display())]
    NotACapture { path: PathBuf, problem: String },
}

/// What a file says of the machine that captured.
pub(super) type Facts<'a> = &'a [(&'static str, String)];

/// One packet as it was captured.
pub(super) struct Frame<'a> {
    /// Nanoseconds since 1970.
    pub(super) unix_ns: i64,
    pub(super) link: Link,
    /// What was kept of it.
    pub(super) bytes: &'a [u8],
    /// Its length on the wire.
    pub(super) length: usize,
}

/// How the reading went on.
pub(super) enum Step {
    /// A packet, or something between packets.
    Read,
    /// The file ended where it should.
    End,
    /// The file ends inside a packet, or makes no sense from here; why.
    Cut(String),
}

/// A capture file that is being read.
pub(super) struct Capture {
    reader: Box<dyn PcapReaderIterator + Send>,
    buffer_bytes: usize,
    size: u64,
    section: Section,
}

/// What holds for the packets that follow.
#[derive(Default)]
struct Section {
    interfaces: Vec<Interface>,
    /// Who captured on what, as far as a pcapng says.
    facts: Vec<(&'static str, String)>,
    last_ns: i64,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Link,
    resolution: Resolution,
    offset_s: i64,
}

/// Units of a second.
#[derive(Clone, Copy)]
struct Resolution(u128);

impl Resolution {
    /// As pcapng writes it: a power of ten, or of two where the highest bit is set.
    fn from_byte(byte: u8) -> Resolution {
        let exponent = u32::from(byte & 0x7f);
        Resolution(match byte & 0x80 {
            0 => 10_u128.checked_pow(exponent).unwrap_or(u128::MAX),
            _ => 1_u128.checked_shl(exponent).unwrap_or(u128::MAX),
        })
    }

    fn unix_ns(self, units: u64, offset_s: i64) -> i64 {
        let (seconds, rest) = (u128::from(units) / self.0, u128::from(units) % self.0);
        let ns = seconds * 1_000_000_000 + rest.saturating_mul(1_000_000_000) / self.0;
        i64::try_from(ns).unwrap_or(i64::MAX).saturating_add(offset_s.saturating_mul(1_000_000_000))
    }
}

impl Capture {
    /// Opens a file and looks at its head.
    ///
    /// # Errors
    /// [`Error`] where it can't be read or is something else.
    pub(super) fn open(path: &Path) -> Result<Capture, Error> {
        let at = |source| Error::Open { path: path.to_owned(), source };
        let not = |problem: &str| Error::NotACapture { path: path.to_owned(), problem: problem.to_owned() };
        if path.is_dir() {
            return Err(not("it is a folder"));
        }
        if let Some(hint) = compressed(path).map_err(at)? {
            return Err(not(hint));
        }
        let file = File::open(path).map_err(at)?;
        let size = file.metadata().map_err(at)?.len();
        let reader = pcap_parser::create_reader(BUFFER_BYTES, file).map_err(|error| match error {
            PcapError::Eof => not("it is empty"),
            _ => not("it begins like neither pcap nor pcapng (`tcpdump -w` and Wireshark write both)"),
        })?;
        Ok(Capture { reader, buffer_bytes: BUFFER_BYTES, size, section: Section::default() })
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes read so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.reader.consumed() as u64
    }

    /// Reads on, to the next packet at most.
    pub(super) fn step<E>(&mut self, take: &mut impl FnMut(Facts<'_>, Frame<'_>) -> Result<(), E>) -> Result<Step, E> {
        let (offset, block) = match self.reader.next() {
            Ok(read) => read,
            Err(error) => {
                let next = Next::from(&error);
                return Ok(self.after(next));
            }
        };
        match self.section.read(&block) {
            Ok(Some(frame)) => take(&self.section.facts, frame)?,
            Ok(None) => {}
            Err(problem) => return Ok(cut(problem)),
        }
        drop(block);
        self.reader.consume(offset);
        Ok(Step::Read)
    }

    fn after(&mut self, next: Next) -> Step {
        if matches!(next, Next::Grow) {
            self.buffer_bytes *= 2;
            if self.buffer_bytes > MAX_BUFFER_BYTES {
                return cut("a packet that can't be that large");
            }
            self.reader.grow(self.buffer_bytes);
        }
        match next {
            Next::End => Step::End,
            Next::Cut(problem) => cut(problem),
            Next::Refill | Next::Grow if self.reader.refill().is_ok() => Step::Read,
            Next::Refill | Next::Grow => cut("it can't be read any further"),
        }
    }
}

impl Section {
    /// The packet in a block, if it is one.
    fn read<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<Frame<'a>>, &'static str> {
        let frame = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.interfaces = vec![legacy_interface(header)];
                return Ok(None);
            }
            PcapBlockOwned::Legacy(packet) => legacy(packet, self.interface(0)?),
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => enhanced(packet, self.interface(packet.if_id)?),
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => Frame {
                // It has no time of its own.
                unix_ns: self.last_ns,
                link: self.interface(0)?.link,
                bytes: packet.packet_data(),
                length: packet.origlen as usize,
            },
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                self.interfaces.push(ng_interface(interface));
                return Ok(None);
            }
            PcapBlockOwned::NG(Block::SectionHeader(section)) => {
                self.interfaces.clear();
                self.facts = facts(section);
                return Ok(None);
            }
            PcapBlockOwned::NG(_) => return Ok(None),
        };
        self.last_ns = frame.unix_ns;
        Ok(Some(frame))
    }

    fn interface(&self, number: u32) -> Result<&Interface, &'static str> {
        self.interfaces.get(number as usize).ok_or("a packet of an interface that was not described")
    }
}

fn cut(problem: &str) -> Step {
    Step::Cut(problem.to_owned())
}

/// What the reader's answer means, without what it borrows.
enum Next {
    End,
    Refill,
    Grow,
    Cut(&'static str),
}

impl Next {
    fn from<I>(error: &PcapError<I>) -> Next {
        match error {
            PcapError::Eof => Next::End,
            PcapError::Incomplete(_) => Next::Refill,
            PcapError::BufferTooSmall => Next::Grow,
            PcapError::UnexpectedEof => Next::Cut("it ends inside a packet"),
            PcapError::ReadError => Next::Cut("it can't be read any further"),
            _ => Next::Cut("what follows is no packet"),
        }
    }
}

/// Captures are often kept compressed.
fn compressed(path: &Path) -> std::io::Result<Option<&'static str>> {
    let mut head = [0; 4];
    let read = std::io::Read::read(&mut File::open(path)?, &mut head)?;
    Ok(match &head[..read] {
        [0x1f, 0x8b, ..] => Some("it is compressed: `gunzip` it first"),
        [0x28, 0xb5, 0x2f, 0xfd] => Some("it is compressed: `unzstd` it first"),
        [0xfd, b'7', b'z', b'X'] => Some("it is compressed: `unxz` it first"),
        _ => None,
    })
}

fn legacy_interface(header: &PcapHeader) -> Interface {
    let resolution = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
    // The upper bits may tell of check sums behind the packets.
    Interface { link: Link(header.network.0 & 0xffff), resolution: Resolution(resolution), offset_s: 0 }
}

fn ng_interface(interface: &InterfaceDescriptionBlock<'_>) -> Interface {
    // The parser reads this option as little-endian, whatever the section is.
    let offset_s = match interface.block_type {
        IDB_MAGIC => interface.if_tsoffset,
        _ => interface.if_tsoffset.swap_bytes(),
    };
    let resolution = Resolution::from_byte(interface.if_tsresol);
    Interface { link: Link(interface.linktype.0), resolution, offset_s }
}

fn facts(section: &SectionHeaderBlock<'_>) -> Vec<(&'static str, String)> {
    let said = [
        ("capture hardware", section.shb_hardware()),
        ("capture os", section.shb_os()),
        ("capture program", section.shb_userappl()),
    ];
    said.into_iter().filter_map(|(name, text)| Some((name, text?.ok()?.to_owned()))).collect()
}

fn legacy<'a>(packet: &LegacyPcapBlock<'a>, interface: &Interface) -> Frame<'a> {
    let units = u128::from(packet.ts_sec) * interface.resolution.0 + u128::from(packet.ts_usec);
    let units = u64::try_from(units).unwrap_or(u64::MAX);
    Frame {
        unix_ns: interface.resolution.unix_ns(units, 0),
        link: interface.link,
        bytes: packet.data,
        length: packet.origlen.max(packet.caplen) as usize,
    }
}

fn enhanced<'a>(packet: &'a EnhancedPacketBlock<'_>, interface: &Interface) -> Frame<'a> {
    let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
    Frame {
        unix_ns: interface.resolution.unix_ns(units, interface.offset_s),
        link: interface.link,
        bytes: packet.packet_data(),
        length: packet.origlen.max(packet.caplen) as usize,
    }
}

#[cfg(test)]
mod tests;
