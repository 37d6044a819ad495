//! JUnit XML, with the elements that Maven's Surefire has for reruns.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::{Case, Status, Told};
use crate::error::Error;
use crate::report::plain;

/// More runs in which an assertion was broken are not named.
const MOST_RERUNS: usize = 10;

/// The report.
///
/// # Errors
/// [`Error::Write`].
pub fn report(told: &Told) -> Result<String, Error> {
    let mut report = Report::new("replay");
    for cases in told.cases.chunk_by(|one, other| one.suite == other.suite) {
        let mut suite = TestSuite::new(cases.first().map_or(String::new(), |case| plain(&case.suite)));
        suite.add_test_cases(cases.iter().map(case));
        report.add_test_suite(suite);
    }
    let failed = |error| Error::Write { to: "the answer".into(), source: std::io::Error::other(error) };
    Ok(report.to_string().map_err(failed)? + "\n")
}

fn case(case: &Case) -> TestCase {
    let mut status = match case.status {
        Status::Passed | Status::Flaky => TestCaseStatus::success(),
        Status::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::Undecided => TestCaseStatus::non_success(NonSuccessKind::Error),
        Status::Skipped => TestCaseStatus::skipped(),
    };
    if !matches!(case.status, Status::Passed | Status::Flaky) {
        status.set_type(&case.word).set_message(plain(&case.message)).set_description(details(case));
    }
    if case.status != Status::Skipped {
        status.add_reruns(case.broken_runs.iter().rev().take(MOST_RERUNS).rev().map(|run| rerun(case, run)));
    }
    let mut one = TestCase::new(plain(&case.name), status);
    one.set_classname(plain(&case.suite));
    one
}

fn rerun(case: &Case, run: &str) -> TestRerun {
    let mut rerun = TestRerun::new(NonSuccessKind::Failure);
    rerun.set_type("broken").set_message(format!("{} was broken in {}", plain(&case.name), plain(run)));
    rerun
}

fn details(case: &Case) -> String {
    case.details.iter().map(|line| plain(line) + "\n").collect()
}
