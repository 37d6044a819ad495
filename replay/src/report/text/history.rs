//! What was judged over several runs.

use super::{Page, cells, gathered};
use crate::judge::{Judged, Outcome};
use crate::report::{HistoryReport, next, plain, words};

/// Longer reasons for leaving runs out are cut.
const REASON_CHARACTERS: usize = 100;

/// A section for each set of runs.
pub fn sections(page: &mut Page<'_>, all: &[HistoryReport]) {
    for (_, histories) in gathered(all.iter().map(|history| ((&history.spec, &history.dirs), history))) {
        let runs = histories.first().map_or(0, |history| history.dirs.len());
        page.line(&format!("over {runs} runs"));
        let row = |history: &&HistoryReport| {
            let outcome = history.assertion.judgement.outcome.name().to_owned();
            [vec![outcome], cells(&history.assertion)].concat()
        };
        let rows: Vec<Vec<String>> = histories.iter().map(row).collect();
        for (line, history) in super::aligned(&rows).iter().zip(&histories) {
            page.coloured(&format!("  {line}"), history.assertion.judgement.outcome);
            behind(page, history);
        }
        let next: Vec<String> = histories.iter().filter_map(|history| next::next_of_history(history)).collect();
        if let Some(command) = next.first() {
            page.line("  next:");
            page.line(&format!("    {command}"));
        }
        page.text.push('\n');
    }
}

/// What stands behind one average: why it says nothing, which runs count, and which pull it down.
fn behind(page: &mut Page<'_>, history: &HistoryReport) {
    let judgement = &history.assertion.judgement;
    if let Some(reason) = &judgement.reason {
        page.line(&format!("      {reason}"));
    }
    if !judgement.violations.is_empty() {
        page.line("      the runs that pull it down, the worst first:");
        let row = |row: &Judged| vec![plain(&row.observation.subject), words::observed(row, &history.assertion)];
        let rows: Vec<Vec<String>> = judgement.violations.iter().map(row).collect();
        page.columns("        ", &rows, Outcome::Broken);
    }
    if history.left_out.is_empty() || judgement.outcome == Outcome::NotApplicable {
        return;
    }
    page.line(&format!("      {} of {} runs count, left out:", judgement.rows, history.dirs.len()));
    for (reason, runs) in gathered(history.left_out.iter().map(|run| (&run.reason, run.run_id.as_str()))) {
        page.line(&format!("        {}: {}", words::cut(&plain(reason), REASON_CHARACTERS), runs.join(", ")));
    }
}
