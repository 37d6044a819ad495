use super::*;

fn cause(status: Status, title: &str) -> Cause {
    Cause {
        status,
        title: title.to_owned(),
        lines: vec!["first: 100 %".into(), "second".into()],
        file: Some("a,b:c.toml".into()),
    }
}

fn told(causes: usize) -> Told {
    let case = Case {
        suite: "run-1".into(),
        name: "FR-1 <&>".into(),
        status: Status::Failed,
        word: "broken".into(),
        message: "\u{1b}[31mtoo late|\n::error::forged".into(),
        details: vec!["]]> & more".into()],
        broken_runs: (0..20).map(|run| format!("run-{run}")).collect(),
    };
    let flaky = Case { name: "FR-2".into(), status: Status::Flaky, word: "flaky".into(), ..case.clone() };
    let causes = (0..causes).map(|place| cause(Status::Failed, &format!("cause {place}"))).collect();
    Told { cases: vec![case, flaky], causes, summary: "1 broken".into() }
}

#[test]
fn annotations_are_one_for_each_cause_and_at_most_ten() {
    let text = github::annotations(&told(2));
    let first = text.lines().next().unwrap_or_default();
    assert_eq!(first, "::error file=a%2Cb%3Ac.toml,title=cause 0::first: 100 %25%0Asecond");
    assert_eq!(text.lines().filter(|line| line.starts_with("::")).count(), 2);
    let text = github::annotations(&told(30));
    assert_eq!(text.lines().filter(|line| line.starts_with("::")).count(), 10);
    assert!(text.contains("21 more causes"), "{text}");
}

#[test]
fn recordings_forge_no_command() {
    let mut told = told(0);
    told.causes = vec![Cause {
        lines: vec!["x\n::error::forged\r\u{1b}[0m".into()],
        ..cause(Status::Undecided, "t\n::warning::forged")
    }];
    told.summary = "s\n::notice::forged".into();
    let text = github::annotations(&told);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("::warning "), "{text}");
    assert!(text.lines().skip(1).all(|line| !line.starts_with("::")), "{text}");
}

#[test]
fn junit_has_the_elements_of_reruns() {
    let xml = junit::report(&told(1)).expect("it is written");
    assert_eq!(xml.matches("<rerunFailure").count(), 10, "{xml}");
    assert_eq!(xml.matches("<flakyFailure").count(), 10, "{xml}");
    assert_eq!(xml.matches("<failure ").count(), 1, "{xml}");
    assert!(xml.contains("FR-1 &lt;&amp;&gt;") && !xml.contains('\u{1b}'), "{xml}");
    assert!(xml.contains("tests=\"2\"") && xml.contains("failures=\"1\""), "{xml}");
}

#[test]
fn summaries_are_within_the_limit_and_quote_nothing() {
    let text = markdown::summary(&told(2));
    assert!(text.contains("FR-1 &lt;&amp;&gt;") && text.contains("too late\\|") && !text.contains('\u{1b}'), "{text}");
    let mut many = told(0);
    many.causes = vec![Cause { lines: vec!["ä".repeat(100); 20_000], ..cause(Status::Failed, "long") }];
    let text = markdown::summary(&many);
    assert!(text.len() <= 1_000_001 && text.ends_with("…\n"), "{}", text.len());
}
