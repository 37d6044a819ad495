//! The command that a run is wrapped around: `collector record SCENARIO -- COMMAND`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use compose::{Process, ProcessSpec};
use tokio::sync::oneshot;

use super::events::{Events, Ground};
use super::timeline::Timeline;

/// Lines that may wait for a terminal that does not take them.
const SHOWN_QUEUE: usize = 1000;
/// How long the last of them are waited for.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// The wrapped command of one run.
pub(super) struct Wrapped {
    spec: ProcessSpec,
    events: Events,
    timeline: Timeline,
    process: Option<Process>,
    shown: Option<oneshot::Receiver<()>>,
    not_shown: Arc<AtomicU64>,
}

impl Wrapped {
    /// A command that is not yet started; `None` where none was given. It is told of the run by two variables.
    pub(super) fn new(
        command: &[String],
        stream: &str,
        recording: &Path,
        ground: &Ground,
        timeline: Timeline,
    ) -> Option<Wrapped> {
        let program = command.first()?;
        let folder = std::env::current_dir().unwrap_or_else(|_| std::env::temp_dir());
        let env = BTreeMap::from([
            ("TAPEDECK_STREAM".to_owned(), stream.to_owned()),
            ("TAPEDECK_RUN".to_owned(), recording.display().to_string()),
        ]);
        let spec = ProcessSpec { env, ..ProcessSpec::new(program, command.to_vec(), folder) };
        let events = Events::new(ground, "command", "command");
        // Its silence before it is started is watched as well.
        events.source().live();
        Some(Wrapped { spec, events, timeline, process: None, shown: None, not_shown: Arc::default() })
    }

    /// Runs it until it ends; says why it could not be run.
    pub(super) async fn run(&mut self) -> Option<String> {
        let (lines, shown) = show();
        self.shown = Some(shown);
        // A terminal that stands still holds nobody up: what it can't take is in the recording.
        let not_shown = Arc::clone(&self.not_shown);
        let started = self.events.start(&self.spec, move |line| {
            if lines.try_send(line.to_owned()).is_err() {
                not_shown.fetch_add(1, Ordering::Relaxed);
            }
        });
        match started {
            Ok(process) => {
                let handle = process.handle().clone();
                self.process = Some(process);
                handle.exited().await;
                None
            }
            Err(error) => {
                let line = self.events.line(&self.spec);
                self.timeline.note("command", &self.spec.name, "start", serde_json::json!({"line": line}));
                self.timeline.exit("command", &self.spec.name, Some(127));
                Some(format!("the command could not be run: {}", crate::chain(&error)))
            }
        }
    }

    /// Ends its whole group, and waits for its last lines; says where not all of them were shown.
    pub(super) async fn stop(&mut self) -> Option<String> {
        if let Some(mut process) = self.process.take() {
            process.stop().await;
        }
        if let Some(shown) = self.shown.take() {
            // A terminal that takes no more must not hold up the end of the run.
            tokio::time::timeout(SHOWN_WITHIN, shown).await.ok();
        }
        self.events.source().end();
        let not_shown = self.not_shown.load(Ordering::Relaxed);
        (not_shown > 0).then(|| format!("{not_shown} lines of the command were not shown here; they are in `logs`"))
    }
}

/// Shows lines on stderr from a thread of its own, since this program's result is on stdout. The receiver hears when
/// all are shown.
fn show() -> (SyncSender<String>, oneshot::Receiver<()>) {
    let (send, lines) = sync_channel(SHOWN_QUEUE);
    let (done, shown) = oneshot::channel();
    std::thread::spawn(move || {
        show_all(&lines);
        done.send(())
    });
    (send, shown)
}

fn show_all(lines: &Receiver<String>) {
    while let Ok(line) = lines.recv() {
        if writeln!(std::io::stderr(), "{line}").is_err() {
            return;
        }
    }
}
