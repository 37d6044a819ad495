//! Starts two Compose projects one after the other, tells what happens to them, and takes them down again.
//!
//!     cargo run -p compose --example two_projects -- first.yaml second.yaml
//!
//! The second is started once all containers of the first are healthy. Both go, with their volumes, whatever happens:
//! an error, Ctrl-C, a panic.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compose::{Compose, Engine, Owner, ProjectSpec, Projects};
use recording::Row;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (engine, compose) = (Engine::connect().await?, Compose::find().await?);
    let owner = Owner {
        prefix: format!("example-{}", std::process::id()),
        host: "example".to_owned(),
        lock: std::env::temp_dir().join("two-projects.lock"),
    };
    let rows = Arc::new(|row| tell(&row));
    let mut projects = Projects::new(engine, compose, owner, rows, None).await?;
    let done = tokio::select! {
        done = up(&mut projects) => done,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
    };
    projects.stop().await;
    done
}

async fn up(projects: &mut Projects) -> Result<(), Box<dyn Error>> {
    for file in std::env::args_os().skip(1) {
        let file: PathBuf = std::path::absolute(Path::new(&file))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        projects.start(&ProjectSpec::new(name, vec![file])).await?;
    }
    for (project, container) in projects.containers() {
        eprintln!("{project}: {} is {}", container.service, container.state.name());
    }
    Ok(())
}

fn tell(row: &Row) {
    match row {
        Row::Event(event) => eprintln!("{} {} {}", event.source, event.subject, event.event),
        Row::Log(log) => eprintln!("{}: {}", log.subject, log.line),
        _ => {}
    }
}
