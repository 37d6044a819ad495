//! A short-lived container that looks at something from the inside.

use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, LogsOptions, StartContainerOptions, WaitContainerOptions};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::{Engine, asked};
use crate::Error;

/// The label of containers that only look at something.
const LABEL_LOOK: &str = "tapedeck.look";
/// Bytes of the output that are kept.
const OUTPUT_LIMIT_BYTES: usize = 64 * 1024;

/// Removes a container however its use ends; a task does it where the use is cut short.
struct Removal {
    engine: Engine,
    id: Option<String>,
}

impl Engine {
    /// Runs a command in a container of an image that the engine has, and gives its exit code and what it wrote.
    ///
    /// `extra_hosts` are written as in a Compose file, as in `host.docker.internal:host-gateway`; without a `network` it is
    /// the engine's usual one. The container is removed in any case, also when it takes longer than `within`.
    pub async fn run_once(
        &self,
        image: &str,
        command: &[String],
        extra_hosts: &[String],
        network: Option<&str>,
        within: Duration,
    ) -> Result<(i64, String), Error> {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(command.to_vec()),
            labels: Some([(LABEL_LOOK.to_owned(), "true".to_owned())].into()),
            host_config: Some(HostConfig {
                extra_hosts: Some(extra_hosts.to_vec()),
                network_mode: network.map(str::to_owned),
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = self.docker.create_container(None::<CreateContainerOptions>, body).await;
        let id = created.map_err(asked(format!("create a container of image {image}")))?.id;
        let mut removal = Removal { engine: self.clone(), id: Some(id.clone()) };
        let outcome = timeout(within, self.run_to_end(&id, image)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::OnceTime { image: image.to_owned(), within }));
        let removed = self.remove_container(&id).await;
        removal.id = removed.is_err().then_some(id);
        outcome
    }

    async fn run_to_end(&self, id: &str, image: &str) -> Result<(i64, String), Error> {
        let started = self.docker.start_container(id, None::<StartContainerOptions>).await;
        started.map_err(asked(format!("start a container of image {image}")))?;
        let options = WaitContainerOptions { condition: "not-running".to_owned() };
        let exit_code = match self.docker.wait_container(id, Some(options)).next().await {
            Some(Ok(ended)) => ended.status_code,
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
            Some(Err(source)) => return Err(asked(format!("wait for a container of image {image}"))(source)),
            None => -1,
        };
        let options = LogsOptions { stdout: true, stderr: true, tail: "all".to_owned(), ..Default::default() };
        let mut logs = self.docker.logs(id, Some(options));
        let mut output = Vec::new();
        while let Some(message) = logs.next().await {
            let message = message.map_err(asked(format!("read the output of a container of image {image}")))?;
            let bytes = message.into_bytes();
            output.extend_from_slice(&bytes[..bytes.len().min(OUTPUT_LIMIT_BYTES - output.len())]);
        }
        Ok((exit_code, String::from_utf8_lossy(&output).into_owned()))
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let engine = self.engine.clone();
            runtime.spawn(async move { engine.remove_container(&id).await });
        }
    }
}
