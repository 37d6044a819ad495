//! Who listens on a TCP port: `/proc` on Linux, `lsof` elsewhere, where it is installed.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

const UNSEEN: &str = "a process that can't be seen from here (of another user, or in a container)";

/// Who listens at an address of this machine, as in "nginx (pid 123)"; `None` where nobody does, or where it can't
/// be found out. Takes a few milliseconds; it reads every process's open files.
pub fn port_owner(addr: SocketAddr) -> Option<String> {
    match tables() {
        Some(tables) => {
            let sockets: BTreeSet<u64> =
                listeners(&tables).filter(|(at, _)| covers(*at, addr)).map(|(_, socket)| socket).collect();
            if sockets.is_empty() { None } else { Some(holder(&sockets).unwrap_or_else(|| UNSEEN.to_owned())) }
        }
        None => ask_lsof(addr),
    }
}

fn tables() -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let tables: Vec<String> = tables.into_iter().filter_map(Result::ok).collect();
    (!tables.is_empty()).then(|| tables.concat())
}

/// Address and socket of every listener in the text of `/proc/net/tcp` and `tcp6`:
/// `N: ADDRESS:PORT ADDRESS:PORT STATE QUEUES TIMER RETRANSMITS UID TIMEOUT INODE …`.
fn listeners(tables: &str) -> impl Iterator<Item = (SocketAddr, u64)> {
    const LISTEN: &str = "0A";
    tables.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, at, _, LISTEN, _, _, _, _, _, socket, ..] = fields[..] else { return None };
        let (ip, port) = at.split_once(':')?;
        let at = SocketAddr::new(kernel_ip(ip)?, u16::from_str_radix(port, 16).ok()?);
        Some((at, socket.parse().ok()?))
    })
}

/// The kernel prints addresses as words of 32 bits in the machine's own byte order.
fn kernel_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words: Vec<u8> = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).to_canonical())
        }
        _ => None,
    }
}

/// Whether a listener keeps `wanted` from being bound: the same address, or either of them means every address.
fn covers(listener: SocketAddr, wanted: SocketAddr) -> bool {
    let same_port = listener.port() == wanted.port();
    same_port && (listener.ip() == wanted.ip() || listener.ip().is_unspecified() || wanted.ip().is_unspecified())
}

/// The process that holds one of the sockets; of several, as a server and its workers, the first that was started.
fn holder(sockets: &BTreeSet<u64>) -> Option<String> {
    let links: BTreeSet<String> = sockets.iter().map(|socket| format!("socket:[{socket}]")).collect();
    let pid = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path(), &links)?.then_some(pid)
    });
    let pid = pid.min()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (pid {pid})", name.trim()))
}

fn holds(process: &Path, links: &BTreeSet<String>) -> Option<bool> {
    let mut files = fs::read_dir(process.join("fd")).ok()?;
    Some(files.any(|file| {
        let link = file.and_then(|file| fs::read_link(file.path()));
        link.is_ok_and(|link| link.to_str().is_some_and(|link| links.contains(link)))
    }))
}

fn ask_lsof(addr: SocketAddr) -> Option<String> {
    let port = format!("-iTCP:{}", addr.port());
    let answer = Command::new("lsof").args(["-nP", &port, "-sTCP:LISTEN", "-Fpcn"]).output().ok()?;
    owner_in_lsof(&String::from_utf8_lossy(&answer.stdout), addr)
}

/// `lsof -F` gives one field a line: `p` pid, `c` command, then `n` address for each of the process's sockets.
fn owner_in_lsof(answer: &str, addr: SocketAddr) -> Option<String> {
    let (mut pid, mut command) = ("", "");
    for line in answer.lines() {
        match line.split_at_checked(1)? {
            ("p", rest) => pid = rest,
            ("c", rest) => command = rest,
            ("n", at) => {
                let at = at.replacen('*', "0.0.0.0", 1).parse().ok();
                if at.is_some_and(|at| covers(at, addr)) {
                    return Some(format!("{command} (pid {pid})"));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernel_tables_are_read() {
        let tables = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:0C1C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 811 1 x 100 0 0 10 0\n   \
            1: 0100007F:0C1C 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 812 1 x 20 4 30 10 -1\n   \
            0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 813 1 x\n";
        let found: Vec<_> = listeners(tables).collect();
        assert_eq!(found, [(addr("127.0.0.1:3100"), 811), (addr("[::]:8080"), 813)]);
    }

    #[test]
    fn an_address_is_covered_by_itself_and_by_every_address() {
        assert!(covers(addr("127.0.0.1:1"), addr("127.0.0.1:1")));
        assert!(covers(addr("0.0.0.0:1"), addr("127.0.0.1:1")) && covers(addr("[::]:1"), addr("127.0.0.1:1")));
        assert!(covers(addr("127.0.0.1:1"), addr("0.0.0.0:1")));
        assert!(!covers(addr("127.0.0.2:1"), addr("127.0.0.1:1")) && !covers(addr("127.0.0.1:2"), addr("127.0.0.1:1")));
    }

    #[test]
    fn lsof_is_understood() {
        let answer = "p7\ncpython3\nf3\nn127.0.0.2:3100\np9\ncnginx\nf6\nn*:3100\n";
        assert_eq!(owner_in_lsof(answer, addr("127.0.0.1:3100")).as_deref(), Some("nginx (pid 9)"));
        assert_eq!(owner_in_lsof("p7\ncpython3\nf3\nn127.0.0.2:3100\n", addr("127.0.0.1:3100")), None);
        assert_eq!(owner_in_lsof("", addr("127.0.0.1:3100")), None);
    }

    #[test]
    fn our_own_listener_is_found_and_a_free_port_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let me = format!("(pid {})", std::process::id());
        assert!(port_owner(at).unwrap().ends_with(&me));
        if Command::new("lsof").arg("-v").output().is_ok() {
            assert!(ask_lsof(at).unwrap().ends_with(&me));
        }
        drop(listener);
        assert_eq!(port_owner(at), None);
    }
}
