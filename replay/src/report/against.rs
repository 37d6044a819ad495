//! What flips between two specs on the same recordings.

use std::path::Path;

use serde_json::{Value, json};

use super::{CheckReport, check_json, plain_lines};
use crate::exit::Exit;
use crate::judge::{Compared, Counts, Flip, Outcome};

/// More runs that flip alike are only counted in the text.
const MOST_RUNS: usize = 5;

/// The answer of `replay check --against`.
pub struct Against<'r> {
    /// The old spec's file.
    pub old: &'r Path,
    /// What the old spec says.
    pub before: &'r CheckReport,
    /// What the new spec says.
    pub after: &'r CheckReport,
    /// Each assertion under both.
    pub compared: Vec<Compared>,
}

impl Against<'_> {
    /// For programs: the answer of `check` under the new spec, with the key `against`.
    pub fn json(&self) -> Value {
        let flips = self.compared.iter().flat_map(|one| one.flips.iter().map(|flip| flip_json(&one.id, flip)));
        let assertion = |one: &Compared| {
            json!({
                "id": one.id,
                "before": one.before.map(counts_json),
                "after": one.after.map(counts_json),
                "flips": one.flips.len(),
            })
        };
        let mut value = check_json(self.after);
        value["against"] = json!({
            "spec": self.old.display().to_string(),
            "flips": flips.collect::<Vec<_>>(),
            "assertions": self.compared.iter().map(assertion).collect::<Vec<_>>(),
        });
        value
    }

    /// For people: what flips, which assertions only one spec has, and what is broken under both.
    pub fn text(&self, exit: Exit) -> String {
        let runs = self.after.runs.len();
        let of_runs = if runs == 1 { "1 recording".to_owned() } else { format!("{runs} recordings") };
        let mut lines = vec![format!("{of_runs} under two specs, the old one {}: no run is new", self.old.display())];
        let flipped: Vec<&Compared> = self.compared.iter().filter(|one| !one.flips.is_empty()).collect();
        for one in &flipped {
            for (how, flips) in flips_alike(one) {
                lines.push(format!("  {}: {}", one.id, flips_line(how, flips.len(), runs)));
                lines.push(format!("      {}", names(&flips)));
            }
            lines.push(format!("      it says: {}", self.says(&one.id)));
        }
        let quiet = |side: fn(&Compared) -> Option<Counts>| {
            let found = self.compared.iter().filter(move |one| side(one).is_none() && one.flips.is_empty());
            found.map(|one| one.id.as_str()).collect::<Vec<_>>()
        };
        for (ids, what) in
            [(quiet(|one| one.before), "new, and breaks in none"), (quiet(|one| one.after), "gone, and broke in none")]
        {
            lines.extend((!ids.is_empty()).then(|| format!("  {what}: {}", ids.join(" "))));
        }
        let both = self.compared.iter().filter(|one| one.broken_under_both > 0);
        let both: Vec<String> = both.map(|one| format!("{} ({})", one.id, one.broken_under_both)).collect();
        lines.extend((!both.is_empty()).then(|| format!("  broken under both (recordings): {}", both.join(" "))));
        lines.push(format!("{}: exit {}, {}", self.summary(flipped.len()), exit.code(), exit.meaning()));
        plain_lines(&lines.join("\n"))
    }

    fn summary(&self, flipped: usize) -> String {
        let same = self.compared.len() - flipped;
        match flipped {
            0 => format!("nothing flips, {same} assertions"),
            1 => format!("1 assertion flips, {same} don't"),
            _ => format!("{flipped} assertions flip, {same} don't"),
        }
    }

    /// What the assertion says, in the new spec if it is there.
    fn says(&self, id: &str) -> &str {
        let all = self.after.assertions().chain(self.before.assertions());
        all.into_iter().find(|report| report.id == id).map_or("", |report| report.says.as_str())
    }
}

type How = (Option<Outcome>, Option<Outcome>, bool);

/// Flips of an assertion by how they flip, those over all recordings by themselves.
fn flips_alike(one: &Compared) -> Vec<(How, Vec<&Flip>)> {
    let how = |flip: &Flip| (flip.before, flip.after, flip.run_id.is_none());
    super::causes::gathered(one.flips.iter().map(|flip| (how(flip), flip)))
}

fn flips_line((before, after, over): How, flips: usize, runs: usize) -> String {
    let word = |outcome: Option<Outcome>, none: &'static str| outcome.map_or(none, Outcome::name);
    let how = format!("{} → {}", word(before, "not there"), word(after, "gone"));
    match (over, flips) {
        (true, _) => format!("over all runs together it flips {how}"),
        (false, 1) => format!("1 of {runs} runs flips {how}"),
        (false, flips) => format!("{flips} of {runs} runs flip {how}"),
    }
}

/// The recordings that flip, the first few by name.
fn names(flips: &[&Flip]) -> String {
    let names: Vec<&str> = flips.iter().map(|flip| flip.run_id.as_deref().unwrap_or("all of them")).collect();
    match names.len().saturating_sub(MOST_RUNS) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..MOST_RUNS].join(", ")),
    }
}

fn flip_json(id: &str, flip: &Flip) -> Value {
    json!({
        "id": id,
        "run_id": flip.run_id,
        "before": flip.before.map(Outcome::name),
        "after": flip.after.map(Outcome::name),
    })
}

/// Outcomes that were not seen are left out.
fn counts_json(counts: Counts) -> Value {
    let seen = Outcome::ALL.into_iter().map(|outcome| (outcome, counts.of(outcome))).filter(|(_, count)| *count > 0);
    seen.map(|(outcome, count)| (outcome.name().to_owned(), json!(count))).collect::<serde_json::Map<_, _>>().into()
}
