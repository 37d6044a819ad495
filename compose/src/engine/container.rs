//! A container as the engine describes it, reduced to what a run asks for.

use std::net::IpAddr;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, HostConfig, PortMap};

use super::{COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE};

/// A container of a Compose project, as it was at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// The name by which Compose knows its project.
    pub project: String,
    /// The service that it is a replica of.
    pub service: String,
    /// Which replica, from 1.
    pub number: u32,
    /// Its own name, without the leading slash.
    pub name: String,
    /// The image as it was named.
    pub image: String,
    /// The image's id, a digest.
    pub image_id: String,
    /// What it does.
    pub state: State,
    /// `None` without a health check.
    pub health: Option<Health>,
    /// `None` until it has ended; 128 + signal where a signal ended it.
    pub exit_code: Option<i64>,
    /// Whether the engine says that it ran out of memory.
    pub oom_killed: bool,
    /// Why it could not be started, where the engine tells.
    pub error: Option<String>,
    /// How often the engine itself has started it again.
    pub restart_count: u64,
    /// When it was started last, in nanoseconds since 1970 on the engine's clock.
    pub started_unix_ns: Option<i64>,
    /// When it ended last, likewise.
    pub finished_unix_ns: Option<i64>,
    /// CPUs that it may use; `None` without a limit.
    pub cpus: Option<f64>,
    /// Bytes of memory that it may use; `None` without a limit.
    pub memory: Option<u64>,
    /// The networks that it is in, by name.
    pub networks: Vec<String>,
    /// Its ports on the host.
    pub published: Vec<Published>,
    /// Whether it writes to a terminal, which has one stream only.
    pub tty: bool,
    /// What the engine does with its output, as in `json-file`.
    pub log_driver: String,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is Docker's state of the same name")]
pub enum State {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

/// What a container's own health check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// What the last check wrote, at most 1 KiB.
    pub last_output: String,
    /// How many checks failed in a row.
    pub failing_streak: u64,
}

/// A port of a container that can be reached on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// The host's address; unspecified where it is all of them.
    pub ip: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
}

/// Bytes of a health check's output that are kept.
const OUTPUT_LIMIT_BYTES: usize = 1024;

impl Container {
    pub(super) fn from_inspect(inspected: ContainerInspectResponse) -> Container {
        let config = inspected.config.unwrap_or_default();
        let host = inspected.host_config.unwrap_or_default();
        let state = inspected.state.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let label = |name| labels.get(name).cloned().unwrap_or_default();
        let does = State::of(state.status);
        let ended = matches!(does, State::Exited | State::Dead | State::Restarting | State::Removing);
        let settings = inspected.network_settings.unwrap_or_default();
        let (networks, ports) = (settings.networks.unwrap_or_default(), settings.ports);
        Container {
            id: inspected.id.unwrap_or_default(),
            project: label(COMPOSE_PROJECT),
            service: label(COMPOSE_SERVICE),
            number: label(COMPOSE_NUMBER).parse().unwrap_or(1),
            name: inspected.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image: config.image.unwrap_or_default(),
            image_id: inspected.image.unwrap_or_default(),
            state: does,
            health: state.health.and_then(Health::of),
            exit_code: state.exit_code.filter(|_| ended),
            oom_killed: state.oom_killed.unwrap_or_default(),
            error: state.error.filter(|error| !error.is_empty()),
            restart_count: inspected.restart_count.and_then(|count| count.try_into().ok()).unwrap_or_default(),
            started_unix_ns: state.started_at.as_deref().and_then(unix_ns),
            finished_unix_ns: state.finished_at.as_deref().and_then(unix_ns),
            cpus: cpus(&host),
            memory: host.memory.and_then(|bytes| u64::try_from(bytes).ok()).filter(|&bytes| bytes > 0),
            networks: networks.into_keys().collect(),
            published: published(ports),
            tty: config.tty.unwrap_or_default(),
            log_driver: host.log_config.and_then(|config| config.typ).unwrap_or_default(),
        }
    }

    /// What a recording calls it, in a project of this short name.
    pub fn subject(&self, project: &str) -> String {
        match self.number {
            0 | 1 => format!("{project}/{}", self.service),
            number => format!("{project}/{}/{number}", self.service),
        }
    }

    /// Whether its processes exist, frozen or not.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    /// Whether it has run and does so no more.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Exited | State::Dead | State::Removing) && self.finished_unix_ns.is_some()
    }
}

impl State {
    /// As `docker ps` says it.
    pub fn name(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Running => "running",
            State::Paused => "paused",
            State::Restarting => "restarting",
            State::Removing => "removing",
            State::Exited => "exited",
            State::Dead => "dead",
        }
    }

    fn of(status: Option<ContainerStateStatusEnum>) -> State {
        use ContainerStateStatusEnum as Status;
        match status {
            None | Some(Status::EMPTY | Status::CREATED) => State::Created,
            // What is asked to end still runs.
            Some(Status::RUNNING | Status::STOPPING) => State::Running,
            Some(Status::PAUSED) => State::Paused,
            Some(Status::RESTARTING) => State::Restarting,
            Some(Status::REMOVING) => State::Removing,
            Some(Status::EXITED) => State::Exited,
            Some(Status::DEAD) => State::Dead,
        }
    }
}

impl Health {
    fn of(health: bollard::models::Health) -> Option<Health> {
        let status = health.status.map(|status| status.to_string())?;
        if status.is_empty() || status == "none" {
            return None;
        }
        let last = health.log.unwrap_or_default().pop().and_then(|check| check.output).unwrap_or_default();
        let streak = health.failing_streak.and_then(|streak| streak.try_into().ok()).unwrap_or_default();
        Some(Health { status, last_output: beginning(last.trim_end()), failing_streak: streak })
    }
}

fn beginning(text: &str) -> String {
    let end = (0..=text.len().min(OUTPUT_LIMIT_BYTES)).rev().find(|&end| text.is_char_boundary(end));
    text[..end.unwrap_or(0)].to_owned()
}

fn cpus(host: &HostConfig) -> Option<f64> {
    let positive = |number: Option<i64>| number.filter(|&number| number > 0).map(|number| number as f64);
    if let Some(nano_cpus) = positive(host.nano_cpus) {
        return Some(nano_cpus / 1e9);
    }
    // The kernel's own period where none is told: 100 ms, in microseconds.
    Some(positive(host.cpu_quota)? / positive(host.cpu_period).unwrap_or(100_000.0))
}

fn published(ports: Option<PortMap>) -> Vec<Published> {
    let mut published = Vec::new();
    for (container_port, bindings) in ports.unwrap_or_default() {
        let Some(container_port) = container_port.split('/').next().and_then(|port| port.parse().ok()) else {
            continue;
        };
        for binding in bindings.unwrap_or_default() {
            let ip = binding.host_ip.filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".to_owned());
            let host_port = binding.host_port.and_then(|port| port.parse().ok());
            let (Ok(ip), Some(host_port)) = (ip.parse(), host_port) else { continue };
            published.push(Published { ip, host_port, container_port });
        }
    }
    published.sort();
    published
}

/// A time as the engine writes it, in nanoseconds since 1970; `None` for the year 1, which means never.
pub(super) fn unix_ns(time: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(time).ok()?.timestamp_nanos_opt()
}

/// What a recording calls a container: the project's short name, the service, and the number of a second replica.
pub(super) fn subject(project: &str, service: &str, number: u32) -> String {
    match number {
        1 => format!("{project}/{service}"),
        number => format!("{project}/{service}/{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(json: serde_json::Value) -> Container {
        Container::from_inspect(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn what_inspect_says_is_reduced() {
        let labels = serde_json::json!({COMPOSE_PROJECT: "p-one", COMPOSE_SERVICE: "echo", COMPOSE_NUMBER: "2"});
        let ports = serde_json::json!({
            "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostIp": "", "HostPort": "81"}], "9/udp": null
        });
        let one = container(serde_json::json!({
            "Id": "i", "Name": "/p-one-echo-2", "Image": "sha256:1", "RestartCount": 3,
            "Config": {"Image": "echo", "Labels": labels, "Tty": true},
            "HostConfig": {"NanoCpus": 1_500_000_000, "Memory": 1024, "LogConfig": {"Type": "local"}},
            "NetworkSettings": {"Ports": ports},
            "State": {
                "Status": "exited", "ExitCode": 137, "OOMKilled": true, "FinishedAt": "2026-01-31T12:00:00.5Z",
                "Health": {"Status": "unhealthy", "FailingStreak": 2, "Log": [{"Output": "a"}, {"Output": "b\n"}]}
            }
        }));
        assert_eq!((&*one.name, &*one.service, one.number, one.restart_count), ("p-one-echo-2", "echo", 2, 3));
        assert_eq!((one.cpus, one.memory, one.tty, &*one.log_driver), (Some(1.5), Some(1024), true, "local"));
        assert_eq!((one.exit_code, one.oom_killed, one.has_ended()), (Some(137), true, true));
        assert_eq!(one.finished_unix_ns, Some(1_769_860_800_500_000_000));
        let health = Health { status: "unhealthy".to_owned(), last_output: "b".to_owned(), failing_streak: 2 };
        assert_eq!(one.health, Some(health));
        let port = |ip: &str, host_port| Published { ip: ip.parse().unwrap(), host_port, container_port: 80 };
        assert_eq!(one.published, [port("0.0.0.0", 81), port("127.0.0.1", 8080)]);
        assert_eq!(subject("one", &one.service, one.number), "one/echo/2");
    }

    #[test]
    fn what_runs_has_no_exit_code_and_what_never_ran_no_times() {
        let state = serde_json::json!({"Status": "running", "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z"});
        let one = container(serde_json::json!({"State": state}));
        assert_eq!((one.exit_code, one.finished_unix_ns, one.is_up()), (None, None, true));
        assert_eq!((one.health, one.cpus, one.memory, one.number), (None, None, None, 1));
    }

    #[test]
    fn a_long_output_is_cut_between_characters() {
        let long = format!("x{}", "é".repeat(OUTPUT_LIMIT_BYTES));
        assert_eq!(beginning(&long).len(), OUTPUT_LIMIT_BYTES - 1);
        assert_eq!(beginning("short"), "short");
    }
}
