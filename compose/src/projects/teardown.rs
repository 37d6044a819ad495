//! How projects go: asked to end, read to the end, removed, and looked for once more.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{DOCKER_HOST, Projects, Up};
use crate::Error;
use crate::engine::Now;

/// How long containers have to end after SIGTERM, before SIGKILL, as Compose takes it.
const GRACE: &str = "10";
/// With the images that belong to this run alone.
const DOWN: [&str; 7] = ["down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "1"];
/// How long one step of a teardown may take: the next one goes further.
const STEP_WITHIN: Duration = Duration::from_secs(60);
/// How long the last lines of ended containers are waited for.
pub(super) const LAST_LINES_WAIT: Duration = Duration::from_secs(5);
/// How long an engine that does not answer is waited for, before what is up is left to a later start.
const ENGINE_WAIT: Duration = Duration::from_secs(30);

/// How a project went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its name.
    pub project: String,
    /// That of Compose's `down`; `None` where it did not come to an end.
    pub exit_code: Option<i64>,
    /// What of it is still on the engine, or why that is not known.
    pub left: Option<String>,
}

impl Projects {
    /// Takes every project down in reverse order, with its volumes, and says how each went, in that order. A second
    /// call has nothing left to do; one that was dropped half-way is taken up again.
    ///
    /// What `down` leaves, the engine is asked directly to remove.
    pub async fn stop(&mut self) -> Vec<Gone> {
        let mut gone = Vec::with_capacity(self.up.len());
        while let Some(up) = self.up.last() {
            if up.started {
                self.tell(&up.spec.name, "stop", None, serde_json::json!({}));
            }
            gone.push(self.down(up).await);
            self.up.pop();
        }
        gone
    }

    async fn down(&self, up: &Up) -> Gone {
        let answers = |now: &Arc<Now>| now.lost.is_none();
        // Where it stays away, the attempt below says so.
        timeout(ENGINE_WAIT, self.watch.now().wait_for(answers)).await.map(drop).ok();
        if up.started {
            timeout(STEP_WITHIN, self.run(up, &["stop", "--timeout", GRACE])).await.map(drop).ok();
            self.read_to_the_end(up).await;
        }
        let down = timeout(STEP_WITHIN, self.run(up, &DOWN)).await;
        let exit_code = down.ok().and_then(Result::ok).and_then(|down| down.exit_code);
        let left = timeout(STEP_WITHIN, self.remove_what_is_left(up)).await;
        let (volumes, left) = match left {
            Ok(Ok(left)) => (Some(left.volumes == 0), (!left.is_nothing()).then(|| left.to_string())),
            Ok(Err(error)) => (None, Some(error.to_string())),
            Err(_) => (None, Some("the Docker engine does not answer".to_owned())),
        };
        self.watch.settled(&up.spec.name, LAST_LINES_WAIT).await;
        if up.started {
            let mut attributes = serde_json::json!({});
            if let Some(left) = &left {
                attributes["left"] = left.as_str().into();
            }
            if let Some(volumes) = volumes {
                attributes["volumes"] = volumes.into();
            }
            self.tell(&up.spec.name, "exit", exit_code, attributes);
        }
        Gone { project: up.spec.name.clone(), exit_code, left }
    }

    /// Waits for the last lines of containers that have ended; a removed container's log is gone.
    pub(super) async fn read_to_the_end(&self, up: &Up) {
        if !self.watch.settled(&up.spec.name, LAST_LINES_WAIT).await {
            self.tell(&up.spec.name, "unread", None, serde_json::json!({}));
        }
    }

    /// Compose calls it a success where something was in use and stayed.
    async fn remove_what_is_left(&self, up: &Up) -> Result<crate::engine::Leftover, Error> {
        let left = self.engine.left(&up.id).await?;
        if left.is_nothing() {
            return Ok(left);
        }
        // What can't be removed is still there afterwards, which is what is told.
        self.engine.remove(&up.id).await.ok();
        self.engine.left(&up.id).await
    }

    /// The same as [`Projects::down`], in as much as can be done where nothing may be awaited.
    fn down_at_once(&self, up: &Up) -> std::io::Result<()> {
        let down = self.compose.invocation(&up.spec, &up.id, up.changes.path(), &DOWN);
        let mut command = Command::new(&down.command[0]);
        for name in &down.unset {
            command.env_remove(name);
        }
        command.args(&down.command[1..]).envs(&down.env).envs(&up.changes.env).env(DOCKER_HOST, self.engine.address());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let deadline = Instant::now() + STEP_WITHIN;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Projects {
    fn drop(&mut self) {
        while let Some(up) = self.up.pop() {
            // Nobody is left to be told; what stays has its labels, and goes at the next start.
            self.down_at_once(&up).ok();
        }
    }
}
