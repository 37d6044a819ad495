use etherparse::{PacketBuilder, TcpHeader};

use super::*;

/// A TCP segment of five bytes from port 3000 to 40000, as IP.
pub(in crate::import) fn ip_packet(is_v6: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut tcp = TcpHeader::new(3000, 40000, 77, 1024);
    (tcp.ack, tcp.acknowledgment_number) = (true, 99);
    match is_v6 {
        false => PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp_header(tcp).write(&mut bytes, b"hello"),
        true => PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp_header(tcp).write(&mut bytes, b"hello"),
    }
    .unwrap();
    bytes
}

fn looked(link: Link, bytes: &[u8], length: usize) -> String {
    match look(&Frame { unix_ns: 0, link, bytes, length }) {
        Content::Tcp(segment) => {
            let Segment { source, destination, seq, ack, payload, length, .. } = segment;
            let text = String::from_utf8_lossy(payload);
            format!("{} {} {seq} {} {text} {length}", source.port(), destination.port(), ack.unwrap_or_default())
        }
        other => format!("{other:?}"),
    }
}

fn whole(link: Link, bytes: &[u8]) -> String {
    looked(link, bytes, bytes.len())
}

const FOUND: &str = "3000 40000 77 99 hello 5";

#[test]
fn every_link_type_is_unwrapped() {
    for (is_v6, ether_type) in [(false, [0x08, 0x00]), (true, [0x86, 0xdd])] {
        let ip = ip_packet(is_v6);
        let with = |header: &[u8]| [header, &ip].concat();
        let ethernet = [[1; 12].as_slice(), &ether_type].concat();
        let vlan = [[1; 12].as_slice(), &[0x81, 0, 0, 5], &ether_type].concat();
        let two_vlans = [[1; 12].as_slice(), &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], &ether_type].concat();
        let cooked = [[0; 14].as_slice(), &ether_type].concat();
        let cooked2 = [ether_type.as_slice(), &[0; 18]].concat();
        assert_eq!(whole(Link::ETHERNET, &with(&ethernet)), FOUND);
        assert_eq!(whole(Link::ETHERNET, &with(&vlan)), FOUND);
        assert_eq!(whole(Link::ETHERNET, &with(&two_vlans)), FOUND);
        assert_eq!(whole(Link::LINUX_SLL, &with(&cooked)), FOUND);
        assert_eq!(whole(Link::LINUX_SLL2, &with(&cooked2)), FOUND);
        assert_eq!(whole(Link::NULL, &with(&[2, 0, 0, 0])), FOUND);
        assert_eq!(whole(Link::LOOP, &with(&[0, 0, 0, 2])), FOUND);
        for raw in Link::RAW {
            assert_eq!(whole(raw, &ip), FOUND);
        }
        assert_eq!(whole(Link(127), &ip), "UnknownLink");
    }
}

#[test]
fn padding_behind_a_packet_is_no_payload() {
    let padded = [ip_packet(false), vec![0; 20]].concat();
    assert_eq!(whole(Link(101), &padded), FOUND);
}

#[test]
fn what_was_cut_off_is_counted() {
    for is_v6 in [false, true] {
        let ip = ip_packet(is_v6);
        let kept = &ip[..ip.len() - 3];
        assert_eq!(looked(Link(101), kept, ip.len()), "3000 40000 77 99 he 5");
        assert_eq!(looked(Link(101), &ip[..ip.len() - 10], ip.len()), "TooShort");
    }
}

#[test]
fn a_packet_without_a_length_has_that_of_its_capture() {
    let mut ip = ip_packet(false);
    ip[2..4].fill(0);
    assert_eq!(whole(Link(101), &ip), FOUND);
    assert_eq!(looked(Link(101), &ip, ip.len() + 7), "3000 40000 77 99 hello 12");
}

#[test]
fn extension_headers_are_passed_over() {
    let ip = ip_packet(true);
    let (mut header, tcp) = (ip[..40].to_vec(), &ip[40..]);
    header[6] = 0;
    header[5] += 8;
    let hop_by_hop = [6, 0, 1, 4, 0, 0, 0, 0];
    assert_eq!(whole(Link(101), &[&header, hop_by_hop.as_slice(), tcp].concat()), FOUND);
}

#[test]
fn pieces_of_ip_are_told() {
    let mut ip = ip_packet(false);
    // More pieces follow.
    ip[6] |= 0x20;
    assert_eq!(whole(Link(101), &ip), "Piece");
}

#[test]
fn nonsense_is_something_else() {
    for length in 0..80 {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 37 + length) as u8).collect();
        for link in [0, 1, 101, 108, 113, 276] {
            // What it is does not matter: it must not be more than what is there.
            let found = look(&Frame { unix_ns: 0, link: Link(link), bytes: &bytes, length: bytes.len() });
            assert!(!matches!(found, Content::Tcp(segment) if segment.payload.len() > bytes.len()));
        }
    }
}
