//! The last lines of every container, for the error of one that ends too early.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use recording::Row;

use crate::engine::Rows;

const LAST_LINES: usize = 20;

/// The last lines, by the container's name in `logs`.
#[derive(Clone, Default)]
pub(super) struct Tails(Arc<Mutex<BTreeMap<String, VecDeque<String>>>>);

impl Tails {
    /// Passes rows on, and keeps the last lines among them.
    pub(super) fn before(&self, rows: Rows) -> Rows {
        let tails = self.clone();
        Arc::new(move |row| {
            if let Row::Log(log) = &row {
                tails.keep(&log.subject, &log.line);
            }
            rows(row);
        })
    }

    fn keep(&self, subject: &str, line: &str) {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = tails.entry(subject.to_owned()).or_default();
        if tail.len() == LAST_LINES {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
    }

    pub(super) fn of(&self, subject: &str) -> Vec<String> {
        let tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tails.get(subject).map(|tail| tail.iter().cloned().collect()).unwrap_or_default()
    }
}
