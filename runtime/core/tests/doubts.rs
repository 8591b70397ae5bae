//! What a classifier is unsure of, it is asked about again while more pictures come; and what it need not be asked
//! about at all.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod sights;

use cartvision_core::{
    ActProbabilities, Change, Decision, MediaTime, Outcome, Question, Settings, Span, analytic,
};
use sights::{decided, decided_with, hand, item};

const HERE: (f32, f32) = (0.4, 0.5);
const NEAR: (f32, f32) = (0.43, 0.56);
const THERE: (f32, f32) = (0.6, 0.4);

/// An answer that gives the change this probability.
fn answer(question: &Question, p: f32) -> ActProbabilities {
    match question.change {
        Change::Added => ActProbabilities { none: 1.0 - p, added: p, removed: 0.0 },
        Change::Removed => ActProbabilities { none: 1.0 - p, added: 0.0, removed: p },
    }
}

/// An item appears in place at 3.0 s; the answers to what is asked about it, one after the other, the last one again
/// and again. Gives when it was asked, in ms, and what was decided.
fn doubted(answers: &[f32]) -> (Vec<u64>, Vec<Decision>) {
    let mut asked = vec![];
    let see = |_, picture| if picture >= 30 { vec![item(7, HERE)] } else { vec![] };
    let decisions = decided(1, see, |question, at: MediaTime| {
        asked.push(at.as_ms());
        answer(question, answers[(asked.len() - 1).min(answers.len() - 1)])
    });
    (asked, decisions)
}

#[test]
fn table() {
    let Settings { accept, reject, sure, patience, .. } = Settings::default();
    let unsure = (reject + accept) / 2.0;
    let likely = (accept + sure) / 2.0;
    // The moment is when it lay still, 3.0 s; it is asked about when it has lain for long enough, 3.6 s.
    let last = 3000 + patience.ns / 1_000_000;
    type Expected<'a> = (&'a str, &'a [f32], &'a [u64], Option<Outcome>);
    let every: Vec<u64> = (3600..=last).step_by(200).collect();
    let unresolved = Outcome::Unresolved { change: Change::Added };
    let cases: [Expected<'_>; 6] = [
        ("sure at once", &[sure], &[3600], Some(Outcome::Added)),
        ("sure at the third look", &[unsure, unsure, sure], &[3600, 3800, 4000], Some(Outcome::Added)),
        ("hopeless at the second", &[likely, 0.01], &[3600, 3800], None),
        ("likely to the end", &[likely], &every, Some(Outcome::Added)),
        ("unsure to the end", &[unsure], &every, Some(unresolved)),
        ("unlikely to the end", &[reject - 0.01], &every, None),
    ];
    for (name, answers, expected, outcome) in cases {
        let (asked, decisions) = doubted(answers);
        assert_eq!(asked, expected, "{name}");
        let outcomes: Vec<Outcome> = decisions.iter().map(|d| d.outcome).collect();
        assert_eq!(outcomes, Vec::from_iter(outcome), "{name}");
        assert!(decisions.iter().all(|d| d.moment == MediaTime::from_ms(3000)), "{name}: {decisions:?}");
    }
}

#[test]
fn what_is_put_where_something_else_lay_does_not_become_it() {
    // A hand takes one item from its place and puts another one there, while nobody sees the place.
    let see = |_, picture| match picture {
        0..30 => vec![item(7, HERE)],
        30..34 => vec![hand(HERE)],
        _ => vec![item(8, NEAR)],
    };
    let mut asked = vec![];
    decided(1, see, |question, _| {
        asked.push((question.change, question.item.map(|class| class.0)));
        analytic::classify(question)
    });
    asked.dedup();
    assert!(asked.contains(&(Change::Added, Some(8))), "{asked:?}");
    assert!(!asked.contains(&(Change::Removed, Some(8))), "{asked:?}");
}

#[test]
fn an_item_that_is_shifted_under_a_hand_is_the_same_one() {
    // Too far for its box to be followed: its like is found where nothing lay, and its own place is empty.
    for to in [NEAR, THERE] {
        let see = |_, picture| match picture {
            0..30 => vec![item(7, HERE)],
            30..40 => vec![hand(HERE)],
            _ => vec![item(7, to)],
        };
        let decisions = decided(1, see, |question, _| answer(question, 0.95));
        assert_eq!(decisions, [], "to {to:?}");
    }
}

/// An item that is put in where it is looked at ten times a second, and three times.
#[test]
fn what_is_seen_too_seldom_is_unresolved() {
    let put_in = |_: usize, picture: u64| {
        let y = 0.05 + 0.45 * (picture.clamp(20, 60) - 20) as f32 / 40.0;
        let held = (picture < 64).then(|| hand((0.4, y)));
        (picture >= 20).then(|| item(7, (0.4, y))).into_iter().chain(held).collect()
    };
    let never = Settings { slowest: Span::ZERO, ..Settings::default() };
    let cases: [(Settings, &[u64], bool); 5] = [
        (Settings::default(), &[1], true),
        (Settings::default(), &[3], false),
        (Settings::default(), &[3, 3], false),
        (Settings::default(), &[3, 1], true),
        (never, &[3], true),
    ];
    for (settings, one_in, sure) in cases {
        let decisions = decided_with(settings, one_in, put_in, |question, _| answer(question, 0.95));
        let outcomes: Vec<_> = decisions.iter().map(|d| d.outcome).collect();
        let expected = if sure { Outcome::Added } else { Outcome::Unresolved { change: Change::Added } };
        assert_eq!(outcomes, [expected], "{one_in:?}");
    }
}
