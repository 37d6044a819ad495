//! Spans from the timeline: the run's phases, and the lives of processes, containers, publisher, command and media.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use recording::record::{Event, Run};
use serde_json::{Value, json};

use super::Ended;
use super::draft::{Draft, Handle, shown};

/// What a phase of the run is called, what begins it and what ends it.
const PHASES: [(&str, &[&str], &[&str]); 4] = [
    ("start up", &["start"], &["up", "not up", "end reached"]),
    ("wait", &["up"], &["until", "end reached"]),
    ("drain", &["until"], &["teardown"]),
    ("tear down", &["teardown"], &["end"]),
];

/// The timeline as spans.
pub(super) struct Lives {
    scenario: String,
    pub(super) root: Draft,
    open: BTreeMap<String, Draft>,
    /// What is being stopped on purpose.
    stopping: BTreeSet<String>,
    tearing_down: bool,
    /// How many spans a subject has had, for a life after the first.
    lives: BTreeMap<String, u64>,
}

impl Lives {
    pub(super) fn new(scenario: &str) -> Lives {
        Lives {
            scenario: scenario.to_owned(),
            root: Draft::root(scenario),
            open: BTreeMap::new(),
            stopping: BTreeSet::new(),
            tearing_down: false,
            lives: BTreeMap::new(),
        }
    }

    pub(super) fn event(&mut self, at_ns: i64, handle: Handle, event: &Event, ended: &mut VecDeque<Ended>) {
        match (event.source.as_str(), event.event.as_str()) {
            ("run", _) => self.phase(at_ns, handle, event, ended),
            ("project", "build") => self.begin(at_ns, handle, event, "build", "phase/start up"),
            ("project", "built") => self.end(at_ns, handle, event, "build", ended),
            ("project", "start") => self.begin(at_ns, handle, event, "ready", "phase/start up"),
            ("process", "start") => {
                self.begin(at_ns, handle, event, "process", "run");
                self.begin(at_ns, handle, event, "ready", "phase/start up");
            }
            (_, "ready") => self.end(at_ns, handle, event, "ready", ended),
            ("project", "stop") => self.begin(at_ns, handle, event, "stop", "phase/tear down"),
            ("project", "exit") => self.end(at_ns, handle, event, "stop", ended),
            ("container", "start") => self.begin(at_ns, handle, event, "container", "run"),
            ("publisher" | "command", "start") => self.begin(at_ns, handle, event, &event.source, "run"),
            ("media", "media.join") => self.begin(at_ns, handle, event, "media", "run"),
            ("process", "exit") => {
                self.give_up(at_ns, event, ended);
                self.end(at_ns, handle, event, "process", ended);
            }
            ("container", "die") => self.end(at_ns, handle, event, "container", ended),
            ("publisher" | "command", "exit") => self.end(at_ns, handle, event, &event.source, ended),
            ("media", "media.end") => self.end(at_ns, handle, event, "media", ended),
            _ => self.note(at_ns, handle, event),
        }
        if event.event == "stop" {
            self.stopping.insert(event.subject.clone());
        }
    }

    fn phase(&mut self, at_ns: i64, handle: Handle, event: &Event, ended: &mut VecDeque<Ended>) {
        let told = attributes(event);
        for (name, _, ends) in PHASES {
            if !ends.contains(&event.event.as_str()) {
                continue;
            }
            let Some(mut draft) = self.open.remove(&format!("phase/{name}")) else { continue };
            draft.end_ns = Some(at_ns);
            draft.made_of(handle);
            if event.event == "not up" {
                draft.failed("not_up");
                draft.exception(at_ns, "not_up", told["error"].as_str().unwrap_or("the system did not come up"));
                self.root.failed("not_up");
            }
            draft.set("tapedeck.ended_by", told["by"].clone());
            ended.push_back(Ended { at_ns, draft });
        }
        for (name, begins, _) in PHASES {
            if begins.contains(&event.event.as_str()) {
                let subject = format!("phase/{name}");
                let mut draft = Draft::new(subject.clone(), &self.scenario, name, at_ns);
                draft.made_of(handle);
                self.open.insert(subject, draft);
            }
        }
        self.tearing_down |= event.event == "teardown";
        let is_phase = PHASES
            .iter()
            .any(|(_, begins, ends)| begins.contains(&event.event.as_str()) || ends.contains(&event.event.as_str()));
        if !is_phase {
            self.note(at_ns, handle, event);
        }
    }

    fn begin(&mut self, at_ns: i64, handle: Handle, event: &Event, what: &str, parent: &str) {
        let place = format!("{what}/{}", event.subject);
        let lives = self.lives.entry(place.clone()).or_default();
        *lives += 1;
        let subject = if *lives == 1 { place.clone() } else { format!("{place}/{lives}") };
        let (service, name) = match what {
            "publisher" => ("publisher".to_owned(), "publish".to_owned()),
            "command" => ("command".to_owned(), "command".to_owned()),
            "media" => (format!("media:{}", event.subject), "read".to_owned()),
            "process" | "container" => (event.subject.clone(), what.to_owned()),
            _ => (self.scenario.clone(), format!("{what} {}", event.subject)),
        };
        let mut draft = Draft::new(subject, &service, name, at_ns).below(parent);
        let told = attributes(event);
        match what {
            "container" => draft.set("container.name", event.subject.as_str()),
            "process" | "publisher" | "command" => draft.set("process.pid", told["pid"].clone()),
            "media" => {
                draft.set("url.full", told["url"].clone());
                draft.set("tapedeck.media.joined_after_ms", told["joined_after_ms"].clone());
            }
            _ => {}
        }
        draft.made_of(handle);
        self.stopping.remove(&event.subject);
        self.open.insert(place, draft);
    }

    fn end(&mut self, at_ns: i64, handle: Handle, event: &Event, what: &str, ended: &mut VecDeque<Ended>) {
        let Some(mut draft) = self.open.remove(&format!("{what}/{}", event.subject)) else {
            return self.note(at_ns, handle, event);
        };
        let told = attributes(event);
        let name = if what == "container" { "tapedeck.container.exit_code" } else { "process.exit.code" };
        if what != "media" {
            draft.set(name, event.exit_code);
        }
        draft.set("tapedeck.took_ms", told["took_ms"].clone());
        draft.set("tapedeck.media.packets", told["packets"].clone());
        draft.set("tapedeck.oom_killed", told["oom_killed"].as_bool().filter(|killed| *killed));
        let on_purpose = self.tearing_down || self.stopping.contains(&event.subject);
        if event.exit_code.is_some_and(|code| code != 0) && !on_purpose {
            draft.failed(&format!("exit {}", event.exit_code.unwrap_or_default()));
        }
        draft.made_of(handle);
        draft.end_ns = Some(at_ns);
        ended.push_back(Ended { at_ns, draft });
    }

    /// A process that ends before it is ready never will be.
    fn give_up(&mut self, at_ns: i64, event: &Event, ended: &mut VecDeque<Ended>) {
        if let Some(mut draft) = self.open.remove(&format!("ready/{}", event.subject)) {
            draft.failed("exited");
            draft.end_ns = Some(at_ns);
            ended.push_back(Ended { at_ns, draft });
        }
    }

    /// What happened to something that lives is told there; faults on purpose and the rest on the run's own span.
    fn note(&mut self, at_ns: i64, handle: Handle, event: &Event) {
        let mut told = attributes(event);
        if let Value::Object(told) = &mut told {
            // What a health check printed is in the row.
            told.remove("output");
            *told = told.iter().map(|(name, value)| (format!("tapedeck.{name}"), value.clone())).collect();
            told.insert("tapedeck.row".to_owned(), json!(shown(handle)));
            told.insert("tapedeck.exit_code".to_owned(), json!(event.exit_code));
        }
        let kinds = ["process", "container", "publisher", "command", "media"];
        let place =
            kinds.iter().map(|kind| format!("{kind}/{}", event.subject)).find(|place| self.open.contains_key(place));
        if let Some(draft) = place.and_then(|place| self.open.get_mut(&place)) {
            draft.event(&named(event), at_ns, told.clone());
            if event.event == "oom" {
                draft.failed("oom");
            }
            if event.source != "inject" {
                return;
            }
        }
        if let Value::Object(told) = &mut told {
            told.insert("tapedeck.subject".to_owned(), json!(event.subject));
        }
        let name = match event.event.starts_with(&event.source) {
            true => event.event.clone(),
            false => format!("{} {}", event.source, event.event),
        };
        self.root.event(&name, at_ns, told);
    }

    pub(super) fn gap(&mut self, at_ns: i64, gap: &recording::record::Gap) {
        let told = json!({"tapedeck.source": gap.source, "tapedeck.lost": gap.lost, "tapedeck.reason": gap.reason});
        self.root.event("gap", at_ns, told);
    }

    /// Ends everything, the run's own span last.
    pub(super) fn finish(&mut self, end_ns: i64, run: &Run, ended: &mut VecDeque<Ended>) {
        for (_, draft) in std::mem::take(&mut self.open) {
            ended.push_back(Ended { at_ns: end_ns, draft });
        }
        let mut root = std::mem::replace(&mut self.root, Draft::root(&self.scenario));
        root.set("tapedeck.run_id", run.run_id.as_str());
        root.set("tapedeck.scenario", run.scenario.as_str());
        root.set("tapedeck.kind", run.kind.as_str());
        root.set("tapedeck.stream", run.stream.as_str());
        root.set("tapedeck.state", run.state.as_str());
        root.set("tapedeck.spec_id", run.spec_id.clone());
        root.set("tapedeck.version", run.version.clone());
        root.set("tapedeck.environment", run.environment.clone());
        let labels: BTreeMap<String, Value> = serde_json::from_str(&run.labels).unwrap_or_default();
        for (name, value) in labels {
            root.set(&format!("tapedeck.label.{name}"), value);
        }
        root.end_ns = Some(end_ns);
        ended.push_back(Ended { at_ns: end_ns, draft: root });
    }
}

fn named(event: &Event) -> String {
    match event.source.as_str() {
        "inject" => format!("inject {}", event.event),
        _ => event.event.clone(),
    }
}

fn attributes(event: &Event) -> Value {
    serde_json::from_str(&event.attributes).unwrap_or_default()
}
