//! Which process belongs to whom, and what each family has used so far. Knows nothing of the system it runs on.

use std::collections::{BTreeMap, HashMap};

use super::{Root, Subject};

/// A process, even where its pid is given to another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) pid: u32,
    /// Seconds since 1970.
    pub(super) started_s: u64,
}

/// What was seen of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) id: Id,
    pub(super) parent: Option<u32>,
    pub(super) cpu_ns: u64,
    pub(super) rss_bytes: u64,
    /// Whether it is more than an exit code that waits to be collected.
    pub(super) running: bool,
    /// Whether it was told to stand still (SIGSTOP).
    pub(super) stopped: bool,
}

/// Whose numbers are summed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Family {
    /// A process that has a name, and its descendants.
    Named(Subject),
    /// The collector alone.
    Collector,
    /// The collector's other descendants.
    Children,
}

/// What a family uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// Since the first of it was started, those that ended included: it never falls.
    pub(super) cpu_ns: u64,
    pub(super) rss_bytes: u64,
    pub(super) processes: u64,
    pub(super) stopped: u64,
}

/// The families, from one look to the next.
pub(super) struct Families {
    own_pid: u32,
    roots: HashMap<(Subject, u32), Id>,
    members: HashMap<Id, Member>,
    /// What members that ended had used; every family that was ever seen is here.
    ended_ns: BTreeMap<Family, u64>,
}

struct Member {
    family: Family,
    look: Look,
}

impl Families {
    pub(super) fn new(own_pid: u32) -> Families {
        let ended_ns = BTreeMap::from([(Family::Collector, 0), (Family::Children, 0)]);
        Families { own_pid, roots: HashMap::new(), members: HashMap::new(), ended_ns }
    }

    /// The processes that [`Families::update`] wants to hear of.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.members.keys().map(|id| id.pid).collect()
    }

    /// The processes that have a name, and their descendants.
    pub(super) fn named(&self) -> Vec<(Family, Id)> {
        let named = self.members.iter().filter(|(_, member)| matches!(member.family, Family::Named(_)));
        named.map(|(id, member)| (member.family.clone(), *id)).collect()
    }

    /// Decides anew who belongs to whom; `looks` must be all processes of the machine.
    ///
    /// Whoever is closest above counts: a process with a name, then the collector. A process whose parent ended is
    /// handed to another one by the system; it stays where it was.
    pub(super) fn assign(&mut self, looks: &[Look], roots: &[Root]) {
        let by_pid: HashMap<u32, &Look> = looks.iter().map(|look| (look.id.pid, look)).collect();
        let mut heads = HashMap::from([(self.own_pid, Family::Collector)]);
        for Root { subject, pid } in roots {
            let Some(look) = by_pid.get(pid) else { continue };
            // A root is the process that had its pid first.
            if *self.roots.entry((subject.clone(), *pid)).or_insert(look.id) == look.id {
                heads.insert(*pid, Family::Named(subject.clone()));
            }
        }
        for look in looks {
            let above = family_above(look, &by_pid, &heads);
            let before = || self.members.get(&look.id).map(|member| member.family.clone());
            if let Some(family) = above.or_else(before) {
                self.ended_ns.entry(family.clone()).or_default();
                let member = self.members.entry(look.id).or_insert(Member { family: family.clone(), look: *look });
                member.family = family;
            }
        }
    }

    /// Takes what was seen of the members; one that is not in `looks` has ended.
    pub(super) fn update(&mut self, looks: &[Look]) {
        let seen: HashMap<Id, &Look> = looks.iter().map(|look| (look.id, look)).collect();
        let ended_ns = &mut self.ended_ns;
        self.members.retain(|id, member| match seen.get(id) {
            Some(&look) => {
                let cpu_ns = look.cpu_ns.max(member.look.cpu_ns);
                member.look = Look { cpu_ns, ..*look };
                true
            }
            None => {
                *ended_ns.entry(member.family.clone()).or_default() += member.look.cpu_ns;
                false
            }
        });
    }

    /// What each family that was ever seen uses.
    pub(super) fn uses(&self) -> BTreeMap<Family, Use> {
        let ended = self.ended_ns.iter().map(|(family, &cpu_ns)| (family.clone(), Use { cpu_ns, ..Use::default() }));
        let mut uses: BTreeMap<Family, Use> = ended.collect();
        for Member { family, look } in self.members.values() {
            let sum = uses.entry(family.clone()).or_default();
            sum.cpu_ns += look.cpu_ns;
            sum.rss_bytes += look.rss_bytes;
            sum.processes += u64::from(look.running);
            sum.stopped += u64::from(look.stopped);
        }
        uses
    }
}

fn family_above(look: &Look, by_pid: &HashMap<u32, &Look>, heads: &HashMap<u32, Family>) -> Option<Family> {
    if let Some(family) = heads.get(&look.id.pid) {
        return Some(family.clone());
    }
    let mut parent = look.parent;
    // Looks are not taken at one instant, so parents may seem to go in circles.
    for _ in 0..by_pid.len() {
        let pid = parent?;
        match heads.get(&pid) {
            Some(Family::Collector) => return Some(Family::Children),
            Some(family) => return Some(family.clone()),
            None => parent = by_pid.get(&pid)?.parent,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTOR: u32 = 10;

    fn look(pid: u32, parent: u32, cpu_ns: u64) -> Look {
        let id = Id { pid, started_s: 1 };
        Look { id, parent: Some(parent), cpu_ns, rss_bytes: 100, running: true, stopped: false }
    }

    fn root(name: &str, pid: u32) -> Root {
        Root { subject: Subject { source: "process", name: name.into() }, pid }
    }

    fn check(families: &mut Families, looks: &[Look], roots: &[Root], expected: &[(&str, u64, u64)]) {
        families.assign(looks, roots);
        families.update(looks);
        let name = |family| match family {
            Family::Named(subject) => subject.name.to_string(),
            family => format!("{family:?}"),
        };
        let uses: Vec<_> = families.uses().into_iter().map(|(family, it)| (name(family), it)).collect();
        assert!(uses.iter().all(|(_, it)| it.rss_bytes == 100 * it.processes));
        let uses: Vec<_> = uses.iter().map(|(name, it)| (&**name, it.cpu_ns, it.processes)).collect();
        assert_eq!(uses, expected);
    }

    #[test]
    fn whoever_is_closest_above_counts() {
        let looks =
            [look(1, 0, 1), look(2, 1, 2), look(COLLECTOR, 2, 4), look(20, 10, 8), look(21, 20, 16), look(30, 10, 32)];
        let looks = [&looks[..], &[look(31, 30, 64), look(40, 21, 128)]].concat();
        let roots = [root("a", 20), root("b", 40)];
        let expected = [("a", 8 + 16, 2), ("b", 128, 1), ("Collector", 4, 1), ("Children", 32 + 64, 2)];
        check(&mut Families::new(COLLECTOR), &looks, &roots, &expected);
    }

    #[test]
    fn the_sum_does_not_fall_when_members_end() {
        let mut families = Families::new(COLLECTOR);
        let roots = [root("a", 20)];
        let own = look(COLLECTOR, 1, 4);
        check(
            &mut families,
            &[own, look(20, 10, 8), look(21, 20, 16)],
            &roots,
            &[("a", 24, 2), ("Collector", 4, 1), ("Children", 0, 0)],
        );
        check(&mut families, &[own, look(20, 10, 9)], &roots, &[("a", 25, 1), ("Collector", 4, 1), ("Children", 0, 0)]);
        check(&mut families, &[own], &roots, &[("a", 25, 0), ("Collector", 4, 1), ("Children", 0, 0)]);
    }

    #[test]
    fn an_orphan_stays_where_it_was() {
        let mut families = Families::new(COLLECTOR);
        let roots = [root("a", 20)];
        check(
            &mut families,
            &[look(20, 10, 8), look(21, 20, 1)],
            &roots,
            &[("a", 9, 2), ("Collector", 0, 0), ("Children", 0, 0)],
        );
        check(&mut families, &[look(21, 1, 2)], &roots, &[("a", 10, 1), ("Collector", 0, 0), ("Children", 0, 0)]);
    }

    #[test]
    fn a_stranger_with_an_old_pid_is_a_stranger() {
        let mut families = Families::new(COLLECTOR);
        let roots = [root("a", 20)];
        let expected = [("a", 8, 0), ("Collector", 0, 0), ("Children", 0, 0)];
        families.assign(&[look(20, 10, 8)], &roots);
        let stranger = Look { id: Id { pid: 20, started_s: 2 }, ..look(20, 1, 1000) };
        check(&mut families, &[stranger], &roots, &expected);
    }

    #[test]
    fn a_process_that_starts_again_adds_to_its_name() {
        let mut families = Families::new(COLLECTOR);
        families.assign(&[look(20, 10, 8)], &[root("a", 20)]);
        let roots = [root("a", 20), root("a", 25)];
        check(&mut families, &[look(25, 10, 2)], &roots, &[("a", 10, 1), ("Collector", 0, 0), ("Children", 0, 0)]);
    }

    #[test]
    fn a_name_counts_apart_by_its_source() {
        let mut families = Families::new(COLLECTOR);
        let fault = Root { subject: Subject { source: "inject", name: "a".into() }, pid: 30 };
        let stopped = Look { stopped: true, ..look(31, 30, 3) };
        families.assign(&[look(20, 10, 8), look(30, 10, 2), stopped], &[root("a", 20), fault]);
        families.update(&[look(20, 10, 8), look(30, 10, 2), stopped]);
        let uses: Vec<_> = families.uses().into_values().map(|it| (it.cpu_ns, it.processes, it.stopped)).collect();
        assert_eq!(uses, [(5, 2, 1), (8, 1, 0), (0, 0, 0), (0, 0, 0)], "inject, process, the collector's");
    }

    #[test]
    fn what_waits_to_be_collected_counts_only_its_time() {
        let mut families = Families::new(COLLECTOR);
        let dead = Look { running: false, rss_bytes: 0, ..look(20, 10, 8) };
        check(&mut families, &[dead], &[root("a", 20)], &[("a", 8, 0), ("Collector", 0, 0), ("Children", 0, 0)]);
    }

    #[test]
    fn parents_in_a_circle_end() {
        let looks = [look(20, 21, 8), look(21, 20, 8)];
        check(&mut Families::new(COLLECTOR), &looks, &[], &[("Collector", 0, 0), ("Children", 0, 0)]);
    }
}
