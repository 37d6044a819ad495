//! The same queries again, after rows of a table were changed: each is planned once, and only what reads a change is
//! computed anew. A view that comes out as before ends the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use recording::Table;

use super::{Answer, QueryError, Reads, RecordedTable, Views, guard};

/// A query that can be asked again.
pub struct Planned {
    plan: LogicalPlan,
    reads: Reads,
    /// The tables and views that it names itself.
    names: Vec<String>,
    /// The views behind it, in the order in which they are needed.
    behind: Vec<String>,
}

/// Queries on one recording, and the views behind them as they are without any change.
pub struct Standing {
    views: Arc<Views>,
    queries: Vec<Planned>,
    /// In the order in which they are needed.
    order: Vec<(String, Vec<String>)>,
    unchanged: BTreeMap<String, Vec<RecordBatch>>,
}

impl Views {
    /// Plans a query that is to be asked again and again.
    ///
    /// # Errors
    /// As [`Views::answer`].
    pub async fn planned(&self, sql: &str) -> Result<Planned, QueryError> {
        let (plan, reads) = self.plan(sql).await?;
        Ok(Planned { plan, reads, names: self.names(sql)?, behind: self.views_behind(sql)? })
    }

    fn names(&self, sql: &str) -> Result<Vec<String>, QueryError> {
        self.references(&guard::only_query(sql)?)
    }

    /// The rows behind a name that a query has read.
    fn rows(&self, name: &str) -> Option<Arc<RecordedTable>> {
        let of_view = || Some(Arc::clone(&self.views.get(name)?.1.get()?.rows));
        self.tables.get(name).and_then(|cell| cell.get().cloned()).or_else(of_view)
    }
}

impl Standing {
    /// The queries, and what they read as it is now.
    ///
    /// # Errors
    /// [`QueryError`]: a view is no query.
    pub fn new(views: Arc<Views>, queries: Vec<Planned>) -> Result<Standing, QueryError> {
        let mut order: Vec<(String, Vec<String>)> = Vec::new();
        for name in queries.iter().flat_map(|query| &query.behind) {
            let Some((query, _)) = views.views.get(name) else { continue };
            if order.iter().all(|(known, _)| known != name) {
                order.push((name.clone(), views.names(&query.sql)?));
            }
        }
        let tables = Table::ALL.into_iter().map(|table| table.name().to_owned());
        let names = tables.chain(order.iter().map(|(name, _)| name.clone()));
        let unchanged = names.filter_map(|name| Some((name.clone(), views.rows(&name)?.rows()))).collect();
        Ok(Standing { views, queries, order, unchanged })
    }

    /// Puts rows in place of a table's and computes the views that read it anew. Returns the names of what is changed.
    ///
    /// # Errors
    /// [`QueryError`]: a view can't be computed from these rows; [`Standing::restore`] is to be called then too.
    pub async fn change(&self, table: Table, rows: RecordBatch) -> Result<BTreeSet<String>, QueryError> {
        let Some(provider) = self.views.table(table) else { return Ok(BTreeSet::new()) };
        provider.replace(vec![rows]);
        let mut changed = BTreeSet::from([table.name().to_owned()]);
        for (name, names) in &self.order {
            let Some((query, cell)) =
                self.views.views.get(name).filter(|_| names.iter().any(|name| changed.contains(name)))
            else {
                continue;
            };
            let Some(computed) = cell.get() else { continue };
            let (_, batches) = self.views.execute(&computed.plan).await.map_err(|error| error.within(query))?;
            computed.rows.replace(batches);
            if self.unchanged.get(name) != Some(&computed.rows.rows()) {
                changed.insert(name.clone());
            }
        }
        Ok(changed)
    }

    /// Takes every change back.
    pub fn restore(&self) {
        for (name, rows) in &self.unchanged {
            if let Some(table) = self.views.rows(name) {
                table.replace(rows.clone());
            }
        }
    }

    /// Whether a query reads something that is changed.
    pub fn is_touched(&self, query: usize, changed: &BTreeSet<String>) -> bool {
        self.queries.get(query).is_some_and(|query| query.names.iter().any(|name| changed.contains(name)))
    }

    /// Asks one of the queries.
    ///
    /// # Errors
    /// [`QueryError`], also where there is no such query.
    pub async fn answer(&self, query: usize) -> Result<Answer, QueryError> {
        let planned = self.queries.get(query).ok_or_else(|| QueryError::new("there is no such query".into()))?;
        let (schema, batches) = self.views.execute(&planned.plan).await?;
        Ok(Answer { schema, batches, reads: planned.reads.clone() })
    }
}
