//! `replay why`: one assertion in one run. What was required and observed, what happened around it, whom that blames,
//! and what speaks against it.

mod json;
mod moments;
mod neighbours;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use recording::reader::Recording;

use crate::check::{self, Only};
use crate::cli::{self, Cli, Format};
use crate::diff::{self, Change, events, words};
use crate::error::Error;
use crate::exit::Exit;
use crate::explain;
use crate::judge::divergence::{self, Divergence, Trace};
use crate::judge::{self, About, Judgement, Outcome, Reasons};
use crate::report::{self, AssertionReport, RunReport};
use crate::runs;
use crate::spec::Spec;
use crate::views::Engine;
use moments::Moment;
use neighbours::Neighbour;

/// An assertion in a run, explained.
pub struct Explained {
    /// The run, judged.
    pub run: RunReport,
    /// The place of the assertion among those of the run.
    place: usize,
    /// What happened around it, by time.
    moments: Vec<Moment>,
    /// Who is to blame, by what.
    reasons: Reasons,
    /// Other runs of the same spec, the nearest first.
    neighbours: Vec<Neighbour>,
    /// What differs around the nearest of them that held.
    changes: Vec<Change>,
    /// Where this run went another way than those that held.
    divergences: Vec<Divergence>,
    /// What leads among these.
    lead: Option<Lead>,
}

/// The first divergence.
struct Lead {
    divergence: Divergence,
    /// How probable it is in a run that held; none where these are too few.
    p: Option<f64>,
    /// How many of the other broken runs diverge there too, and of how many.
    shared: (usize, usize),
}

/// Explains an assertion.
///
/// # Errors
/// Anything that keeps the run from being judged. Other runs that can't be read are warned about and left out.
pub fn why(cli: &Cli, asked: &cli::Why) -> Result<Exit, Error> {
    let recording = runs::open(&cli.runs_dir, &asked.run)?;
    let spec_path = asked.spec.clone().unwrap_or_else(|| recording.dir().join("spec.toml"));
    let spec = check::read_once(&mut BTreeMap::new(), spec_path)?;
    can_be_asked(&spec, &asked.id)?;
    let explained = explain(cli, &recording, &spec, asked)?;
    match cli.format {
        Format::Text => report::print(&text::explained(&explained)),
        Format::Json => report::print_json(&json::explained(&explained)),
    }
}

fn can_be_asked(spec: &Spec, id: &str) -> Result<(), Error> {
    explain::known(spec, id)?;
    match spec.unassertable.iter().find(|unassertable| unassertable.id == id) {
        Some(unassertable) => {
            Err(Error::Usage(format!("{id} is no assertion, no recording can show it: {}", unassertable.why)))
        }
        None => Ok(()),
    }
}

fn explain(cli: &Cli, recording: &Recording, spec: &Arc<Spec>, asked: &cli::Why) -> Result<Explained, Error> {
    let dir = recording.dir();
    let again = || Recording::open(dir).map_err(Error::from);
    let run = Engine::during(cli.time_limit, |engine| check::run(engine, again()?, spec, None))?;
    let place = run.assertions.iter().position(|assertion| assertion.id == asked.id);
    let place = place.ok_or_else(|| Error::Usage(format!("{} was not judged", asked.id)))?;
    let judgement = &run.assertions[place].judgement;
    let faults = judgement.faults.iter().filter_map(|place| run.faults.get(*place));
    let faults: Vec<_> = faults.map(|fault| (fault.attribution, fault.says.clone())).collect();
    let only = Only { id: &asked.id, faults: &faults };
    let neighbours = neighbours::find(cli, recording, spec, only, asked.held)?;
    let held: Vec<&Neighbour> = neighbours.iter().filter(|neighbour| neighbour.held()).collect();
    let (mut changes, mut divergences) = (Vec::new(), Vec::new());
    let mut lead = None;
    if let Some(nearest) = held.first() {
        changes = diff::changes(&Recording::open(&nearest.dir)?, recording)?;
        let own = Engine::during(cli.time_limit, |engine| events::trace(engine, again()?, Some(spec)))?;
        let traces: Vec<&Trace> = held.iter().map(|neighbour| &neighbour.trace).collect();
        divergences = divergence::diverge(&own, &traces);
        lead = leading(&divergences, &traces, &neighbours);
    }
    let moments = moments::around(recording, &run, judgement)?;
    let reasons = weigh(recording, &run, place, &neighbours, lead.as_ref())?;
    Ok(Explained { place, moments, reasons, neighbours, changes, divergences, lead, run })
}

fn leading(divergences: &[Divergence], held: &[&Trace], neighbours: &[Neighbour]) -> Option<Lead> {
    let (lead, _) = divergence::lead(&[divergences])?;
    let broken: Vec<&Neighbour> = neighbours.iter().filter(|neighbour| neighbour.broken()).collect();
    let shares = |neighbour: &&&Neighbour| divergence::has(&divergence::diverge(&neighbour.trace, held), lead);
    let shared = (broken.iter().filter(shares).count(), broken.len());
    Some(Lead { divergence: lead.clone(), p: divergence::p_value(lead, held), shared })
}

fn weigh(
    recording: &Recording,
    run: &RunReport,
    place: usize,
    neighbours: &[Neighbour],
    lead: Option<&Lead>,
) -> Result<Reasons, Error> {
    let judgement = &run.assertions[place].judgement;
    let diverged = lead.and_then(|lead| {
        let one = &lead.divergence;
        Some((one.at_ns?, words::divergence(one), one.evidence.clone()))
    });
    let others = run.assertions.iter().enumerate().filter(|(other, _)| *other != place);
    Ok(judge::weigh(&About {
        judgement,
        faults: &run.faults,
        others: others.map(|(_, other)| (other.id.as_str(), &other.judgement)).collect(),
        evidence_ns: moments::first_seen(recording, judgement)?,
        elsewhere: &neighbours.iter().map(Neighbour::elsewhere).collect::<Vec<_>>(),
        diverged,
    }))
}

impl Explained {
    fn assertion(&self) -> &AssertionReport {
        &self.run.assertions[self.place]
    }

    fn judgement(&self) -> &Judgement {
        &self.assertion().judgement
    }

    fn held(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.iter().filter(|neighbour| neighbour.held())
    }

    /// What a reader would type next.
    fn next(&self) -> Vec<String> {
        let dir = report::word(&self.run.dir.display().to_string());
        let spec = report::word(&self.run.spec.display().to_string());
        let mut next = Vec::new();
        let rows = self.judgement().violations.iter().chain(&self.judgement().worst);
        let mut of_rows = rows.flat_map(|row| &row.observation.evidence);
        let of_faults = self.judgement().faults.iter().filter_map(|place| self.run.faults.get(*place));
        let mut of_faults = of_faults.flat_map(|fault| &fault.row.evidence);
        for handle in
            [of_rows.find(|handle| report::is_handle(handle)), of_faults.find(|handle| report::is_handle(handle))]
        {
            next.extend(handle.map(|handle| format!("replay show {dir} {handle}")));
        }
        if let Some(nearest) = self.held().next() {
            let nearest = report::word(&nearest.dir.display().to_string());
            next.push(format!("replay diff {nearest} {dir} --spec {spec}"));
        }
        if self.judgement().outcome != Outcome::Held {
            next.push(format!("replay explain {spec} {}", report::word(&self.assertion().id)));
        }
        next
    }
}
