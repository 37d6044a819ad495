use proptest::prelude::*;

use super::*;

fn check(bound: &str, observed: &[(f64, bool, f64)]) {
    let bound: Bound = bound.parse().unwrap();
    for (x, holds, margin) in observed {
        assert_eq!(bound.number(*x), (*holds, *margin), "{x} against {bound}");
    }
}

#[test]
fn numbers() {
    check("<= 10", &[(3.0, true, 7.0), (10.0, true, 0.0), (12.5, false, -2.5)]);
    check("< 10", &[(10.0, false, 0.0), (9.0, true, 1.0)]);
    check(">=1", &[(1.0, true, 0.0), (0.0, false, -1.0)]);
    check("> 1e3", &[(1000.0, false, 0.0), (1001.0, true, 1.0)]);
    check(
        "59..61",
        &[(59.0, true, 0.0), (61.0, true, 0.0), (60.0, true, 1.0), (62.0, false, -1.0), (0.0, false, -59.0)],
    );
    check("-1.5..1", &[(-1.5, true, 0.0), (-2.0, false, -0.5)]);
    check("= 3", &[(3.0, true, 0.0), (5.0, false, -2.0)]);
    check("!= 3", &[(3.0, false, 0.0), (5.0, true, 2.0)]);
    check("in {1, 2, 8}", &[(2.0, true, 0.0), (6.0, false, -2.0)]);
}

#[test]
fn nan_satisfies_nothing() {
    for bound in ["<= 1", "< 1", ">= 1", "> 1", "0..1", "= 1", "!= 1", "in {1}"] {
        assert!(!bound.parse::<Bound>().unwrap().number(f64::NAN).0, "{bound}");
    }
}

#[test]
fn texts() {
    let holds = |bound: &str, x: &str| bound.parse::<Bound>().unwrap().text(x);
    assert_eq!(holds("= h264", "h264"), Some(true));
    assert_eq!(holds("!= h264", "h264"), Some(false));
    assert_eq!(holds("in {success, 'a, b', \"7\"}", "a, b"), Some(true));
    assert_eq!(holds("in {success, 'a, b', \"7\"}", "7"), Some(true));
    assert_eq!(holds("in {success}", "failed"), Some(false));
    assert_eq!(holds("= 5", "5"), Some(true));
    assert_eq!(holds("<= 5", "5"), None);
}

#[test]
fn nonsense_is_refused() {
    for bad in [
        "", "10", "=", "<= ten", "=> 3", "== 3", "5..1", "1..", "in {}", "in {a", "in {'a}", "<= inf", "= 'a",
        "in {a,}",
    ] {
        assert!(bad.parse::<Bound>().is_err(), "{bad:?} must be refused");
    }
}

fn any_point() -> impl Strategy<Value = Point> {
    prop_oneof![
        (-1e9..1e9).prop_map(|number: f64| Point { text: number.to_string(), number: Some(number) }),
        "[ -~&&[^\"]]{0,12}".prop_map(|text| Point { text, number: None }),
    ]
}

fn any_bound() -> impl Strategy<Value = Bound> {
    prop_oneof![
        any_point().prop_map(Bound::Is),
        any_point().prop_map(Bound::IsNot),
        prop::collection::vec(any_point(), 1..4).prop_map(Bound::In),
        (-1e9..1e9).prop_map(Bound::Below),
        (-1e9..1e9).prop_map(Bound::AtMost),
        (-1e9..1e9).prop_map(Bound::Above),
        (-1e9..1e9).prop_map(Bound::AtLeast),
        (-1e9..1e9, 0.0..1e9).prop_map(|(a, width): (f64, f64)| Bound::Within(a, a + width)),
    ]
}

proptest! {
    #[test]
    fn written_bounds_read_back(bound in any_bound()) {
        prop_assert_eq!(bound.to_string().parse::<Bound>(), Ok(bound));
    }

    #[test]
    fn margins_agree_with_decisions(bound in any_bound(), x in -2e9..2e9) {
        let (holds, margin) = bound.number(x);
        prop_assert!(if holds { margin >= 0.0 } else { margin <= 0.0 }, "{} against {}: {}", x, bound, margin);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,20}") {
        let _ = text.parse::<Bound>();
    }
}
