//! Short forms on small recordings: held, broken, not seen, and never held where nothing was recorded.

use recording::Row;
use recording::record::{ConnectionRow, Event, MediaPacket, Probe};
use serde_json::{Value, json};

use crate::build::{Builder, SECOND};
use crate::{json, replay, stderr, stdout};

const RUN: &str = "small-20261124T070000Z-aaaa";
const VIEWS: &str = r#"
[spec]
id = "t"
[views]
asks = "SELECT seq, at_ns, 'ask ' || CAST(json_get_int(args, 0, 'id') AS VARCHAR) AS subject, json_get_int(args, 0, 'id') AS id, json_get_float(args, 0, 'patience_s') AS patience_s, 'packets#' || CAST(seq AS VARCHAR) AS evidence FROM packets WHERE tap = 'api' AND event = 'ask'"
answers = """
WITH plain AS (SELECT seq, at_ns, args, 'packets#' || CAST(seq AS VARCHAR) AS evidence FROM packets WHERE tap = 'api' AND event = 'answer')
SELECT *, json_get_int(args, 0, 'id') AS id, json_get_str(args, 0, 'status') AS status, json_get_str(args, 0, 'text') AS text,
       json_get_str(args, 0, 'model') AS model FROM plain"""
"#;

const ENGLISH: &str = "the weather is going to be very nice tomorrow morning";
const SPANISH: &str = "el tiempo va a ser muy bueno por la mañana en la ciudad";

/// Four asks, answered after 1 s; a counter, probes, a medium, and the run's phases.
fn good() -> Builder {
    let mut builder = watched();
    for id in 0..4_i64 {
        let at_ns = (10 + 10 * id) * SECOND;
        let ask = json!([{ "id": id, "patience_s": 2.5 }]);
        let answer = json!([{ "id": id, "status": "ok", "text": ENGLISH, "model": "whisper-tiny" }]);
        builder = builder
            .packet(at_ns, "sent", "ask", &ask)
            .packet(at_ns + SECOND, "received", "answer", &answer)
            .scrape(at_ns)
            .sample(at_ns, "up", 1.0)
            .sample(at_ns, "done_total", 3.0 + id as f64);
    }
    for step in 0..=40 {
        let pts_s = f64::from(step);
        builder = builder
            .row((10 + i64::from(step)) * SECOND, packet("video", pts_s))
            .row((10 + i64::from(step)) * SECOND, packet("audio", pts_s));
    }
    builder.row(15 * SECOND, probed("h264")).row(59 * SECOND, phase("end"))
}

/// Everything is watched and answers, and there is nothing to see.
fn watched() -> Builder {
    let opened = ConnectionRow { tap: "api".into(), kind: "open".into(), ..ConnectionRow::default() };
    let start = Event { source: "publisher".into(), subject: "s1".into(), ..phase("start") };
    Builder::new(RUN)
        .row(1, opened)
        .row(1, start)
        .source("probe:out", &["probes"], Some(0), Some(60 * SECOND), "ended")
        .source("media:out", &["media_packets", "timeline"], Some(0), Some(60 * SECOND), "ended")
}

fn phase(event: &str) -> Event {
    Event {
        source: "run".into(),
        subject: "run".into(),
        event: event.into(),
        attributes: "{}".into(),
        ..Event::default()
    }
}

fn packet(kind: &str, pts_s: f64) -> MediaPacket {
    MediaPacket {
        target: "out".into(),
        kind: kind.into(),
        pts_s: Some(pts_s),
        dts_s: Some(pts_s),
        duration_s: Some(1.0),
        bytes: 100,
        ..MediaPacket::default()
    }
}

fn probed(codec: &str) -> Probe {
    Probe {
        target: "out".into(),
        ok: true,
        format: Some("flv".into()),
        video_streams: Some(1),
        audio_streams: Some(1),
        video_codec: Some(codec.into()),
        audio_codec: Some("aac".into()),
        sample_rate: Some(44_100),
        ..Probe::default()
    }
}

fn spec(keys: &str) -> String {
    format!("{VIEWS}[[assertion]]\nid = \"A\"\nsays = \"a\"\n{keys}\n")
}

fn judged(builder: Builder, keys: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    builder.seal(&folder.path().join("runs"));
    std::fs::write(folder.path().join("s.toml"), spec(keys)).unwrap();
    let output = replay(folder.path(), &["check", "latest", "--spec", "s.toml", "--format", "json"]);
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    answer["runs"][0]["assertions"][0].clone()
}

#[track_caller]
fn outcome(builder: Builder, keys: &str, expected: &str) -> Value {
    let assertion = judged(builder, keys);
    assert_eq!(assertion["outcome"], expected, "{keys}\n{assertion:#}");
    assertion
}

/// Held on the good run; never held where nothing was recorded, whoever watched.
#[track_caller]
fn held(keys: &str) -> Value {
    for nothing in [watched(), Builder::new(RUN).without(|_| true)] {
        let assertion = judged(nothing, keys);
        assert_ne!(assertion["outcome"], "held", "{keys}\n{assertion:#}");
    }
    outcome(good(), keys, "held")
}

fn answer(at_s: i64, answer: &Value) -> Builder {
    good().packet(at_s * SECOND, "received", "answer", &json!([answer]))
}

#[test]
fn count() {
    let all = "count = { of = \"answers\", where = \"status = 'ok'\", distinct = \"id\" }\nbound = \"= 4\"";
    assert_eq!(held(all)["observed"], 4.0);
    held("count = { of = \"answers\", where = \"status = 'failed'\" }\nbound = \"= 0\"");
    held("count = { of = \"answers\", where = \"status = 'failed'\" }\nbound = \"<= 1\"");
    held("count = { of = \"packets\" }\nbound = \">= 8\"");
    let more = outcome(answer(55, &json!({ "id": 7, "status": "ok" })), all, "broken");
    let evidence = more["violations"][0]["evidence"].as_array().unwrap();
    assert_eq!((evidence.len(), &more["violations"][0]["observed"]), (5, &json!(5.0)));
    let none = outcome(watched(), all, "broken");
    assert_eq!(none["violations"][0]["observed"], Value::Null, "{none}");
    // None at all is only good where that was written, and the tap was watched.
    let good_if_none = "count = { of = \"answers\" }\nbound = \"= 0\"\nempty = \"held\"";
    outcome(watched(), good_if_none, "held");
    outcome(good(), good_if_none, "broken");
    outcome(watched().without(|row| matches!(row, Row::SourceRow(_))), good_if_none, "inconclusive");
}

/// The rest of a run might have mended too few, never too many.
#[test]
fn of_a_run_that_was_cut_off_too_few_is_not_known() {
    let cut_off = |builder: Builder, keys: &str| {
        let folder = tempfile::tempdir().unwrap();
        builder.journal(&folder.path().join("runs"));
        std::fs::write(folder.path().join("s.toml"), spec(keys)).unwrap();
        let output = replay(folder.path(), &["check", "latest", "--spec", "s.toml", "--format", "json"]);
        let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
        answer["runs"][0]["assertions"][0]["outcome"].as_str().unwrap().to_owned()
    };
    for (keys, outcome) in [
        ("count = { of = \"answers\" }\nbound = \"= 5\"", "inconclusive"),
        ("count = { of = \"answers\" }\nbound = \"= 3\"", "broken"),
        ("count = { of = \"answers\" }\nbound = \"< 3\"", "broken"),
        ("count = { of = \"polls\" }\nbound = \"= 5\"\nneeds = \"tap:api\"", "inconclusive"),
        ("metric = { target = \"worker\", name = \"done_total\", take = \"max\" }\nbound = \">= 9\"", "inconclusive"),
        ("metric = { target = \"worker\", name = \"done_total\", take = \"max\" }\nbound = \"<= 5\"", "broken"),
        ("metric = { target = \"worker\", name = \"done_total\", take = \"min\" }\nbound = \">= 5\"", "broken"),
        ("metric = { target = \"worker\", name = \"done_total\", take = \"min\" }\nbound = \"<= 1\"", "inconclusive"),
        ("metric = { target = \"worker\", name = \"done_total\", take = \"last\" }\nbound = \"= 5\"", "inconclusive"),
        ("metric = { target = \"worker\", name = \"done_total\", take = \"increase\" }\nbound = \"<= 2\"", "broken"),
        ("media = { target = \"out\", measure = \"duration\" }\nbound = \">= 50\"", "inconclusive"),
        ("media = { target = \"out\", measure = \"duration\" }\nbound = \"<= 30\"", "broken"),
    ] {
        assert_eq!(cut_off(good(), keys), outcome, "{keys}");
    }
}

#[test]
fn each() {
    let ok = "each = { of = \"answers\", subject = \"'answer ' || CAST(id AS VARCHAR)\", holds = \"status = 'ok'\" }";
    held(ok);
    held(
        "each = { of = \"asks a JOIN answers b ON b.id = a.id\", subject = \"a.subject\", value = \"b.status\", from = \"a.at_ns\", until = \"b.at_ns\" }\nbound = \"= ok\"",
    );
    let failed = outcome(answer(55, &json!({ "id": 9, "status": "failed" })), ok, "broken");
    let violation = json!({ "subject": "answer 9", "observed": "false", "margin": null, "evidence": ["packets#8"] });
    assert_eq!(failed["violations"], json!([violation]));
    let unsaid = outcome(answer(55, &json!({ "id": 9 })), ok, "broken");
    assert_eq!(unsaid["violations"][0]["observed"], Value::Null);
    let skipping = "each = { of = \"answers\", holds = \"status = 'ok'\", skip = \"id = 9\", why = \"it's known\" }";
    assert_eq!(outcome(answer(55, &json!({ "id": 9 })), skipping, "held")["skipped"], 1);
    outcome(watched(), ok, "inconclusive");
}

#[test]
fn responds() {
    let within = "responds = { to = \"asks\", with = \"answers\", key = \"id\", within = \"2s\" }";
    let assertion = held(within);
    assert_eq!(
        (&assertion["observed"], &assertion["bound"], &assertion["unit"]),
        (&json!(1.0), &json!("<= 2"), &json!("s"))
    );
    let spare = "responds = { to = \"asks\", with = \"answers\", key = [\"id\"], within = \"patience_s\" }";
    assert_eq!(held(spare)["observed"], 1.5);
    let ask = |id: i64| good().packet(50 * SECOND, "sent", "ask", &json!([{ "id": id, "patience_s": 2.5 }]));
    let unanswered = outcome(ask(9), within, "broken");
    let violation = json!({ "subject": "ask 9", "observed": null, "margin": null, "evidence": ["packets#8"] });
    assert_eq!(unanswered["violations"], json!([violation]));
    // An answer that came before its question is none.
    outcome(ask(0), within, "broken");
    let late = ask(9).packet(55 * SECOND, "received", "answer", &json!([{ "id": 9 }]));
    let late = outcome(late, within, "broken");
    assert_eq!(late["violations"][0]["evidence"], json!(["packets#8", "packets#9"]));
    assert_eq!(late["violations"][0]["observed"], 5.0);
    let skipping = within.replace(" }", ", skip = \"id = 9\", why = \"asked again\" }");
    outcome(ask(9), &skipping, "held");
    let near_the_end = good().packet(59 * SECOND, "sent", "ask", &json!([{ "id": 9 }]));
    outcome(near_the_end, within, "inconclusive");
    outcome(watched(), within, "inconclusive");
}

#[test]
fn metric() {
    let metric = |take: &str, bound: &str| {
        format!("metric = {{ target = \"worker\", name = \"done_total\", take = \"{take}\" }}\nbound = \"{bound}\"")
    };
    assert_eq!(held(&metric("last", "= 6"))["observed"], 6.0);
    held(&metric("max", "<= 6"));
    held(&metric("min", ">= 3"));
    assert_eq!(held(&metric("increase", "= 3"))["observed"], 3.0);
    // Begun anew at 50 s: 2 more.
    let again = good().sample(50 * SECOND, "done_total", 2.0);
    outcome(again, &metric("increase", "= 5"), "held");
    // Its first value is an increase where earlier pages didn't have it.
    let errors = "metric = { target = \"worker\", name = \"errors_total\", take = \"increase\" }\nbound = \"= 0\"";
    let one = good().sample(50 * SECOND, "errors_total", 1.0);
    let broken = outcome(one, errors, "broken");
    assert_eq!((&broken["violations"][0]["evidence"], &broken["observed"]), (&json!(["samples#8"]), &json!(1.0)));
    outcome(good(), errors, "broken");
    let or_none = format!("{errors}\nempty = \"held\"");
    outcome(good(), &or_none, "held");
    // No page at all: then no series is no good sign.
    outcome(watched(), &or_none, "broken");
    // A series that is gone from the last page was not seen in it.
    let gone = good().sample(50 * SECOND, "up", 1.0);
    outcome(gone, &metric("last", "= 6"), "broken");
    let labelled = "metric = { target = \"worker\", name = \"done_total\", labels = { stream = \"${stream}\" }, take = \"last\" }\nbound = \"= 6\"";
    let other = judged(good(), labelled);
    assert_eq!(
        (&other["outcome"], &other["violations"][0]["subject"]),
        (&json!("broken"), &json!("done_total{stream=\"${stream}\"}"))
    );
}

#[test]
fn probe() {
    let codecs = "probe = { target = \"out\", video = \"h264\", audio = \"aac\", sample_rate = 44100 }";
    let assertion = held(codecs);
    assert_eq!(assertion["observed"], "video h264, audio aac, sample_rate 44100");
    held("probe = { target = \"out\" }");
    held("probe = { target = \"out\", video = \"h264\", value = \"sample_rate\" }\nbound = \"44000..48000\"");
    let other = outcome(good().row(30 * SECOND, probed("vp8")), codecs, "broken");
    assert_eq!(other["violations"][0]["observed"], "video vp8, audio aac, sample_rate 44100");
    assert_eq!(other["violations"][0]["evidence"], json!(["probes#1"]));
    let unread = watched().row(9 * SECOND, Probe { target: "out".into(), ok: false, ..Probe::default() });
    outcome(unread, codecs, "broken");
    outcome(watched(), codecs, "broken");
}

#[test]
fn media() {
    let media = |measure: &str, bound: &str| {
        format!("media = {{ target = \"out\", measure = \"{measure}\" }}\nbound = \"{bound}\"")
    };
    assert_eq!(held(&media("duration", "40..42"))["observed"], 41.0);
    held(&media("hole", "<= 1.5"));
    held(&media("stall", "<= 1.5"));
    held(&media("packets", ">= 41"));
    held(
        "media = { target = \"out\", kind = \"video\", codec = \"h264\", measure = \"duration\" }\nbound = \"40..42\"",
    );
    let other_codec =
        "media = { target = \"out\", kind = \"video\", codec = \"vp8\", measure = \"duration\" }\nbound = \"40..42\"";
    outcome(good(), other_codec, "broken");
    let jump = || good().row(52 * SECOND, packet("video", 45.0)).row(52 * SECOND, packet("audio", 41.0));
    let hole = outcome(jump(), &media("hole", "<= 1.5"), "broken");
    assert_eq!(hole["violations"][0]["observed"], 5.0);
    assert_eq!(hole["violations"][0]["evidence"], json!(["media_packets#82"]));
    outcome(jump(), &media("stall", "<= 1.5"), "broken");
    outcome(jump(), &media("duration", "40..42"), "broken");
    let no_audio = good().without(|row| matches!(row, Row::MediaPacket(packet) if packet.kind == "audio"));
    outcome(no_audio, &media("duration", "40..42"), "broken");
    outcome(watched(), &media("duration", "40..42"), "broken");
    outcome(watched(), &media("packets", ">= 0"), "broken");
    // Who joined late can't tell a short stream from a long one.
    let late = |builder: Builder| {
        let mut late = builder.without(|row| matches!(row, Row::MediaPacket(packet) if packet.pts_s < Some(5.0)));
        late.run.run_id = RUN.into();
        let join = Event {
            source: "media".into(),
            subject: "out".into(),
            event: "media.join".into(),
            attributes: "{\"joined_after_ms\": 900.0}".into(),
            ..Event::default()
        };
        late.row(16 * SECOND, join)
    };
    outcome(late(good()), &media("duration", "40..42"), "inconclusive");
    outcome(late(good()), &media("duration", "35..42"), "held");
    // The reader is late or not, whatever it reads: here it was there from the picture's beginning.
    let sound_from = |from_s: f64| {
        let is_before = move |packet: &MediaPacket| packet.kind == "audio" && packet.pts_s < Some(from_s);
        good().without(move |row| matches!(row, Row::MediaPacket(packet) if is_before(packet)))
    };
    let silent_at_first = outcome(sound_from(30.0), &media("duration", "40..42"), "broken");
    assert_eq!(silent_at_first["violations"][0]["observed"], 11.0, "{silent_at_first:#}");
    let sound = "media = { target = \"out\", kind = \"audio\", measure = \"duration\" }\nbound = \"40..42\"";
    outcome(sound_from(30.0), sound, "broken");
    outcome(late(sound_from(30.0)), sound, "inconclusive");
}

#[test]
fn language() {
    let english = "language = { of = \"answers\", column = \"text\", code = \"en\" }";
    held(english);
    let other = outcome(answer(55, &json!({ "id": 9, "text": SPANISH })), english, "broken");
    // One other text is found by itself, and makes all of them together doubtful.
    let evidence = |row: usize| &other["violations"][row]["evidence"];
    assert_eq!((evidence(0), evidence(1)), (&json!([]), &json!(["packets#8"])), "{other:#}");
    let short = outcome(answer(55, &json!({ "id": 9, "text": "hola" })), english, "held");
    assert_eq!(short["skipped"], 1);
    outcome(answer(55, &json!({ "id": 9 })), english, "broken");
    // Short texts only: left out one by one, but not all together.
    let shorts = watched().packet(10 * SECOND, "received", "answer", &json!([{ "id": 1, "text": "hola" }])).packet(
        20 * SECOND,
        "received",
        "answer",
        &json!([{ "id": 2, "text": "buenos días señor" }]),
    );
    outcome(shorts, english, "broken");
    outcome(watched(), english, "broken");
}

#[test]
fn provenance() {
    let models = "provenance = { of = \"answers\", models = [\"model\"] }";
    held(models);
    let echo = outcome(answer(55, &json!({ "id": 9, "model": "echo-v2" })), models, "broken");
    assert_eq!(echo["violations"][0]["observed"], "the model echo-v2");
    outcome(answer(55, &json!({ "id": 9, "model": "echoic" })), models, "held");
    outcome(answer(55, &json!({ "id": 9 })), models, "broken");
    outcome(
        answer(55, &json!({ "id": 9, "model": "whisper tiny" })),
        &models.replace(" }", ", forbidden = [\"whisper tiny\", \"a.b\"] }"),
        "broken",
    );
    outcome(watched(), models, "inconclusive");
    let bytes = |name: &str| format!("from_base64(json_get_str(args, 0, '{name}'))");
    let sounds = format!(
        "provenance = {{ of = \"answers\", where = \"id >= 10\", input = [\"{}\", \"'pcm_s16le'\", \"8000\", \"1\"], output = [\"{}\", \"'pcm_s16le'\", \"8000\", \"1\"] }}",
        bytes("in"),
        bytes("out")
    );
    let pair = |input: &str, output: &str| answer(55, &json!({ "id": 10, "in": input, "out": output }));
    let (low, high) = (noise(1), noise(2));
    outcome(pair(&low, &high), &sounds, "held");
    assert_eq!(outcome(pair(&low, &low), &sounds, "broken")["observed"], "the input again");
    outcome(pair(&low, ""), &sounds, "broken");
    outcome(answer(55, &json!({ "id": 10, "in": low })), &sounds, "broken");
    outcome(good(), &sounds, "inconclusive");
}

/// Two seconds of noise, louder and quieter in a way of its own, as base64 of 16-bit samples.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::new();
    for index in 0..16_000_u64 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let loud = 1 + (index / 800).wrapping_mul(seed * 7 + 3) % 11;
        let value = ((state >> 48) as i16) / 12 * loud as i16;
        bytes.extend(value.to_le_bytes());
    }
    base64(&bytes)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |group: u32, shift: u32| LETTERS[(group >> shift & 63) as usize] as char;
    let groups = bytes.chunks(3).filter(|chunk| chunk.len() == 3);
    let groups = groups.map(|chunk| u32::from_be_bytes([0, chunk[0], chunk[1], chunk[2]]));
    groups.flat_map(|group| [18, 12, 6, 0].map(|shift| letter(group, shift))).collect()
}

#[test]
fn budget() {
    let budget = |within: &str| {
        format!(
            "budget = {{ from = \"source = 'run' AND event = 'start'\", to = \"source = 'run' AND event = 'end'\", within = \"{within}\" }}"
        )
    };
    let assertion = held(&budget("59s"));
    assert_eq!(assertion["bound"], "<= 59");
    let late = outcome(good(), &budget("50s"), "broken");
    assert_eq!(late["violations"][0]["evidence"], json!(["timeline#0", "timeline#2"]));
    outcome(good().without(|row| matches!(row, Row::Event(event) if event.event == "end")), &budget("50s"), "broken");
    outcome(good().without(|row| matches!(row, Row::Event(event) if event.event == "start")), &budget("59s"), "broken");
    outcome(watched(), &budget("50s"), "broken");
}

#[test]
fn what_cannot_be_said_names_its_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |keys: &str, says: &str| {
        std::fs::write(
            folder.path().join("s.toml"),
            format!("[spec]\nid = \"t\"\n[[assertion]]\nid = \"A\"\nsays = \"a\"\n{keys}\n"),
        )
        .unwrap();
        let output = replay(folder.path(), &["explain", "s.toml"]);
        assert_eq!(output.status.code(), Some(2), "{keys}: {}", stdout(&output));
        assert!(stderr(&output).contains(says), "{keys}: {}", stderr(&output));
    };
    refused(
        "bound = \"= 1\"",
        "s.toml:3: [[assertion]] has no `observe`: write `observe = \"SELECT …\"` or a short form (count, each,",
    );
    refused(
        "bound = \"= 1\"\ncount = { of = \"packets\" }\nprobe = { target = \"out\" }",
        "`A` is observed by `count` and `probe`: write one",
    );
    refused("observe = \"SELECT 1\"\ncount = { of = \"packets\" }", "`A` is observed by `observe` and `count`");
    refused("count = { of = \"packets\" }", "s.toml:6: the assertion has no `bound`");
    refused(
        "bound = \"= 1\"\ncount = { off = \"packets\" }",
        "s.toml:7: unknown key `off` in count; did you mean `of`?",
    );
    refused("bound = \"= 1\"\ncount = 3", "s.toml:7: `count` in [[assertion]] must be a table");
    refused(
        "bound = \"= 1\"\n[assertion.count]\nof = \"packets\"\nwhere = \"tap = \"",
        "s.toml:9: `where` is an expression of SQL: ",
    );
    refused(
        "bound = \"= 1\"\n[assertion.count]\nof = \"packets\"\nwhere = \"true) OR (true\"",
        "s.toml:9: `where` is an expression of SQL: `)` is one word too many",
    );
    refused("bound = \"= 1\"\n[assertion.count]\nof = \"packets WHERE true\"", "s.toml:8: `of` is a table, a view");
    refused(
        "bound = \"= 1\"\ncount = { of = \"packet\" }",
        "s.toml:7: [[assertion]] A, count: there is no table or view `packet`",
    );
    refused(
        "bound = \"= 1\"\neach = { of = \"packets\", holds = \"true\" }",
        "s.toml:7: the bound is that `holds` is true here: remove `bound`",
    );
    refused("each = { of = \"packets\" }", "has no `holds`");
    refused("each = { of = \"packets\", holds = \"true\", skip = \"true\" }", "has no `why`");
    refused(
        "responds = { to = \"packets\", with = \"packets\", key = \"tap\", within = \"1s\" }",
        "`to` and `with` are the same rows",
    );
    refused(
        "responds = { to = \"packets\", with = \"polls\", key = \"seq\", within = \"1 day\" }",
        "`within` is a duration as in `15s`",
    );
    refused(
        "bound = \"= 1\"\nmetric = { target = \"w\", name = \"x\", take = \"mx\" }",
        "`take` is one of max, min, last, increase, not `mx`; did you mean `max`?",
    );
    refused("bound = \"= 1\"\nmedia = { target = \"w\", measure = \"holes\" }", "did you mean `hole`?");
    refused(
        "empty = \"held\"\nprobe = { target = \"w\" }",
        "`empty = \"held\"` can't be: `probe` looks for what must be there",
    );
    refused("language = { of = \"logs\", column = \"line\", code = \"english\" }", "`code` is one of en, es");
    refused("provenance = { of = \"logs\" }", "something must be looked at");
    refused("provenance = { of = \"logs\", input = \"line\" }", "has no `output`");
    refused("budget = { from = \"true\", to = \"true\", within = \"0s\" }", "`within` is a duration");
}

/// SPEC.md's examples are not only specs: their queries can be planned.
#[test]
fn the_laws_examples_can_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut examples = 0;
    for block in include_str!("../../SPEC.md").split("```toml\n").skip(1) {
        std::fs::write(folder.path().join("s.toml"), block.split("```").next().unwrap()).unwrap();
        json(folder.path(), &["explain", "s.toml"], 0);
        examples += 1;
    }
    assert!(examples > 1);
}

#[test]
fn explain_prints_the_query_and_quotes_what_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "metric = { target = \"wor'ker\", name = \"x\\\\' OR true --\", labels = { \"a'b\" = \"c'd\" }, take = \"last\" }\nbound = \"= 1\"";
    std::fs::write(folder.path().join("s.toml"), spec(keys)).unwrap();
    let text = stdout(&replay(folder.path(), &["explain", "s.toml", "A"]));
    for part in [
        "-- observe\nSELECT ",
        "s.target = 'wor''ker'",
        "s.name = 'x\\'' OR true --'",
        "json_get_str(s.labels, 'a''b') = 'c''d'",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let answer = json(folder.path(), &["explain", "s.toml", "A"], 0);
    assert!(answer["assertions"][0]["observe"].as_str().unwrap().starts_with("SELECT "));
}
