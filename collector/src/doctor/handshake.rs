//! A real handshake through each tap, with whatever part of the system under test that needs to be up.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use compose::{Guard, Processes};
use tokio_util::sync::CancellationToken;

use super::Check;
use crate::handshake::{Handshake, RealClient};
use crate::intake::{Clock, Intake};
use crate::record::stage::Stage;
use crate::redact::Redactor;
use crate::scenario::{self, Listen, Scenario};
use crate::status::say;
use crate::tap::Tap;
use crate::wire::Limits;
use crate::{AnyError, chain};

/// How long the look from inside a container may take.
const LOOK_WITHIN: Duration = Duration::from_secs(20);
/// Exit code of the look where the image has nothing to look with.
const NO_TOOL: i64 = 127;

/// The system under test, as far as it is brought up for this.
pub(super) struct Scene<'s> {
    scenario: &'s Scenario,
    host_gateway: IpAddr,
    processes: Processes,
    stage: Option<&'s mut Stage>,
    /// How many processes or projects are up.
    up: usize,
}

impl<'s> Scene<'s> {
    /// Nothing is up.
    pub(super) fn new(
        scenario: &'s Scenario,
        host_gateway: IpAddr,
        stage: Option<&'s mut Stage>,
    ) -> Result<Scene<'s>, AnyError> {
        let sink: compose::Sink = Arc::new(|_| {});
        let program = std::env::current_exe().unwrap_or_else(|_| "collector".into());
        // Ctrl-C while a service loads must not leave it behind.
        let guard = Guard::spawn(&program, &["guard"])?;
        let processes = Processes::new(sink, Some(Arc::new(guard)))?;
        Ok(Scene { scenario, host_gateway, processes, stage, up: 0 })
    }

    /// A handshake through each tap. Where its upstream is not up, and the scenario starts it, it is started for this
    /// and stopped again.
    pub(super) async fn handshakes(mut self, stop: &CancellationToken) -> Vec<Check> {
        let mut checks = Vec::new();
        for tap in &self.scenario.taps {
            let subject = format!("tap {}: Socket.IO handshake", tap.name);
            let up = tokio::select! {
                up = self.bring_up(tap) => up,
                () = stop.cancelled() => Err("ended by a signal".to_owned()),
            };
            match up {
                Ok(()) => checks.extend(self.through(tap, &subject).await),
                Err(problem) => checks.push(Check::new(subject, Err(problem))),
            }
        }
        self.processes.stop().await;
        if let Some(stage) = self.stage {
            let left = stage.close(None).await.into_iter();
            checks.extend(left.map(|problem| Check::new("teardown", Err(problem))));
        }
        checks
    }

    /// Starts what the scenario names, up to what answers at the tap's upstream.
    async fn bring_up(&mut self, tap: &scenario::Tap) -> Result<(), String> {
        while tokio::net::TcpStream::connect(&tap.upstream.address).await.is_err() {
            let started =
                match (&mut self.stage, self.scenario.processes.get(self.up), self.scenario.projects.get(self.up)) {
                    (_, Some(process), _) => {
                        say(format!("starting {} for the handshake", process.spec.name));
                        self.processes.start(&process.spec).await.map(drop).map_err(|error| chain(&error))
                    }
                    (Some(stage), _, Some(project)) => stage
                        .start_one(project, &format!("doctor-{}", std::process::id()))
                        .await
                        .map_err(|error| chain(&*error)),
                    _ => {
                        let upstream = &tap.upstream.address;
                        Err(format!("nothing answers at its upstream {upstream}; start it, then try again"))
                    }
                };
            started?;
            self.up += 1;
        }
        Ok(())
    }

    async fn through(&self, tap: &scenario::Tap, subject: &str) -> Vec<Check> {
        let (relay, address) = match self.bind(tap).await {
            Ok(bound) => bound,
            Err(problem) => return vec![Check::new(subject, Err(problem))],
        };
        let token = CancellationToken::new();
        let running = tokio::spawn(relay.run(token.clone()));
        let client = RealClient { limit: Duration::from_secs(5) };
        let greeted = client.greet(&format!("http://{address}"), "/").await;
        let mut checks = vec![Check::new(
            subject,
            match greeted {
                Ok(()) => Ok(format!("namespace / answered through {address}")),
                Err(error) => Err(format!("namespace / does not answer through {address}: {error}")),
            },
        )];
        if let (Listen::HostGateway(port), Some(stage)) = (tap.listen, &self.stage) {
            let subject = format!("tap {}: from inside a container", tap.name);
            checks.extend(look(stage, port).await.map(|found| Check::new(subject, found)));
        }
        token.cancel();
        // A relay that panicked would have answered nobody, which has been said.
        running.await.ok();
        checks
    }

    async fn bind(&self, tap: &scenario::Tap) -> Result<(Tap, SocketAddr), String> {
        let intake = Intake::new(Clock::start());
        let redactor = Redactor::open([]).map_err(|error| chain(&error))?;
        let listen = tap.listen.address(self.host_gateway);
        let relay = Tap::bind(tap, listen, &intake, Arc::new(redactor), &Limits::default())
            .await
            .map_err(|error| chain(&error))?;
        let address = relay.address().map_err(|error| error.to_string())?;
        Ok((relay, address))
    }
}

/// Asks for the start of a session from where containers are, with what an image of theirs has; nothing where none is
/// up.
async fn look(stage: &Stage, port: u16) -> Option<Result<String, String>> {
    let (_, container) = stage.projects()?.containers().into_iter().next()?;
    let url = format!("http://host.docker.internal:{port}/socket.io/?EIO=4&transport=polling");
    let script = format!(
        "if command -v curl; then exec curl -fsS -m 5 '{url}'; fi; if command -v wget; then exec wget -q -T 5 -O - '{url}'; fi; \
         if command -v python3; then exec python3 -c \"import urllib.request as u; print(u.urlopen('{url}', timeout=5).read())\"; fi; exit {NO_TOOL}"
    );
    let command = ["sh", "-c", &script].map(str::to_owned);
    let hosts = ["host.docker.internal:host-gateway".to_owned()];
    // From where its neighbours are: another network may be let through where theirs is not.
    let network = container.networks.first().map(String::as_str);
    Some(match stage.engine().run_once(&container.image_id, &command, &hosts, network, LOOK_WITHIN).await {
        Ok((0, _)) => Ok(format!("host.docker.internal:{port} answers")),
        Ok((NO_TOOL, _)) => Ok(format!("not looked at: {} has neither curl, wget nor python3", container.image)),
        Ok((_, said)) => {
            let said = said.lines().last().unwrap_or_default().to_owned();
            Err(format!(
                "host.docker.internal:{port} can't be reached ({said}): let a firewall pass containers to this host"
            ))
        }
        // An image without a shell, most likely.
        Err(error) => Ok(format!("not looked at: {}", chain(&error))),
    })
}
