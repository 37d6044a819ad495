//! Asks ffprobe what a medium is: a file, or a live stream.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use recording::Table;
use recording::record;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fetch::Pace;
use crate::intake::{Intake, Source};
use crate::redact::Redactor;

#[cfg(test)]
pub(crate) mod tests;

/// The longest that one probe may take.
const LIMIT: Duration = Duration::from_secs(15);
/// How long a stream may be silent, in µs.
const SILENCE_US: &str = "10000000";

/// A tool that media can't be watched without.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("{tool} is not on PATH: install ffmpeg (Debian: apt-get install ffmpeg)")]
    Missing {
        /// Its name.
        tool: &'static str,
    },
    /// It is there, and can't be run.
    #[error("run {tool} -version")]
    Run {
        /// Its name.
        tool: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It ran and failed.
    #[error("{tool} -version failed: {message}")]
    Failed {
        /// Its name.
        tool: &'static str,
        /// What it said.
        message: String,
    },
}

/// The version of ffprobe, as in `5.1.9-0+deb12u1`.
///
/// # Errors
/// [`ToolError`] where it is missing or can't be run.
pub async fn version() -> Result<String, ToolError> {
    tool_version("ffprobe").await
}

/// The version of one of ffmpeg's tools.
pub(crate) async fn tool_version(tool: &'static str) -> Result<String, ToolError> {
    let mut command = Command::new(tool);
    command.arg("-version").stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err(ToolError::Missing { tool }),
        Ok(Err(source)) => return Err(ToolError::Run { tool, source }),
        Err(_) => return Err(ToolError::Failed { tool, message: format!("no answer within {} s", LIMIT.as_secs()) }),
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().next().unwrap_or_default();
    match line.split_once(" version ") {
        Some((_, rest)) if output.status.success() => Ok(rest.split_whitespace().next().unwrap_or_default().to_owned()),
        _ => Err(ToolError::Failed { tool, message: last_line(&output.stderr) }),
    }
}

/// Probes one medium.
pub struct Prober {
    target: String,
    url: String,
    /// Where a file is that is recorded by its name alone.
    folder: Option<PathBuf>,
    every: Duration,
    redactor: Arc<Redactor>,
    source: Source,
}

impl Prober {
    /// A prober that is not yet running; `url` is a URL or the path of a file.
    pub fn new(target: &str, url: &str, every: Duration, redactor: Arc<Redactor>, intake: &Intake) -> Prober {
        let source = intake.source(&format!("probe:{target}"), "probe", &[Table::Probes]);
        Prober { target: target.to_owned(), url: url.to_owned(), folder: None, every, redactor, source }
    }

    /// A prober of one file, for [`Prober::once`]. Recorded is the file's name: where it lies is the machine's affair.
    pub fn of_file(target: &str, file: &Path, redactor: Arc<Redactor>, intake: &Intake) -> Prober {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let prober = Prober::new(target, &name, Duration::MAX, redactor, intake);
        Prober { folder: Some(folder.unwrap_or(Path::new(".")).to_owned()), ..prober }
    }

    /// Probes at once and then at every interval, until the token is cancelled.
    pub async fn run(&self, token: CancellationToken) {
        self.source.live();
        let mut pace = Pace::new(self.every, token);
        while pace.step(self.once()).await {}
        self.source.end();
    }

    /// Probes once, now, and records what came of it. Dropping the future kills ffprobe. Where there is no
    /// [`Prober::run`] (a file is looked at once), the caller brackets it with [`Prober::live`] and [`Prober::end`].
    pub async fn once(&self) {
        let clock = self.source.clock();
        let asked_ns = clock.now_ns();
        let found = self.ask().await;
        let at_ns = clock.now_ns();
        let mut row = match found {
            Ok(json) => self.row(json),
            Err(error) => record::Probe { error: Some(self.redactor.text(&error)), ..record::Probe::default() },
        };
        row.target = self.target.clone();
        row.url = self.redactor.url(&self.url);
        row.took_ms = (at_ns - asked_ns) as f64 / 1e6;
        self.source.put(at_ns, row);
    }

    /// From now on the medium is watched.
    pub fn live(&self) {
        self.source.live();
    }

    /// The medium is watched no more.
    pub fn end(&self) {
        self.source.end();
    }

    async fn ask(&self) -> Result<Value, String> {
        match &self.folder {
            // With the dot in front, no name is an option or a protocol.
            Some(folder) => run(&format!("./{}", self.url), folder).await,
            None => run(&self.url, Path::new(".")).await,
        }
    }

    fn row(&self, mut json: Value) -> record::Probe {
        let row = describe(&json);
        if let Some(Value::String(name)) = json.pointer_mut("/format/filename") {
            *name = self.redactor.url(if self.folder.is_some() { &self.url } else { &*name });
        }
        self.redactor.json(&mut json);
        json.sort_all_objects();
        record::Probe { json: Some(json.to_string()), ..row }
    }
}

/// Runs ffprobe in a folder; the error is one line.
async fn run(url: &str, folder: &Path) -> Result<Value, String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_format", "-show_streams", "-of", "json"]);
    if url.starts_with("rtmp") || url.starts_with("http") {
        // Not `-timeout`, which makes ffmpeg listen on an RTMP URL.
        command.args(["-rw_timeout", SILENCE_US]);
    }
    command.args(["-i", url]).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let Output { status, stdout, stderr } = match timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ToolError::Missing { tool: "ffprobe" }.to_string());
        }
        Ok(Err(error)) => return Err(format!("run ffprobe: {error}")),
        Err(_) => return Err(format!("ffprobe gave no answer within {} s", LIMIT.as_secs())),
    };
    if !status.success() {
        return Err(last_line(&stderr));
    }
    serde_json::from_slice(&stdout).map_err(|error| format!("read ffprobe's answer: {error}"))
}

fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
}

/// The columns that are read out of ffprobe's answer.
fn describe(json: &Value) -> record::Probe {
    let empty = Vec::new();
    let streams = json["streams"].as_array().unwrap_or(&empty);
    let of = |kind: &str| {
        let streams = streams.iter().filter(|stream| stream["codec_type"] == kind);
        // A cover picture is no video.
        streams.filter(|stream| stream["disposition"]["attached_pic"] != 1).collect::<Vec<_>>()
    };
    let (videos, audios) = (of("video"), of("audio"));
    let (video, audio) = (videos.first().copied(), audios.first().copied());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let field = |stream: Option<&Value>, name: &str| text(stream.and_then(|stream| stream.get(name)));
    let whole = |stream: Option<&Value>, name: &str| stream.and_then(|stream| number(stream.get(name)?));
    let duration_s = json["format"].get("duration").and_then(number);
    record::Probe {
        ok: true,
        format: text(json["format"].get("format_name")),
        // A live stream has none, and says 0.
        duration_s: duration_s.filter(|duration| *duration > 0.0),
        video_streams: Some(videos.len() as i64),
        audio_streams: Some(audios.len() as i64),
        video_codec: field(video, "codec_name"),
        audio_codec: field(audio, "codec_name"),
        width: whole(video, "width").map(|width| width as i64),
        height: whole(video, "height").map(|height| height as i64),
        frame_rate: ["avg_frame_rate", "r_frame_rate"].iter().find_map(|name| ratio(&field(video, name)?)),
        sample_rate: whole(audio, "sample_rate").map(|rate| rate as i64),
        channels: whole(audio, "channels").map(|channels| channels as i64),
        ..record::Probe::default()
    }
}

/// ffprobe writes some numbers as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// `30000/1001`; a denominator of 0 means that it is not known.
fn ratio(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let ratio = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}
