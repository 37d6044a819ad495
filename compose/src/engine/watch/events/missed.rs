//! The engine went away: waits until it is back, and finds what happened meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{ANSWER_WITHIN, DISORDER_NS, Events};
use crate::Error;
use crate::engine::Container;
use crate::engine::watch::Add;
use crate::engine::watch::rows::{self, Attributes};

/// An engine that is lost is asked again after this, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Events {
    /// Waits until the engine answers again, and tells what was missed.
    pub(super) async fn come_back(&mut self, error: String, commands: &mut mpsc::Receiver<Add>) {
        self.scene.tell(rows::engine("lost", BTreeMap::from([("error", error.as_str().into())])));
        self.publish(Some(error.clone()));
        let mut pause = FIRST_PAUSE;
        let until_unix_ns = loop {
            tokio::select! {
                Some(Add { project, done }) = commands.recv() => {
                    let _ = done.send(Err(Error::WatchLost { project: project.name, error: error.clone() }));
                    continue;
                }
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            if let Ok(Some(now)) = timeout(ANSWER_WITHIN, self.agree_again()).await {
                break now;
            }
        };
        self.scene.tell(rows::engine("back", Attributes::new()));
        let mut missed = self.events(self.last_unix_ns - DISORDER_NS, Some(until_unix_ns));
        while let Ok(Some(Ok(event))) = timeout(ANSWER_WITHIN, missed.next()).await {
            self.take(event).await;
        }
        self.find_what_no_event_told().await;
        self.tracked.values().for_each(|tracked| tracked.life.send_modify(|life| life.losses += 1));
        self.publish(None);
    }

    /// Agrees on a version with the engine, which may be another one now, and gives its time.
    async fn agree_again(&self) -> Option<i64> {
        self.scene.docker().clone().negotiate_version().await.ok()?;
        self.scene.engine.now_unix_ns().await.ok()
    }

    /// An engine that was started again remembers no events: what they would have told is found by looking.
    async fn find_what_no_event_told(&mut self) {
        let ids: Vec<String> = self.tracked.keys().cloned().collect();
        for id in ids {
            match timeout(ANSWER_WITHIN, self.scene.engine.container(&id)).await {
                Ok(Ok(Some(container))) => self.compare(&id, container),
                Ok(Ok(None)) => self.tell_gone(&id),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        for project in self.projects.clone() {
            let there = timeout(ANSWER_WITHIN, self.scene.engine.containers(&project.compose)).await;
            for container in there.ok().and_then(Result::ok).unwrap_or_default() {
                self.adopt(&project, container, 0);
            }
        }
    }

    fn compare(&mut self, id: &str, container: Container) {
        let Some(tracked) = self.tracked.get_mut(id) else { return };
        let (subject, was_up) = (tracked.subject.clone(), tracked.life.borrow().is_up());
        let known = tracked.container.as_ref().and_then(|container| container.started_unix_ns);
        let again = was_up && container.started_unix_ns > known;
        let (ended, is_up, finished) = (again || !container.is_up(), container.is_up(), container.finished_unix_ns);
        let started = container.started_unix_ns;
        // Of a run that was followed by another the engine tells when it ended, and nothing else.
        let (code, attributes) =
            if again { (None, Attributes::new()) } else { (container.exit_code, rows::end_of(&container)) };
        tracked.container = Some(container);
        if was_up && ended {
            tracked.found_ended = !again;
            self.scene.tell(rows::event(&subject, "die", code, attributes, finished));
            self.scene.told.end(id, finished.unwrap_or_default());
            self.live(id, |life| life.ended = true);
        }
        if is_up && (again || !was_up) {
            self.scene.tell(rows::event(&subject, "start", None, Attributes::new(), started));
            self.live(id, |life| (life.starts, life.ended) = (life.starts + 1, false));
        }
    }

    fn tell_gone(&mut self, id: &str) {
        let Some(tracked) = self.tracked.get(id) else { return };
        let was_up = tracked.life.borrow().is_up();
        for event in ["die", "destroy"].into_iter().skip(usize::from(!was_up)) {
            self.scene.tell(rows::event(&tracked.subject, event, None, Attributes::new(), None));
        }
        self.forget(id);
    }
}
