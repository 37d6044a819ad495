//! `replay sql --until-true`: the end of a run, told by a query on what was recorded so far.
//!
//! The journal grows while the system under test needs the machine, so each look costs as little as it can: the query
//! is planned once, only new entries of the tables that it reads are decoded, and without any nothing is asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::logical_expr::LogicalPlan;
use recording::Table;
use recording::journal::Tail;
use recording::reader::{self, JOURNAL_FILE, Recording};

use crate::error::Error;
use crate::exit::Exit;
use crate::views::{Cut, Engine, QueryError, Recorded, Views};

/// One look may take this long.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// Asks again and again until the first value of the first row is true or not 0. [`Exit::Inconclusive`] where the
/// recording ended without.
///
/// # Errors
/// [`Error::Sql`], [`Error::Recording`].
pub fn until_true(dir: &Path, query: &str, every: Duration) -> Result<Exit, Error> {
    let engine = Engine::start(LOOK_LIMIT)?;
    let journal = dir.join(JOURNAL_FILE);
    if !journal.exists() {
        let views =
            Arc::new(Views::new(Recorded::Run(Box::new(Recording::open(dir)?)), None).map_err(Error::of_query)?);
        let query = query.to_owned();
        let answer = within_limit(&engine, async move { views.answer(&query).await })?;
        return Ok(if is_true(&answer.batches) { Exit::Held } else { Exit::Inconclusive });
    }
    let mut watch = Watch::start(&engine, Tail::open(&journal)?, query)?;
    loop {
        // Asked before the last look, so that what was written in between is seen.
        let running = reader::is_running(dir);
        if watch.look(&engine)? {
            return Ok(Exit::Held);
        }
        if !running {
            return Ok(Exit::Inconclusive);
        }
        std::thread::sleep(every);
    }
}

struct Watch {
    tail: Tail,
    views: Arc<Views>,
    plan: Arc<LogicalPlan>,
    tables: Vec<Table>,
    /// All rows of `run` and `sources`, of which the last count.
    changes: Vec<(Table, Vec<RecordBatch>)>,
    end_ns: i64,
    looked: bool,
}

impl Watch {
    fn start(engine: &Engine, tail: Tail, query: &str) -> Result<Watch, Error> {
        let views = Arc::new(Views::new(Recorded::Nothing, None).map_err(Error::of_query)?);
        let (planning, query) = (Arc::clone(&views), query.to_owned());
        let (plan, _) = within_limit(engine, async move { planning.plan(&query).await })?;
        let tables: Vec<Table> = Table::ALL.into_iter().filter(|table| views.table(*table).is_some()).collect();
        let changes = [Table::Run, Table::Sources].into_iter().map(|table| (table, Vec::new())).collect();
        Ok(Watch { tail, views, plan: Arc::new(plan), tables, changes, end_ns: 0, looked: false })
    }

    /// Whether the query is true of everything that was written so far.
    fn look(&mut self, engine: &Engine) -> Result<bool, Error> {
        let new = self.tail.read(&self.tables)?;
        if new.is_empty() && self.looked {
            return Ok(false);
        }
        self.looked = true;
        self.take(new)?;
        let (views, plan) = (Arc::clone(&self.views), Arc::clone(&self.plan));
        let (_, batches) = within_limit(engine, async move { views.execute(&plan).await })?;
        Ok(is_true(&batches))
    }

    fn take(&mut self, new: Vec<(Table, RecordBatch)>) -> Result<(), Error> {
        for (table, batch) in new {
            let times = batch.column_by_name("at_ns").and_then(|column| column.as_primitive_opt::<Int64Type>());
            self.end_ns = times.map_or(self.end_ns, |times| times.values().iter().copied().fold(self.end_ns, i64::max));
            match self.changes.iter_mut().find(|(changing, _)| *changing == table) {
                Some((_, rows)) => rows.push(batch),
                None => self.views.table(table).into_iter().for_each(|provider| provider.append(vec![batch.clone()])),
            }
        }
        for (table, rows) in &mut self.changes {
            let Some(provider) = self.views.table(*table) else { continue };
            if rows.len() > 32
                && let Ok(joined) = concat_batches(&table.schema(), rows.iter())
            {
                *rows = vec![joined];
            }
            provider.replace(reader::settle(*table, rows, self.end_ns)?.into_iter().collect());
        }
        Ok(())
    }
}

fn within_limit<T: Send + 'static>(
    engine: &Engine,
    task: impl Future<Output = Result<T, QueryError>> + Send + 'static,
) -> Result<T, Error> {
    engine.run(task).map_err(|cut: Cut| cut.error("the query", engine))?.map_err(Error::of_query)
}

/// Whether the first value of the first row is true, or a number other than 0.
fn is_true(batches: &[RecordBatch]) -> bool {
    let Some(column) = batches.iter().find(|batch| batch.num_rows() > 0).and_then(|batch| batch.columns().first())
    else {
        return false;
    };
    if column.is_null(0) {
        return false;
    }
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(0),
        data_type if data_type.is_numeric() => cast(&column.slice(0, 1), &DataType::Float64)
            .is_ok_and(|number| number.as_primitive::<Float64Type>().value(0) != 0.0),
        _ => false,
    }
}
