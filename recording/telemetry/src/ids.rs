//! Trace and span ids are hashes, so that everybody finds the same ones: of a run whose spans were exported while it was
//! recorded, exported later, or not yet.

use sha2::{Digest, Sha256};

/// The trace of a run: 32 hex digits.
pub fn trace_id(run_id: &str) -> String {
    hash(&["trace", run_id], 16)
}

/// The span of a subject in a run's trace: 16 hex digits. SPANS.md says what subjects there are.
pub fn span_id(run_id: &str, subject: &str) -> String {
    hash(&["span", run_id, subject], 8)
}

/// The subject of a trace's first span, the run itself.
pub const ROOT: &str = "run";

fn hash(parts: &[&str], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()[..bytes].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_every_other_version() {
        assert_eq!(trace_id("021-process-20261124T144210Z-hqhm"), "fb0a4f74bcd6d0e1f75fffa39b186e19");
        assert_eq!(span_id("021-process-20261124T144210Z-hqhm", ROOT), "df44dc763a5e27da");
        assert_ne!(span_id("a", "bc"), span_id("ab", "c"));
    }
}
