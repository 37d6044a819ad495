//! What differs around two runs: version, environment, scenario, parameters. Nothing that was measured.

use std::collections::{BTreeMap, BTreeSet};

use recording::reader::Recording;
use recording::record::Param;
use recording::run::RunFile;

use crate::error::Error;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub what: String,
    /// In the first run; none where it hasn't got it.
    pub before: Option<String>,
    /// In the second.
    pub after: Option<String>,
}

/// What differs, the version first.
///
/// # Errors
/// [`Error::Recording`].
pub fn changes(before: &Recording, after: &Recording) -> Result<Vec<Change>, Error> {
    let (before, after) = (facts(before)?, facts(after)?);
    let known: BTreeSet<&(usize, String)> = before.keys().chain(after.keys()).collect();
    let change = |key: &(usize, String)| {
        let (before, after) = (before.get(key).cloned(), after.get(key).cloned());
        (before != after).then(|| Change { what: key.1.clone(), before, after })
    };
    Ok(known.into_iter().filter_map(change).collect())
}

/// By rank and name.
fn facts(recording: &Recording) -> Result<BTreeMap<(usize, String), String>, Error> {
    let run = recording.run();
    let mut facts: BTreeMap<(usize, String), String> =
        of_run(run).into_iter().filter_map(|(rank, name, value)| Some(((rank, name.to_owned()), value?))).collect();
    let environment = run.environment.facts.iter();
    facts.extend(environment.map(|(name, value)| ((2, format!("environment {name}")), value.clone())));
    let params = recording.rows::<Param>()?.into_iter().map(|stamped| stamped.row);
    facts.extend(params.map(|param| ((3, format!("param {}", param.name)), param.value)));
    facts.extend(run.labels.iter().map(|(name, value)| ((5, format!("label {name}")), value.clone())));
    let state = recording.state().name().to_owned();
    facts.insert((1, "state".to_owned()), state);
    Ok(facts)
}

fn of_run(run: &RunFile) -> [(usize, &'static str, Option<String>); 5] {
    // Without facts the fingerprint is all that is known.
    let fingerprint = run.environment.facts.is_empty().then(|| run.environment.fingerprint.clone());
    [
        (0, "version", run.version.as_ref().map(|version| version.id.clone())),
        (1, "kind", Some(run.kind.clone())),
        (1, "scenario", Some(run.scenario.clone())),
        (2, "environment", fingerprint),
        (4, "stimulus", run.stimulus_sha256.clone()),
    ]
}
