//! Tells what one container uses, once a second while it is up.

use std::time::Duration;

use bollard::query_parameters::StatsOptions;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use super::life::{Life, Scene};
use super::rows;

/// Stats that ended, or broke, are asked for again after this, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whose stats are read.
pub(super) struct Stats {
    pub(super) scene: Scene,
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) cpus: Option<f64>,
    pub(super) life: watch::Receiver<Life>,
}

impl Stats {
    /// Tells until the container is removed or the watch ends.
    pub(super) async fn run(mut self) {
        let end = self.scene.end.clone();
        end.run_until_cancelled(self.read()).await;
    }

    async fn read(&mut self) {
        let mut pause = FIRST_PAUSE;
        while let Ok(life) = self.life.wait_for(|life| life.is_up() || life.gone).await.map(|life| *life) {
            if life.gone {
                return;
            }
            if self.follow().await {
                pause = FIRST_PAUSE;
            }
            if timeout(pause, self.life.changed()).await.is_err() {
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Tells until the container has ended or the connection broke; whether there was anything to tell.
    async fn follow(&mut self) -> bool {
        let options = StatsOptions { stream: true, one_shot: false };
        let mut samples = Box::pin(self.scene.docker().stats(&self.id, Some(options)));
        let (mut told, losses) = (false, self.life.borrow().losses);
        loop {
            let sample = tokio::select! {
                biased;
                // The engine goes on with zeros when the container has ended, and hangs for ever if it was lost.
                _ = self.life.wait_for(|life| !life.is_up() || life.losses != losses) => return told,
                sample = samples.next() => sample,
            };
            let Some(Ok(sample)) = sample else { return told };
            for stat in rows::stats(&self.subject, self.cpus, &sample) {
                told = true;
                self.scene.tell(stat);
            }
        }
    }
}
