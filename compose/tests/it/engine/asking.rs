//! What can be asked of an engine, and what is left on it.

use std::collections::HashMap;
use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use bollard::models::{NetworkCreateRequest, VolumeCreateRequest};
use compose::Engine;
use compose::engine::{LABEL_HOST, LABEL_LOCK, Leftover, State};

use super::stage::{host, on_engine};
use crate::docker::BOX;

#[tokio::test]
async fn an_engine_that_is_not_there_is_an_error_with_a_remedy() {
    for address in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"] {
        let error = Engine::connect_to(address).await.err().expect("nothing can be there");
        let expected = format!("Docker can't be reached at {address}: start Docker, or set DOCKER_HOST");
        assert_eq!(error.to_string(), expected);
        assert!(error.source().is_some());
    }
}

#[test]
fn an_engine_says_what_it_is() {
    on_engine(async |stage| {
        let about = stage.engine.about();
        assert!(about.version.starts_with(|c: char| c.is_ascii_digit()), "{about:?}");
        assert!(about.api_version.starts_with("1."), "{about:?}");
        assert!(["1", "2"].contains(&&*about.cgroup_version), "{about:?}");
        assert!(!about.id.is_empty() && !about.operating_system.is_empty(), "{about:?}");
        assert!(stage.engine.image_id(BOX).await.unwrap().unwrap().starts_with("sha256:"));
        assert_eq!(stage.engine.image_id("tapedeck/no-such-image").await.unwrap(), None);
    });
}

#[test]
fn a_container_is_known_by_its_service_and_limits() {
    on_engine(async |stage| {
        let change = |body: &mut bollard::models::ContainerCreateBody| {
            host(body).memory = Some(64 << 20);
            host(body).cpu_quota = Some(150_000);
        };
        stage.create("second", "exit 7", |_| {}).await;
        let id = stage.create("first", "exit 7", change).await;
        stage.start_created(&id).await;
        stage.ended(&id).await;
        let containers = stage.engine.containers(&stage.project).await.unwrap();
        let services: Vec<&str> = containers.iter().map(|container| &*container.service).collect();
        assert_eq!(services, ["first", "second"]);
        let first = &containers[0];
        assert_eq!((first.cpus, first.memory, first.number), (Some(1.5), Some(64 << 20), 1));
        assert_eq!((first.state, first.exit_code, &*first.image), (State::Exited, Some(7), BOX));
        assert!(first.has_ended() && first.started_unix_ns.is_some());
        assert_eq!((containers[1].state, containers[1].exit_code), (State::Created, None));
        assert_eq!((containers[1].cpus, containers[1].memory), (None, None));
    });
}

#[test]
fn what_a_killed_collector_left_is_found_and_removed() {
    on_engine(async |stage| {
        let this_host = format!("host-of-{}", stage.project);
        let labels = HashMap::from([
            ("com.docker.compose.project".to_owned(), stage.project.clone()),
            (LABEL_HOST.to_owned(), this_host.clone()),
            (LABEL_LOCK.to_owned(), "/runs/one".to_owned()),
        ]);
        let more = labels.clone();
        let id = stage.create("left", "exec sleep 1000", |body| body.labels.get_or_insert_default().extend(more)).await;
        stage.start_created(&id).await;
        let (name, labels) = (stage.project.clone(), Some(labels));
        let network = NetworkCreateRequest { name: name.clone(), labels: labels.clone(), ..Default::default() };
        stage.docker.create_network(network).await.unwrap();
        let volume = VolumeCreateRequest { name: Some(name.clone()), labels, ..Default::default() };
        stage.docker.create_volume(volume).await.unwrap();

        let (lock, project) = (PathBuf::from("/runs/one"), stage.project.clone());
        let expected = Leftover { project, lock, containers: 1, networks: 1, volumes: 1 };
        assert_eq!(stage.engine.leftovers(&this_host).await.unwrap(), [expected]);
        assert_eq!(stage.engine.leftovers("another host").await.unwrap(), []);
        stage.engine.remove(&stage.project).await.unwrap();
        assert_eq!(stage.engine.leftovers(&this_host).await.unwrap(), []);
        stage.engine.remove(&stage.project).await.unwrap();
    });
}

#[test]
fn a_look_from_inside_leaves_nothing_behind() {
    on_engine(async |stage| {
        let command = |line: &str| ["/bin/sh", "-c", line].map(str::to_owned).to_vec();
        let hosts = ["host.docker.internal:host-gateway".to_owned()];
        let look = command("cat /etc/hosts; echo oh >&2; exit 4");
        let (exit_code, output) =
            stage.engine.run_once(BOX, &look, &hosts, None, Duration::from_secs(20)).await.unwrap();
        let gateway = stage.engine.host_gateway().await.unwrap();
        assert!(exit_code == 4 && output.contains("oh\n"), "{output}");
        assert!(output.contains(&format!("{gateway}\thost.docker.internal")), "{gateway}: {output}");

        let mark = format!("exec sleep 1000 # {}", stage.project);
        let slow = stage.engine.run_once(BOX, &command(&mark), &[], None, Duration::from_millis(500)).await;
        assert!(slow.unwrap_err().to_string().contains("did not end within 0.5 s"));
        let options = bollard::query_parameters::ListContainersOptions { all: true, ..Default::default() };
        let there = stage.docker.list_containers(Some(options)).await.unwrap();
        let of_mine = |command: &Option<String>| command.as_ref().is_some_and(|command| command.contains(&mark));
        assert!(!there.iter().any(|container| of_mine(&container.command)), "{there:?}");
        let missing = stage.engine.run_once("tapedeck/no-such-image", &look, &[], None, Duration::from_secs(5)).await;
        assert!(missing.unwrap_err().to_string().contains("create a container of image tapedeck/no-such-image"));
    });
}
