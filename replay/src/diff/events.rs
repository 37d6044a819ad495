//! The events of one recording: the spec's own, or those that any recording has.

use std::sync::Arc;

use recording::reader::Recording;
use recording::record::Gap;
use recording::run::State;

use super::noise::Noise;
use crate::error::Error;
use crate::judge::Observed;
use crate::judge::divergence::{Event, Trace};
use crate::measure;
use crate::spec::Spec;
use crate::views::{Engine, Recorded, Views};

/// Socket.IO events, counted by tap, direction and name; each follows the one before of its type. Only where the spec
/// has no `[diff]`. SPEC.md has the same text.
pub const OF_PACKETS: &str = "
SELECT type, CAST(nth AS VARCHAR) AS entity, at_ns, CASE WHEN nth > 1 THEN type || '#' || CAST(nth - 1 AS VARCHAR) END AS parent, evidence
FROM (SELECT tap || ' ' || direction || ' ' || event AS type, at_ns, 'packets#' || CAST(seq AS VARCHAR) AS evidence,
             row_number() OVER (PARTITION BY tap, direction, event ORDER BY seq) AS nth
      FROM packets WHERE event IS NOT NULL)";

/// What happened to processes, containers, streams and the run until the teardown; each follows the one before of its
/// subject. A stream that is asked for again is no event each time.
pub const OF_TIMELINE: &str = "
SELECT type, CAST(nth AS VARCHAR) AS entity, at_ns, lag(type || '#' || CAST(nth AS VARCHAR)) OVER (PARTITION BY source, subject ORDER BY seq) AS parent,
       value, evidence
FROM (SELECT seq, at_ns, source, subject, CASE WHEN source = 'run' THEN 'run ' || event ELSE source || ' ' || subject || ' ' || event END AS type,
             CAST(exit_code AS VARCHAR) AS value, 'timeline#' || CAST(seq AS VARCHAR) AS evidence,
             row_number() OVER (PARTITION BY source, CASE WHEN source = 'run' THEN '' ELSE subject END, event ORDER BY seq) AS nth
      FROM timeline
      WHERE event <> 'media.refused'
        AND seq < (SELECT coalesce(min(seq), 9223372036854775807) FROM timeline WHERE source = 'run' AND event = 'teardown'))";

/// The events of a recording, without noise.
///
/// # Errors
/// [`Error::Recording`]; [`Error::Spec`] where the spec's query can't be answered; [`Error::TimeLimit`].
pub fn trace(engine: &Engine, recording: Recording, spec: Option<&Spec>) -> Result<Trace, Error> {
    let noise = Noise::of(recording.run());
    let gaps = recording.rows::<Gap>()?.into_iter().map(|gap| (gap.row.from_ns, gap.row.to_ns)).collect();
    let (complete, end_ns) = (recording.state() == State::Complete, recording.end_ns());
    let of_spec = spec.and_then(|spec| spec.diff.as_ref());
    let views = Arc::new(Views::new(Recorded::Run(Box::new(recording)), spec).map_err(Error::of_query)?);
    let queries = [of_spec.map_or(OF_PACKETS, |query| &query.sql), OF_TIMELINE].map(str::to_owned);
    let tasks = queries.into_iter().map(|sql| {
        let views = Arc::clone(&views);
        async move { views.answer(&sql).await }
    });
    let mut events = Vec::new();
    for (result, query) in engine.run_all(tasks.collect()).into_iter().zip([of_spec, None]) {
        let owner = query.map_or("reading events", |query| &query.owner);
        let in_query = |error| match query {
            Some(query) => Error::of_spec(query, error),
            None => Error::of_query(error),
        };
        let answer = result.map_err(|cut| cut.error(owner, engine))?.map_err(in_query)?;
        events.extend(measure::events(&answer).map_err(in_query)?);
    }
    let events = events.into_iter().map(|event| quiet(event, &noise)).collect();
    Ok(Trace::new(events, complete, end_ns, gaps))
}

fn quiet(event: Event, noise: &Noise) -> Event {
    Event {
        kind: noise.without(&event.kind),
        entity: event.entity.map(|entity| noise.without(&entity)),
        parent: event.parent.map(|parent| noise.without(&parent)),
        value: match event.value {
            Observed::Text(text) => Observed::Text(noise.without(&text)),
            value => value,
        },
        ..event
    }
}
