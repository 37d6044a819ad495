//! The system under test, and the publisher that feeds it: started in order, watched, always taken down.

use compose::{Process, ProcessSpec, Processes, Projects, Signal};
use tokio_util::sync::CancellationToken;

use super::events::{Events, Ground};
use super::stage::Stage;
use crate::AnyError;
use crate::scenario::{PUBLISHER, Scenario};
use crate::status::say;

/// What is started for a run, but for faults and a wrapped command.
pub(super) struct System<'s> {
    ground: Ground,
    /// Where Compose projects are the system under test.
    stage: Option<&'s mut Stage>,
    processes: Processes,
    publisher: Option<Process>,
    /// Those of the processes, and of the publisher.
    events: [Events; 2],
}

impl<'s> System<'s> {
    /// A system that is not yet up.
    ///
    /// # Errors
    /// Where the HTTP client can't be set up.
    pub(super) fn new(ground: &Ground, stage: Option<&'s mut Stage>) -> Result<System<'s>, compose::Error> {
        let events = ["process", "publisher"].map(|name| Events::new(ground, name, "process"));
        let processes = Processes::new(events[0].sink(), Some(ground.guard.clone()))?;
        if let Some(stage) = &stage {
            stage.open(ground);
        }
        Ok(System { ground: ground.clone(), stage, processes, publisher: None, events })
    }

    /// Starts every process or project, each once the one before is ready.
    ///
    /// # Errors
    /// That of the first one that doesn't come up.
    pub(super) async fn start(&mut self, scenario: &Scenario) -> Result<(), AnyError> {
        if let Some(stage) = &mut self.stage {
            return stage.start(scenario).await;
        }
        self.events[0].source().live();
        for process in &scenario.processes {
            self.processes.start(&process.spec).await?;
            say(format_args!("{} is ready", process.spec.name));
        }
        Ok(())
    }

    /// Begins to publish the stimulus, at the pace of its own time stamps.
    ///
    /// # Errors
    /// Where ffmpeg can't be started.
    pub(super) fn publish(&mut self, scenario: &Scenario) -> Result<(), compose::Error> {
        let Some(command) = publisher(scenario) else {
            return Ok(());
        };
        let folder = std::env::current_dir().unwrap_or_else(|_| std::env::temp_dir());
        self.events[1].source().live();
        let spec = ProcessSpec::new(scenario.stream.clone(), command, folder);
        self.publisher = Some(Process::start(&spec, &self.events[1].sink(), Some(&self.ground.guard))?);
        Ok(())
    }

    /// Sends a signal to the whole group of a process, or to the publisher's.
    ///
    /// # Errors
    /// Where it has ended, or the system refuses.
    pub(super) fn signal(&self, process: &str, signal: Signal) -> Result<(), compose::Error> {
        match &self.publisher {
            Some(publisher) if process == PUBLISHER => publisher.handle().signal(signal),
            _ => self.processes.signal(process, signal),
        }
    }

    /// Sends a signal to the first process of a container.
    ///
    /// # Errors
    /// Where there is no such container, or the engine refuses.
    pub(super) async fn signal_container(&self, container: &str, signal: Signal) -> Result<(), compose::Error> {
        match self.projects() {
            Some(projects) => projects.signal(container, signal).await,
            None => Ok(()),
        }
    }

    /// Stops all processes of a container.
    ///
    /// # Errors
    /// As [`System::signal_container`].
    pub(super) async fn pause(&self, container: &str) -> Result<(), compose::Error> {
        match self.projects() {
            Some(projects) => projects.pause(container).await,
            None => Ok(()),
        }
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// As [`System::signal_container`].
    pub(super) async fn unpause(&self, container: &str) -> Result<(), compose::Error> {
        match self.projects() {
            Some(projects) => projects.unpause(container).await,
            None => Ok(()),
        }
    }

    /// The stage, where there is one.
    pub(super) fn stage(&self) -> Option<&Stage> {
        self.stage.as_deref()
    }

    fn projects(&self) -> Option<&Projects> {
        self.stage()?.projects()
    }

    /// Ends the publisher, then every process or project in reverse order, whatever state they are in. Projects that
    /// are well stay up for the `next` run, where there is one. Says what could not be ended.
    pub(super) async fn stop(&mut self, next: Option<&str>) -> Vec<String> {
        if let Some(publisher) = &mut self.publisher {
            publisher.stop().await;
        }
        self.publisher = None;
        self.processes.stop().await;
        let problems = match &mut self.stage {
            Some(stage) => stage.close(next).await,
            None => Vec::new(),
        };
        for events in &self.events {
            events.source().end();
        }
        problems
    }

    /// Leaves the system up until told to stop.
    pub(super) async fn stay_up(&mut self, stop: &CancellationToken) {
        say("the system stays up until Ctrl-C");
        stop.cancelled().await;
    }
}

/// The command that publishes the stimulus, where one is published.
fn publisher(scenario: &Scenario) -> Option<Vec<String>> {
    let (stimulus, publish) = (scenario.stimulus.as_ref()?, scenario.publish.as_ref()?);
    let stimulus = stimulus.display().to_string();
    let mut command = vec!["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning", "-re"];
    if publish.repeat {
        command.extend(["-stream_loop", "-1"]);
    }
    command.extend(["-i", &stimulus, "-c", "copy", "-f", "flv", &publish.url]);
    Some(command.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Publish, Upstream};

    #[test]
    fn a_stimulus_is_published_once_or_without_end() {
        let mut scenario =
            Scenario::tap_only(([127, 0, 0, 1], 0).into(), Upstream::parse("http://h:1", None).unwrap(), "s");
        assert_eq!(publisher(&scenario), None);
        scenario.stimulus = Some("in.mp4".into());
        scenario.publish = Some(Publish { url: "rtmp://h/live/s/in".to_owned(), repeat: false });
        let once = publisher(&scenario).unwrap().join(" ");
        assert!(once.ends_with("-re -i in.mp4 -c copy -f flv rtmp://h/live/s/in"), "{once}");
        scenario.publish.as_mut().unwrap().repeat = true;
        let endless = publisher(&scenario).unwrap().join(" ");
        // An option of the input stands before it.
        assert!(endless.contains("-stream_loop -1 -i in.mp4"), "{endless}");
    }
}
