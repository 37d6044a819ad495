//! The same recordings under two specs. No run is new, so an outcome that flips is a change of the spec, and of nothing
//! else.

use super::{Judgement, Outcome};

/// One assertion on one recording, or over all of them, under both specs.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'r> {
    /// The assertion.
    pub id: &'r str,
    /// The recording; `None`: over all of them.
    pub run_id: Option<&'r str>,
    /// What the old spec says; `None`: it has no such assertion.
    pub before: Option<&'r Judgement>,
    /// What the new spec says; `None`: it has no such assertion.
    pub after: Option<&'r Judgement>,
}

/// An outcome that is another under the other spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    /// The recording; `None`: over all of them.
    pub run_id: Option<String>,
    /// Under the old spec.
    pub before: Option<Outcome>,
    /// Under the new spec.
    pub after: Option<Outcome>,
}

/// One assertion under both specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The assertion.
    pub id: String,
    /// How often which outcome came of it under the old spec; `None`: it is new.
    pub before: Option<Counts>,
    /// The same under the new spec; `None`: it is gone.
    pub after: Option<Counts>,
    /// What flips, in the order of the recordings.
    pub flips: Vec<Flip>,
    /// Recordings that break it under both.
    pub broken_under_both: usize,
}

/// How often each outcome was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; Outcome::ALL.len()]);

impl Counts {
    /// How often this one.
    pub fn of(&self, outcome: Outcome) -> usize {
        Outcome::ALL.iter().zip(self.0).find(|(known, _)| **known == outcome).map_or(0, |(_, count)| count)
    }

    fn add(&mut self, outcome: Outcome) {
        for (count, known) in self.0.iter_mut().zip(Outcome::ALL) {
            *count += usize::from(known == outcome);
        }
    }
}

impl Pair<'_> {
    /// Whether the outcome is another. An assertion that only one spec has flips what it breaks: the other spec didn't
    /// see that.
    pub fn flips(&self) -> bool {
        match (self.before, self.after) {
            (Some(before), Some(after)) => before.outcome != after.outcome,
            (one, other) => one.or(other).is_some_and(|only| only.outcome == Outcome::Broken),
        }
    }

    /// Whether it is broken, and was before.
    pub fn is_broken_under_both(&self) -> bool {
        [self.before, self.after].iter().all(|side| side.is_some_and(|side| side.outcome == Outcome::Broken))
    }
}

/// Compares assertion by assertion, in the order in which they first come.
pub fn compare(pairs: &[Pair<'_>]) -> Vec<Compared> {
    let mut all: Vec<Compared> = Vec::new();
    for pair in pairs {
        let place = all.iter().position(|known| known.id == pair.id).unwrap_or(all.len());
        if place == all.len() {
            let (id, flips) = (pair.id.to_owned(), Vec::new());
            all.push(Compared { id, before: None, after: None, flips, broken_under_both: 0 });
        }
        if let Some(compared) = all.get_mut(place) {
            compared.add(pair);
        }
    }
    all
}

impl Compared {
    fn add(&mut self, pair: &Pair<'_>) {
        let (before, after) = (pair.before.map(|side| side.outcome), pair.after.map(|side| side.outcome));
        for (counts, outcome) in [(&mut self.before, before), (&mut self.after, after)] {
            if let Some(outcome) = outcome {
                counts.get_or_insert_default().add(outcome);
            }
        }
        if pair.flips() {
            self.flips.push(Flip { run_id: pair.run_id.map(str::to_owned), before, after });
        }
        self.broken_under_both += usize::from(pair.is_broken_under_both());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(outcome: Outcome) -> Judgement {
        Judgement::without_rows(outcome, None)
    }

    #[test]
    fn what_flips_is_counted_and_named() {
        let (held, broken, unsure) = (judged(Outcome::Held), judged(Outcome::Broken), judged(Outcome::Inconclusive));
        let pair = |id, run_id, before, after| Pair { id, run_id: Some(run_id), before, after };
        let compared = compare(&[
            pair("A", "1", Some(&held), Some(&broken)),
            pair("B", "1", Some(&held), None),
            pair("C", "1", None, Some(&held)),
            pair("A", "2", Some(&broken), Some(&broken)),
            pair("B", "2", Some(&broken), None),
            pair("C", "2", None, Some(&broken)),
            pair("A", "3", Some(&held), Some(&unsure)),
        ]);
        let ids: Vec<&str> = compared.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["A", "B", "C"]);
        let counts = |counts: Option<Counts>| counts.map(|counts| Outcome::ALL.map(|outcome| counts.of(outcome)));
        assert_eq!(counts(compared[0].before), Some([2, 1, 0, 0]));
        assert_eq!(counts(compared[0].after), Some([0, 2, 1, 0]));
        assert_eq!((counts(compared[1].after), counts(compared[2].before)), (None, None));
        let flips = |one: &Compared| {
            let flip = |flip: &Flip| (flip.run_id.clone().unwrap_or_default(), flip.before, flip.after);
            one.flips.iter().map(flip).collect::<Vec<_>>()
        };
        use Outcome::{Broken, Held, Inconclusive};
        let of_a = [("1".to_owned(), Some(Held), Some(Broken)), ("3".to_owned(), Some(Held), Some(Inconclusive))];
        assert_eq!(flips(&compared[0]), of_a);
        // What only one spec asks flips where it is broken, and nowhere else.
        assert_eq!(flips(&compared[1]), [("2".to_owned(), Some(Broken), None)]);
        assert_eq!(flips(&compared[2]), [("2".to_owned(), None, Some(Broken))]);
        assert_eq!(compared.iter().map(|one| one.broken_under_both).collect::<Vec<_>>(), [1, 0, 0]);
    }
}
