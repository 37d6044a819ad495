//! A recording in memory: read once however often it is asked, and the same with a table as it never was recorded.
//! Nothing of it is ever written.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use super::Recording;
use crate::{Error, Table};

impl Recording {
    /// The recording with every table in memory, each in one batch; its clones share them.
    ///
    /// # Errors
    /// As [`Recording::table`].
    pub fn held(mut self) -> Result<Recording, Error> {
        for table in Table::ALL {
            let batches = self.table(table)?;
            let joined = batches.first().map(|first| concat_batches(&first.schema(), &batches)).transpose();
            let joined = joined.map_err(|source| Error::Encode { table: table.name(), source: source.into() })?;
            self.held.insert(table, joined.into_iter().collect());
        }
        Ok(self)
    }

    /// The same recording with these rows in place of a table's, in memory only. `run.json` still tells of the old ones.
    #[must_use]
    pub fn with_table(&self, table: Table, rows: RecordBatch) -> Recording {
        let mut changed = self.clone();
        changed.held.insert(table, vec![rows]);
        changed
    }
}
