//! When the recorder does what. It owns no clock: the time is an argument.

use std::time::{Duration, Instant};

/// How long the recorder rests between two passes. Less than the 100 ms that a kill may lose, since decoding and writing
/// take time too.
const REST: Duration = Duration::from_millis(60);

/// A pass that writes more than this is followed by a shorter rest: many short passes stand less in the way of traffic
/// that wants the same CPU than few long ones.
const PASS_BYTES: u64 = 64 << 10;
const SHORTEST_REST: Duration = Duration::from_millis(2);

/// How long to rest after a pass that wrote so many bytes.
pub(super) fn rest(written_bytes: u64) -> Duration {
    let share = PASS_BYTES as f64 / written_bytes.max(PASS_BYTES) as f64;
    REST.mul_f64(share).max(SHORTEST_REST)
}

/// A row waits at most that long for the disk; what is left of 250 ms is for passes that take long, and for the disk.
const SYNC_WITHIN: Duration = Duration::from_millis(200);

const REPORT_EVERY: Duration = Duration::from_secs(1);

/// When the disk was last told, and the recorder last told of itself.
pub(super) struct Pace {
    synced: Instant,
    reported: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace { synced: now, reported: now }
    }

    /// Whether to sync in the pass that began now: the next one could be too late.
    pub(super) fn sync_is_due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.synced) + REST > SYNC_WITHIN;
        if due {
            self.synced = now;
        }
        due
    }

    /// Whether to report in the pass that began now.
    pub(super) fn report_is_due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.reported) >= REPORT_EVERY;
        if due {
            self.reported = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_waits_longer_than_250_ms_for_a_sync() {
        let start = Instant::now();
        for pass_ms in 0..=43 {
            let (mut pace, mut now, mut last_sync) = (Pace::new(start), start, start);
            for _ in 0..1000 {
                // A row that came right behind the last sync's pass is in this pass, and on the disk at its end.
                now += REST;
                if pace.sync_is_due(now) {
                    let age = now - last_sync + Duration::from_millis(pass_ms);
                    assert!(age <= Duration::from_millis(250), "{age:?} with passes of {pass_ms} ms");
                    last_sync = now;
                }
                now += Duration::from_millis(pass_ms);
            }
            assert!(now - last_sync <= Duration::from_millis(250));
        }
    }

    #[test]
    fn the_more_was_written_the_sooner_the_next_pass() {
        assert_eq!([0, 1, PASS_BYTES].map(rest), [REST; 3]);
        assert_eq!(rest(3 * PASS_BYTES), REST / 3);
        assert_eq!([1 << 30, u64::MAX].map(rest), [SHORTEST_REST; 2]);
    }

    #[test]
    fn reports_come_each_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let passes = (1..=400).map(|pass| start + REST * pass);
        assert_eq!(passes.filter(|now| pace.report_is_due(*now)).count(), 23, "24 s in passes of 60 ms");
    }
}
