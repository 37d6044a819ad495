//! The engine that tests run on.

use compose::Engine;

/// An image with busybox and nothing else; `make setup-docker` makes it.
pub const BOX: &str = "tapedeck/box:local";

/// The engine; without one a test is skipped, aloud. Where `TAPEDECK_NEEDS_DOCKER` is set, that is a failure.
pub async fn engine() -> Option<Engine> {
    match Engine::connect().await {
        Ok(engine) => Some(engine),
        Err(error) if std::env::var_os("TAPEDECK_NEEDS_DOCKER").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}
