use std::io::Write;

use super::*;

/// What a file gives: each packet as `unix_ns link captured/length`, then how it ended.
fn read(bytes: &[u8]) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut capture = Capture::open(file.path()).unwrap();
    let mut found = Vec::new();
    loop {
        let step = capture.step(&mut |_: Facts<'_>, frame: Frame<'_>| {
            found.push(format!("{} {} {}/{}", frame.unix_ns, frame.link.0, frame.bytes.len(), frame.length));
            Ok::<(), ()>(())
        });
        match step.unwrap() {
            Step::Read => {}
            Step::End => return found,
            Step::Cut(problem) => {
                found.push(problem);
                return found;
            }
        }
    }
}

/// Integers in one byte order.
#[derive(Clone, Copy)]
struct Order {
    is_big: bool,
}

impl Order {
    fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() }).collect()
    }

    fn u16s(self, values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|value| if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() }).collect()
    }

    fn pcap(self, magic: u32, link: u32) -> Vec<u8> {
        [self.u32s(&[magic]), self.u16s(&[2, 4]), self.u32s(&[0, 0, 65535, link])].concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
        let length = padded.len() as u32 + 12;
        [self.u32s(&[kind, length]), padded, self.u32s(&[length])].concat()
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
        [self.u16s(&[code, value.len() as u16]), value.to_vec(), padding].concat()
    }

    fn section(self) -> Vec<u8> {
        let length = [0xff; 8];
        let os = [self.option(3, b"Plan 9"), self.option(0, b"")].concat();
        self.block(0x0a0d_0d0a, &[self.u32s(&[0x1a2b_3c4d]), self.u16s(&[1, 0]), length.to_vec(), os].concat())
    }

    fn interface(self, link: u16, options: &[u8]) -> Vec<u8> {
        self.block(1, &[self.u16s(&[link, 0]), self.u32s(&[0]), options.to_vec()].concat())
    }

    fn packet(self, interface: u32, units: u64, bytes: &[u8], length: u32) -> Vec<u8> {
        let head = self.u32s(&[interface, (units >> 32) as u32, units as u32, bytes.len() as u32, length]);
        self.block(6, &[head, bytes.to_vec()].concat())
    }
}

const BOTH: [Order; 2] = [Order { is_big: false }, Order { is_big: true }];

#[test]
fn pcap_in_both_byte_orders_and_resolutions() {
    for order in BOTH {
        for (magic, units) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
            let file = [order.pcap(magic, 113), order.u32s(&[1_700_000_000, 5, 3, 9]), b"abc".to_vec()].concat();
            let expected = format!("{} 113 3/9", 1_700_000_000_000_000_000_i64 + 5 * units);
            assert_eq!(read(&file), [expected.as_str()]);
            assert_eq!(read(&file[..file.len() - 1]), ["it ends inside a packet"]);
            assert_eq!(read(&file[..30]), ["it ends inside a packet"]);
        }
    }
}

#[test]
fn pcapng_with_several_interfaces_and_sections() {
    for order in BOTH {
        let seconds = 7_i64;
        let offset = if order.is_big { seconds.to_be_bytes() } else { seconds.to_le_bytes() };
        let nanoseconds = [order.option(9, &[9]), order.option(14, &offset), order.option(0, b"")].concat();
        let binary = [order.option(9, &[0x80 | 10]), order.option(0, b"")].concat();
        let file = [
            order.section(),
            order.interface(1, b""),
            order.interface(276, &nanoseconds),
            order.interface(101, &binary),
            order.packet(0, 1_000_001, b"abcd", 4),
            order.packet(1, 5_000_000_001, b"abcde", 9),
            order.block(5, &order.u32s(&[0, 0, 0])),
            order.packet(2, 1024 + 512, b"a", 1),
            order.section(),
            order.interface(113, b""),
            order.packet(0, 3_000_000, b"ab", 2),
            order.block(3, &[order.u32s(&[6]), b"simple".to_vec()].concat()),
        ]
        .concat();
        let expected = [
            "1000001000 1 4/4",
            "12000000001 276 5/9",
            "1500000000 101 1/1",
            "3000000000 113 2/2",
            "3000000000 113 6/6",
        ];
        assert_eq!(read(&file), expected);
        assert_eq!(
            read(&[order.section(), order.packet(0, 1, b"", 0)].concat()),
            ["a packet of an interface that was not described"]
        );
    }
}

#[test]
fn what_a_pcapng_says_of_its_machine_is_known() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let order = BOTH[0];
    file.write_all(&[order.section(), order.interface(1, b""), order.packet(0, 1, b"a", 1)].concat()).unwrap();
    let mut capture = Capture::open(file.path()).unwrap();
    let mut known = Vec::new();
    let mut take = |facts: Facts<'_>, _: Frame<'_>| {
        known = facts.to_vec();
        Ok::<(), ()>(())
    };
    while matches!(capture.step(&mut take), Ok(Step::Read)) {}
    assert_eq!(known, [("capture os", "Plan 9".to_owned())]);
}

#[test]
fn a_packet_that_can_not_be_that_large_ends_the_reading() {
    let order = BOTH[0];
    let file = [order.pcap(0xa1b2_c3d4, 1), order.u32s(&[1, 1, u32::MAX, u32::MAX]), vec![0; 4 << 20]].concat();
    let problem = read(&file).pop().unwrap();
    assert!(problem.contains("can't be that large") || problem.contains("inside a packet"), "{problem}");
}

#[test]
fn large_packets_and_many_of_them_are_read() {
    let order = BOTH[0];
    let mut file = order.pcap(0xa1b2_c3d4, 1);
    for length in [1, 3 << 20, 262_144, 7] {
        file.extend(order.u32s(&[1, 1, length, length]));
        file.extend(vec![0; length as usize]);
    }
    let lengths = read(&file).iter().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(lengths, ["1", "3145728", "262144", "7"]);
}

#[test]
fn what_is_no_capture_is_refused() {
    for (bytes, expected) in [
        (b"".as_slice(), "it is empty"),
        (b"hello, world: this is no capture", "it begins like neither pcap nor pcapng"),
        (&[0xd4, 0xc3, 0xb2, 0xa1, 2], "it begins like neither"),
        (&[0x1f, 0x8b, 8, 0, 0, 0, 0], "`gunzip` it first"),
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let problem = Capture::open(file.path()).err().unwrap().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}
