//! The Docker engine: what runs on it, seen and signalled through its API.
//!
//! In the order a run meets them: [`Engine::connect`] finds it · [`Engine::leftovers`] tells what a killed collector
//! left, [`Engine::remove`] takes it away · a [`ContainerWatch`] tells of every container of the projects it is given,
//! from its creation on: events, logs and stats as rows, the present state beside them · [`Engine::signal`] and
//! [`Engine::pause`] are for faults.
//!
//! What Compose files mean is `docker compose`'s business: nothing here reads one, or starts anything but the
//! short-lived container of [`Engine::run_once`].

mod container;
mod leftovers;
mod once;
mod watch;

use std::collections::HashMap;
use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    InspectContainerOptions, InspectNetworkOptions, KillContainerOptions, ListContainersOptions,
};
use sha2::{Digest, Sha256};

pub use container::{Container, Health, Published, State};
pub use leftovers::Leftover;
pub use watch::{ContainerWatch, Now, Rows, Watched};

use crate::{Error, Signal};

/// The label that says on which host the collector runs that made a container, network or volume.
pub const LABEL_HOST: &str = "tapedeck.host";
/// The label that holds the path of a file which is locked for as long as the collector is at work.
pub const LABEL_LOCK: &str = "tapedeck.lock";
/// The label that holds a project's short name.
pub const LABEL_PROJECT: &str = "tapedeck.project";

/// Compose's own labels.
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";
const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";

/// Where an engine of this machine is.
const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";

/// An engine that has not begun to answer by then does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A Docker engine that answers.
#[derive(Clone)]
pub struct Engine {
    docker: Docker,
    address: Arc<str>,
    about: Arc<About>,
}

/// What the engine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its version, as in `28.5.2`.
    pub version: String,
    /// The version of its API that is spoken with it, as in `1.41`.
    pub api_version: String,
    /// The operating system that it runs on; names Docker Desktop where it is that.
    pub operating_system: String,
    /// `1` or `2`; empty where it has none.
    pub cgroup_version: String,
    /// Its own id.
    pub id: String,
}

impl Engine {
    /// Finds the engine that `DOCKER_HOST` names, else the one that the `docker` command has chosen (Docker Desktop and
    /// others have sockets of their own), else the one at the usual socket, and agrees on a version with it.
    pub async fn connect() -> Result<Engine, Error> {
        let named = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let address = match named {
            Some(address) => Some(address),
            None => chosen().await,
        };
        Engine::connect_to(address.as_deref().unwrap_or(DEFAULT_ADDRESS)).await
    }

    /// Finds the engine at an address such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    pub async fn connect_to(address: &str) -> Result<Engine, Error> {
        let failed = |source: bollard::errors::Error| {
            let remedy = remedy(&source);
            Error::Engine { address: address.to_owned(), remedy, source }
        };
        let docker = Docker::connect_with_host(address).map_err(failed)?.with_timeout(ANSWER_WITHIN);
        let docker = docker.negotiate_version().await.map_err(failed)?;
        let info = docker.info().await.map_err(failed)?;
        let about = About {
            version: info.server_version.unwrap_or_default(),
            api_version: docker.client_version().to_string(),
            operating_system: info.operating_system.unwrap_or_default(),
            cgroup_version: info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
            id: info.id.unwrap_or_default(),
        };
        Ok(Engine { docker, address: address.into(), about: Arc::new(about) })
    }

    /// Where it is, as `DOCKER_HOST` names it: `docker` is to be told, since by itself it may choose another one.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it says of itself, asked once.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The address that `host-gateway` means in a Compose file: where containers reach this host, and where the host
    /// itself can listen for them.
    pub async fn host_gateway(&self) -> Result<IpAddr, Error> {
        // Its containers are in a virtual machine, which forwards to the host's own loopback.
        if !cfg!(target_os = "linux") || self.about.operating_system.contains("Docker Desktop") {
            return Ok(Ipv4Addr::LOCALHOST.into());
        }
        let network = match self.docker.inspect_network("bridge", None::<InspectNetworkOptions>).await {
            Ok(network) => network,
            Err(error) if status(&error) == Some(404) => return Err(Error::NoBridge),
            Err(source) => return Err(asked("look at the network `bridge`")(source)),
        };
        let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateway = |config: &bollard::models::IpamConfig| match &config.gateway {
            Some(gateway) => gateway.parse().ok(),
            None => first_address(config.subnet.as_deref()?),
        };
        configs.iter().filter_map(gateway).find(IpAddr::is_ipv4).ok_or(Error::NoBridge)
    }

    /// The containers of a Compose project, whatever their state, sorted by service and number.
    ///
    /// `project` is the name that Compose knows.
    pub async fn containers(&self, project: &str) -> Result<Vec<Container>, Error> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{COMPOSE_PROJECT}={project}")])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let what = || format!("list the containers of project {project}");
        let listed = self.docker.list_containers(Some(options)).await.map_err(asked(what()))?;
        let mut containers = Vec::new();
        for id in listed.into_iter().filter_map(|container| container.id) {
            containers.extend(self.container(&id).await?);
        }
        containers.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
        Ok(containers)
    }

    /// Who publishes a TCP port at an address of this machine, as in "container web-1"; `None` where no container does.
    ///
    /// # Errors
    /// [`Error::AskEngine`].
    pub async fn publisher(&self, addr: SocketAddr) -> Result<Option<String>, Error> {
        let listed = self.docker.list_containers(None::<ListContainersOptions>).await;
        let listed = listed.map_err(asked("list the containers"))?;
        let publishes = |port: &bollard::models::PortSummary| {
            let ip: Option<IpAddr> = port.ip.as_deref().and_then(|ip| ip.parse().ok());
            let meets = ip.is_none_or(|ip| ip == addr.ip() || ip.is_unspecified() || addr.ip().is_unspecified());
            port.public_port == Some(addr.port()) && meets
        };
        let holder = listed.into_iter().find(|container| container.ports.iter().flatten().any(publishes));
        let name = holder.and_then(|holder| holder.names?.into_iter().next());
        Ok(name.map(|name| format!("container {}", name.trim_start_matches('/'))))
    }

    /// One container; `None` where there is none of this id.
    pub async fn container(&self, id: &str) -> Result<Option<Container>, Error> {
        match self.docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(inspected) => Ok(Some(Container::from_inspect(inspected))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(source) => Err(asked(format!("look at container {}", short(id)))(source)),
        }
    }

    /// The id (a digest) of an image by its name; `None` where the engine doesn't have it.
    pub async fn image_id(&self, image: &str) -> Result<Option<String>, Error> {
        match self.docker.inspect_image(image).await {
            Ok(inspected) => Ok(inspected.id),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(source) => Err(asked(format!("look at image {image}"))(source)),
        }
    }

    /// A digest of what an image is: its layers and how it is run. Its id also depends on labels, which Compose writes
    /// another one into for each project. `None` where the engine doesn't have it.
    ///
    /// # Errors
    /// [`Error::AskEngine`].
    pub async fn image_digest(&self, image: &str) -> Result<Option<String>, Error> {
        let inspected = match self.docker.inspect_image(image).await {
            Ok(inspected) => inspected,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(source) => return Err(asked(format!("look at image {image}"))(source)),
        };
        let (layers, config) = (inspected.root_fs.and_then(|files| files.layers), inspected.config.unwrap_or_default());
        let is =
            serde_json::json!([layers, config.entrypoint, config.cmd, config.env, config.user, config.working_dir]);
        Ok(Some(format!("sha256:{:x}", Sha256::digest(is.to_string()))))
    }

    /// Sends a signal to the first process of a container.
    pub async fn signal(&self, container_id: &str, signal: Signal) -> Result<(), Error> {
        let options = KillContainerOptions { signal: format!("SIG{signal}") };
        let sent = self.docker.kill_container(container_id, Some(options)).await;
        sent.map_err(asked(format!("send {signal} to container {}", short(container_id))))
    }

    /// Freezes all processes of a container.
    pub async fn pause(&self, container_id: &str) -> Result<(), Error> {
        let paused = self.docker.pause_container(container_id).await;
        paused.map_err(asked(format!("pause container {}", short(container_id))))
    }

    /// Lets a paused container go on.
    pub async fn unpause(&self, container_id: &str) -> Result<(), Error> {
        let unpaused = self.docker.unpause_container(container_id).await;
        unpaused.map_err(asked(format!("let container {} go on", short(container_id))))
    }

    /// What time the engine has, in nanoseconds since 1970: its clock may be that of a virtual machine.
    async fn now_unix_ns(&self) -> Result<i64, Error> {
        let info = self.docker.info().await.map_err(asked("ask for its time"))?;
        Ok(info.system_time.as_deref().and_then(container::unix_ns).unwrap_or_default())
    }
}

/// The address of the engine that the `docker` command talks to, where there is such a command.
async fn chosen() -> Option<String> {
    let mut asked = tokio::process::Command::new("docker");
    asked.args(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).kill_on_drop(true);
    let answer =
        tokio::time::timeout(ANSWER_WITHIN, asked.stdin(std::process::Stdio::null()).output()).await.ok()?.ok()?;
    let address = String::from_utf8(answer.stdout).ok()?.trim().to_owned();
    (answer.status.success() && !address.is_empty()).then_some(address)
}

/// The error of a request: what was to be done, and the engine's answer.
fn asked(what: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Error {
    let what = what.into();
    move |source| Error::AskEngine { what, source }
}

/// The HTTP status with which the engine refused.
fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The part of an id that is enough for people.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn remedy(error: &bollard::errors::Error) -> &'static str {
    let mut source = error.source();
    let mut denied = error.to_string().contains("ermission denied");
    while let Some(error) = source {
        denied |= error.to_string().contains("ermission denied");
        source = error.source();
    }
    match denied {
        true => "may you use it? join the group `docker`, or set DOCKER_HOST",
        false => "start Docker, or set DOCKER_HOST",
    }
}

/// The first usable address of a subnet, which is the bridge's own where none is told.
fn first_address(subnet: &str) -> Option<IpAddr> {
    let network: Ipv4Addr = subnet.split('/').next()?.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(network).checked_add(1)?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_has_a_first_address() {
        assert_eq!(first_address("172.17.0.0/16"), Some(Ipv4Addr::new(172, 17, 0, 1).into()));
        assert_eq!(first_address("fd00::/8"), None);
    }

    #[test]
    fn a_closed_socket_has_another_remedy_than_a_missing_one() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert!(remedy(&bollard::errors::Error::from(denied)).contains("group `docker`"));
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert!(remedy(&bollard::errors::Error::from(missing)).contains("start Docker"));
    }
}
