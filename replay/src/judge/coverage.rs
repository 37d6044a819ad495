//! What was watched, and when: the difference between "it did not happen" and "nobody looked".

use super::{Case, Need};

/// Sources end in order, but not at the same moment: a source that lasted until this long before the end saw the end.
const SLACK_NS: i64 = 2_000_000_000;

/// Rows of a run that was cut off may have waited this long to be written, some tables longer than others.
const WAITING_NS: i64 = 1_000_000_000;

/// What a recording says about its own watching.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether it ended in order.
    pub complete: bool,
    /// The last moment recorded.
    pub end_ns: i64,
    /// What was watched.
    pub sources: Vec<Source>,
    /// Where records were lost.
    pub gaps: Vec<Gap>,
    /// When the first publisher started, where one did.
    pub published_from_ns: Option<i64>,
    /// When the last publisher ended, where that was seen.
    pub published_until_ns: Option<i64>,
    /// When the run's end was reached and its sources were told to stop, where that was in order.
    pub end_reached_ns: Option<i64>,
    /// When the run was given up because the system did not come up.
    pub not_up_ns: Option<i64>,
}

/// One thing that was watched.
#[derive(Clone, Debug)]
pub struct Source {
    /// `tap:api`, `scrape:worker`, …
    pub name: String,
    /// The tables that it writes.
    pub tables: Vec<String>,
    /// Where it began to be live.
    pub from_ns: Option<i64>,
    /// Where it ceased to be.
    pub to_ns: Option<i64>,
    /// How it ended.
    pub state: SourceState,
    /// Whether what it watches ever gave it anything: a connection, an answer, a packet, a row.
    pub answered: bool,
    /// Tables of which the recording has no row of it, although it counted more rows than are there.
    pub hollow: Vec<String>,
}

impl Source {
    fn is_tap(&self) -> bool {
        self.name.starts_with("tap:")
    }
}

/// How a source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It never was live.
    Idle,
    /// It was live when the recording ended.
    Live,
    /// It ended in order: there was nothing more to watch.
    Ended,
    /// It failed.
    Failed,
}

/// A stretch in which records were lost.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Its beginning.
    pub from_ns: i64,
    /// Its end.
    pub to_ns: i64,
    /// Whose records.
    pub source: String,
}

/// The stretch of the run that an observation speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its beginning; `None`: the run's start.
    pub from_ns: Option<i64>,
    /// Its end; `None`: the run's end.
    pub until_ns: Option<i64>,
}

impl Facts {
    /// The window of a row. Before the run there is nothing, and a window whose end comes first is turned around.
    pub fn window(&self, from_ns: Option<i64>, until_ns: Option<i64>) -> Window {
        let (from_ns, until_ns) = (from_ns.map(|from_ns| from_ns.max(0)), until_ns.map(|until_ns| until_ns.max(0)));
        match (from_ns, until_ns) {
            (Some(later), Some(earlier)) if later > earlier => Window { from_ns: Some(earlier), until_ns: Some(later) },
            _ => Window { from_ns, until_ns },
        }
    }

    /// The window of what has no row.
    pub fn whole_run(&self) -> Window {
        Window { from_ns: None, until_ns: None }
    }

    /// The first and last moment of a window.
    pub fn bounds(&self, window: &Window) -> (i64, i64) {
        let from_ns = window.from_ns.unwrap_or(0);
        (from_ns, window.until_ns.unwrap_or(self.end_ns.max(from_ns)))
    }
}

/// Why the window was not watched by everything that is needed; `None` where it was.
pub fn unwatched(facts: &Facts, needs: &[Need], window: &Window) -> Option<String> {
    needs.iter().find_map(|need| match need.sources(facts) {
        Err(reason) => Some(reason),
        Ok(sources) => sources.into_iter().find_map(|source| not_live(facts, source, window)),
    })
}

/// What is needed and never gave an answer in the whole recording; `None` where everything did. That something was not
/// seen is no less true where nothing was seen at all, but nothing holds by it.
pub fn unanswered(facts: &Facts, needs: &[Need]) -> Option<String> {
    let silent = needed(facts, needs).find(|source| !source.answered && !source.is_tap())?;
    Some(match silent.name.split_once(':') {
        Some(("media", stream)) => format!("the stream `{stream}` was never joined"),
        Some(("stats", _)) | None => format!("the source `{}` recorded nothing", silent.name),
        Some((_, target)) => format!("the target `{target}` never answered"),
    })
}

/// What is needed and read and whose rows have gone, by the recording's own count; `None` where they are there.
pub fn contradicted(facts: &Facts, case: &Case<'_>) -> Option<String> {
    // The recorder's own tables are read without being needed.
    let of_the_recorder = facts.sources.iter().filter(|source| source.name == "run");
    needed(facts, case.needs).chain(of_the_recorder).find_map(|source| {
        let hollow = source.hollow.iter().find(|table| case.reads.contains(table))?;
        let name = &source.name;
        Some(format!(
            "rows of `{name}` are missing, by its own count, and `{hollow}` has none: the recording was altered"
        ))
    })
}

fn needed<'f>(facts: &'f Facts, needs: &[Need]) -> impl Iterator<Item = &'f Source> {
    needs.iter().filter_map(|need| need.sources(facts).ok()).flatten()
}

fn not_live(facts: &Facts, source: &Source, window: &Window) -> Option<String> {
    let name = &source.name;
    let (Some(from_ns), true) = (source.from_ns, source.state != SourceState::Idle) else {
        return Some(format!("the source `{name}` was never live"));
    };
    if let (false, Some(("tap", tap))) = (source.answered, name.split_once(':')) {
        return Some(format!("nothing passed the tap `{tap}`: is it in the path?"));
    }
    let must_begin = window.from_ns.or(facts.published_from_ns);
    if must_begin.is_some_and(|must_begin| from_ns > must_begin) {
        return Some(format!("the source `{name}` was live only from {}", seconds(from_ns)));
    }
    let to_ns = source.to_ns.unwrap_or(facts.end_ns);
    let must_last = window.until_ns.unwrap_or(facts.end_ns).min(facts.end_ns);
    if to_ns >= must_last || saw_the_end(facts, source, to_ns) {
        return None;
    }
    let how = if source.state == SourceState::Failed { "failed" } else { "ended" };
    Some(format!("the source `{name}` {how} at {}", seconds(to_ns)))
}

/// Whether nothing more was to be seen by the source after its end.
fn saw_the_end(facts: &Facts, source: &Source, to_ns: i64) -> bool {
    let stopped_ns = facts.end_reached_ns.unwrap_or(facts.end_ns);
    let end_ns = match source.state {
        SourceState::Idle | SourceState::Failed => return false,
        SourceState::Live => stopped_ns,
        // What is looked at once, before anything is published, is seen whole.
        SourceState::Ended if facts.published_from_ns.is_some_and(|published_ns| to_ns <= published_ns) => return true,
        SourceState::Ended => facts.published_until_ns.unwrap_or(stopped_ns).min(stopped_ns),
    };
    to_ns >= end_ns - SLACK_NS
}

/// The gap that falls into the window; `None` where nothing was lost.
pub fn lost(facts: &Facts, needs: &[Need], window: &Window) -> Option<String> {
    let (from_ns, until_ns) = facts.bounds(window);
    let concerns = |gap: &&Gap| {
        let known = facts.sources.iter().any(|source| source.name == gap.source);
        // A loss that no source owns may be anybody's.
        !known
            || needs.iter().any(|need| {
                need.sources(facts).is_ok_and(|sources| sources.iter().any(|source| source.name == gap.source))
            })
    };
    let gap = facts.gaps.iter().filter(concerns).find(|gap| gap.from_ns <= until_ns && gap.to_ns >= from_ns)?;
    Some(format!("records of `{}` were lost between {} and {}", gap.source, seconds(gap.from_ns), seconds(gap.to_ns)))
}

/// Whether the run was cut off inside the window.
pub fn cut_off(facts: &Facts, window: &Window) -> Option<String> {
    let beyond = window.until_ns.is_none_or(|until_ns| until_ns > facts.end_ns - WAITING_NS);
    (!facts.complete && beyond).then(|| format!("the recording was cut off at {}", seconds(facts.end_ns)))
}

/// Whether the window speaks of a system that never came up: what it should have shown there never existed.
pub fn never_up(facts: &Facts, window: &Window) -> Option<String> {
    let not_up_ns = facts.not_up_ns?;
    window.until_ns.is_none_or(|until_ns| until_ns > not_up_ns).then(|| "the system did not come up".to_owned())
}

/// Whether the recording ends before the window does.
pub fn not_reached(facts: &Facts, window: &Window) -> Option<String> {
    match window.until_ns {
        Some(until_ns) if until_ns > facts.end_ns => {
            let (end, until) = (seconds(facts.end_ns), seconds(until_ns));
            Some(format!("not seen by {until}, but the recording ends at {end}"))
        }
        _ => cut_off(facts, window),
    }
}

fn seconds(ns: i64) -> String {
    format!("{:.1} s", ns as f64 / 1e9)
}
