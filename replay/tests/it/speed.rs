//! A run of 60 s and some 45 assertions are judged while one waits for them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::build::{Builder, SECOND};
use crate::{replay, stderr, stdout};

/// 60 s of traffic and metrics, as a real run has them.
fn busy(run_id: &str) -> Builder {
    let mut builder = Builder::new(run_id);
    for tick in 0..600_i64 {
        let at_ns = tick * SECOND / 10;
        if tick % 10 == 0 {
            builder = builder.scrape(at_ns);
            for series in 0..300 {
                builder = builder.sample(at_ns, &format!("metric_{series}"), tick as f64);
            }
        }
        let event = if tick % 2 == 0 { "ask" } else { "answer" };
        let direction = if tick % 2 == 0 { "sent" } else { "received" };
        builder =
            builder.packet(at_ns + 1, direction, event, &json!([{ "id": tick / 2, "status": "ok", "text": "hello" }]));
    }
    builder
}

fn spec(assertions: usize) -> String {
    let mut spec = String::from(
        r#"
[spec]
id = "t"

[views]
asks = "SELECT seq, at_ns, connection, json_get_int(args, 0, 'id') AS id FROM packets WHERE tap = 'api' AND event = 'ask'"
answers = "SELECT seq, at_ns, connection, json_get_int(args, 0, 'id') AS id, json_get_str(args, 0, 'status') AS status FROM packets WHERE tap = 'api' AND event = 'answer'"
pairs = "SELECT a.id, a.at_ns AS asked_ns, min(b.at_ns) AS answered_ns, min(a.seq) AS asked FROM asks a LEFT JOIN answers b ON a.id = b.id AND b.at_ns >= a.at_ns GROUP BY a.id, a.at_ns"
"#,
    );
    for number in 0..assertions {
        let observe = match number % 4 {
            0 => "SELECT 'id ' || CAST(id AS VARCHAR) AS subject, (answered_ns - asked_ns) / 1e9 AS observed, asked_ns AS from_ns, asked_ns + 2e9 AS until_ns, 'packets#' || CAST(asked AS VARCHAR) AS evidence FROM pairs WHERE asked_ns < 50e9".to_owned(),
            1 => format!("SELECT s.series AS subject, max(s.value) - min(s.value) AS observed FROM samples s WHERE s.target = 'worker' AND s.name = 'metric_{number}' GROUP BY s.series"),
            2 => "SELECT 'all' AS subject, count(*) AS observed FROM answers WHERE status = 'ok' HAVING count(*) > 0".to_owned(),
            _ => "SELECT 'order' AS subject, sum(CASE WHEN id < previous THEN 1 ELSE 0 END) AS observed FROM (SELECT id, lag(id) OVER (ORDER BY at_ns) AS previous FROM answers)".to_owned(),
        };
        let bound = ["<= 1", ">= 100", "= 300", "= 0"][number % 4];
        spec.push_str(&format!(
            "[[assertion]]\nid = \"A-{number}\"\nsays = \"something\"\nbound = \"{bound}\"\nobserve = \"{observe}\"\n"
        ));
    }
    spec
}

#[test]
fn a_minute_is_judged_while_one_waits() {
    let folder = tempfile::tempdir().unwrap();
    busy("busy-20261124T070000Z-aaaa").seal(&folder.path().join("runs"));
    std::fs::write(folder.path().join("spec.toml"), spec(45)).unwrap();
    let started = Instant::now();
    let output = replay(folder.path(), &["check", "latest", "--spec", "spec.toml"]);
    let took = started.elapsed();
    assert_eq!(output.status.code(), Some(0), "{}{}", stderr(&output), stdout(&output));
    // Generous, because other tests run beside it; alone it takes about a second.
    assert!(took < Duration::from_secs(10), "45 assertions took {took:?}");
}
