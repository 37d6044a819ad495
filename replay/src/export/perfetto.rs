//! `--to perfetto`: what happened in a run, as a trace for Perfetto.

use crate::cli::{Cli, Export};
use crate::error::Error;
use crate::exit::Exit;

pub fn export(_cli: &Cli, _asked: &Export) -> Result<Exit, Error> {
    Err(Error::Usage("not yet".into()))
}
