//! `collector import`: a packet capture becomes a recording, by the decoders of the tap.
//!
//! In the order a packet meets them: `capture` reads the file · `packet` finds the TCP segment · `flows` and `stream` put
//! the bytes of each connection in order · `follow` gives them to the tap's decoder and, by `pages`, to the parsers of
//! pages · `book` writes what comes out. Times are those of the capture; nothing waits and nothing is dropped. What the
//! capture has not got is a gap.

mod book;
mod capture;
mod flows;
mod follow;
mod packet;
mod pages;
mod stream;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use recording::Table;
use recording::run::State;

use crate::record::shown;
use crate::redact::Redactor;
use crate::status::{answer, say};
use crate::tap::decoder::Decoder;
use crate::wire::Limits;
use crate::{AnyError, cli, folder};
use book::Book;
use capture::{Capture, Facts, Frame, Step};
use flows::Flows;
use follow::{Follower, Port, TapSink};
use packet::{Content, Link, Segment};
use pages::PageSink;
use targets::Targets;

/// The tables of a tap whose relay there never was.
const TAP_TABLES: [Table; 3] = [Table::Packets, Table::Connections, Table::Blobs];
/// Packets between two looks at the progress.
const SHOW_EVERY: u64 = 4096;

/// Imports one capture: 0 where it holds everything, 3 with gaps or where the file is cut off.
///
/// # Errors
/// What keeps a recording from being made.
pub fn import(command: &cli::Import) -> Result<ExitCode, AnyError> {
    let targets = Targets::parse(command)?;
    folder::labels(&command.common.labels)?;
    let mut capture = Capture::open(&command.capture)?;
    let redactor = Arc::new(Redactor::open([])?);
    let mut import = None;
    let cut = read(&mut capture, |facts, frame| {
        if import.is_none() {
            let book = Book::begin(&command.common, frame.unix_ns, facts, &redactor)?;
            say(format_args!("importing into {}", shown(book.dir()).display()));
            import = Some(Import::new(book, &targets, frame.unix_ns, &redactor));
        }
        import.as_mut().map_or(Ok(()), |import| import.take(&frame))
    })?;
    let Some(import) = import else {
        let problem = cut.unwrap_or_else(|| "it holds no packet".to_owned());
        return Err(format!("{}: nothing to import: {problem}", command.capture.display()).into());
    };
    let done = import.finish(&command.capture, cut)?;
    done.lines.iter().for_each(say);
    answer(&done.dir);
    Ok(ExitCode::from(done.code))
}

/// Reads the capture to its end; why, where that is not where it should be.
fn read(
    capture: &mut Capture,
    mut take: impl FnMut(Facts<'_>, Frame<'_>) -> Result<(), AnyError>,
) -> Result<Option<String>, AnyError> {
    let bar = ProgressBar::with_draw_target(Some(capture.size()), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {percent} % of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    loop {
        for _ in 0..SHOW_EVERY {
            match capture.step(&mut take)? {
                Step::Read => {}
                Step::End => return Ok(finished(&bar, None)),
                Step::Cut(problem) => {
                    let at = capture.read_bytes();
                    return Ok(finished(&bar, Some(format!("cut off at byte {at}: {problem}"))));
                }
            }
        }
        bar.set_position(capture.read_bytes());
    }
}

fn finished(bar: &ProgressBar, cut: Option<String>) -> Option<String> {
    bar.finish_and_clear();
    cut
}

/// What an import leaves.
struct Done {
    lines: Vec<String>,
    dir: String,
    code: u8,
}

/// Packets by what they were.
#[derive(Default)]
struct Counts {
    packets: u64,
    segments: u64,
    pieces: u64,
    too_short: u64,
    links: BTreeMap<Link, u64>,
}

struct Import {
    book: Book,
    started_unix_ns: i64,
    end_ns: i64,
    flows: Flows,
    followers: HashMap<u64, Follower>,
    ports: HashMap<u16, Port>,
    seen_ports: BTreeSet<u16>,
    counts: Counts,
}

impl Import {
    fn new(book: Book, targets: &Targets, started_unix_ns: i64, redactor: &Arc<Redactor>) -> Import {
        let (ports, limits) = (targets.ports(), Limits::default());
        let sinks = ports.iter().map(|port| (*port, sink(*port, targets, &book, redactor, &limits)));
        Import {
            started_unix_ns,
            end_ns: 0,
            flows: Flows::new(ports.iter().copied()),
            followers: HashMap::new(),
            ports: sinks.collect(),
            seen_ports: BTreeSet::new(),
            counts: Counts::default(),
            book,
        }
    }

    fn take(&mut self, frame: &Frame<'_>) -> Result<(), AnyError> {
        // A clock that was set back must not lead to times before the beginning.
        let at_ns = frame.unix_ns.saturating_sub(self.started_unix_ns).max(0);
        self.counts.packets += 1;
        self.end_ns = self.end_ns.max(at_ns);
        match packet::look(frame) {
            Content::Tcp(segment) => self.segment(&segment, at_ns)?,
            Content::Piece => self.counts.pieces += 1,
            Content::TooShort => self.counts.too_short += 1,
            Content::UnknownLink => *self.counts.links.entry(frame.link).or_default() += 1,
            Content::Other => {}
        }
        Ok(())
    }

    fn segment(&mut self, segment: &Segment<'_>, at_ns: i64) -> Result<(), recording::Error> {
        let Import { flows, followers, ports, .. } = self;
        if flows.take(segment, at_ns, &mut hand_on(followers, ports)) {
            self.counts.segments += 1;
            self.seen_ports.extend([segment.source.port(), segment.destination.port()]);
            self.book.drain()?;
        }
        Ok(())
    }

    fn finish(mut self, file: &Path, cut: Option<String>) -> Result<Done, AnyError> {
        let end_ns = self.end_ns;
        let Import { flows, followers, ports, .. } = &mut self;
        flows.finish(end_ns, &mut hand_on(followers, ports));
        self.ports.values_mut().filter_map(|port| port.tap.as_mut()).for_each(|tap| tap.decoder.finish(end_ns));
        let lines = self.complaints(cut.as_deref());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Counts { packets, segments, pieces, too_short, .. } = self.counts;
        let attributes = serde_json::json!({
            "capture": name, "packets": packets, "segments": segments, "ip_pieces": pieces,
            "too_short": too_short, "problem": cut,
        });
        self.book.note(0, "start", serde_json::json!({"capture": name}));
        self.book.note(end_ns, "import", attributes);
        self.book.note(end_ns, "end", serde_json::json!({}));
        self.book.drain()?;
        self.seal(lines, cut.is_some())
    }

    fn seal(self, mut lines: Vec<String>, is_cut: bool) -> Result<Done, AnyError> {
        let state = if is_cut { State::Incomplete } else { State::Complete };
        let connections: i64 =
            self.ports.values().filter_map(|port| port.tap.as_ref()).map(|tap| tap.connections).sum();
        let rows = [Table::Packets, Table::Scrapes, Table::Polls, Table::Gaps].map(|table| self.book.rows(table));
        let [packets, scrapes, polls, gaps] = rows;
        lines.push(format!(
            "imported {:.1} s: {packets} packets of {connections} connections, {scrapes} scrapes, {polls} polls, {gaps} gaps; {}",
            self.end_ns as f64 / 1e9,
            state.name()
        ));
        let dir = shown(self.book.dir()).display().to_string();
        self.book.finish(self.end_ns, state)?;
        Ok(Done { lines, dir, code: if is_cut || gaps > 0 { 3 } else { 0 } })
    }

    /// What a person should know before they believe the recording.
    fn complaints(&self, cut: Option<&str>) -> Vec<String> {
        let Counts { pieces, too_short, links, .. } = &self.counts;
        let mut lines = Vec::new();
        lines.extend(cut.map(|problem| format!("the capture is {problem}; what was before it is imported")));
        for (link, count) in links {
            lines.push(format!(
                "{count} packets have link type {}, which is not read: capture on another interface",
                link.0
            ));
        }
        if *pieces > 0 {
            lines.push(format!(
                "{pieces} packets are TCP in pieces of IP, which are not put together: their bytes are lost"
            ));
        }
        if *too_short > 0 {
            lines.push(format!("{too_short} TCP packets were cut too short to be read: capture with `tcpdump -s 0`"));
        }
        let mut ports: Vec<&u16> = self.ports.keys().filter(|port| !self.seen_ports.contains(port)).collect();
        ports.sort();
        lines.extend(ports.iter().map(|port| format!("no packet of port {port} is in the capture")));
        lines.extend(self.silent().map(|source| format!("nothing was found for {source}")));
        lines
    }

    /// The sources that brought nothing although something passed their port.
    fn silent(&self) -> impl Iterator<Item = String> {
        let seen = self.ports.iter().filter(|(port, _)| self.seen_ports.contains(port));
        let sources: BTreeSet<String> = seen
            .flat_map(|(_, port)| {
                let pages = port.pages.targets.iter().map(|(target, _)| target.source());
                pages.chain(port.tap.as_ref().map(|tap| format!("tap:{}", tap.name)))
            })
            .collect();
        self.book.source_rows().filter(move |(source, rows)| *rows == 0 && sources.contains(source)).map(|row| row.0)
    }
}

/// What is done with the bytes of one port.
fn sink(port: u16, targets: &Targets, book: &Book, redactor: &Arc<Redactor>, limits: &Limits) -> Port {
    let tap = targets.taps.iter().find(|tap| tap.port == port).map(|tap| {
        let source = book.intake().source(&format!("tap:{}", tap.name), "tap", &TAP_TABLES);
        let decoder = Decoder::new(tap.name.clone(), source.clone(), Arc::clone(redactor), limits);
        TapSink { name: tap.name.clone(), decoder, source, connections: 0 }
    });
    let pages = targets.pages.iter().filter(|page| page.port == port).map(|page| {
        let tables: &[Table] = match page.kind {
            targets::Kind::Scrape => &[Table::Scrapes, Table::Samples],
            targets::Kind::Poll => &[Table::Polls],
        };
        (page.clone(), book.intake().source(&page.source(), page.kind.word(), tables))
    });
    Port { tap, pages: PageSink { targets: pages.collect(), redactor: Arc::clone(redactor) } }
}

/// Gives what happens on a connection to who follows it.
fn hand_on<'a>(
    followers: &'a mut HashMap<u64, Follower>,
    ports: &'a mut HashMap<u16, Port>,
) -> impl FnMut(u64, flows::Ends, i64, flows::Event) + 'a {
    |number, ends, at_ns, event| {
        let Some(port) = ports.get_mut(&ends.server.port()) else {
            return;
        };
        let follower = followers.entry(number).or_insert_with(|| Follower::new(port));
        if follower.take(port, ends, at_ns, event) {
            followers.remove(&number);
        }
    }
}
