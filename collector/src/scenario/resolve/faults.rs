//! Faults on purpose: `[[inject]]`.

use std::path::Path;
use std::time::Duration;

use compose::{ProcessSpec, Signal};

use super::super::{ContainerFault, Error, Fault, Inject, Kind, PUBLISHER, Scenario, written};
use super::{EMPTY_COMMAND, Resolver};

const CHOICES: &str = "`signal` and `process`; `container`, and `signal` or `pause`; or `command`";

impl Resolver<'_> {
    /// The faults of a scenario whose other parts are resolved, by time.
    pub(super) fn injects(&self, written: Vec<written::Inject>, scenario: &Scenario) -> Result<Vec<Inject>, Error> {
        let mut injects = Vec::new();
        for inject in written {
            let place = format!("[[inject]] {}", inject.at);
            let at = self.duration(&format!("{place}: at"), Some(&inject.at), Duration::ZERO)?;
            let fault = self.fault(&place, inject, scenario)?;
            injects.push(Inject { at, fault });
        }
        injects.sort_by_key(|inject| inject.at);
        Ok(injects)
    }

    fn fault(&self, place: &str, inject: written::Inject, scenario: &Scenario) -> Result<Fault, Error> {
        let written::Inject { at: _, signal, process, container, pause, command, r#for: lasts } = inject;
        let other = signal.is_some() || process.is_some() || container.is_some() || pause.is_some();
        if command.is_some() && other {
            return Err(self.error(place, format!("write one of: {CHOICES}")));
        }
        if lasts.is_some() && other {
            return Err(self.error(place, "`for` belongs to `command`: a signal has no length, a pause says its own"));
        }
        match (command, process, container) {
            (Some(command), ..) => self.program(place, &command, lasts.as_deref()),
            (_, Some(_), Some(_)) => {
                Err(self.error(place, "write either `process` or `container`: for both, write two [[inject]]"))
            }
            (_, None, Some(container)) => {
                let what = self.container_fault(place, signal, pause)?;
                self.check_container(place, &container, scenario)?;
                Ok(Fault::Container { container, what })
            }
            _ if pause.is_some() => {
                Err(self
                    .error(place, "`pause` belongs to `container`: a process is stopped by the signals STOP and CONT"))
            }
            (_, Some(process), _) => match signal {
                Some(signal) => self.process_signal(place, &signal, process, scenario),
                None => Err(self.error(place, "`signal` and `process` go together: write both")),
            },
            _ if signal.is_some() => Err(self.error(place, "`signal` needs a `process` or a `container`: name it")),
            _ => Err(self.error(place, format!("say what is done: {CHOICES}"))),
        }
    }

    fn container_fault(
        &self,
        place: &str,
        signal: Option<String>,
        pause: Option<String>,
    ) -> Result<ContainerFault, Error> {
        match (signal, pause) {
            (Some(signal), None) => Ok(ContainerFault::Signal(self.signal(place, &signal)?)),
            (None, Some(pause)) => {
                let pause = self.duration(&format!("{place}: pause"), Some(&pause), Duration::ZERO)?;
                Ok(ContainerFault::Pause(pause))
            }
            _ => Err(self.error(place, "a container takes either `signal` or `pause`: write one of them")),
        }
    }

    /// Whether the project is one of ours; its services are in Compose files, which are not read here.
    fn check_container(&self, place: &str, container: &str, scenario: &Scenario) -> Result<(), Error> {
        if scenario.kind != Kind::Compose {
            let problem =
                format!("`container` is for kind `compose`: in kind `{}` name a `process`", scenario.kind.name());
            return Err(self.error(place, problem));
        }
        let parts = container.split_once('/').filter(|(_, service)| !service.is_empty() && !service.contains('/'));
        let Some((project, _)) = parts else {
            return Err(self.error(place, format!("container = `{container}` is none: write PROJECT/SERVICE")));
        };
        if !scenario.projects.iter().any(|known| known.spec.name == project) {
            return Err(self.error(place, format!("there is no [[project]] named `{project}`")));
        }
        Ok(())
    }

    fn signal(&self, place: &str, signal: &str) -> Result<Signal, Error> {
        signal.parse().map_err(|_| {
            let known = Signal::NAMES.join(", ");
            self.error(place, format!("signal `{signal}` is none of {known}"))
        })
    }

    fn process_signal(&self, place: &str, signal: &str, process: String, scenario: &Scenario) -> Result<Fault, Error> {
        let signal = self.signal(place, signal)?;
        if process == PUBLISHER && scenario.publish.is_none() {
            return Err(self.error(place, "nobody publishes: there is no [publish]"));
        }
        let known = scenario.processes.iter().any(|known| known.spec.name == process);
        if !known && process != PUBLISHER {
            let remedy = if scenario.kind == Kind::Compose { ": for a container, write `container`" } else { "" };
            return Err(self.error(place, format!("there is no [[process]] named `{process}`{remedy}")));
        }
        Ok(Fault::Signal { signal, process })
    }

    fn program(&self, place: &str, command: &[String], lasts: Option<&str>) -> Result<Fault, Error> {
        let program = command.first().filter(|program| !program.is_empty());
        let program = Path::new(program.ok_or_else(|| self.error(place, EMPTY_COMMAND))?);
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let lasts = lasts.map(|_| self.duration(&format!("{place}: for"), lasts, Duration::ZERO)).transpose()?;
        let command = command.iter().map(|word| self.fill(word)).collect();
        Ok(Fault::Program { spec: ProcessSpec::new(name, command, self.folder()), lasts })
    }
}
