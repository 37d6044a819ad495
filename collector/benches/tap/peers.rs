//! The candidates: what stands between the load and the echo server, each a process of its own.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use collector::AnyError;

use crate::usage::{self, Usage};

const START_LIMIT: Duration = Duration::from_secs(30);
const SEAL_LIMIT: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(3);

/// One way from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Candidate {
    /// Straight to the server
    Direct,
    /// Straight to the server once more: what differs from `direct` is the machine's noise
    Again,
    /// `collector tap`, recording everything
    Tap,
    /// HAProxy in TCP mode
    Haproxy,
    /// nginx's stream module
    Nginx,
    /// mitmproxy, decoding WebSocket
    Mitmproxy,
}

impl Candidate {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Candidate::Direct => "direct",
            Candidate::Again => "direct again",
            Candidate::Tap => "tap",
            Candidate::Haproxy => "HAProxy",
            Candidate::Nginx => "nginx stream",
            Candidate::Mitmproxy => "mitmproxy",
        }
    }

    /// Whether it takes part: mitmproxy would need minutes for the large cells.
    pub fn takes(self, bytes: usize, connections: usize) -> bool {
        self != Candidate::Mitmproxy || connections == 1 || (bytes < 10_000 && connections <= 50)
    }

    /// What it says of its version.
    pub fn version(self) -> Option<String> {
        let (program, argument, line) = match self {
            Candidate::Direct | Candidate::Again => return None,
            Candidate::Tap => (PathBuf::from(env!("CARGO_BIN_EXE_collector")), "--version", "collector"),
            Candidate::Haproxy => ("haproxy".into(), "-v", "HAProxy"),
            Candidate::Nginx => ("nginx".into(), "-v", "nginx version"),
            Candidate::Mitmproxy => (mitmdump(), "--version", "Mitmproxy"),
        };
        let output = Command::new(program).arg(argument).output().ok()?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let line = text.lines().find(|text| text.contains(line))?.to_owned();
        Some(line.replace("nginx version: ", "").split(" - ").next().unwrap_or_default().to_owned())
    }
}

fn mitmdump() -> PathBuf {
    let home = |name: &str, below: &str| std::env::var_os(name).map(|home| PathBuf::from(home).join(below));
    let cache = home("TAPEDECK_CACHE", "").or_else(|| home("XDG_CACHE_HOME", "tapedeck"));
    let cache = cache.or_else(|| home("HOME", ".cache/tapedeck")).unwrap_or_default();
    cache.join("mitmproxy/bin/mitmdump")
}

/// A port that nobody has at this moment.
pub fn free_port() -> Result<u16, AnyError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A started process with a folder of its own; ended and removed when dropped.
pub struct Peer {
    child: Option<Child>,
    dir: tempfile::TempDir,
    /// Where clients connect.
    pub port: u16,
}

/// What is left of a process that has ended by itself.
pub struct Ended {
    /// Its CPU time from start to end.
    pub cpu: Duration,
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Peer {
    /// Starts the server that echoes: this program again.
    pub fn echo(scratch: &Path) -> Result<Peer, AnyError> {
        let port = free_port()?;
        let dir = tempfile::tempdir_in(scratch)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["echo", &port.to_string()]);
        Peer::start(command, dir, port)
    }

    /// Starts a candidate in front of the server on that port, and waits until it listens.
    pub fn of(candidate: Candidate, upstream: u16, scratch: &Path) -> Result<Peer, AnyError> {
        let dir = tempfile::tempdir_in(scratch)?;
        let port = free_port()?;
        let command = match candidate {
            Candidate::Direct | Candidate::Again => return Ok(Peer { child: None, dir, port: upstream }),
            Candidate::Tap => tap(dir.path(), port, upstream),
            Candidate::Haproxy => haproxy(dir.path(), port, upstream)?,
            Candidate::Nginx => nginx(dir.path(), port, upstream)?,
            Candidate::Mitmproxy => mitmproxy(dir.path(), port, upstream),
        };
        Peer::start(command, dir, port)
    }

    fn start(mut command: Command, dir: tempfile::TempDir, port: u16) -> Result<Peer, AnyError> {
        let (out, err) = (File::create(dir.path().join("stdout"))?, File::create(dir.path().join("stderr"))?);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.map_err(|error| format!("{:?} can't be started: {error}", command.get_program()))?;
        let mut peer = Peer { child: Some(child), dir, port };
        let deadline = Instant::now() + START_LIMIT;
        while !usage::listens(port) {
            let ended = peer.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() > deadline {
                return Err(format!("{:?} does not listen: {}", command.get_program(), peer.stderr()).into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(peer)
    }

    /// What it has used so far, all its processes together.
    pub fn usage(&self) -> Usage {
        self.child.as_ref().map_or_else(Usage::default, |child| Usage::of(child.id()))
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The folder that a tap records into.
    pub fn runs(&self) -> PathBuf {
        self.dir.path().join("runs")
    }

    /// Asks it to end as Ctrl-C does, and waits until it has.
    pub fn end(&mut self) -> Result<Ended, AnyError> {
        let mut child = self.child.take().ok_or("nothing to end")?;
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        let deadline = Instant::now() + SEAL_LIMIT;
        // Of a process that has ended but was not waited for, the kernel still tells its CPU time.
        while !usage::has_ended(child.id()) {
            if Instant::now() > deadline {
                child.kill()?;
                return Err(format!("it did not end within {SEAL_LIMIT:?}: {}", self.stderr()).into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let cpu = usage::cpu_of_process(child.id());
        Ok(Ended { cpu, code: child.wait()?.code(), stderr: self.stderr() })
    }

    fn stderr(&self) -> String {
        let mut text = Vec::new();
        let read = File::open(self.dir.path().join("stderr")).and_then(|mut file| file.read_to_end(&mut text));
        read.map_or_else(|error| error.to_string(), |_| String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            for pid in usage::family(child.id()).into_iter().skip(1) {
                if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
                    // One that is gone already needs no ending.
                    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap_or(());
                }
            }
            // One that is gone already needs no ending.
            child.kill().and_then(|()| child.wait().map(|_| ())).unwrap_or(());
        }
    }
}

fn tap(dir: &Path, port: u16, upstream: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collector"));
    command.args(["tap", "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--upstream", &format!("http://127.0.0.1:{upstream}"), "--runs"]).arg(dir.join("runs"));
    command
}

/// With the time-outs of Debian's own configuration: without any it warns.
fn haproxy(dir: &Path, port: u16, upstream: u16) -> Result<Command, AnyError> {
    let config = dir.join("haproxy.cfg");
    let text = format!(
        "defaults\n  mode tcp\n  timeout connect 5000\n  timeout client 50000\n  timeout server 50000\n\
         listen bench\n  bind 127.0.0.1:{port}\n  server echo 127.0.0.1:{upstream}\n"
    );
    fs::write(&config, text)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(config);
    Ok(command)
}

/// With more connections than Debian's 768, each of the 500 needs two.
fn nginx(dir: &Path, port: u16, upstream: u16) -> Result<Command, AnyError> {
    let config = dir.join("nginx.conf");
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\nworker_processes auto;\npid {}/pid;\n\
         error_log stderr;\nevents {{ worker_connections 4096; }}\n\
         stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{upstream}; }} }}\n",
        dir.display()
    );
    fs::write(&config, text)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg("stderr").arg("-p").arg(dir).arg("-c").arg(config);
    Ok(command)
}

fn mitmproxy(dir: &Path, port: u16, upstream: u16) -> Command {
    let mut command = Command::new(mitmdump());
    command.args(["--quiet", "--mode", &format!("reverse:http://127.0.0.1:{upstream}"), "--listen-host", "127.0.0.1"]);
    command.args(["--listen-port", &port.to_string(), "--set"]).arg(format!("confdir={}", dir.display()));
    command
}
