//! The engine that tests run on.

use std::io::Write as _;

use compose::Engine;

/// A small image with busybox in it; `make setup-docker` makes it.
pub const BOX: &str = "tapedeck/box:local";

/// The engine; without one, or without the image, a test is skipped, aloud. Where `TAPEDECK_NEEDS_DOCKER` is 1, that is a
/// failure.
pub async fn engine() -> Option<Engine> {
    match with_box().await {
        Ok(engine) => Some(engine),
        Err(why) if std::env::var("TAPEDECK_NEEDS_DOCKER").is_ok_and(|needs| needs == "1") => panic!("{why}"),
        Err(why) => {
            skipped(&why);
            None
        }
    }
}

async fn with_box() -> Result<Engine, String> {
    let engine = Engine::connect().await.map_err(|error| error.to_string())?;
    match engine.image_id(BOX).await.map_err(|error| error.to_string())? {
        Some(_) => Ok(engine),
        None => Err(format!("the Docker engine has no image {BOX}: make setup-docker")),
    }
}

/// Says so even where the output of tests that pass is swallowed.
pub fn skipped(why: &str) {
    writeln!(std::io::stderr(), "skipped: {why}").unwrap();
}
