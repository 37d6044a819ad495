//! `replay history`: what became of each assertion in each run. It counts nothing together and gives no verdict.

mod text;

use std::collections::BTreeMap;
use std::path::Path;

use recording::reader::Recording;
use recording::run::RunFile;
use serde_json::{Value, json};

use crate::check;
use crate::cli::{Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::judge::{Attribution, Outcome};
use crate::report::{self, RunReport};
use crate::runs;
use crate::views::Engine;

/// Pipes and files have no width.
const WIDTH: u16 = 100;

/// One run.
pub struct Column {
    /// What is known of it.
    pub run: RunFile,
    /// What became of its assertions.
    pub report: RunReport,
}

/// One assertion in all runs.
pub struct Row {
    /// Its id.
    pub id: String,
    /// What it says.
    pub says: String,
    /// The unit of its margins.
    pub unit: Option<String>,
    /// What became of it in each run; `None` where the run's spec hasn't got it.
    pub cells: Vec<Option<Cell>>,
}

/// One assertion in one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub attribution: Option<Attribution>,
    /// How far from the bound its worst row was.
    pub margin: Option<f64>,
}

/// Runs by assertions, oldest run first.
pub struct Matrix {
    /// The runs.
    pub columns: Vec<Column>,
    /// The assertions, in the spec's order.
    pub rows: Vec<Row>,
}

/// Judges every named run and shows them beside each other.
///
/// # Errors
/// Anything that keeps one of them from being judged.
pub fn history(cli: &Cli, names: &[String], spec: Option<&Path>, width: Option<u16>) -> Result<Exit, Error> {
    let (mut specs, mut columns) = (BTreeMap::new(), Vec::<Column>::new());
    for path in runs::all(&cli.runs_dir, names)? {
        let recording = Recording::open(&path)?;
        let run = recording.run().clone();
        if columns.iter().any(|column| column.run.run_id == run.run_id) {
            continue;
        }
        let spec = check::read_once(&mut specs, spec.map_or_else(|| path.join("spec.toml"), Path::to_owned))?;
        let report = Engine::during(cli.time_limit, |engine| check::run(engine, recording, &spec, None))?;
        columns.push(Column { run, report });
    }
    let matrix = Matrix::new(columns);
    match cli.format {
        Format::Text => {
            report::print(&text::matrix(&matrix, width.unwrap_or_else(terminal), report::stdout_has_colours()))
        }
        Format::Json => report::print_json(&json(&matrix)),
    }
}

fn terminal() -> u16 {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(WIDTH, |(width, _)| width.0.max(40))
}

impl Matrix {
    /// Puts runs in order and their assertions beside each other.
    pub fn new(mut columns: Vec<Column>) -> Matrix {
        in_order(&mut columns);
        let mut rows: Vec<Row> = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            for report in &column.report.assertions {
                let row = match rows.iter().position(|row| row.id == report.id) {
                    Some(row) => row,
                    None => {
                        let cells = vec![None; columns.len()];
                        let (id, says, unit) = (report.id.clone(), report.says.clone(), report.unit.clone());
                        rows.push(Row { id, says, unit, cells });
                        rows.len() - 1
                    }
                };
                let judgement = &report.judgement;
                let margin = judgement.worst.as_ref().and_then(|worst| worst.margin);
                rows[row].cells[place] =
                    Some(Cell { outcome: judgement.outcome, attribution: judgement.attribution, margin });
            }
        }
        Matrix { columns, rows }
    }
}

/// By version (its order where all have one, else the first run of each), then by time: the newest is last.
fn in_order(columns: &mut [Column]) {
    let ordered =
        columns.iter().all(|column| column.run.version.as_ref().is_some_and(|version| version.order.is_some()));
    let mut first_ns: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for column in columns.iter() {
        let first = first_ns.entry(version(column)).or_insert(i64::MAX);
        *first = column.run.started_unix_ns.min(*first);
    }
    columns.sort_by_key(|column| {
        let order = column.run.version.as_ref().and_then(|version| version.order).filter(|_| ordered);
        let rank = order.unwrap_or_else(|| first_ns.get(&version(column)).copied().unwrap_or_default());
        (rank, version(column), column.run.started_unix_ns, column.run.run_id.clone())
    });
}

fn version(column: &Column) -> Option<String> {
    column.run.version.as_ref().map(|version| version.id.clone())
}

fn json(matrix: &Matrix) -> Value {
    let run = |column: &Column| {
        json!({
            "run_id": column.run.run_id,
            "path": column.report.dir.display().to_string(),
            "state": column.report.state.name(),
            "version": version(column),
            "environment": column.run.environment.fingerprint,
            "started_at": report::utc(column.run.started_unix_ns),
        })
    };
    let row = |row: &Row| {
        let each =
            |told: fn(Cell) -> Value| row.cells.iter().map(|cell| cell.map_or(Value::Null, told)).collect::<Vec<_>>();
        json!({
            "id": row.id,
            "says": row.says,
            "unit": row.unit,
            "outcomes": each(|cell| json!(cell.outcome.name())),
            "attributions": each(|cell| json!(cell.attribution.map(Attribution::name))),
            "margins": each(|cell| json!(cell.margin)),
        })
    };
    json!({
        "format": 1,
        "runs": matrix.columns.iter().map(run).collect::<Vec<_>>(),
        "assertions": matrix.rows.iter().map(row).collect::<Vec<_>>(),
    })
}
