//! One ffmpeg child that copies a stream to a file and tells of every packet on its stdout.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a stream may be silent before ffmpeg gives it up, in µs. Long: silence is worth recording.
const SILENCE_US: &str = "30000000";
/// How long ffmpeg may take to finish the file.
pub(super) const FINISH: Duration = Duration::from_secs(2);
/// How much of the end of its stderr is kept.
const STDERR_BYTES: usize = 4096;

/// What went on before the streams are known is buffered by ffmpeg and not lost. Without a guess at the frame rate it
/// begins as soon as it has seen one packet of each stream.
const INPUT: [&str; 8] =
    ["-fpsprobesize", "0", "-analyzeduration", "5000000", "-probesize", "5000000", "-copyts", "-i"];
/// Both outputs take the same packets, beginning with the first one, whether it is a key frame or not.
const COPY: [&str; 7] = ["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-copyinkf"];
/// Each packet is told of at once: no waiting for the other stream to catch up.
const TELL: [&str; 7] = ["-max_interleave_delta", "100000", "-flush_packets", "1", "-f", "framecrc", "-"];

/// Whether this ffmpeg can send RTMP without Nagle's delay: since version 5, and an older one refuses the option.
pub(super) async fn has_nodelay() -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "quiet", "-h", "protocol=rtmp"]).stdin(Stdio::null()).kill_on_drop(true);
    let help = timeout(FINISH, command.output()).await;
    help.is_ok_and(|help| help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("-tcp_nodelay")))
}

/// A running ffmpeg.
pub(super) struct Ffmpeg {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
}

/// How it ended.
pub(super) struct Ended {
    /// Its exit code; 128 + signal where a signal ended it.
    pub(super) exit_code: Option<i64>,
    /// The last line that it wrote, as it came.
    pub(super) message: Option<String>,
}

impl Ffmpeg {
    /// Starts reading `url`; the copy goes to `file`, which only its owner can read. `nodelay` (see [`has_nodelay`])
    /// joins an RTMP stream 100 ms sooner.
    pub(super) fn start(url: &str, file: &Path, nodelay: bool) -> io::Result<Ffmpeg> {
        // ffmpeg would create the file for everybody to read; one that is there keeps its mode.
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y"]);
        if url.starts_with("rtmp") {
            command.args(["-rtmp_live", "live"]);
            if nodelay {
                command.args(["-tcp_nodelay", "1"]);
            }
        }
        if url.starts_with("rtmp") || url.starts_with("http") {
            command.args(["-rw_timeout", SILENCE_US]);
        }
        command.args(INPUT).arg(url).args(COPY).args(["-f", "matroska"]).arg(file).args(COPY).args(TELL);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("ffmpeg was started without pipes"));
        };
        Ok(Ffmpeg { child, lines: BufReader::new(stdout).lines(), stderr: tokio::spawn(tail(stderr)) })
    }

    /// The next line about a packet; `None` when it has ended or can't be understood any more.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.ok().flatten()
    }

    /// Asks it to finish the file and end.
    pub(super) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Waits for its end, at most 2 s, then kills it.
    pub(super) async fn end(mut self) -> Ended {
        let status = match timeout(FINISH, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                self.signal(Signal::KILL);
                self.child.wait().await.ok()
            }
        };
        let message = timeout(FINISH, &mut self.stderr).await.ok().and_then(Result::ok);
        let message = message.and_then(|text| text.lines().rev().find(|line| !line.is_empty()).map(str::to_owned));
        Ended { exit_code: status.and_then(exit_code), message }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended in between, which is what is wanted.
            kill_process_group(pid, signal).ok();
        }
    }
}

fn exit_code(status: ExitStatus) -> Option<i64> {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).map(i64::from)
}

/// Reads stderr to its end, so that ffmpeg never blocks on it, and keeps the last of it.
async fn tail(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > STDERR_BYTES {
            kept.drain(..kept.len() - STDERR_BYTES);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Takes away a copy that nothing was written to.
pub(super) fn remove_if_empty(file: &Path) {
    if fs::metadata(file).is_ok_and(|metadata| metadata.len() == 0) {
        // Left behind, it would only be an empty file.
        fs::remove_file(file).ok();
    }
}
