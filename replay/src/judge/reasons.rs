//! What speaks for the attribution of an assertion in a run, and what against it. A fault that lies beside a violation
//! need not be its cause: whoever reads an excuse reads beside it what does not fit.
//!
//! Pure: judgements and times go in, sentences with handles come out.

use super::{Attribution, FaultRow, Judgement, Outcome};

/// One thing that speaks for or against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// In plain words.
    pub says: String,
    /// Handles of rows that show it.
    pub evidence: Vec<String>,
}

/// Both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// What speaks for it.
    pub supports: Vec<Reason>,
    /// What speaks against it.
    pub contradicts: Vec<Reason>,
}

/// The same assertion in another run.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// The run's id.
    pub run_id: String,
    /// What became of it there.
    pub outcome: Outcome,
    /// The faults that touch it there, by whom they speak for or against and what they say.
    pub faults: Vec<(Attribution, String)>,
    /// Whether version and environment are those of the run.
    pub is_alike: bool,
}

/// An assertion in a run, and what is known beside it.
#[derive(Debug)]
pub struct About<'a> {
    /// What became of it.
    pub judgement: &'a Judgement,
    /// What the spec's faults found in the run: judgements name places in this list.
    pub faults: &'a [FaultRow],
    /// The other assertions of the run: id, and what became of it.
    pub others: Vec<(&'a str, &'a Judgement)>,
    /// When the evidence of each violation was recorded, at first; in the order of the violations.
    pub evidence_ns: Vec<Option<i64>>,
    /// The same assertion in other runs.
    pub elsewhere: &'a [Elsewhere],
    /// Where the run first went another way than runs that held: when, what, and handles.
    pub diverged: Option<(i64, String, Vec<String>)>,
}

/// A run may show what a fault does a moment before the fault itself is recorded.
const MOMENT_NS: i64 = 1_000_000_000;
/// More names than these are only counted.
const MOST_NAMES: usize = 5;

/// Weighs the attribution.
pub fn weigh(about: &About<'_>) -> Reasons {
    let mut reasons = Reasons::default();
    let judgement = about.judgement;
    match (judgement.outcome, judgement.attribution) {
        (_, Some(Attribution::SpecDrift)) => reasons.support(judgement.reason.clone().unwrap_or_default(), &[]),
        (Outcome::Broken, Some(Attribution::Unknown) | None) => unexplained(about, &mut reasons),
        (Outcome::Inconclusive | Outcome::NotApplicable, _) => {
            reasons.support(judgement.reason.clone().unwrap_or_default(), &[]);
            beside(about, &mut reasons);
        }
        (Outcome::Held, _) => beside(about, &mut reasons),
        (Outcome::Broken, Some(attribution)) => {
            let causes_of_it = causes(about, |fault| fault.attribution == attribution);
            for cause in &causes_of_it {
                let it = if causes_of_it.len() == 1 { "it".to_owned() } else { format!("\"{}\"", cause.says) };
                explained(about, cause, &it, &mut reasons);
            }
            for other in causes(about, |fault| fault.attribution != attribution) {
                reasons.contradict(format!("{} touches it too", other.says()), &other.evidence());
            }
        }
    }
    reasons
}

impl Reasons {
    fn support(&mut self, says: String, evidence: &[String]) {
        self.supports.push(Reason { says, evidence: evidence.to_vec() });
    }

    fn contradict(&mut self, says: String, evidence: &[String]) {
        self.contradicts.push(Reason { says, evidence: evidence.to_vec() });
    }
}

/// A fault that touches the assertion, as often as it happened.
struct Cause<'a> {
    attribution: Attribution,
    says: &'a str,
    rows: Vec<&'a FaultRow>,
    /// Violations beside it, and observations beside it that held.
    violations: usize,
    held: usize,
}

impl Cause<'_> {
    fn says(&self) -> String {
        let mut subjects: Vec<&str> = self.rows.iter().map(|row| row.row.subject.as_str()).collect();
        subjects.dedup();
        let times = if self.rows.len() > 1 { format!(", {} times", self.rows.len()) } else { String::new() };
        format!("{}: {}: {}{times}", self.attribution.name(), self.says, named(&subjects))
    }

    fn evidence(&self) -> Vec<String> {
        let mut evidence: Vec<String> = self.rows.iter().flat_map(|row| row.row.evidence.clone()).collect();
        evidence.dedup();
        evidence.truncate(MOST_NAMES);
        evidence
    }

    /// When it happened first; `None` where it has no beginning.
    fn begins_ns(&self) -> Option<i64> {
        self.rows.iter().map(|row| row.row.from_ns).min().flatten()
    }

    fn is_same(&self, fault: (Attribution, &str)) -> bool {
        (self.attribution, self.says) == fault
    }
}

fn causes<'a>(about: &About<'a>, wanted: impl Fn(&FaultRow) -> bool) -> Vec<Cause<'a>> {
    let mut causes: Vec<Cause<'a>> = Vec::new();
    let judgement = about.judgement;
    for (place, touch) in judgement.faults.iter().zip(&judgement.touches) {
        let Some(row) = about.faults.get(*place).filter(|row| wanted(row)) else { continue };
        match causes.iter_mut().find(|cause| cause.is_same((row.attribution, &row.says))) {
            Some(cause) => {
                cause.rows.push(row);
                cause.violations = cause.violations.max(touch.violations);
                cause.held = cause.held.max(touch.held);
            }
            None => causes.push(Cause {
                attribution: row.attribution,
                says: &row.says,
                rows: vec![row],
                violations: touch.violations,
                held: touch.held,
            }),
        }
    }
    causes
}

/// Broken, and a fault is its attribution; `it` is what it is called.
fn explained(about: &About<'_>, cause: &Cause<'_>, it: &str, reasons: &mut Reasons) {
    let all = about.judgement.violations.len();
    let when = cause.begins_ns().map_or(String::new(), |from_ns| format!(", from {} on", seconds(from_ns)));
    let beside = format!("{}{when}: beside {} of {}", cause.says(), cause.violations, count(all, "violation"));
    reasons.support(beside, &cause.evidence());
    if cause.violations < all {
        let says = format!("only {} of {} lie beside {it}", cause.violations, count(all, "violation"));
        reasons.contradict(says, &[]);
    }
    came_before(about, cause, it, reasons);
    went_another_way(about, cause, it, reasons);
    touched_what_held(about, cause, it, reasons);
    in_other_runs(about, cause, it, reasons);
}

/// What was seen of the violations before the fault began.
fn came_before(about: &About<'_>, cause: &Cause<'_>, it: &str, reasons: &mut Reasons) {
    let Some(from_ns) = cause.begins_ns() else { return };
    let of_violations = about.judgement.violations.iter().zip(&about.evidence_ns);
    let mut before = of_violations.filter_map(|(row, at_ns)| Some((row, at_ns.filter(|at_ns| *at_ns < from_ns)?)));
    let Some((first, at_ns)) = before.next() else { return };
    let says = format!(
        "{it} began at {}, and the evidence of {} of {} was recorded before: {} at {}",
        seconds(from_ns),
        1 + before.count(),
        count(about.judgement.violations.len(), "violation"),
        first.observation.subject,
        seconds(at_ns)
    );
    reasons.contradict(says, &first.observation.evidence);
}

/// Whether the run went as those that held until the fault began.
fn went_another_way(about: &About<'_>, cause: &Cause<'_>, it: &str, reasons: &mut Reasons) {
    let (Some(from_ns), Some((at_ns, what, evidence))) = (cause.begins_ns(), &about.diverged) else { return };
    let (begins, at) = (seconds(from_ns), seconds(*at_ns));
    let is_the_fault = evidence.iter().any(|handle| cause.rows.iter().any(|row| row.row.evidence.contains(handle)));
    if *at_ns + MOMENT_NS < from_ns && !is_the_fault {
        let says = format!("the run had gone another way before {it} began ({begins}): at {at}, {what}");
        reasons.contradict(says, evidence);
    } else {
        let says = format!("until {it} began ({begins}) the run went as runs that held; then, at {at}, {what}");
        reasons.support(says, evidence);
    }
}

/// What lay beside the same fault and held all the same.
fn touched_what_held(about: &About<'_>, cause: &Cause<'_>, it: &str, reasons: &mut Reasons) {
    if cause.held > 0 {
        let says = format!("{} of this assertion lay beside {it} too, and held", count(cause.held, "observation"));
        reasons.contradict(says, &[]);
    }
    let touched = |judgement: &Judgement| {
        let rows = judgement.faults.iter().filter_map(|place| about.faults.get(*place));
        rows.into_iter().any(|row| cause.is_same((row.attribution, &row.says)))
    };
    let others = about.others.iter().filter(|(_, judgement)| touched(judgement));
    let with = |outcome| -> Vec<&str> {
        others.clone().filter(|(_, judgement)| judgement.outcome == outcome).map(|(id, _)| *id).collect()
    };
    let (held, broken) = (with(Outcome::Held), with(Outcome::Broken));
    if !held.is_empty() {
        let says = format!("{} lay beside {it} too, and held: {}", count(held.len(), "other assertion"), named(&held));
        reasons.contradict(says, &[]);
    }
    if !broken.is_empty() {
        let says = format!("{} broke beside {it} as well: {}", count(broken.len(), "other assertion"), named(&broken));
        reasons.support(says, &[]);
    }
}

/// Whether other runs fit to it.
fn in_other_runs(about: &About<'_>, cause: &Cause<'_>, it: &str, reasons: &mut Reasons) {
    let fault = if it == "it" { "this fault" } else { it };
    let had = |run: &&Elsewhere| run.faults.iter().any(|(attribution, says)| cause.is_same((*attribution, says)));
    let with = |outcome: Outcome, had_it: bool| -> Vec<&str> {
        let runs = about.elsewhere.iter().filter(|run| run.is_alike && run.outcome == outcome);
        runs.filter(|run| had(run) == had_it).map(|run| run.run_id.as_str()).collect()
    };
    let alike = "of the same version and environment";
    let broken_without = with(Outcome::Broken, false);
    if !broken_without.is_empty() {
        let (runs, names) = (count(broken_without.len(), "other run"), named(&broken_without));
        reasons.contradict(format!("it is broken without {fault} too, in {runs} {alike}: {names}"), &[]);
    }
    let held_with = with(Outcome::Held, true);
    if !held_with.is_empty() {
        let (runs, names) = (count(held_with.len(), "run"), named(&held_with));
        reasons.contradict(format!("it held with {fault}, in {runs} {alike}: {names}"), &[]);
    }
    let broken_with = with(Outcome::Broken, true);
    if !broken_with.is_empty() {
        let (runs, names) = (count(broken_with.len(), "other run"), named(&broken_with));
        reasons.support(format!("it is broken with {fault} in {runs} {alike}: {names}"), &[]);
    }
    let held_without = with(Outcome::Held, false);
    if !held_without.is_empty() && held_with.is_empty() {
        reasons.support(format!("{} {alike} held, none with {fault}", count(held_without.len(), "run")), &[]);
    }
}

/// Broken, and no fault excuses it.
fn unexplained(about: &About<'_>, reasons: &mut Reasons) {
    let all = about.judgement.violations.len();
    let touching = causes(about, |_| true);
    let says = match touching.is_empty() {
        true => "no fault that the spec knows was found beside it".to_owned(),
        false => format!("no fault lies beside every one of the {}", count(all, "violation")),
    };
    reasons.support(says, &[]);
    for cause in &touching {
        let says = format!("{} lies beside {} of {}", cause.says(), cause.violations, count(all, "violation"));
        reasons.contradict(says, &cause.evidence());
    }
    let with = |outcome| -> Vec<&str> {
        let runs = about.elsewhere.iter().filter(|run| run.is_alike && run.outcome == outcome);
        runs.map(|run| run.run_id.as_str()).collect()
    };
    let (held, broken) = (with(Outcome::Held), with(Outcome::Broken));
    let alike = "of the same version and environment";
    if !broken.is_empty() {
        let (runs, names) = (count(broken.len(), "other run"), named(&broken));
        reasons.support(format!("it is broken in {runs} {alike} too: {names}"), &[]);
    }
    if !held.is_empty() {
        let says = format!("it held in {} {alike}: it does not always break", count(held.len(), "run"));
        reasons.contradict(says, &[]);
    }
}

/// Not broken: the faults that lie beside it all the same.
fn beside(about: &About<'_>, reasons: &mut Reasons) {
    for cause in causes(about, |_| true) {
        reasons.support(format!("{} touches it", cause.says()), &cause.evidence());
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("{number} {what}") } else { format!("{number} {what}s") }
}

fn named(names: &[&str]) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn seconds(ns: i64) -> String {
    format!("{:.1} s", ns as f64 / 1e9)
}

#[cfg(test)]
mod tests;
