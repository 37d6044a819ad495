//! A recording as SQL: its tables, loaded when a query first reads them, and the spec's views, each computed once.
//!
//! Specs may come from strangers, so this is also where their power ends: only queries ([`guard`]), nothing but the
//! recording to read, a limit on memory and one on time. It never judges.

mod again;
mod engine;
mod guard;
mod reads;
mod recorded;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::datasource::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use recording::Table;
use tokio::sync::OnceCell;

use crate::spec::{CONCERNS, Query, Runs, Spec};
pub use again::{Planned, Standing};
pub use engine::{Cut, Engine, STACK_BYTES};
pub use guard::{QueryError, bounded};
pub use reads::Reads;
pub use recorded::{Recorded, RecordedTable};

/// No answer may hold more than this.
const ANSWER_BYTES: usize = 256 << 20;

/// What a query gave.
#[derive(Debug)]
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// What it read.
    pub reads: Reads,
}

/// One recording (or several, seen as one) with a spec's views.
pub struct Views {
    context: SessionContext,
    recorded: Recorded,
    tables: BTreeMap<&'static str, OnceCell<Arc<RecordedTable>>>,
    views: BTreeMap<String, (Query, OnceCell<Computed>)>,
}

/// A view that a query has read.
struct Computed {
    plan: LogicalPlan,
    reads: Reads,
    rows: Arc<RecordedTable>,
}

impl Views {
    /// The tables of `recorded` and the views of `spec`; nothing is read yet.
    ///
    /// # Errors
    /// [`QueryError`] where the functions can't be registered.
    pub fn new(recorded: Recorded, spec: Option<&Spec>) -> Result<Views, QueryError> {
        let runs = if matches!(recorded, Recorded::Runs(_)) { Runs::Several } else { Runs::One };
        let names = spec.map(|spec| spec.names.view(runs));
        let views = names.iter().chain(spec.into_iter().flat_map(|spec| &spec.views));
        Ok(Views {
            context: engine::context()?,
            recorded,
            tables: Table::ALL.into_iter().map(|table| (table.name(), OnceCell::new())).collect(),
            views: views.map(|view| (view.name.clone(), (view.query.clone(), OnceCell::new()))).collect(),
        })
    }

    /// Answers one query.
    ///
    /// # Errors
    /// [`QueryError`]: it is no query, or wrong, or the recording can't be read, or it wants too much.
    pub async fn answer(&self, sql: &str) -> Result<Answer, QueryError> {
        let (plan, reads) = self.plan(sql).await?;
        let (schema, batches) = self.execute(&plan).await?;
        Ok(Answer { schema, batches, reads })
    }

    /// Runs a plan; tables that have grown since it was made are read as they are now.
    ///
    /// # Errors
    /// [`QueryError`]: it failed, or wants too much.
    pub async fn execute(&self, plan: &LogicalPlan) -> Result<(SchemaRef, Vec<RecordBatch>), QueryError> {
        let state = self.context.state();
        let physical = state.query_planner().create_physical_plan(plan, &state).await.map_err(QueryError::of)?;
        let schema = physical.schema();
        let mut stream =
            datafusion::physical_plan::execute_stream(physical, state.task_ctx()).map_err(QueryError::of)?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(QueryError::of)?;
            bytes += batch.get_array_memory_size();
            if bytes > ANSWER_BYTES {
                return Err(QueryError::new(format!(
                    "the answer is larger than {} MiB: ask for less",
                    ANSWER_BYTES >> 20
                )));
            }
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
        }
        Ok((schema, batches))
    }

    /// A table that a query has read.
    pub fn table(&self, table: Table) -> Option<Arc<RecordedTable>> {
        self.tables.get(table.name()).and_then(OnceCell::get).cloned()
    }

    /// Plans a query without running it (the views that it reads do run).
    ///
    /// # Errors
    /// As [`Views::answer`].
    pub async fn plan(&self, sql: &str) -> Result<(LogicalPlan, Reads), QueryError> {
        let statement = guard::only_query(sql)?;
        let references = self.references(&statement)?;
        let mut from_views = Reads::default();
        for name in &references {
            from_views.add(self.ensure(name).await?);
        }
        let state = self.context.state();
        let plan = state.statement_to_plan(statement).await.map_err(QueryError::of)?;
        guard::verify(&plan)?;
        let plan = state.optimize(&plan).map_err(QueryError::of)?;
        let mut reads = reads::of(&plan)?;
        reads.also(references.iter().filter_map(|name| Table::from_name(name)));
        reads.add(from_views);
        Ok((plan, reads))
    }

    /// The names of the views that a query reads, directly or through others, in the order in which they are needed.
    pub fn views_behind(&self, sql: &str) -> Result<Vec<String>, QueryError> {
        let mut found = Vec::new();
        self.collect_views(sql, &mut Vec::new(), &mut found)?;
        Ok(found)
    }

    fn collect_views(&self, sql: &str, open: &mut Vec<String>, found: &mut Vec<String>) -> Result<(), QueryError> {
        for name in self.references(&guard::only_query(sql)?)? {
            let Some((query, _)) = self.views.get(&name) else { continue };
            if open.contains(&name) {
                return Err(QueryError::new(format!("the view `{name}` reads itself ({})", open.join(" reads "))));
            }
            if !found.contains(&name) {
                open.push(name.clone());
                self.collect_views(&query.sql, open, found).map_err(|error| error.within(query))?;
                open.pop();
                found.push(name);
            }
        }
        Ok(())
    }

    fn references(&self, statement: &Statement) -> Result<Vec<String>, QueryError> {
        let references = self.context.state().resolve_table_references(statement).map_err(QueryError::of)?;
        let known = || {
            let tables = Table::ALL.into_iter().map(|table| -> &str { table.name() });
            tables.chain(self.views.keys().map(String::as_str))
        };
        let mut names = Vec::new();
        for reference in references {
            let name = reference.table().to_owned();
            if reference.schema().is_some() || !known().any(|known| known == name) {
                let near = crate::spec::near(&name, known());
                let problem =
                    format!("there is no table or view `{reference}` (queries read the recording, nothing else){near}");
                return Err(QueryError::new(problem));
            }
            names.push(name);
        }
        Ok(names)
    }

    /// Loads a table or computes a view, once, and says what stands behind it.
    fn ensure<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Reads, QueryError>> {
        Box::pin(async move {
            match (self.tables.get(name), self.views.get(name)) {
                (Some(cell), _) => cell.get_or_try_init(|| async { self.load(name) }).await.map(|_| Reads::default()),
                (None, Some((query, cell))) => {
                    cell.get_or_try_init(|| self.compute(name, query)).await.map(|computed| computed.reads.clone())
                }
                (None, None) => Ok(Reads::default()),
            }
        })
    }

    fn load(&self, name: &str) -> Result<Arc<RecordedTable>, QueryError> {
        let table = Table::from_name(name).ok_or_else(|| QueryError::new(format!("there is no table `{name}`")))?;
        let provider = Arc::new(self.recorded.load(table).map_err(QueryError::recording)?);
        self.register(name, Arc::clone(&provider) as Arc<dyn TableProvider>)?;
        Ok(provider)
    }

    async fn compute(&self, name: &str, query: &Query) -> Result<Computed, QueryError> {
        self.views_behind(&query.sql).map_err(|error| error.within(query))?;
        let (plan, reads) = self.plan(&query.sql).await.map_err(|error| error.within(query))?;
        let (schema, batches) = self.execute(&plan).await.map_err(|error| error.within(query))?;
        fits(name, &schema).map_err(|error| error.within(query))?;
        let rows = Arc::new(RecordedTable::new(schema, batches));
        self.register(name, Arc::clone(&rows) as Arc<dyn TableProvider>)?;
        Ok(Computed { plan, reads, rows })
    }

    fn register(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<(), QueryError> {
        let registered: Result<_, DataFusionError> = self.context.register_table(name, provider);
        registered.map(|_| ()).map_err(QueryError::of)
    }
}

/// Refuses the one view that a spec may write for the default faults where they couldn't read it.
fn fits(name: &str, schema: &SchemaRef) -> Result<(), QueryError> {
    let is_text = |column| {
        let field = schema.column_with_name(column).map(|(_, field)| field.data_type());
        field.is_some_and(|data_type| data_type.is_string() || data_type.is_null())
    };
    match name != CONCERNS || ["subject", "concerns"].into_iter().all(is_text) {
        true => Ok(()),
        false => Err(QueryError::new(format!("`{CONCERNS}` needs the columns `subject` and `concerns`, both texts"))),
    }
}
