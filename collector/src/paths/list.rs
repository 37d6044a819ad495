//! The lists of paths that media servers give: MediaMTX's JSON and nginx-rtmp's XML.

use roxmltree::{Document, Node};
use serde::Deserialize;

/// A path, whichever server told of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Path {
    /// Without a leading slash.
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) since: Since,
    pub(super) bytes_received: Option<i64>,
    pub(super) readers: Option<i64>,
}

/// Since when a path is ready, as the server says it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Since {
    #[default]
    Unknown,
    /// For so many nanoseconds.
    Before(i64),
    /// Nanoseconds since 1970.
    UnixNs(i64),
}

/// A list, and what is wrong with it although it is one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct List {
    pub(super) paths: Vec<Path>,
    pub(super) problem: Option<String>,
}

/// Reads either list; the error says what the page is instead.
pub(super) fn read(body: &[u8]) -> Result<List, String> {
    let text = std::str::from_utf8(body).map_err(|_| not_a_list("bytes that are not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    match text.as_bytes().first() {
        Some(b'{') => mediamtx(text),
        Some(b'<') => nginx_rtmp(text),
        Some(_) => Err(not_a_list("text")),
        None => Err(not_a_list("an empty page")),
    }
}

fn not_a_list(found: &str) -> String {
    format!("{found} instead of a list of paths: is another service listening at this address?")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaMtxList {
    items: Vec<MediaMtxPath>,
    #[serde(default)]
    page_count: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaMtxPath {
    name: String,
    #[serde(default, alias = "sourceReady")]
    ready: bool,
    ready_time: Option<String>,
    bytes_received: Option<i64>,
    readers: Option<Vec<serde_json::Value>>,
}

fn mediamtx(text: &str) -> Result<List, String> {
    let list: MediaMtxList = serde_json::from_str(text).map_err(|error| not_a_list(&format!("JSON ({error})")))?;
    let pages = list.page_count;
    let problem = (pages > 1).then(|| format!("the list has {pages} pages and only the first was read"));
    let paths = list.items.into_iter().map(|item| {
        let time = item.ready_time.and_then(|time| chrono::DateTime::parse_from_rfc3339(&time).ok());
        let since = time.and_then(|time| time.timestamp_nanos_opt()).map_or(Since::Unknown, Since::UnixNs);
        Path {
            name: item.name.trim_start_matches('/').to_owned(),
            ready: item.ready,
            since,
            bytes_received: item.bytes_received,
            readers: item.readers.map(|readers| readers.len() as i64),
        }
    });
    Ok(List { paths: paths.collect(), problem })
}

fn nginx_rtmp(text: &str) -> Result<List, String> {
    let document = Document::parse(text);
    let root = document.as_ref().ok().map(Document::root_element).filter(|root| root.has_tag_name("rtmp"));
    let Some(root) = root else {
        let html = text.get(..200).unwrap_or(text).to_ascii_lowercase().contains("<html");
        return Err(not_a_list(if html { "an HTML page" } else { "markup" }));
    };
    let mut paths = Vec::new();
    for application in root.descendants().filter(|node| node.has_tag_name("application")) {
        let prefix = child_text(application, "name").unwrap_or_default();
        for stream in application.descendants().filter(|node| node.has_tag_name("stream")) {
            paths.push(nginx_path(prefix, stream));
        }
    }
    Ok(List { paths, problem: None })
}

fn nginx_path(application: &str, stream: Node<'_, '_>) -> Path {
    let number = |name| child_text(stream, name).and_then(|text| text.trim().parse::<i64>().ok());
    let clients = stream.children().filter(|node| node.has_tag_name("client"));
    let readers = clients.filter(|client| child(*client, "publishing").is_none()).count();
    let name = format!("{application}/{}", child_text(stream, "name").unwrap_or_default());
    let since = number("time").and_then(|ms| ms.checked_mul(1_000_000)).map_or(Since::Unknown, Since::Before);
    Path {
        name: name.trim_matches('/').to_owned(),
        ready: child(stream, "publishing").is_some(),
        since,
        bytes_received: number("bytes_in"),
        readers: Some(readers as i64),
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn child_text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text()
}
