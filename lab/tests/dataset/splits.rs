//! Splits: assigned, proved, and what is said when they leak.

use serde_json::json;

use crate::recorded::*;

#[test]
fn sessions_without_a_split_are_given_one_that_exports_take() {
    let place = Place::new();
    let set = place.set("set", &[1, 2, 3].map(|number| sketch(number, None)));
    let (set, file) = (set.to_str().unwrap(), place.text("splits.json"));
    let refused = cartlab(&["export", "--sessions", set, "--format", "chat", "--out", &place.text("out")]);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("hand-01 belongs to no split") && text.contains("cartlab dataset split"), "{text}");

    let said = good(&["split", "--sessions", set, "--out", &file, "--shares", "0.4,0.3,0.3"]);
    assert_eq!((&said["leaks"], said["sessions"].as_object().unwrap().len()), (&json!([]), 3));
    for split in ["train", "val", "test"] {
        assert_eq!(said["splits"][split]["sessions"], 1, "{said}");
        assert_eq!(said["splits"][split]["null_episodes"], 1);
    }
    good(&["split", "--sessions", set, "--out", &file, "--check"]);
    let out = place.text("out");
    let made = good(&["export", "--sessions", set, "--splits", &file, "--format", "chat", "--out", &out]);
    assert_eq!(made["splits"].as_object().unwrap().len(), 3);
    // A file that is there is not written over.
    let again = cartlab(&["split", "--sessions", set, "--out", &file]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("it is there already"));
}

#[test]
fn leaks_name_both_sessions_and_what_they_share() {
    for (name, change, expected) in [
        ("seed", (|s: &mut Sketch| s.seed = 1) as fn(&mut Sketch), "share the seed 1"),
        ("shopper", |s: &mut Sketch| s.shopper = "fast-1".into(), "share the shopper fast-1"),
        ("look", |s: &mut Sketch| s.variant = 1, "share the item 111 in its look 1"),
    ] {
        let place = Place::new();
        let mut other = sketch(2, Some("test"));
        change(&mut other);
        let set = place.set("set", &[sketch(1, Some("train")), other, sketch(3, Some("val"))]);
        let set = set.to_str().unwrap();
        let sentence = format!("hand-01 (train) and hand-02 (test) {expected}");

        let proved = cartlab(&["split", "--sessions", set, "--check"]);
        let text = String::from_utf8_lossy(&proved.stdout).into_owned();
        assert_eq!(proved.status.code(), Some(1), "{name}: {text}");
        assert!(text.contains(&sentence), "{name}: {text}");
        // Nothing is written, nothing is exported, and the check says it too.
        let file = place.text("splits.json");
        assert_eq!(cartlab(&["split", "--sessions", set, "--out", &file]).status.code(), Some(1));
        let export = cartlab(&["export", "--sessions", set, "--format", "chat", "--out", &place.text("out")]);
        assert_eq!(export.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&export.stderr).contains(&sentence), "{name}");
        assert_eq!(place.names(), ["set"]);
        let checked = cartlab(&["check", "--sessions", set]);
        assert_eq!(checked.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&checked.stdout).contains(&sentence), "{name}");
    }
}
