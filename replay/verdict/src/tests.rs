use crate::segments::Segments;
use crate::*;

/// A history in short: versions are letters, a change of the environment is `|`; `.` held, `x` broken, `?` inconclusive,
/// `e` broken with a fault of the environment, `o` held with one. Margins are not told.
fn history(short: &str) -> Series {
    let (mut version, mut environment) = (0, 0);
    let mut runs: Vec<Run> = Vec::new();
    for letter in short.chars() {
        let (outcome, attribution) = match letter {
            'A'..='Z' => {
                version = u32::from(letter);
                continue;
            }
            '|' => {
                environment += 1;
                continue;
            }
            '.' => (Outcome::Held, None),
            'x' => (Outcome::Broken, None),
            '?' => (Outcome::Inconclusive, None),
            'e' => (Outcome::Broken, Some(Attribution::Environment)),
            'o' => (Outcome::Held, Some(Attribution::Environment)),
            other => panic!("{other} is not in the short form"),
        };
        let place = runs.len() as u32;
        runs.push(Run {
            run: place,
            at_ns: i64::from(place),
            version,
            environment,
            outcome,
            attribution,
            margin: None,
        });
    }
    Series { assertion: short.to_owned(), runs }
}

fn of(short: &str) -> Opinion {
    judge(&Learned::default(), &history(short))
}

fn word(short: &str) -> &'static str {
    of(short).verdict.name()
}

#[test]
fn all_histories_of_a_length_have_probability_one() {
    let steps = "A.B..|.C.|..D.";
    let shape = Colours::of(&history(steps)).runs;
    let mut sum = 0.0;
    for colours in 0..1u32 << shape.len() {
        let mut segments = Segments::default();
        for (place, (step, _)) in shape.iter().enumerate() {
            segments.push(&Priors::default(), *step, colours >> place & 1 == 1);
        }
        sum += segments.log_evidence.exp();
    }
    assert!((sum - 1.0).abs() < 1e-3, "{sum}");
}

#[test]
fn posteriors_sum_to_one() {
    for short in [
        "",
        "?",
        "A.",
        "Ax",
        "A..Bxx",
        "A..........|Bxxx",
        "A.....Bee",
        "A..xx..xx",
        "A..eeBeee",
        "Axxxx",
        "AxxxxB.....",
    ] {
        let sum: f64 = of(short).posterior.named().iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{short}: {sum}");
    }
}

#[test]
fn words_for_histories() {
    for (short, verdict) in [
        ("A..............................Bx", "insufficient"),
        ("A..........Bxx", "regression"),
        ("A..Bxxx", "regression"),
        ("A..Bxx", "insufficient"),
        ("Axxxxxxxx", "broken_no_baseline"),
        ("AxxxxxxxxB........", "fixed"),
        ("A.....................", "stable"),
        ("A.", "stable"),
        ("A..x...x....x...x..x...B..x...x...x....x..", "flaky"),
        ("A............ee", "environment"),
        ("A............xx", "insufficient"),
        ("A......|xxxxxxxxxxxx", "environment"),
        ("", "insufficient"),
        ("???", "insufficient"),
        ("A....................B???", "insufficient"),
        ("A....................Booooo", "insufficient"),
        ("A????????????????????Beeee", "environment"),
        ("Axx", "insufficient"),
        ("AxxxxxxxxxxxxBx.x.x.x.x.x.x.", "flaky"),
        ("A..........B..........Ceeeeee", "regression"),
        ("A......Beee", "insufficient"),
        ("A..........B..........CeeeeeeDeeeeeoFeeeeee", "regression"),
    ] {
        assert_eq!(word(short), verdict, "{short}: {:?}", of(short).posterior);
    }
}

/// The numbers of the model's own description.
#[test]
fn controls_tell_the_product_from_the_environment() {
    let near = |is: f64, was: f64| assert!((is - was).abs() < 0.02, "{is}, not {was}");
    let both = of("A..........|Bxxx");
    near(both.posterior.regression, 0.485);
    assert_eq!(both.verdict, Verdict::Insufficient);
    assert_eq!(both.plan.map(|plan| plan.of), Some(Of::Before));
    near(of("A..........|..Bxxx").posterior.regression, 0.931);
    near(of("A..........|xxBxxx").posterior.environment, 0.998);
}

#[test]
fn one_red_proves_nothing_whatever_the_others_taught() {
    let changed: Vec<Series> =
        (0..200).map(|place| Series { assertion: place.to_string(), ..history("A...Bxxx") }).collect();
    let learned = Learned::from(&changed);
    assert_eq!(judge(&learned, &history("A..Bx")).verdict, Verdict::Insufficient);
    assert_eq!(judge(&learned, &history("A..Bxx")).verdict, Verdict::Regression);
}

#[test]
fn silent_versions_may_be_the_first_with_it() {
    let change = of("A..........B???Cxxxx").change.expect("it is located");
    assert_eq!((change.before, change.after), (u32::from('A'), u32::from('C')));
    assert_eq!(change.among, [u32::from('C'), u32::from('B')]);
}

#[test]
fn a_plan_is_made_where_there_is_but_one_version() {
    let opinion = of("A....................xxxxxx");
    assert_eq!(opinion.verdict, Verdict::Insufficient);
    assert_eq!(opinion.plan.map(|plan| plan.of), Some(Of::Newest));
}

/// A history with margins: as many runs of each version as the margins given for it.
fn measured(versions: &[&[f64]]) -> Series {
    let mut series = Series { assertion: "margins".to_owned(), runs: Vec::new() };
    for (version, margins) in versions.iter().enumerate() {
        for margin in *margins {
            let place = series.runs.len() as u32;
            series.runs.push(Run {
                run: place,
                at_ns: i64::from(place),
                version: version as u32,
                environment: 0,
                outcome: if *margin < 0.0 { Outcome::Broken } else { Outcome::Held },
                attribution: None,
                margin: Some(*margin),
            });
        }
    }
    series
}

/// Noise that looks like noise, and is the same every time: the fractions of multiples of the golden ratio.
fn noise(runs: usize, level: f64) -> Vec<f64> {
    (1..=runs).map(|run| level + (run as f64 * 0.618_033_988_75).fract() - 0.5).collect()
}

#[test]
fn a_margin_that_falls_with_a_version_is_a_regression_while_still_green() {
    let opinion = judge(&Learned::default(), &measured(&[&noise(12, 9.0), &noise(12, 9.0), &noise(12, 6.0)]));
    assert_eq!((opinion.verdict, opinion.kind), (Verdict::Regression, Some(Kind::Margin)));
    assert_eq!(opinion.change.map(|change| (change.before, change.after)), Some((1, 2)));
    let better = judge(&Learned::default(), &measured(&[&noise(12, 6.0), &noise(12, 9.0)]));
    assert_eq!(better.verdict, Verdict::Stable);
}

#[test]
fn what_creeps_within_one_version_is_drift_and_no_verdict() {
    let creeping: Vec<f64> = noise(40, 9.0).iter().enumerate().map(|(run, margin)| margin - 0.1 * run as f64).collect();
    let opinion = judge(&Learned::default(), &measured(&[&creeping]));
    assert_eq!(opinion.verdict, Verdict::Stable);
    let drift = opinion.drift.expect("it creeps");
    assert!((drift.per_run + 0.1).abs() < 0.02, "{drift:?}");
    assert!((40.0..65.0).contains(&drift.runs_left.expect("it is green")), "{drift:?}");
}

#[test]
fn hard_margins_are_no_shift() {
    let tied: Vec<f64> = (0..30).map(|run| f64::from(run % 2)).collect();
    let mut spiked = noise(30, 5.0);
    spiked[20] = -40.0;
    let equal = [3.0; 30];
    let huge: Vec<f64> = noise(30, 0.0).iter().map(|margin| 1e300 * (margin + 2.0)).collect();
    for margins in [&tied[..], &spiked, &equal, &huge] {
        let (before, after) = margins.split_at(15);
        let opinion = judge(&Learned::default(), &measured(&[before, after]));
        assert_ne!(opinion.verdict, Verdict::Regression, "{margins:?}");
        let sum: f64 = opinion.posterior.named().iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{margins:?}: {sum}");
    }
}

#[test]
fn faults_that_began_with_a_version_speak_against_the_excuse() {
    let opinion = of("A......Beee");
    let began = opinion.excuses.and_then(|excuses| excuses.began).expect("they began with B");
    assert_eq!((began.version, began.before, began.since, began.spoilt), (u32::from('B'), 6, 3, 3));
    assert_eq!(of("A..e...Beo.").excuses.and_then(|excuses| excuses.began), None);
}

#[test]
fn assertions_that_break_together_have_one_cause() {
    let named = |name: &str, short: &str| Series { assertion: name.to_owned(), ..history(short) };
    let series = [
        named("one", "A......Bxxxx"),
        named("two", "A......Bxxxx"),
        named("three", "A.........."),
        named("four", "A....Bxxxx.."),
    ];
    let mut opinions: Vec<Opinion> = series.iter().map(|series| judge(&Learned::default(), series)).collect();
    let incidents = together(&series, &mut opinions);
    assert_eq!(incidents, [vec![0, 1]]);
}

mod any {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn history_has_a_verdict(short in "[A-C|.x?eo]{0,40}", margins in prop::collection::vec(prop::option::of(-1e9f64..1e9), 40)) {
            let mut series = history(&short);
            for (run, margin) in series.runs.iter_mut().zip(margins) {
                run.margin = margin;
            }
            for learned in [Learned::default(), Learned::from(std::slice::from_ref(&series))] {
                prop_assert!(learned.check().is_ok());
                let opinion = judge(&learned, &series);
                let shares = opinion.posterior.named().map(|(_, share)| share);
                prop_assert!(shares.iter().all(|share| (0.0..=1.0 + 1e-9).contains(share)), "{shares:?}");
                prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
                if !series.runs.iter().any(|run| run.outcome == Outcome::Broken && !run.is_excused()) {
                    prop_assert_ne!(opinion.verdict, Verdict::Flaky);
                }
            }
        }
    }
}
