//! Rows of `timeline` about the run itself.

use recording::record::Event;

use crate::intake::Source;

/// The hand that notes what the run does.
#[derive(Clone)]
pub(super) struct Timeline {
    pub(super) source: Source,
    pub(super) run_id: String,
}

impl Timeline {
    /// Notes a phase of the run, now.
    pub(super) fn phase(&self, event: &str, attributes: serde_json::Value) {
        self.note("run", &self.run_id, event, attributes);
    }

    /// Notes anything, now.
    pub(super) fn note(&self, source: &str, subject: &str, event: &str, attributes: serde_json::Value) {
        self.put(source, subject, event, None, attributes);
    }

    /// Notes that something ended with an exit code, now.
    pub(super) fn exit(&self, source: &str, subject: &str, exit_code: Option<i64>) {
        self.put(source, subject, "exit", exit_code, serde_json::json!({}));
    }

    fn put(&self, source: &str, subject: &str, event: &str, exit_code: Option<i64>, mut attributes: serde_json::Value) {
        attributes.sort_all_objects();
        let row = Event {
            source: source.to_owned(),
            subject: subject.to_owned(),
            event: event.to_owned(),
            exit_code,
            attributes: attributes.to_string(),
            source_unix_ns: None,
        };
        self.source.put(self.source.clock().now_ns(), row);
    }
}
