//! Faults on purpose: `[[inject]]`.

use std::path::Path;
use std::time::Duration;

use compose::{ProcessSpec, Signal};

use super::super::{Error, Fault, Inject, PUBLISHER, Scenario, written};
use super::{EMPTY_COMMAND, Resolver};

impl Resolver<'_> {
    /// The faults of a scenario whose other parts are resolved, by time.
    pub(super) fn injects(&self, written: Vec<written::Inject>, scenario: &Scenario) -> Result<Vec<Inject>, Error> {
        let mut injects = Vec::new();
        for inject in written {
            let place = format!("[[inject]] {}", inject.at);
            let at = self.duration(&format!("{place}: at"), Some(&inject.at), Duration::ZERO)?;
            let fault = match (inject.signal, inject.process, inject.command) {
                (None, None, Some(command)) => self.program(&place, &command, inject.r#for.as_deref())?,
                (_, _, Some(_)) => {
                    return Err(self.error(place, "write either `signal` and `process`, or `command`, not both"));
                }
                (None, None, None) => {
                    return Err(self.error(place, "say what is done: `signal` and `process`, or `command`"));
                }
                (Some(_), Some(_), None) if inject.r#for.is_some() => {
                    return Err(self.error(place, "`for` belongs to `command`: a signal has no length"));
                }
                (Some(signal), Some(process), None) => self.signal(&place, &signal, process, scenario)?,
                _ => return Err(self.error(place, "`signal` and `process` go together: write both")),
            };
            injects.push(Inject { at, fault });
        }
        injects.sort_by_key(|inject| inject.at);
        Ok(injects)
    }

    fn signal(&self, place: &str, signal: &str, process: String, scenario: &Scenario) -> Result<Fault, Error> {
        let signal = signal.parse().map_err(|_| {
            let known = Signal::NAMES.join(", ");
            self.error(place, format!("signal `{signal}` is none of {known}"))
        })?;
        if process == PUBLISHER && scenario.publish.is_none() {
            return Err(self.error(place, "nobody publishes: there is no [publish]"));
        }
        let known = scenario.processes.iter().any(|known| known.spec.name == process);
        if !known && process != PUBLISHER {
            return Err(self.error(place, format!("there is no [[process]] named `{process}`")));
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
