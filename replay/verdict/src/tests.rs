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
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
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
