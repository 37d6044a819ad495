//! From a captured packet to the TCP segment in it.

use std::net::SocketAddr;

use etherparse::{EtherType, IpNumber, LaxIpSlice, LaxNetSlice, LaxSlicedPacket, LenSource, TcpSlice, TransportSlice};

use super::capture::Frame;

/// What packets are wrapped in, by its number in the registry of link types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link(pub(super) i32);

impl Link {
    const NULL: Link = Link(0);
    const ETHERNET: Link = Link(1);
    const LOOP: Link = Link(108);
    const LINUX_SLL: Link = Link(113);
    const LINUX_SLL2: Link = Link(276);
    /// Raw IP has had several numbers.
    const RAW: [Link; 5] = [Link(12), Link(14), Link(101), Link(228), Link(229)];
}

/// One TCP segment.
#[derive(Clone, Debug)]
pub(super) struct Segment<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) seq: u32,
    pub(super) ack: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// What was captured of its bytes.
    pub(super) payload: &'a [u8],
    /// How many bytes it had.
    pub(super) length: usize,
}

/// What a packet is.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Tcp(Segment<'a>),
    /// A part of a TCP segment that IP has cut into pieces.
    Piece,
    /// TCP, but too little of it was captured to tell the ports.
    TooShort,
    /// The link type is not known here.
    UnknownLink,
    /// Something else.
    Other,
}

/// Looks into a packet.
pub(super) fn look<'a>(frame: &Frame<'a>) -> Content<'a> {
    let Some(packet) = unwrap(frame) else {
        return Content::UnknownLink;
    };
    let Some(ip) = packet.as_ref().and_then(ip) else {
        return Content::Other;
    };
    if ip.payload().ip_number != IpNumber::TCP {
        return Content::Other;
    }
    if ip.payload().fragmented {
        return Content::Piece;
    }
    match packet.as_ref().and_then(|packet| packet.transport.as_ref()) {
        Some(TransportSlice::Tcp(tcp)) => Content::Tcp(segment(&ip, tcp, frame.length - frame.bytes.len())),
        _ => Content::TooShort,
    }
}

/// `None` where the link type is unknown, `Some(None)` where its header makes no sense.
fn unwrap<'a>(frame: &Frame<'a>) -> Option<Option<LaxSlicedPacket<'a>>> {
    let bytes = frame.bytes;
    let protocol = |at: usize| Some(EtherType(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
    let behind = |header: usize, protocol: Option<EtherType>| {
        Some(LaxSlicedPacket::from_ether_type(protocol?, bytes.get(header..)?))
    };
    Some(match frame.link {
        Link::ETHERNET => LaxSlicedPacket::from_ethernet(bytes).ok(),
        Link::LINUX_SLL => behind(16, protocol(14)),
        Link::LINUX_SLL2 => behind(20, protocol(0)),
        Link::NULL | Link::LOOP => bytes.get(4..).and_then(|bytes| LaxSlicedPacket::from_ip(bytes).ok()),
        link if Link::RAW.contains(&link) => LaxSlicedPacket::from_ip(bytes).ok(),
        _ => return None,
    })
}

fn ip<'a>(packet: &LaxSlicedPacket<'a>) -> Option<LaxIpSlice<'a>> {
    match packet.net.clone()? {
        LaxNetSlice::Ipv4(ip) => Some(LaxIpSlice::Ipv4(ip)),
        LaxNetSlice::Ipv6(ip) => Some(LaxIpSlice::Ipv6(ip)),
        LaxNetSlice::Arp(_) => None,
    }
}

fn segment<'a>(ip: &LaxIpSlice<'_>, tcp: &TcpSlice<'a>, cut_bytes: usize) -> Segment<'a> {
    Segment {
        source: SocketAddr::new(ip.source_addr(), tcp.source_port()),
        destination: SocketAddr::new(ip.destination_addr(), tcp.destination_port()),
        seq: tcp.sequence_number(),
        ack: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        payload: tcp.payload(),
        length: tcp.payload().len() + missing(ip, cut_bytes),
    }
}

/// How many bytes of an IP packet are not there. What it says of its own length counts, unless it says nothing, as
/// packets do that the network card was to cut up.
fn missing(ip: &LaxIpSlice<'_>, cut_bytes: usize) -> usize {
    let payload = ip.payload();
    let (header, expected) = match ip {
        LaxIpSlice::Ipv4(ip) => (ip.header().slice().as_ptr(), usize::from(ip.header().total_len())),
        LaxIpSlice::Ipv6(ip) => {
            let header = ip.header();
            (header.slice().as_ptr(), header.slice().len() + usize::from(header.payload_length()))
        }
    };
    if payload.incomplete {
        let there = payload.payload.as_ptr() as usize + payload.payload.len() - header as usize;
        expected.saturating_sub(there)
    } else if payload.len_source == LenSource::Slice {
        cut_bytes
    } else {
        0
    }
}

#[cfg(test)]
pub(super) mod tests;
