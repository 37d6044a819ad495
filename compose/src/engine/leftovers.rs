//! What a killed collector left on the engine, and how a whole Compose project is taken away without Compose.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bollard::query_parameters::{
    ListContainersOptions, ListNetworksOptions, ListVolumesOptions, RemoveContainerOptions, RemoveVolumeOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt as _;

use super::{COMPOSE_PROJECT, Engine, LABEL_HOST, LABEL_LOCK, asked, short, status};
use crate::Error;

/// How long a removal that somebody else began may take.
const REMOVED_WITHIN: Duration = Duration::from_secs(10);

/// A Compose project that a collector of this host began, and of which something is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// The name by which Compose knows it.
    pub project: String,
    /// The file that is locked while its collector is at work.
    pub lock: PathBuf,
    /// How many containers are there.
    pub containers: usize,
    /// How many networks.
    pub networks: usize,
    /// How many volumes.
    pub volumes: usize,
}

impl Leftover {
    /// Whether nothing is there any more.
    pub fn is_nothing(&self) -> bool {
        (self.containers, self.networks, self.volumes) == (0, 0, 0)
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leftover { containers, networks, volumes, .. } = self;
        write!(to, "{containers} containers, {networks} networks, {volumes} volumes")
    }
}

type Labels = HashMap<String, String>;

/// What carries a label, with all its labels.
struct Labelled {
    containers: Vec<(String, Labels)>,
    networks: Vec<(String, Labels)>,
    volumes: Vec<(String, Labels)>,
}

impl Engine {
    /// The Compose projects of which something is there that a collector of this host made, sorted by name. They may
    /// be in use: whether its collector is still at work, only the lock tells.
    pub async fn leftovers(&self, host: &str) -> Result<Vec<Leftover>, Error> {
        let there = self.labelled(&format!("{LABEL_HOST}={host}")).await?;
        let mut leftovers = BTreeMap::new();
        count(&mut leftovers, &there.containers, |leftover| &mut leftover.containers);
        count(&mut leftovers, &there.networks, |leftover| &mut leftover.networks);
        count(&mut leftovers, &there.volumes, |leftover| &mut leftover.volumes);
        Ok(leftovers.into_values().collect())
    }

    /// What is there of a Compose project, whoever made it.
    ///
    /// # Errors
    /// [`Error::AskEngine`].
    pub async fn left(&self, project: &str) -> Result<Leftover, Error> {
        let there = self.labelled(&format!("{COMPOSE_PROJECT}={project}")).await?;
        Ok(Leftover {
            project: project.to_owned(),
            lock: PathBuf::new(),
            containers: there.containers.len(),
            networks: there.networks.len(),
            volumes: there.volumes.len(),
        })
    }

    /// Removes the containers of a Compose project, running or not, its networks and its volumes. Goes on after a
    /// failure; the first one is told.
    pub async fn remove(&self, project: &str) -> Result<(), Error> {
        let there = self.labelled(&format!("{COMPOSE_PROJECT}={project}")).await?;
        let mut outcome = Ok(());
        for (id, _) in &there.containers {
            outcome = outcome.and(self.remove_container(id).await);
        }
        for (id, _) in &there.networks {
            let removed = self.docker.remove_network(id).await;
            outcome = outcome.and(unless_gone(removed, || format!("remove network {}", short(id))));
        }
        for (name, _) in &there.volumes {
            let removed = self.docker.remove_volume(name, Some(RemoveVolumeOptions { force: true })).await;
            outcome = outcome.and(unless_gone(removed, || format!("remove volume {name}")));
        }
        outcome
    }

    /// Removes a container with its anonymous volumes; that it is gone already is no error.
    pub(super) async fn remove_container(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        let removed = self.docker.remove_container(id, Some(options)).await;
        if removed.as_ref().is_err_and(|error| status(error) == Some(409)) {
            // Somebody else removes it just now; its network can only go after it.
            let options = WaitContainerOptions { condition: "removed".to_owned() };
            let mut gone = self.docker.wait_container(id, Some(options));
            if tokio::time::timeout(REMOVED_WITHIN, gone.next()).await.is_ok() {
                return Ok(());
            }
        }
        unless_gone(removed, || format!("remove container {}", short(id)))
    }

    async fn labelled(&self, label: &str) -> Result<Labelled, Error> {
        let filters = || Some(HashMap::from([("label".to_owned(), vec![label.to_owned()])]));
        let options = ListContainersOptions { all: true, filters: filters(), ..Default::default() };
        let containers = self.docker.list_containers(Some(options)).await;
        let containers = containers.map_err(asked(format!("list the containers with label {label}")))?;
        let networks = self.docker.list_networks(Some(ListNetworksOptions { filters: filters() })).await;
        let networks = networks.map_err(asked(format!("list the networks with label {label}")))?;
        let volumes = self.docker.list_volumes(Some(ListVolumesOptions { filters: filters() })).await;
        let volumes = volumes.map_err(asked(format!("list the volumes with label {label}")))?;
        let found = |id: Option<String>, labels: Option<Labels>| Some((id?, labels.unwrap_or_default()));
        let volumes = volumes.volumes.unwrap_or_default().into_iter();
        Ok(Labelled {
            containers: containers.into_iter().filter_map(|container| found(container.id, container.labels)).collect(),
            networks: networks.into_iter().filter_map(|network| found(network.id, network.labels)).collect(),
            volumes: volumes.map(|volume| (volume.name, volume.labels)).collect(),
        })
    }
}

fn count(
    leftovers: &mut BTreeMap<String, Leftover>,
    things: &[(String, Labels)],
    what: fn(&mut Leftover) -> &mut usize,
) {
    for (_, labels) in things {
        let Some(project) = labels.get(COMPOSE_PROJECT) else { continue };
        let leftover = leftovers.entry(project.clone()).or_default();
        leftover.project.clone_from(project);
        if let Some(lock) = labels.get(LABEL_LOCK) {
            leftover.lock = lock.into();
        }
        *what(leftover) += 1;
    }
}

fn unless_gone(removed: Result<(), bollard::errors::Error>, what: impl FnOnce() -> String) -> Result<(), Error> {
    match removed {
        Err(error) if status(&error) == Some(404) => Ok(()),
        removed => removed.map_err(asked(what())),
    }
}
