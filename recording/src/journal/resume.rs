//! Taking up a journal again, and how one ends.

use std::fs::OpenOptions;
use std::path::Path;

use super::{Entries, Journal};
use crate::{Error, Table};

impl Journal {
    /// Takes up a journal whose writer failed, behind its last whole entry: what is torn behind it is cut off, so that
    /// nothing is ever appended to garbage.
    ///
    /// # Errors
    /// [`Error::File`] where it is gone, or can't be read or cut.
    pub fn resume(path: &Path) -> Result<Journal, Error> {
        let entries = Entries::open(path)?;
        let mut next_seq = [0; Table::ALL.len()];
        for table in Table::ALL {
            let rows = &mut next_seq[usize::from(table.number())];
            entries.each_batch(table, |batch| {
                *rows += batch.num_rows() as i64;
                Ok::<_, Error>(())
            })?;
        }
        let file = OpenOptions::new().append(true).open(path).map_err(Error::file("open the journal", path))?;
        file.set_len(entries.whole_bytes()).map_err(Error::file("cut the torn end off", path))?;
        Ok(Journal::on(path, file, next_seq, entries.whole_bytes()))
    }
}

impl Entries {
    /// Where the last whole entry ends.
    fn whole_bytes(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.payload_at + u64::from(entry.length))
    }

    /// The table of the last entry, if nothing is torn behind it.
    pub(crate) fn last_table(&self) -> Option<Table> {
        self.entries.last().filter(|_| self.torn.is_none()).map(|entry| entry.table)
    }
}
