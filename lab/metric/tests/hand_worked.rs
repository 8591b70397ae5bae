//! Sessions small enough to be worked by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;

use cartvision_metric::{Figure, Group, Rule, Session, Tally, breakdowns, confusions, worst};
use serde_json::{Value, json};
use support::{change, episode, event, session};

/// Adds keys to an event's data.
fn with(mut event: Value, more: Value) -> Value {
    let data = event["data"].as_object_mut().unwrap();
    data.extend(more.as_object().unwrap().clone());
    event
}

fn tally(truth: &[Value], events: &[Value]) -> Tally {
    session("s", 60.0, truth, events).outcome().tally
}

#[test]
fn acts_that_fall_together_keep_their_items() {
    // Both hands at once: a ends at 5.6, b at 5.7, and their moments lie the other way round.
    let truth =
        [change("added", Some("a"), 5_000, 5_600, None), change("added", Some("b"), 5_000, 5_700, None)];
    let events = [event("1", "added", Some("a"), 5_680, 5_900), event("2", "added", Some("b"), 5_600, 5_900)];
    let t = tally(&truth, &events);
    assert_eq!((t.matched, t.action_matched, t.right_items), (2, 2, 2));
    assert!((t.moment_error - 0.18).abs() < 1e-9);
    // With a wrong item among them the other one is still right.
    let events = [event("1", "added", Some("a"), 5_680, 5_900), event("2", "added", Some("x"), 5_600, 5_900)];
    let t = tally(&truth, &events);
    assert_eq!((t.matched, t.action_matched, t.right_items), (1, 2, 1));
}

#[test]
fn an_early_event_may_be_needed_elsewhere() {
    // Event 1 fits both changes and lies at the first one's end; event 2 fits the first only. Taking the closest pair
    // first would lose one.
    let truth =
        [change("added", Some("a"), 1_000, 2_000, None), change("added", Some("a"), 1_500, 2_500, None)];
    let events = [event("1", "added", Some("a"), 2_000, 2_100), event("2", "added", Some("a"), 1_200, 2_100)];
    let t = tally(&truth, &events);
    assert_eq!((t.matched, t.false_acts), (2, 0));
    assert!((t.moment_error - (0.8 + 0.5)).abs() < 1e-9);
}

#[test]
fn unresolved_acts_stand_for_what_nobody_else_speaks_of() {
    let truth = [
        change("added", Some("a"), 1_000, 2_000, Some(0)),
        episode(0, 500, 3_000, &["add"], 1),
        change("removed", Some("b"), 11_000, 12_000, Some(1)),
        episode(1, 10_500, 13_000, &["remove"], 1),
        change("added", None, 21_000, 22_000, Some(2)),
        episode(2, 20_500, 23_000, &["add-unknown"], 1),
    ];
    let unresolved = |id, item, at, change: &str, asked: &str| {
        with(
            event(id, "unresolved", item, at, at + 100),
            json!({"change": change, "decided_by": asked, "confidence": 0.4}),
        )
    };
    let events = [
        // The first change is told; what is unresolved beside it stands for nothing.
        event("1", "added", Some("a"), 2_050, 2_200),
        unresolved("2", Some("a"), 2_100, "added", "edge"),
        // The wrong kind; the right one, whose guess is right; too late a decision.
        unresolved("3", Some("b"), 12_000, "added", "edge"),
        unresolved("4", Some("b"), 12_100, "removed", "cloud"),
        with(unresolved("5", None, 22_000, "added", "edge"), json!({"decided_media_time_ms": 24_001})),
        // Nobody can say.
        unresolved("6", Some("q"), 22_100, "unknown", "edge"),
    ];
    let session = session("s", 60.0, &truth, &events);
    let outcome = session.outcome();
    let t = outcome.tally;
    assert_eq!((t.changes, t.events, t.matched), (3, 1, 1));
    assert_eq!((t.unresolved, t.false_acts, t.escalated), (2, 3, 1));
    let right: Vec<_> = outcome.decisions.iter().map(|d| d.right).collect();
    assert_eq!(right, [true, false, false, true, false, false], "by the best guess, of every act");
    // Every act belongs to the episode it speaks of.
    let episodes: Vec<_> = session.scored.acts.iter().map(|a| a.episode).collect();
    assert_eq!(episodes, [Some(0), Some(0), Some(1), Some(1), Some(2), Some(2)]);
}

#[test]
fn figures_before_the_cloud() {
    let truth =
        [change("added", Some("a"), 1_000, 2_000, None), change("added", Some("b"), 11_000, 12_000, None)];
    let events = [
        event("1", "added", Some("a"), 2_000, 2_100),
        with(event("2", "added", Some("b"), 12_000, 13_500), json!({"decided_by": "cloud"})),
    ];
    let after = session("s", 60.0, &truth, &events);
    let t = after.outcome().tally;
    assert_eq!((t.matched, t.escalated, t.unresolved, t.right_baskets), (2, 1, 0, 1));
    let t = after.without_cloud(Rule::default()).outcome().tally;
    assert_eq!((t.matched, t.escalated, t.unresolved, t.right_baskets), (1, 1, 1, 0));
}

#[test]
fn a_null_episode_is_silent_unless_something_false_falls_into_it() {
    let base = [
        change("added", Some("a"), 1_000, 2_000, Some(0)),
        episode(0, 500, 3_000, &["add"], 1),
        episode(1, 2_800, 5_000, &["hand-in-out"], 0),
        episode(2, 8_000, 9_000, &["shadow"], 0),
    ];
    for (moment, item, silent, words) in [
        (2_900, "a", 2, "in both, but it is the first one's match"),
        (2_900, "x", 2, "the wrong item of the first one's change"),
        (3_100, "a", 1, "too late for the change, in the second"),
        (5_900, "x", 1, "a little after the second"),
        (6_100, "x", 2, "in none"),
        (8_500, "x", 1, "in the third"),
    ] {
        let event = event("1", "added", Some(item), moment, moment);
        let t = tally(&base, &[event]);
        assert_eq!((t.null_episodes, t.silent_episodes), (2, silent), "{moment} {item}: {words}");
    }
    let by_hand = tally(
        &base[..1]
            .iter()
            .map(|c| {
                let mut c = c.clone();
                c["episode"] = json!(null);
                c
            })
            .collect::<Vec<_>>(),
        &[],
    );
    assert_eq!(by_hand.null_episodes, 0, "no episodes, nothing to say about them");
}

fn group<'a>(groups: &'a [Group], name: &str) -> &'a Group {
    groups.iter().find(|g| g.name == name).unwrap()
}

fn shown(group: &Group, figure: Figure) -> Option<f64> {
    group.figures.iter().find(|e| e.figure == figure).unwrap().value
}

fn two_sessions() -> Vec<Session> {
    let truth = [
        change("added", Some("a"), 1_000, 2_000, Some(0)),
        change("removed", Some("b"), 1_500, 2_500, Some(0)),
        episode(0, 500, 3_500, &["swap"], 2),
        episode(1, 10_000, 12_000, &["shadow"], 0),
        change("added", Some("b"), 21_000, 22_000, Some(2)),
        episode(2, 20_000, 23_000, &["add"], 1),
    ];
    let first = [
        event("1", "added", Some("a2"), 2_000, 2_100),
        event("2", "removed", Some("b"), 2_500, 2_600),
        event("3", "added", Some("b"), 22_450, 22_600),
        event("4", "added", Some("q"), 40_000, 40_100),
    ];
    let second =
        [event("1", "added", Some("a2"), 2_000, 2_100), event("2", "added", Some("b"), 11_000, 11_100)];
    let mut sessions = vec![session("first", 60.0, &truth, &first), session("second", 60.0, &truth, &second)];
    for (session, light) in sessions.iter_mut().zip(["day", "dim"]) {
        session.traits.insert("light".into(), light.into());
    }
    sessions
}

#[test]
fn tables_by_kind_act_item_and_trait() {
    let labels = BTreeMap::from([("a".to_owned(), "Apple".to_owned())]);
    let tables = breakdowns(&two_sessions(), &labels);
    let names: Vec<_> = tables.iter().map(|t| t.by.as_str()).collect();
    assert_eq!(names, ["kind", "act", "item", "light"]);
    let of = |by: &str| tables.iter().find(|t| t.by == by).unwrap();

    let added = group(&of("kind").groups, "added");
    assert_eq!((added.changes, shown(added, Figure::Recall)), (4, Some(0.25)));
    // 5 events say added, 1 matches: 2 / (4 + 5).
    assert_eq!(shown(added, Figure::EventF1), Some(2.0 / 9.0));

    let (swap, shadow) = (group(&of("act").groups, "swap"), group(&of("act").groups, "shadow"));
    assert_eq!((swap.sessions, swap.changes, shown(swap, Figure::Recall)), (2, 4, Some(0.25)));
    assert_eq!((shadow.null_episodes, shown(shadow, Figure::Specificity)), (2, Some(0.5)));
    assert_eq!(shown(shadow, Figure::Recall), None);

    let (a, b) = (group(&of("item").groups, "a"), group(&of("item").groups, "b"));
    assert_eq!((a.label.as_deref(), shown(a, Figure::IdentityAccuracy)), (Some("Apple"), Some(0.0)));
    assert_eq!((b.changes, shown(b, Figure::Recall)), (4, Some(0.5)));

    let light = &of("light").groups;
    assert_eq!((light.len(), shown(group(light, "day"), Figure::EventF1)), (2, Some(4.0 / 7.0)));
    assert_eq!(shown(group(light, "dim"), Figure::BasketAccuracy), Some(0.0));
}

#[test]
fn twins_that_are_confused_are_named() {
    let twins = ["a", "a2"].map(|item| (item.to_owned(), "apples".to_owned())).into();
    let (all, of_twins) = confusions(&two_sessions(), &twins);
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].truth.as_str(), all[0].said.as_str(), all[0].count, all[0].twins),
        ("a", "a2", 2, true)
    );
    assert_eq!((of_twins.confused, of_twins.of), (2, 2));
    let (all, of_twins) = confusions(&two_sessions(), &BTreeMap::new());
    assert!(!all[0].twins);
    assert_eq!((of_twins.of, of_twins.interval), (0, None));
}

#[test]
fn the_worst_stretch_comes_first() {
    let sessions = two_sessions();
    let all = worst(&sessions, 10);
    let shown: Vec<_> = all.iter().map(|w| (w.session, w.episode, w.missed, w.extra)).collect();
    // The swap with nothing right but a hand's shadow: two missed and one false; then two errors; then one; then a
    // moment that is 0.45 s off.
    assert_eq!(
        shown,
        [
            (1, Some(0), 2, 1),
            (0, Some(0), 1, 1),
            (0, None, 0, 1),
            (1, Some(1), 0, 1),
            (1, Some(2), 1, 0),
            (0, Some(2), 0, 0)
        ]
    );
    assert_eq!((all[0].changes.len(), all[0].acts.len()), (2, 1));
    assert!((all[5].moment_error - 0.45).abs() < 1e-9);
    assert_eq!(worst(&sessions, 2).len(), 2);

    // Without episodes: stretches around changes and acts, joined where they overlap.
    let truth =
        [change("added", Some("a"), 1_000, 2_000, None), change("added", Some("b"), 3_500, 4_000, None)];
    let events = [event("1", "added", Some("q"), 30_000, 30_100)];
    let sessions = [session("s", 60.0, &truth, &events)];
    let shown: Vec<_> = worst(&sessions, 9).iter().map(|w| (w.start, w.end, w.errors())).collect();
    assert_eq!(shown, [(0.0, 5.0, 2), (29.0, 31.0, 1)]);
}
