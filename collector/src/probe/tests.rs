//! Against real files and real ffmpeg tools.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use recording::record;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Prober, describe};
use crate::fetch::bench::{Bench, of, redactor};

/// A moving picture with a tone, H.264 and AAC in MP4.
pub(crate) fn make_stream(file: &Path, seconds: u32) {
    let length = seconds.to_string();
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-t", &length])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-bf", "0", "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-ac", "2"])
        .arg(file)
        .status();
    assert!(made.expect("ffmpeg is needed: apt-get install ffmpeg").success());
}

pub(crate) async fn probe(url: &str) -> record::Probe {
    let mut bench = Bench::new();
    let prober = Prober::new("t", url, Duration::from_secs(1), redactor(), &bench.intake);
    prober.once().await;
    let probes = of!(bench.rows(), Probe);
    assert_eq!(probes.len(), 1);
    probes[0].clone()
}

#[tokio::test]
async fn a_file_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.mp4");
    make_stream(&file, 2);
    let probe = probe(file.to_str().unwrap()).await;
    assert!(probe.ok, "{:?}", probe.error);
    assert_eq!((probe.video_codec.as_deref(), probe.audio_codec.as_deref()), (Some("h264"), Some("aac")));
    assert_eq!((probe.video_streams, probe.audio_streams), (Some(1), Some(1)));
    assert_eq!((probe.width, probe.height, probe.frame_rate), (Some(320), Some(180), Some(30.0)));
    assert_eq!((probe.sample_rate, probe.channels), (Some(44_100), Some(2)));
    assert!((probe.duration_s.unwrap() - 2.0).abs() < 0.1, "{:?}", probe.duration_s);
    assert!(probe.format.unwrap().contains("mp4"));
    let json: serde_json::Value = serde_json::from_str(&probe.json.unwrap()).unwrap();
    assert_eq!(json["streams"][0]["codec_name"], "h264");
}

#[tokio::test]
async fn a_file_that_is_published_is_recorded_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tcp:talk.mp4");
    make_stream(&folder.path().join("talk.mp4"), 1);
    std::fs::rename(folder.path().join("talk.mp4"), &file).unwrap();
    let mut bench = Bench::new();
    Prober::of_file("stimulus", &file, redactor(), &bench.intake).once().await;
    Prober::of_file("stimulus", &folder.path().join("gone.mp4"), redactor(), &bench.intake).once().await;
    let probes = of!(bench.rows(), Probe);
    assert_eq!((probes[0].url.as_str(), probes[0].ok), ("tcp:talk.mp4", true), "{:?}", probes[0].error);
    assert!(probes[1].error.as_ref().unwrap().contains("No such file"));
    let told = format!("{probes:?}");
    assert!(!told.contains(folder.path().to_str().unwrap()), "{told}");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_row_with_the_reason() {
    let probe = probe("/nowhere/at-all.mp4").await;
    assert!(!probe.ok && probe.json.is_none());
    assert!(probe.error.unwrap().contains("No such file"));
}

#[test]
fn a_live_stream_has_no_duration() {
    let row = describe(&json!({
        "streams": [
            {"codec_type": "data"},
            {"codec_type": "video", "codec_name": "mjpeg", "disposition": {"attached_pic": 1}},
            {"codec_type": "video", "codec_name": "h264", "avg_frame_rate": "0/0", "r_frame_rate": "30000/1001"},
        ],
        "format": {"format_name": "flv", "duration": "0.000000"},
    }));
    assert_eq!((row.duration_s, row.audio_streams, row.video_streams), (None, Some(0), Some(1)));
    assert_eq!((row.video_codec.as_deref(), row.audio_codec), (Some("h264"), None));
    assert!((row.frame_rate.unwrap() - 29.97).abs() < 0.01);
}

/// Whether a process has this word on its command line.
fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|command| String::from_utf8_lossy(&command).contains(word))
}

#[tokio::test]
async fn a_probe_that_hangs_ends_with_the_run() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtmp://{}/live/abc/out?secret=hidden", silent.local_addr().unwrap());
    let bench = Bench::new();
    let prober = Prober::new("t", &url, Duration::from_secs(1), redactor(), &bench.intake);
    let token = CancellationToken::new();
    let running = tokio::spawn({
        let token = token.clone();
        async move { prober.run(token).await }
    });
    let (_connection, _) = silent.accept().await.unwrap();
    assert!(is_running(&url));
    token.cancel();
    tokio::time::timeout(Duration::from_secs(2), running).await.unwrap().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while is_running(&url) {
        assert!(std::time::Instant::now() < deadline, "ffprobe outlives the run");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_tools_have_versions() {
    assert!(super::version().await.unwrap().chars().any(|symbol| symbol.is_ascii_digit()));
    assert!(super::tool_version("ffmpeg").await.is_ok());
    let missing = super::tool_version("no-such-tool").await.unwrap_err().to_string();
    assert!(missing.contains("no-such-tool is not on PATH"), "{missing}");
}
