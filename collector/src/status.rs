//! What a person sees while a run is recorded: one living line on a terminal, a plain one every 5 s elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::intake::Clock;
use crate::recorder::Progress;

/// Whether what is said goes into a log for programs, and nowhere else.
static LOGGED: AtomicBool = AtomicBool::new(false);

/// From now on what is said is logged only, so that every line on stderr is one of the log.
pub fn log_only() {
    LOGGED.store(true, Ordering::Relaxed);
}

/// Tells a person one line.
pub fn say(line: impl std::fmt::Display) {
    tracing::info!("{line}");
    print(line);
}

/// Tells a person what will be missed.
pub fn warn(line: impl std::fmt::Display) {
    tracing::warn!("{line}");
    print(line);
}

/// Tells a person why the program ends without having done what it was asked for.
pub fn fail(line: impl std::fmt::Display) {
    tracing::error!("{line}");
    print(line);
}

/// Gives a line of what was asked for. Nobody may read it any more, as behind `| head -1`; and where it can't be written,
/// that is said.
pub fn answer(line: impl std::fmt::Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}")
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        say(format_args!("collector: write the answer: {error}"));
    }
}

/// It may be that stderr lies on the very disk that is full, or is closed: a line less is no reason to end, as it is for
/// `eprintln!`.
fn print(line: impl std::fmt::Display) {
    if LOGGED.load(Ordering::Relaxed) {
        return;
    }
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}

/// Shows the progress until the token is cancelled.
pub async fn show(progress: impl Fn() -> Progress, clock: Clock, token: CancellationToken) {
    let terminal = std::io::stderr().is_terminal();
    let every = if terminal { Duration::from_millis(250) } else { Duration::from_secs(5) };
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    let mut ticks = tokio::time::interval(every);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = token.cancelled() => break,
            _ = ticks.tick() => {
                let line = line(&progress(), clock);
                if terminal {
                    bar.set_message(line);
                    bar.tick();
                } else {
                    say(line);
                }
            }
        }
    }
    bar.finish_and_clear();
}

fn line(progress: &Progress, clock: Clock) -> String {
    let seconds = clock.now_ns() / 1_000_000_000;
    let rows = |table: &str| progress.rows.get(table).copied().unwrap_or_default();
    let events: Vec<String> = progress.events.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let mut parts = vec![
        format!("{:02}:{:02}", seconds / 60, seconds % 60),
        if events.is_empty() { "no event yet".to_owned() } else { printable(&events.join(", ")) },
        format!("{} scrapes", rows("scrapes")),
        format!("{} media packets", rows("media_packets")),
        format!("{:.1} MB", progress.journal_bytes as f64 / 1e6),
        format!("lag {} ms", progress.lag_ns / 1_000_000),
    ];
    if progress.lost > 0 {
        parts.push(format!("{} LOST", progress.lost));
    }
    if let Some(failure) = &progress.failure {
        parts.push(format!("NOT RECORDING: {failure}"));
    }
    parts.join(" · ")
}

/// Names come from the wire; a terminal must not obey them.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
