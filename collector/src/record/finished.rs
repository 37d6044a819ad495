//! What a run left, and what its end means.

use std::path::PathBuf;

use recording::Table;
use recording::run::State;

use crate::recorder::Progress;

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Until,
    Command,
    Duration,
    Limit,
    Stopped,
    NotUp,
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            End::Until => "until",
            End::Command => "command",
            End::Duration => "duration",
            End::Limit => "limit",
            End::Stopped => "stopped",
            End::NotUp => "not up",
        }
    }
}

/// What a run left.
pub(super) struct Finished {
    pub(super) dir: PathBuf,
    pub(super) problems: Vec<String>,
    pub(super) end: End,
    /// Whether the scenario says what should have ended the run.
    pub(super) has_until: bool,
    pub(super) state: State,
    pub(super) duration_ns: i64,
    pub(super) progress: Progress,
    /// What became of its spans, where somebody wanted them.
    pub(super) spans: Option<String>,
}

impl Finished {
    pub(super) fn exit_code(&self) -> u8 {
        let gaps = self.progress.rows.contains_key(Table::Gaps.name()) || self.progress.lost > 0;
        match self.end {
            End::NotUp => 4,
            End::Limit if self.has_until => 3,
            _ if self.state != State::Complete || gaps || self.progress.failure.is_some() => 3,
            _ => 0,
        }
    }

    pub(super) fn summary(&self) -> String {
        let rows = self.progress.rows.values().sum::<u64>() as i64 - self.progress.unwritten;
        let seconds = self.duration_ns as f64 / 1e9;
        let lost = match self.progress.lost {
            0 => String::new(),
            lost => format!(", {lost} records lost"),
        };
        let (state, end) = (self.state.name(), self.end.name());
        format!("recorded {seconds:.1} s, {rows} rows{lost}; {state}, ended by: {end}")
    }
}
