use std::collections::BTreeMap;

use super::*;
use crate::recording::Difficulty;

fn session(name: &str, split: Option<Split>, seed: u64, shopper: &str, look: (&str, u32)) -> Summary {
    Summary {
        name: name.to_owned(),
        generator: String::new(),
        split,
        seed,
        difficulty: Difficulty::Easy,
        style: "fast".to_owned(),
        shopper: shopper.to_owned(),
        light: "noon".to_owned(),
        duration_s: 1.0,
        cameras: 1,
        frames: 15,
        changes: BTreeMap::new(),
        episodes: 0,
        null_episodes: 0,
        acts: BTreeMap::new(),
        instances: vec![(look.0.to_owned(), look.1)],
        content: vec![name.to_owned()],
    }
}

#[test]
fn whatever_two_splits_share_is_found_and_nothing_else() {
    let (train, val) = (Some(Split::Train), Some(Split::Val));
    let base = session("a", train, 1, "fast-1", ("cola", 0));
    let same_content =
        Summary { content: vec!["a".to_owned()], ..session("b", val, 2, "fast-2", ("cola", 1)) };
    let cases = [
        ("nothing", session("b", val, 2, "fast-2", ("cola", 1)), None),
        ("a seed", session("b", val, 1, "fast-2", ("cola", 1)), Some(Shared::Seed(1))),
        ("a shopper", session("b", val, 2, "fast-1", ("cola", 1)), Some(Shared::Shopper("fast-1".into()))),
        ("a look", session("b", val, 2, "fast-2", ("cola", 0)), Some(Shared::Instance("cola".into(), 0))),
        ("content", same_content, Some(Shared::Content("a".into()))),
        ("all, in one split", Summary { name: "b".into(), ..base.clone() }, None),
        ("all, without a split", Summary { name: "b".into(), split: None, ..base.clone() }, None),
    ];
    for (name, other, expected) in cases {
        let found = find([&base, &other]);
        assert_eq!(found.first().map(|leak| leak.shared.clone()), expected, "{name}");
        for leak in found {
            assert_eq!((leak.sessions, leak.splits), (["a".into(), "b".into()], [Split::Train, Split::Val]));
        }
    }
}

#[test]
fn sessions_that_share_something_by_way_of_others_stay_together() {
    let mut set = vec![
        session("a", None, 1, "s1", ("x", 1)),
        session("b", None, 2, "s2", ("x", 1)),
        session("c", None, 3, "s2", ("x", 3)),
        session("d", None, 4, "s4", ("x", 4)),
        session("e", None, 5, "s5", ("x", 5)),
    ];
    assign(&mut set, [0.6, 0.2, 0.2]).unwrap();
    let splits: Vec<_> = set.iter().map(|s| s.split.unwrap()).collect();
    assert_eq!(splits, [Split::Train, Split::Train, Split::Train, Split::Val, Split::Test]);
    assert!(find(&set).is_empty());
}

#[test]
fn splits_that_sessions_carry_are_kept() {
    let mut set = vec![
        session("a", Some(Split::Test), 1, "s1", ("x", 1)),
        session("b", None, 2, "s1", ("x", 2)),
        session("c", None, 3, "s3", ("x", 3)),
        session("d", None, 4, "s4", ("x", 4)),
    ];
    assign(&mut set, [0.5, 0.25, 0.25]).unwrap();
    let splits: Vec<_> = set.iter().map(|s| s.split.unwrap()).collect();
    assert_eq!(splits, [Split::Test, Split::Test, Split::Train, Split::Val], "b goes with a");
    // Two that carry different splits and share something: kept, and told.
    let mut leak = vec![
        session("a", Some(Split::Test), 1, "s1", ("x", 1)),
        session("b", Some(Split::Train), 2, "s1", ("x", 2)),
        session("c", Some(Split::Val), 3, "s3", ("x", 3)),
    ];
    assign(&mut leak, [0.5, 0.25, 0.25]).unwrap();
    assert_eq!(find(&leak).len(), 1);
}

#[test]
fn a_set_in_one_piece_is_refused() {
    let mut set: Vec<_> =
        (0..9).map(|i| session(&format!("{i}"), None, i, "s1", ("x", u32::try_from(i).unwrap()))).collect();
    let error = assign(&mut set, [0.7, 0.15, 0.15]).unwrap_err().to_string();
    assert!(error.contains("of 9 sessions, 9 hang together"), "{error}");
    // Without the other splits it may be.
    assign(&mut set, [1.0, 0.0, 0.0]).unwrap();
}
