//! How often the first divergence is the place where something was done to a run, on runs that are never quite alike.

use super::*;

/// Numbers that are the same each time (P. L'Ecuyer's multiplier for 64 bits).
struct Drawn(u64);

impl Drawn {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Around a middle, most of it within a fifth, sometimes much longer.
    fn latency_s(&mut self, middle_s: f64) -> f64 {
        let spread = 1.0 + 0.2 * (self.unit() + self.unit() + self.unit() - 1.5);
        let tail = if self.chance(0.01) { 1.0 + self.unit() } else { 1.0 };
        middle_s * spread * tail
    }
}

/// What was done to a run, and where.
#[derive(Clone, Copy, PartialEq)]
enum Done {
    Nothing,
    Dropped(usize),
    Delayed(usize),
    Unanswered(usize),
    Failed(usize),
}

const STEPS: usize = 20;

/// Asks 6 s apart with two answers each; now and then a hiccup that says nothing, and a note that comes or doesn't.
fn run(drawn: &mut Drawn, done: Done) -> Trace {
    let mut events = vec![event("open#1", 1.0, "")];
    let mut at_s = 1.0;
    for step in 0..STEPS {
        at_s += drawn.latency_s(6.0);
        let before = if step == 0 { "open#1".to_owned() } else { format!("ask#{}", step - 1) };
        if done == Done::Dropped(step) {
            continue;
        }
        let (ask, answer) = (format!("ask#{step}"), format!("answer#{step}"));
        events.push(event(&ask, at_s, &before));
        events.push(event(&format!("ack#{step}"), at_s + drawn.latency_s(0.005), &ask));
        let mut took_s = drawn.latency_s(0.6);
        if done == Done::Delayed(step) {
            took_s *= 6.0;
        }
        if done != Done::Unanswered(step) {
            let status = if done == Done::Failed(step) { "failed" } else { "ok" };
            let said = Event { value: Observed::Text(status.into()), ..event(&answer, at_s + took_s, &ask) };
            events.push(said);
            events.push(event(&format!("used#{step}"), at_s + took_s + drawn.latency_s(0.05), &answer));
        }
        if drawn.chance(0.6) {
            events.push(event(&format!("note#{step}"), at_s + 3.0 * drawn.unit(), ""));
        }
        if drawn.chance(0.005) {
            events.push(event("hiccup#", at_s + 2.0, ""));
        }
    }
    trace(events)
}

fn is_there(done: Done, lead: &Divergence) -> bool {
    let (kind, name, step) = match done {
        Done::Nothing => return false,
        Done::Dropped(step) => ("ask", "missing", step),
        Done::Delayed(step) => ("answer", "late", step),
        Done::Unanswered(step) => ("answer", "missing", step),
        Done::Failed(step) => ("answer", "value", step),
    };
    (lead.key.kind.as_str(), lead.how.name(), lead.key.entity.as_str()) == (kind, name, step.to_string().as_str())
}

/// The share of runs in which the first divergence is what was done.
fn found(held: usize, rounds: usize, seed: u64) -> f64 {
    let mut drawn = Drawn(seed);
    let right = (0..rounds).filter(|round| {
        let step = 2 + (drawn.unit() * (STEPS - 4) as f64) as usize;
        let done = [Done::Dropped(step), Done::Delayed(step), Done::Unanswered(step), Done::Failed(step)][round % 4];
        let held: Vec<Trace> = (0..held).map(|_| run(&mut drawn, Done::Nothing)).collect();
        let held: Vec<&Trace> = held.iter().collect();
        let found = diverge(&run(&mut drawn, done), &held);
        lead(&[&found]).is_some_and(|(lead, _)| is_there(done, lead))
    });
    right.count() as f64 / rounds as f64
}

/// The share of runs that nothing was done to and that diverge all the same.
fn false_alarms(held: usize, rounds: usize, seed: u64) -> f64 {
    let mut drawn = Drawn(seed);
    let diverging = (0..rounds).filter(|_| {
        let held: Vec<Trace> = (0..held).map(|_| run(&mut drawn, Done::Nothing)).collect();
        let held: Vec<&Trace> = held.iter().collect();
        !diverge(&run(&mut drawn, Done::Nothing), &held).is_empty()
    });
    diverging.count() as f64 / rounds as f64
}

#[test]
fn the_first_divergence_is_what_was_done() {
    for (held, least, most) in [(5, 0.75, 0.5), (20, 0.9, 0.3)] {
        let (right, alarms) = (found(held, 200, 7), false_alarms(held, 100, 8));
        assert!(right >= least && alarms <= most, "{held} held: {right} right, {alarms} false alarms");
    }
}
