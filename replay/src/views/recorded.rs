use std::sync::{Arc, RwLock};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::datasource::TableProvider;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use recording::Table;
use recording::reader::Recording;

/// Batches smaller than this are joined when a table is loaded: a journal has one for each write.
const SMALL_ROWS: usize = 4096;

/// Where tables come from.
#[derive(Debug)]
pub enum Recorded {
    /// One recording.
    Run(Box<Recording>),
    /// Several, as one: each table gets a first column `run_id`.
    Runs(Vec<Recording>),
    /// None: tables without rows, to plan queries against.
    Nothing,
}

impl Recorded {
    /// All rows of a table.
    pub fn load(&self, table: Table) -> std::result::Result<RecordedTable, recording::Error> {
        match self {
            Recorded::Nothing => Ok(RecordedTable::new(table.schema(), Vec::new())),
            Recorded::Run(recording) => {
                let batches = recording.table(table)?;
                let schema = batches.first().map_or_else(|| table.schema(), RecordBatch::schema);
                Ok(RecordedTable::new(schema, batches))
            }
            Recorded::Runs(recordings) => {
                let mut batches = Vec::new();
                let schema = with_run_id(&table.schema());
                for recording in recordings {
                    for batch in recording.table(table)? {
                        batches.push(prepend_run_id(&schema, &batch, &recording.run().run_id, recording, table)?);
                    }
                }
                Ok(RecordedTable::new(schema, batches))
            }
        }
    }
}

fn with_run_id(schema: &SchemaRef) -> SchemaRef {
    let mut fields = vec![Arc::new(Field::new("run_id", DataType::Utf8, false))];
    fields.extend(schema.fields().iter().filter(|field| field.name() != "run_id").cloned());
    Arc::new(Schema::new(fields))
}

fn prepend_run_id(
    schema: &SchemaRef,
    batch: &RecordBatch,
    run_id: &str,
    recording: &Recording,
    table: Table,
) -> std::result::Result<RecordBatch, recording::Error> {
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![run_id; batch.num_rows()]))];
    for field in schema.fields().iter().skip(1) {
        columns.extend(batch.column_by_name(field.name()).cloned());
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| recording::Error::RunFile {
        path: recording.dir().join(table.file_name()),
        problem: format!("its columns are not those of FORMAT.md: {error}"),
    })
}

/// A table in memory. Filters are pushed to its scans, not to be applied there but to be seen there: which sources a
/// query reads is told by what it compares their columns with.
#[derive(Debug)]
pub struct RecordedTable {
    schema: SchemaRef,
    batches: RwLock<Vec<RecordBatch>>,
}

impl RecordedTable {
    /// A table of these rows; small batches are joined.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> RecordedTable {
        let batches = RwLock::new(joined(&schema, batches));
        RecordedTable { schema, batches }
    }

    /// All rows.
    pub fn rows(&self) -> Vec<RecordBatch> {
        self.batches.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Replaces all rows.
    pub fn replace(&self, batches: Vec<RecordBatch>) {
        let batches = joined(&self.schema, batches);
        *self.batches.write().unwrap_or_else(std::sync::PoisonError::into_inner) = batches;
    }

    /// Adds rows; batches are joined as they grow, so that their number stays small.
    pub fn append(&self, more: Vec<RecordBatch>) {
        let mut batches = self.batches.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        batches.extend(more);
        if batches.len() > 32 {
            *batches = joined(&self.schema, std::mem::take(&mut batches));
        }
    }
}

fn joined(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Vec<RecordBatch> {
    let (mut done, mut small, mut rows) = (Vec::new(), Vec::new(), 0);
    let flush = |small: &mut Vec<RecordBatch>, done: &mut Vec<RecordBatch>| match concat_batches(schema, small.iter()) {
        Ok(batch) if small.len() > 1 => {
            small.clear();
            done.push(batch);
        }
        // One batch needs no copy; columns that differ stay apart, and the query that reads them says so.
        _ => done.append(small),
    };
    for batch in batches {
        rows += batch.num_rows();
        small.push(batch);
        if rows >= SMALL_ROWS {
            flush(&mut small, &mut done);
            rows = 0;
        }
    }
    flush(&mut small, &mut done);
    done
}

#[async_trait]
impl TableProvider for RecordedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = MemorySourceConfig::try_new_exec(&[self.rows()], Arc::clone(&self.schema), projection.cloned())?;
        Ok(plan)
    }
}
