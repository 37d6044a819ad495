//! What was noticed of changed facts, and what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use recording::Table;
use serde_json::{Value, json};

use super::causes::gathered;
use super::plain_lines;
use crate::judge::Outcome;
use crate::mutate::{Effect, Question};

/// One change and what came of it.
pub struct Tried {
    /// The table.
    pub table: Table,
    /// What sort of fact it was.
    pub what: String,
    /// The value in it that said something else; `None` where it was changed as a whole.
    pub part: Option<String>,
    /// What was done.
    pub how: String,
    /// The first row that was changed.
    pub handle: String,
    /// What came of it.
    pub effect: Effect,
}

/// An assertion that was asked.
struct Asked {
    id: String,
    outcome: Outcome,
    tables: Vec<&'static str>,
}

/// The answer of `replay mutate`.
pub struct MutateReport {
    run_id: String,
    spec: PathBuf,
    asked: Vec<Asked>,
    tried: Vec<Tried>,
    unread: Vec<String>,
}

/// The best that came of a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Notice {
    Broken,
    Doubted,
    Failed,
    Seen,
    Nothing,
}

impl Tried {
    fn notice(&self) -> Notice {
        let worst = |outcome| self.effect.worse.iter().any(|(_, other)| *other == outcome);
        match &self.effect.failed {
            _ if worst(Outcome::Broken) => Notice::Broken,
            _ if worst(Outcome::Inconclusive) => Notice::Doubted,
            Some(_) => Notice::Failed,
            None if self.effect.seen.is_empty() => Notice::Nothing,
            None => Notice::Seen,
        }
    }

    /// What was done, in words.
    fn done(&self) -> String {
        self.part.as_ref().map_or_else(|| self.how.clone(), |part| format!("{part} {}", self.how))
    }
}

impl MutateReport {
    /// What was asked and tried, in order.
    pub fn new(
        run_id: String,
        spec: &Path,
        questions: &[Question<'_>],
        tried: Vec<Tried>,
        unread: Vec<String>,
    ) -> MutateReport {
        let asked = |question: &Question<'_>| Asked {
            id: question.assertion.id.clone(),
            outcome: question.outcome,
            tables: Table::ALL.into_iter().filter(|table| question.reads(*table)).map(Table::name).collect(),
        };
        let asked = questions.iter().map(asked).collect();
        MutateReport { run_id, spec: spec.to_owned(), asked, tried, unread }
    }

    fn count(&self, notice: Notice) -> usize {
        self.tried.iter().filter(|tried| tried.notice() == notice).count()
    }

    fn id(&self, place: usize) -> &str {
        self.asked.get(place).map_or("", |asked| asked.id.as_str())
    }

    /// Changes that break an assertion, or leave it in doubt.
    fn times(&self, place: usize, outcome: Outcome) -> usize {
        self.tried.iter().filter(|tried| tried.effect.worse.contains(&(place, outcome))).count()
    }

    /// Changes of tables that it reads.
    fn chances(&self, asked: &Asked) -> usize {
        self.tried.iter().filter(|tried| asked.tables.contains(&tried.table.name())).count()
    }

    /// Assertions that hold and that no change breaks.
    fn never_broken(&self) -> impl Iterator<Item = (usize, &Asked)> {
        let held = self.asked.iter().enumerate().filter(|(_, asked)| asked.outcome == Outcome::Held);
        held.filter(|(place, _)| self.times(*place, Outcome::Broken) == 0)
    }

    /// For people: what nobody noticed first.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("{} by {}: one fact changed at a time", self.run_id, self.spec.display())];
        for (notice, title) in [
            (Notice::Seen, "seen, and within every bound"),
            (Notice::Nothing, "no difference to anything that is asked"),
            (Notice::Doubted, "nothing is broken by it, but something is inconclusive"),
            (Notice::Failed, "a query can't be answered any more"),
        ] {
            let groups = self.grouped(notice);
            if !groups.is_empty() {
                lines.push(String::new());
                lines.push(format!("{title} ({})", self.count(notice)));
                lines.extend(groups);
            }
        }
        lines.extend(self.suspicious());
        if !self.unread.is_empty() {
            lines.push(String::new());
            lines.push("named by no query, so not tried".to_owned());
            lines.extend(self.unread_lines());
        }
        lines.push(String::new());
        lines.push(self.summary());
        plain_lines(&lines.join("\n"))
    }

    fn summary(&self) -> String {
        let [broken, doubted, failed, seen, nothing] =
            [Notice::Broken, Notice::Doubted, Notice::Failed, Notice::Seen, Notice::Nothing].map(|how| self.count(how));
        let failed = if failed > 0 { format!(", {failed} make a query fail") } else { String::new() };
        format!(
            "{} changes: {broken} break something, {doubted} leave something inconclusive{failed}; not noticed: {seen} that are seen, {nothing} that are not",
            self.tried.len()
        )
    }

    /// The changes that were noticed like this, by what was changed.
    fn grouped(&self, notice: Notice) -> Vec<String> {
        let mut lines = Vec::new();
        for ((table, what), all) in gathered(self.tried.iter().map(|tried| ((tried.table, &tried.what), tried))) {
            let counted = counted(&all, notice);
            if counted.is_empty() {
                continue;
            }
            lines.push(format!("  {table}, {what}: {}", counted.join(", ")));
            lines.extend(self.behind(notice, &all));
        }
        lines
    }

    /// Who saw it without minding, or who is in doubt, or why nobody can tell.
    fn behind(&self, notice: Notice, all: &[&Tried]) -> Option<String> {
        let alike = all.iter().filter(|tried| tried.notice() == notice);
        let ids =
            |places: BTreeSet<usize>| places.into_iter().map(|place| self.id(place)).collect::<Vec<_>>().join(" ");
        let (words, who) = match notice {
            Notice::Seen => ("seen by", alike.flat_map(|tried| tried.effect.seen.clone()).collect()),
            Notice::Doubted => {
                ("inconclusive", alike.flat_map(|tried| tried.effect.worse.iter().map(|(place, _)| *place)).collect())
            }
            _ => {
                return alike.filter_map(|tried| tried.effect.failed.as_ref()).next().map(|why| format!("      {why}"));
            }
        };
        Some(ids(who)).filter(|who| !who.is_empty()).map(|who| format!("      {words}: {who}"))
    }

    fn suspicious(&self) -> Vec<String> {
        let all: Vec<String> = self
            .never_broken()
            .map(|(place, asked)| {
                let doubted = self.times(place, Outcome::Inconclusive);
                format!(
                    "  {}: {} changes of what it reads, {doubted} leave it inconclusive",
                    asked.id,
                    self.chances(asked)
                )
            })
            .collect();
        let already: Vec<&str> =
            self.asked.iter().filter(|asked| asked.outcome != Outcome::Held).map(|asked| asked.id.as_str()).collect();
        let mut lines = Vec::new();
        if !all.is_empty() {
            lines.extend([String::new(), "never broken by any change".to_owned()]);
            lines.extend(all);
        }
        if !already.is_empty() {
            lines.extend([String::new(), format!("not held without any change: {}", already.join(" "))]);
        }
        lines
    }

    /// What is not read, a line for each table or message.
    fn unread_lines(&self) -> Vec<String> {
        let split = |line: &'_ String| line.split_once(": ").map(|(head, name)| (head.to_owned(), name.to_owned()));
        let heads = gathered(self.unread.iter().filter_map(split));
        heads.into_iter().map(|(head, names)| format!("  {head}: {}", names.join(", "))).collect()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let assertion = |(place, asked): (usize, &Asked)| {
            json!({
                "id": asked.id,
                "outcome": asked.outcome.name(),
                "reads": asked.tables,
                "tried": self.chances(asked),
                "broken": self.times(place, Outcome::Broken),
                "inconclusive": self.times(place, Outcome::Inconclusive),
            })
        };
        json!({
            "format": 1,
            "run_id": self.run_id,
            "spec": self.spec.display().to_string(),
            "tried": self.tried.len(),
            "broken": self.count(Notice::Broken),
            "inconclusive": self.count(Notice::Doubted),
            "failed": self.count(Notice::Failed),
            "seen": self.count(Notice::Seen),
            "unseen": self.count(Notice::Nothing),
            "changes": self.changes(),
            "assertions": self.asked.iter().enumerate().map(assertion).collect::<Vec<_>>(),
            "never_broken": self.never_broken().map(|(_, asked)| &asked.id).collect::<Vec<_>>(),
            "unread": self.unread,
        })
    }

    fn changes(&self) -> Vec<Value> {
        let keyed = self.tried.iter().map(|tried| ((tried.table, &tried.what, &tried.part, &tried.how), tried));
        let change = |((table, what, part, how), all): ((Table, &String, &Option<String>, &String), Vec<&Tried>)| {
            let count = |notice| all.iter().filter(|tried| tried.notice() == notice).count();
            let mut by: BTreeMap<&str, usize> = BTreeMap::new();
            all.iter()
                .flat_map(|tried| &tried.effect.worse)
                .for_each(|(place, _)| *by.entry(self.id(*place)).or_default() += 1);
            let seen: BTreeSet<&str> =
                all.iter().flat_map(|tried| &tried.effect.seen).map(|place| self.id(*place)).collect();
            let unnoticed = all.iter().filter(|tried| tried.notice() >= Notice::Seen).map(|tried| &tried.handle);
            json!({
                "table": table.name(),
                "what": what,
                "part": part,
                "how": how,
                "tried": all.len(),
                "broken": count(Notice::Broken),
                "inconclusive": count(Notice::Doubted),
                "failed": count(Notice::Failed),
                "unnoticed": unnoticed.collect::<Vec<_>>(),
                "noticed_by": by,
                "seen_by": seen,
            })
        };
        gathered(keyed).into_iter().map(change).collect()
    }
}

/// What was done to one sort of fact and noticed like this: `deleted (2 of 3)`. A value of which everything was noticed
/// alike, whatever it said, is only named.
fn counted(all: &[&Tried], notice: Notice) -> Vec<String> {
    let mut counted = Vec::new();
    let mut whatever = Vec::new();
    for (part, all) in gathered(all.iter().map(|tried| (&tried.part, *tried))) {
        let alike = all.iter().filter(|tried| tried.notice() == notice).count();
        if let Some(part) = part.as_ref().filter(|_| alike == all.len() && alike > 1) {
            whatever.push(part.as_str());
            continue;
        }
        for (how, all) in gathered(all.iter().map(|tried| (tried.done(), *tried))) {
            let alike = all.iter().filter(|tried| tried.notice() == notice).count();
            counted.extend((alike > 0).then(|| format!("{how} ({alike} of {})", all.len())));
        }
    }
    counted.extend((!whatever.is_empty()).then(|| format!("whatever is in {}", whatever.join(", "))));
    counted
}
