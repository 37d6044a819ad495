//! Follows what one container writes, from its first start until it is removed.

use std::ops::ControlFlow;
use std::time::Duration;

use bollard::errors::Error as DockerError;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use super::life::{Life, Scene};
use super::rows;
use super::seam::Seam;
use crate::Stream;
use crate::engine::status;

/// A log that ended, or broke, is looked at again after this, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A log that gives nothing for so long after its container has ended is read without following it.
const QUIET_AFTER_END: Duration = Duration::from_millis(300);
/// With these the engine says that there is no such container, or none any more.
const GONE: [u16; 2] = [404, 409];
/// With this, that the container's logging driver gives nothing back.
const UNREADABLE: u16 = 501;

/// Whose log is read, and how it stands with it.
pub(super) struct Log {
    pub(super) scene: Scene,
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) seam: Seam,
    pub(super) life: watch::Receiver<Life>,
}

/// How a reading ended.
enum End {
    /// It came to the log's end.
    Whole,
    /// The connection broke, or the engine refused.
    Broken,
    /// There is no such container, or it has no log.
    Never,
}

impl Log {
    /// Reads until the container is removed or the watch ends.
    pub(super) async fn run(mut self) {
        let end = self.scene.end.clone();
        end.run_until_cancelled(self.read()).await;
        self.finish();
    }

    async fn read(&mut self) {
        let (mut read_runs, mut pause) = (0, FIRST_PAUSE);
        loop {
            let wanted = |life: &Life| life.starts > read_runs || life.gone;
            let Ok(life) = self.life.wait_for(wanted).await.map(|life| *life) else { return };
            let outcome = if life.is_up() { self.follow().await } else { self.read_rest().await };
            match outcome {
                End::Whole if !life.is_up() => {
                    read_runs = life.starts;
                    self.finish();
                    self.scene.told.log(&self.id, read_runs);
                    pause = FIRST_PAUSE;
                    if life.gone {
                        return;
                    }
                }
                End::Never => return self.scene.told.log(&self.id, u32::MAX),
                End::Whole | End::Broken => {
                    // Its end is about to be told, or the engine is lost: the next thing that happens to it says more.
                    match timeout(pause, self.life.changed()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return self.scene.told.log(&self.id, u32::MAX),
                        Err(_) => pause = (pause * 2).min(LONGEST_PAUSE),
                    }
                }
            }
        }
    }

    /// Reads what is there and what comes, until the container has ended.
    async fn follow(&mut self) -> End {
        let options = self.options(true);
        let mut life = self.life.clone();
        let losses = life.borrow().losses;
        let mut messages = Box::pin(self.scene.docker().clone().logs(&self.id, Some(options)));
        loop {
            let now = *life.borrow_and_update();
            // A connection to an engine that was lost may hang for ever.
            if now.losses != losses {
                return End::Broken;
            }
            let ended = !now.is_up();
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                // What is on its way still comes; then the rest is read without following.
                () = tokio::time::sleep(QUIET_AFTER_END), if ended => return End::Whole,
                changed = life.changed(), if !ended => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::Broken,
                },
            };
            if let ControlFlow::Break(end) = self.take(message) {
                return end;
            }
        }
    }

    /// Reads what is there and was not read yet.
    async fn read_rest(&mut self) -> End {
        let options = self.options(false);
        let mut messages = Box::pin(self.scene.docker().clone().logs(&self.id, Some(options)));
        loop {
            let message = messages.next().await;
            if let ControlFlow::Break(end) = self.take(message) {
                return end;
            }
        }
    }

    fn options(&mut self, follow: bool) -> LogsOptions {
        let since = self.seam.read_again();
        LogsOptions { follow, stdout: true, stderr: true, since, timestamps: true, until: 0, tail: "all".to_owned() }
    }

    fn take(&mut self, message: Option<Result<bollard::container::LogOutput, DockerError>>) -> ControlFlow<End> {
        let (scene, subject) = (&self.scene, &self.subject);
        match message {
            Some(Ok(message)) => {
                self.seam.take(message, &mut |stream, line, at| scene.tell(rows::log(subject, stream, line, at)));
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(End::Whole),
            Some(Err(error)) if status(&error).is_some_and(|status| GONE.contains(&status)) => {
                ControlFlow::Break(End::Never)
            }
            Some(Err(error)) if status(&error) == Some(UNREADABLE) => {
                let line =
                    format!("the log can't be read: {error}: let the service have the logging driver `json-file`");
                scene.tell(rows::log(subject, Stream::Stderr, line, None));
                ControlFlow::Break(End::Never)
            }
            Some(Err(_)) => ControlFlow::Break(End::Broken),
        }
    }

    fn finish(&mut self) {
        let (scene, subject) = (&self.scene, &self.subject);
        self.seam.finish(&mut |stream, line, at| scene.tell(rows::log(subject, stream, line, at)));
    }
}
