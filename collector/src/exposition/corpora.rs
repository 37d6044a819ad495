//! The public corpora, with their own verdicts. They lie beside the repository in `shared/corpora/prometheus`,
//! or where `PROMETHEUS_CORPORA` says.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Format, Kind, parse};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn corpora() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/prometheus");
    let root = std::env::var_os("PROMETHEUS_CORPORA").map_or(beside, PathBuf::from);
    assert!(root.is_dir(), "no corpora at {}: set PROMETHEUS_CORPORA to their folder", root.display());
    root
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let folder = corpora().join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn openmetrics_verdicts_are_the_suites_own() {
    let mut wrong = Vec::new();
    let cases = entries("openmetrics_parsers");
    assert!(cases.len() >= 200, "only {} cases", cases.len());
    for case in cases {
        let body = fs::read(case.join("metrics")).unwrap();
        let verdict: serde_json::Value = serde_json::from_slice(&fs::read(case.join("test.json")).unwrap()).unwrap();
        let page = parse(&body, Some(OPENMETRICS));
        if page.is_valid() != verdict["shouldParse"].as_bool().unwrap() {
            wrong.push(format!("{}: {verdict} but {:?}", name(&case), page.problems));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn text_verdicts_are_the_fuzz_corpus_own() {
    for declared in [Some(TEXT), None] {
        for case in entries("common_expfmt_fuzz") {
            let body = fs::read(&case).unwrap();
            let page = parse(&body, declared);
            let expected = !name(&case).contains("_error_");
            assert_eq!(page.is_valid(), expected, "{}: {:?}", name(&case), page.problems);
        }
    }
}

/// Lines that are neither blank nor comments: the samples of a valid page.
fn sample_lines(body: &[u8]) -> usize {
    body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#').count()
}

#[test]
fn large_pages_lose_no_sample() {
    for path in entries("prometheus_textparse_testdata") {
        let body = fs::read(&path).unwrap();
        let openmetrics = name(&path).ends_with(".om.txt");
        let page = parse(&body, Some(if openmetrics { OPENMETRICS } else { TEXT }));
        assert_eq!(page.format == Format::OpenMetrics, openmetrics, "{}", name(&path));
        // One of the OpenMetrics pages has a sum beside negative buckets, which the standard forbids.
        assert!(page.is_valid() || openmetrics, "{}: {:?}", name(&path), page.problems);
        let typed = page.samples.iter().any(|sample| sample.kind != Kind::Unknown);
        assert_eq!(typed, !name(&path).contains("nometa"), "{}", name(&path));
        // Without a content type, '# EOF' makes each of them OpenMetrics; what breaks its rules is kept.
        for page in [page, parse(&body, None)] {
            assert_eq!(page.samples.len(), sample_lines(&body), "{}: {:?}", name(&path), page.problems);
            assert_eq!(page.lost, 0, "{}: {:?}", name(&path), page.problems);
        }
    }
}

#[test]
fn a_page_of_a_real_registry_is_valid() {
    let body = fs::read(corpora().join("common_expfmt_testdata/text")).unwrap();
    let page = parse(&body, None);
    assert!(page.is_valid(), "{:?}", page.problems);
    assert_eq!(page.samples.len(), sample_lines(&body));
}

/// Cut and garbled pages must neither panic nor cost the lines that are whole.
#[test]
fn a_cut_page_keeps_the_lines_before_the_cut() {
    for path in entries("prometheus_textparse_testdata") {
        let body = fs::read(&path).unwrap();
        let openmetrics = name(&path).ends_with(".om.txt");
        let declared = Some(if openmetrics { OPENMETRICS } else { TEXT });
        for cut in (1..body.len().min(6000)).step_by(37) {
            let whole = body[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let page = parse(&body[..cut], declared);
            assert!(page.samples.len() >= sample_lines(&body[..whole]), "{} cut at {cut}", name(&path));
        }
    }
}
