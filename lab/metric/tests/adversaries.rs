//! Carts that would cheat one figure: each is caught by another, and by how much.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use cartvision_metric::{Estimate, Figure, Session, estimates};
use serde_json::{Value, json};
use support::{change, episode, event, session};

const SESSIONS: u64 = 12;

/// What a cart says about a true change: item, start, end, and a number unlike all others.
struct Seen<'a> {
    kind: &'a str,
    item: &'a str,
    start: i64,
    end: i64,
    id: String,
}

/// Twelve sessions of two minutes: three items go in and one out again, and three times nothing happens. `says` answers
/// a change, `at_nothing` a null episode that begins and ends then.
fn run(
    says: impl Fn(&Seen<'_>) -> Vec<Value>,
    at_nothing: impl Fn(i64, i64, String) -> Vec<Value>,
) -> Vec<Estimate> {
    let sessions: Vec<Session> = (0..SESSIONS)
        .map(|n| {
            let (mut truth, mut events) = (vec![], vec![]);
            let shift = n as i64 * 37;
            for (i, (kind, item)) in
                [("added", "a"), ("added", "b"), ("removed", "a"), ("added", "c")].iter().enumerate()
            {
                let start = 10_000 + i as i64 * 25_000 + shift;
                let end = start + 800;
                let number = i as u64;
                truth.push(change(kind, Some(item), start, end, Some(number)));
                truth.push(episode(number, start - 500, end + 1_000, &["add"], 1));
                events.extend(says(&Seen { kind, item, start, end, id: format!("{n}-{i}") }));
            }
            for i in 0..3 {
                let (start, end) = (20_000 + i * 25_000 + shift, 23_000 + i * 25_000 + shift);
                truth.push(episode(100 + i as u64, start, end, &["hand-in-out"], 0));
                events.extend(at_nothing(start, end, format!("{n}-nothing-{i}")));
            }
            session(&format!("s{n}"), 120.0, &truth, &events)
        })
        .collect();
    let outcomes: Vec<_> = sessions.iter().map(Session::outcome).collect();
    estimates(&outcomes, Figure::ALL)
}

fn value(of: &[Estimate], figure: Figure) -> f64 {
    of.iter().find(|e| e.figure == figure).unwrap().value.unwrap()
}

fn absent(of: &[Estimate], figure: Figure) -> bool {
    of.iter().find(|e| e.figure == figure).unwrap().value.is_none()
}

fn honest(seen: &Seen<'_>) -> Vec<Value> {
    vec![event(&seen.id, seen.kind, Some(seen.item), seen.end + 50, seen.end + 250)]
}

fn silence(_: i64, _: i64, _: String) -> Vec<Value> {
    vec![]
}

#[test]
fn an_honest_cart_has_nothing_to_fear() {
    let of = run(honest, silence);
    for figure in [
        Figure::Precision,
        Figure::Recall,
        Figure::EventF1,
        Figure::ActionF1,
        Figure::Specificity,
        Figure::Coverage,
        Figure::IdentityAccuracy,
        Figure::TopFive,
        Figure::BasketAccuracy,
        Figure::UsualBasketAccuracy,
    ] {
        assert_eq!(value(&of, figure), 1.0, "{}", figure.key());
    }
    for figure in [
        Figure::FalsePerHour,
        Figure::UnresolvedRate,
        Figure::OverchargedPer100,
        Figure::UnderchargedPer100,
        Figure::Escalation,
    ] {
        assert_eq!(value(&of, figure), 0.0, "{}", figure.key());
    }
    assert!((value(&of, Figure::MomentError) - 0.05).abs() < 1e-9);
    assert!((value(&of, Figure::DecisionDelayP99) - 0.25).abs() < 1e-9);
    // Stated 0.9 and always right.
    assert!((value(&of, Figure::CalibrationError) - 0.1).abs() < 1e-9);
}

#[test]
fn telling_before_it_happens_earns_nothing() {
    let early =
        |seen: &Seen<'_>| vec![event(&seen.id, seen.kind, Some(seen.item), seen.start - 1, seen.start)];
    let of = run(early, silence);
    assert_eq!((value(&of, Figure::EventF1), value(&of, Figure::ActionF1)), (0.0, 0.0));
    // 48 false events in 24 minutes.
    assert_eq!(value(&of, Figure::FalsePerHour), 120.0);
    assert!(absent(&of, Figure::MomentError), "no match, no moment");
    // The baskets are right all the same: that figure alone would not tell.
    assert_eq!(value(&of, Figure::BasketAccuracy), 1.0);
}

#[test]
fn unresolved_is_no_way_out() {
    let unsure = |seen: &Seen<'_>| {
        let mut event = event(&seen.id, "unresolved", Some(seen.item), seen.end + 50, seen.end + 250);
        event["data"]["change"] = json!(seen.kind);
        vec![event]
    };
    let at_nothing =
        |start: i64, _: i64, id: String| vec![event(&id, "unresolved", Some("a"), start + 500, start + 700)];
    let of = run(unsure, at_nothing);
    assert_eq!((value(&of, Figure::Recall), value(&of, Figure::Coverage)), (0.0, 0.0));
    assert_eq!(value(&of, Figure::UnresolvedRate), 1.0);
    assert_eq!(value(&of, Figure::Specificity), 0.0, "unresolved is not silence");
    // 36 that stand for nothing in 24 minutes; those that stand for a change are not false.
    assert_eq!(value(&of, Figure::FalsePerHour), 90.0);
    assert_eq!(value(&of, Figure::BasketAccuracy), 0.0);
    assert_eq!(value(&of, Figure::UnderchargedPer100), 100.0);
}

#[test]
fn silence_has_a_perfect_specificity_and_nothing_else() {
    let of = run(|_| vec![], silence);
    assert_eq!(value(&of, Figure::Specificity), 1.0);
    assert_eq!(
        (value(&of, Figure::Recall), value(&of, Figure::EventF1), value(&of, Figure::BasketAccuracy)),
        (0.0, 0.0, 0.0)
    );
    assert!(absent(&of, Figure::Precision), "of no events no share is right");
    assert!(absent(&of, Figure::CalibrationError));
}

#[test]
fn telling_everything_twice_costs_precision_and_money() {
    let twice = |seen: &Seen<'_>| {
        let second = event(&format!("{}-again", seen.id), seen.kind, Some(seen.item), seen.end, seen.end);
        [honest(seen), vec![second]].concat()
    };
    let of = run(twice, silence);
    assert_eq!((value(&of, Figure::Recall), value(&of, Figure::Precision)), (1.0, 0.5));
    assert!((value(&of, Figure::EventF1) - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(value(&of, Figure::FalsePerHour), 120.0);
    // b and c are charged twice; a went out as often as it came in.
    assert_eq!((value(&of, Figure::BasketAccuracy), value(&of, Figure::OverchargedPer100)), (0.0, 100.0));
    // The cheaper of the two is the match: the one at the very end.
    assert_eq!(value(&of, Figure::MomentError), 0.0);
}

#[test]
fn a_second_delivery_costs_nothing() {
    let again = |seen: &Seen<'_>| [honest(seen), honest(seen)].concat();
    let of = run(again, silence);
    assert_eq!((value(&of, Figure::EventF1), value(&of, Figure::BasketAccuracy)), (1.0, 1.0));
}

#[test]
fn speaking_at_every_hand_costs_specificity() {
    let at_nothing = |start: i64, end: i64, id: String| {
        // Within the episode, or a little after it.
        let at = if id.ends_with('0') { end + 900 } else { start + 1_000 };
        vec![event(&id, "added", Some("a"), at, at + 100)]
    };
    let of = run(honest, at_nothing);
    assert_eq!(value(&of, Figure::Specificity), 0.0);
    assert_eq!(value(&of, Figure::Recall), 1.0);
    assert_eq!(value(&of, Figure::FalsePerHour), 90.0);
}

#[test]
fn a_wrong_item_is_both_missed_and_false_but_the_right_action() {
    let wrong = |seen: &Seen<'_>| {
        let mut event = event(&seen.id, seen.kind, Some("x"), seen.end, seen.end);
        event["data"]["candidates"] = json!([{"id": "x", "p": 0.6}, {"id": seen.item, "p": 0.4}]);
        vec![event]
    };
    let of = run(wrong, silence);
    assert_eq!((value(&of, Figure::EventF1), value(&of, Figure::ActionF1)), (0.0, 1.0));
    assert_eq!((value(&of, Figure::IdentityAccuracy), value(&of, Figure::TopFive)), (0.0, 1.0));
    assert_eq!(value(&of, Figure::Coverage), 1.0);
    assert_eq!(value(&of, Figure::FalsePerHour), 120.0);
    // Sure (0.9) and never right.
    assert!((value(&of, Figure::CalibrationError) - 0.9).abs() < 1e-9);
}
