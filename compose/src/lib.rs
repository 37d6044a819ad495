//! Starts and stops the system under test: processes of this machine, or Docker Compose projects.
//!
//! In the order a run meets them: a [`ProcessSpec`] says what to start · [`Processes`] starts several in order, each
//! in a process group of its own, and waits until each is ready · everything that happens to them, their output
//! included, goes to one [`Sink`] as an [`Event`] · a [`Guard`] ends what would be left if this process were killed ·
//! [`Processes::stop`] ends them in reverse order, whole groups, always; until then one that ends by itself is started
//! again where it is to be kept ([`Restart`]). [`Process`] is one of them alone, for what
//! is not part of the ordered set, such as the publisher. [`port_owner`] says who holds a port.
//!
//! The same for containers: a [`ProjectSpec`] names Compose files · [`Compose`] is the program that owns their meaning,
//! [`Engine`] the Docker engine that everything is seen through · [`Projects`] brings several up in order and waits
//! until each is healthy · what happens to their containers goes to one receiver as rows ([`ContainerWatch`]) ·
//! [`Projects::stop`] takes them down with their volumes, and so does a panic. `examples/two_projects.rs` does just that.
//!
//! This crate judges nothing and keeps no clock of the run: events are stamped by whoever receives them. A process
//! that leaves its group (a daemon that calls `setsid`) is out of its reach.

mod changes;
mod cli;
mod command;
pub mod engine;
mod error;
mod event;
mod group;
pub mod guard;
mod handle;
mod keeper;
mod lines;
mod model;
mod ports;
mod process;
mod processes;
mod project;
mod projects;
mod ready;

pub use cli::Compose;
pub use engine::{Container, ContainerWatch, Engine, Watched};
pub use error::Error;
pub use event::{Event, Happening, Sink, Stream};
pub use group::Signal;
pub use guard::Guard;
pub use handle::Handle;
pub use ports::port_owner;
pub use process::{Ended, Process, ProcessSpec, Restart};
pub use processes::Processes;
pub use project::{ProjectSpec, ServiceChange};
pub use projects::{Checked, Gone, Owner, Projects};
