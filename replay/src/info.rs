//! `replay info`: what a recording holds, and what it cost to record it.

use std::fmt::Write;

use arrow::array::RecordBatch;
use recording::Table;
use recording::reader::Recording;
use recording::record::{Gap, SourceRow, Stat};
use serde_json::json;

use crate::cli::{Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::{self, number, plain, seconds};
use crate::runs;

struct Info {
    recording: Recording,
    tables: Vec<(Table, usize)>,
    sources: Vec<SourceRow>,
    gaps: Vec<Gap>,
    costs: Vec<Cost>,
}

/// What some of the collector's processes used.
struct Cost {
    of: &'static str,
    cpu_percent: Option<f64>,
    max_rss_bytes: Option<f64>,
}

/// Tells about one recording.
///
/// # Errors
/// [`Error::Recording`] where it can't be found or read.
pub fn info(cli: &Cli, run: &str) -> Result<Exit, Error> {
    let info = Info::read(runs::open(&cli.runs_dir, run)?)?;
    match cli.format {
        Format::Text => report::print(&info.text()),
        Format::Json => report::print_json(&info.json()),
    }
}

impl Info {
    fn read(recording: Recording) -> Result<Info, Error> {
        let mut tables = Vec::new();
        for table in Table::ALL {
            tables.push((table, recording.table(table)?.iter().map(RecordBatch::num_rows).sum()));
        }
        let stats: Vec<(i64, Stat)> =
            recording.rows::<Stat>()?.into_iter().map(|stamped| (stamped.at_ns, stamped.row)).collect();
        let cost = |of, subject: &str| {
            Cost::of(of, stats.iter().filter(|(_, stat)| stat.source == "collector" && stat.subject == subject))
        };
        let costs = [cost("collector", "collector"), cost("its children", "children")];
        Ok(Info {
            tables,
            sources: recording.rows()?.into_iter().map(|stamped| stamped.row).collect(),
            gaps: recording.rows()?.into_iter().map(|stamped| stamped.row).collect(),
            costs: costs.into_iter().flatten().collect(),
            recording,
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.facts() {
            let _ = writeln!(text, "{key:12}{}", plain(&value));
        }
        let _ = write!(text, "\n{}\n{}", self.sources_table(), self.tables_table());
        if !self.gaps.is_empty() {
            let _ = write!(text, "\n{}", self.gaps_table());
        }
        if !self.costs.is_empty() {
            let _ = write!(text, "\n{}", self.costs_table());
        }
        text
    }

    fn sources_table(&self) -> report::Table {
        let mut table = report::Table::new(&["source", "state", "from", "to", "rows", "tables"]);
        for row in &self.sources {
            let time = |ns: Option<i64>| ns.map_or_else(|| "-".to_owned(), seconds);
            let tables = row.tables.replace(['[', ']', '"'], "").replace(',', ", ");
            let (from, to) = (time(row.from_ns), time(row.to_ns));
            table.row(vec![row.source.clone(), row.state.clone(), from, to, row.rows.to_string(), tables]);
        }
        table
    }

    fn tables_table(&self) -> report::Table {
        let mut table = report::Table::new(&["table", "rows"]);
        for (name, rows) in &self.tables {
            table.row(vec![name.to_string(), rows.to_string()]);
        }
        table
    }

    fn gaps_table(&self) -> report::Table {
        let mut table = report::Table::new(&["gap of", "from", "to", "lost", "reason"]);
        for gap in &self.gaps {
            let (from, to) = (seconds(gap.from_ns), seconds(gap.to_ns));
            table.row(vec![gap.source.clone(), from, to, gap.lost.to_string(), gap.reason.clone()]);
        }
        table
    }

    fn costs_table(&self) -> report::Table {
        let mut table = report::Table::new(&["cost of", "CPU of one core", "max. memory"]);
        for cost in &self.costs {
            let or_dash = |shown: Option<String>| shown.unwrap_or_else(|| "-".to_owned());
            let percent = or_dash(cost.cpu_percent.map(|percent| format!("{percent:.1} %")));
            let memory =
                or_dash(cost.max_rss_bytes.map(|bytes| format!("{} MB", number((bytes / 1e5).round() / 10.0))));
            table.row(vec![cost.of.to_owned(), percent, memory]);
        }
        table
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let run = self.recording.run();
        let mut facts = vec![
            ("run", run.run_id.clone()),
            ("folder", self.recording.dir().display().to_string()),
            ("scenario", format!("{} ({})", run.scenario, run.kind)),
            (
                "state",
                format!(
                    "{}{}",
                    self.recording.state().name(),
                    if self.recording.is_journal() { ", kept as a journal" } else { "" }
                ),
            ),
            ("started", report::utc(run.started_unix_ns)),
            ("duration", seconds(self.recording.end_ns())),
            ("stream", run.stream.clone()),
        ];
        let optional = [
            ("spec", run.spec_id.clone()),
            ("version", run.version.as_ref().map(|version| version.id.clone())),
            ("stimulus", run.stimulus_sha256.clone()),
            (
                "torn",
                self.recording
                    .torn()
                    .map(|torn| format!("{} bytes at byte {}: {}", torn.lost_bytes, torn.at_byte, torn.problem)),
            ),
        ];
        facts.extend(optional.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))));
        let labels: Vec<String> = run.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if !labels.is_empty() {
            facts.push(("labels", labels.join(", ")));
        }
        let environment: Vec<String> =
            run.environment.facts.iter().map(|(key, value)| format!("{key}={value}")).collect();
        facts.push((
            "environment",
            format!("{} {}", run.environment.fingerprint.get(..12).unwrap_or_default(), environment.join(", ")),
        ));
        facts
    }

    fn json(&self) -> serde_json::Value {
        let run = self.recording.run();
        json!({
            "format": 1,
            "run_id": run.run_id,
            "path": self.recording.dir().display().to_string(),
            "scenario": run.scenario,
            "kind": run.kind,
            "state": self.recording.state().name(),
            "journal": self.recording.is_journal(),
            "torn_bytes": self.recording.torn().map(|torn| torn.lost_bytes),
            "started_at": report::utc(run.started_unix_ns),
            "duration_s": self.recording.end_ns() as f64 / 1e9,
            "stream": run.stream,
            "spec_id": run.spec_id,
            "version": run.version.as_ref().map(|version| &version.id),
            "labels": run.labels,
            "environment": run.environment,
            "stimulus_sha256": run.stimulus_sha256,
            "tables": self.tables.iter().map(|(table, rows)| (table.name().to_owned(), json!(rows))).collect::<serde_json::Map<_, _>>(),
            "sources": self.sources.iter().map(source).collect::<Vec<_>>(),
            "gaps": self.gaps.iter().map(gap).collect::<Vec<_>>(),
            "cost": self.costs.iter().map(|cost| json!({
                "of": cost.of, "cpu_percent": cost.cpu_percent, "max_rss_bytes": cost.max_rss_bytes,
            })).collect::<Vec<_>>(),
        })
    }
}

fn source(row: &SourceRow) -> serde_json::Value {
    let tables: serde_json::Value = serde_json::from_str(&row.tables).unwrap_or_default();
    json!({
        "source": row.source, "kind": row.kind, "state": row.state, "tables": tables,
        "from_ns": row.from_ns, "to_ns": row.to_ns, "rows": row.rows,
    })
}

fn gap(row: &Gap) -> serde_json::Value {
    json!({ "source": row.source, "from_ns": row.from_ns, "to_ns": row.to_ns, "lost": row.lost, "reason": row.reason })
}

impl Cost {
    /// From the collector's own watcher: `cpu/used_ns` counts up, `memory/rss` is a level. `None` without either.
    fn of<'s>(of: &'static str, stats: impl Iterator<Item = &'s (i64, Stat)> + Clone) -> Option<Cost> {
        let mut cpu = stats.clone().filter(|(_, stat)| stat.metric == "cpu/used_ns");
        let first = cpu.next();
        let cpu_percent = first
            .zip(cpu.last())
            .filter(|(first, last)| last.0 > first.0)
            .map(|((from_ns, first), (to_ns, last))| 100.0 * (last.value - first.value) / (to_ns - from_ns) as f64);
        let memory = stats.filter(|(_, stat)| stat.metric == "memory/rss").map(|(_, stat)| stat.value);
        let max_rss_bytes = memory.reduce(f64::max);
        (cpu_percent.is_some() || max_rss_bytes.is_some()).then_some(Cost { of, cpu_percent, max_rss_bytes })
    }
}
