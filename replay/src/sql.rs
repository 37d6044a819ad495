//! `replay sql`: any query on one recording, or on all in a folder.

mod wait;

use std::sync::Arc;

use recording::reader::Recording;

use crate::cli::{Cli, Format, Sql};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::{self, rows};
use crate::runs::{self, Named};
use crate::spec::Spec;
use crate::views::{Answer, Engine, Recorded, Views};

/// Answers the query, or waits until its answer is true.
///
/// # Errors
/// [`Error::Sql`] with the place in the query; [`Error::Recording`].
pub fn sql(cli: &Cli, sql: &Sql) -> Result<Exit, Error> {
    let named = runs::named(&cli.runs_dir, &sql.run)?;
    if sql.until_true {
        return match named {
            Named::Run(path) => wait::until_true(&path, &sql.query, sql.every),
            Named::Runs(_) => {
                Err(Error::Usage("--until-true waits for one recording, not for a folder of them".into()))
            }
        };
    }
    let recorded = match named {
        Named::Run(path) => Recorded::Run(Box::new(Recording::open(&path)?)),
        Named::Runs(paths) => Recorded::Runs(paths.iter().map(|path| Recording::open(path)).collect::<Result<_, _>>()?),
    };
    let spec = sql.spec.as_deref().map(Spec::read).transpose()?;
    let answer = ask(cli, Views::new(recorded, spec.as_ref()).map_err(Error::of_query)?, sql.query.clone())?;
    match cli.format {
        Format::Text => report::print(&rows::table(&answer.schema, &answer.batches).to_string()),
        Format::Json => report::print_json(&rows::objects(&answer.batches).into()),
    }
}

fn ask(cli: &Cli, views: Views, query: String) -> Result<Answer, Error> {
    let views = Arc::new(views);
    let engine = Engine::start(cli.time_limit)?;
    let answer = engine.run(async move { views.answer(&query).await });
    let answer = answer.map_err(|cut| cut.error("the query", &engine));
    engine.abandon();
    answer?.map_err(Error::of_query)
}
