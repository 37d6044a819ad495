//! Recorded rows as the field's own telemetry.
