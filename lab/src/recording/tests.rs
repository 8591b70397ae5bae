//! Every fault that the reader knows, planted once in a sound session.

use std::fs;

use cartvision_core::Point;
use tempfile::{TempDir, tempdir};

use super::{
    boxes::{Seen, Thing},
    session::Split,
    *,
};

const SOUND: [(&str, &str); 6] = [
    (
        SESSION,
        r#"{"format":1,"name":"normal-000042","generator":"hand","seed":42,"difficulty":"normal","style":"fast",
"shopper":"fast-3","light":"noon","split":"train","duration":0.2,"fps":15,"width":640,"height":360,"new":true,
"cameras":[{"name":"rim-left","file":"rim-left.mp4","frames":3,
"frames_sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
"calibration":{"fx":500,"fy":500,"cx":320,"cy":180,"k1":0,"k2":0,"rotation":[1,0,0,0,1,0,0,0,1],"position":[0,0,1]}}],
"instances":[{"track":3,"id":"1","label":"Cola red","variant":2},{"track":4,"id":null,"label":"phone","variant":0}]}"#,
    ),
    (
        CATALOGUE,
        r#"{"items":[{"id":"1","label":"Cola red","shape":"can","size_mm":[66,66,115],"twin_of":null},
{"id":"2","label":"Cola blue","shape":"can","size_mm":[66,66,115],"twin_of":"1"},
{"id":"3","label":"Cola gold","shape":"can","size_mm":[66,66,115],"twin_of":"1"},
{"id":"4","label":"Bread","shape":"box","size_mm":[200,100,100]}]}"#,
    ),
    (
        TRUTH,
        r#"{"kind":"episode","episode":0,"start":0.0,"end":0.2,"acts":["add","add-unknown"],"changes":2}
{"kind":"added","id":"1","label":"Cola red","start":0.0,"end":0.1,"track":3,"episode":0,"where":"left"}
{"kind":"removed","id":null,"label":"unknown","start":0.1,"end":0.15,"track":4,"episode":0}
"#,
    ),
    (
        BOXES,
        r#"{"camera":"rim-left","frame":1,"time":0.067,"boxes":[]}

{"camera":"rim-left","frame":0,"time":0.0,"boxes":[{"track":3,"role":"item","id":"1","label":"Cola red","box":[10,20,30.5,360],"visibility":0.93,"held":true},{"track":9,"role":"hand","id":null,"label":"hand","box":[0,0,640,10],"visibility":1}]}
{"camera":"rim-left","frame":2,"time":0.133,"boxes":[{"track":4,"role":"unknown","id":null,"label":"unknown","box":[1,2,3,4],"visibility":0.5,"held":false}]}
"#,
    ),
    (ZONES, "[zones]\nrim-left = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]\n"),
    ("rim-left.mp4", "a video, as far as the reader looks"),
];

/// The sound session with one text replaced in one file; an empty text to replace stands for the whole file.
fn session(file: &str, old: &str, new: &str) -> TempDir {
    let place = tempdir().unwrap();
    for (name, content) in SOUND {
        let content = match (name == file, old) {
            (false, _) => content.to_owned(),
            (true, "") => new.to_owned(),
            (true, _) => {
                assert!(content.contains(old), "{old:?} is in {file}");
                content.replacen(old, new, 1)
            }
        };
        fs::write(place.path().join(name), content).unwrap();
    }
    place
}

#[test]
fn a_sound_session_is_read() {
    let place = session("", "", "");
    let recording = Recording::open(place.path()).unwrap();
    assert_eq!((recording.session.seed, recording.session.split), (42, Some(Split::Train)));
    let changes: Vec<_> = recording.truth.changes.iter().map(|c| (c.kind.name(), c.id.as_deref())).collect();
    assert_eq!(changes, [("added", Some("1")), ("removed", None)]);
    assert_eq!(recording.truth.episodes[0].acts, ["add", "add-unknown"]);
    assert!(recording.zones[0].contains(Point { x: 0.5, y: 0.5 }));
    assert_eq!([recording.catalogue.twins(0), recording.catalogue.twins(1)], [vec![1, 2], vec![0, 2]]);
    assert!(recording.catalogue.twins(3).is_empty());

    let views = recording.views().unwrap();
    assert_eq!(views[0].iter().map(|view| view.frame).collect::<Vec<_>>(), [0, 1, 2], "in order");
    let can = Seen {
        track: 3,
        thing: Thing::Item(0),
        bounds: [10.0, 20.0, 30.5, 360.0],
        visibility: 0.93,
        held: true,
    };
    assert_eq!(views[0][0].boxes[0], can);
    assert_eq!(views[0][0].boxes[1].thing, Thing::Hand);
    assert_eq!(views[0][2].boxes[0].thing, Thing::Unknown);
}

#[test]
fn every_fault_is_told_with_its_place() {
    let cases = [
        (SESSION, "\"format\":1", "\"format\":2", "session.json: format 2 is not understood"),
        (SESSION, "normal-000042", "../up", "\"../up\" is no name that files could have"),
        (SESSION, "\"frames\":3", "\"frames\":0", "camera rim-left has no frame"),
        (SESSION, "\"seed\":42,", "", "missing field `seed`"),
        (SESSION, "", "{", "session.json:1: EOF"),
        (SESSION, "\"light\":\"noon\"", "\"light\":noon", "session.json:2: expected"),
        (SESSION, "\"normal\"", "\"odd\"", "unknown variant `odd`"),
        (SESSION, "\"duration\":0.2", "\"duration\":-1", "a duration of -1 s"),
        (SESSION, "\"fps\":15", "\"fps\":0", "0 frames a second"),
        (SESSION, "\"height\":360", "\"height\":0", "640x0 pixels"),
        (SESSION, "\"width\":640", "\"width\":64000", "64000x360 pixels are none, or larger"),
        (SESSION, "\"frames\":3", "\"frames\":9", "9 frames are not 0.2 s at 15 frames a second (3)"),
        (SESSION, "\"file\":\"rim-left.mp4\"", "\"file\":\"../rim-left.mp4\"", "no name of a file"),
        (SESSION, "\"name\":\"rim-left\"", "\"name\":\"rim/left\"", "'/'"),
        (SESSION, "[1,0,0,0,1,0,0,0,1]", "[1,0,0,0,1,0,0,0,2]", "not orthonormal"),
        (SESSION, "\"fx\":500", "\"fx\":0", "focal lengths of 0"),
        (SESSION, "ba7816", "xx7816", "64 hexadecimal digits"),
        (SESSION, "\"track\":4", "\"track\":3", "track 3 is in instances twice"),
        (SESSION, "\"id\":\"1\"", "\"id\":\"7\"", "the item 7, which the catalogue does not have"),
        (CATALOGUE, "", "{\"items\":[]}", "holds no item"),
        (CATALOGUE, "\"id\":\"4\"", "\"id\":\"1\"", "the id 1 belongs to two items"),
        (CATALOGUE, "Cola blue", "Cola red", "the label \"Cola red\" belongs to two items"),
        (CATALOGUE, "\"twin_of\":\"1\"", "\"twin_of\":\"9\"", "the twin of 9, which"),
        (CATALOGUE, "\"twin_of\":\"1\"", "\"twin_of\":\"2\"", "its own twin"),
        (CATALOGUE, "[66,66,115]", "[66,0,115]", "measures"),
        (CATALOGUE, "\"shape\":\"can\",", "", "catalogue.json:1: missing field `shape`"),
        (TRUTH, "\"start\":0.1", "\"start\":0.16", "truth.jsonl:3: from 0.16 s to 0.15 s"),
        (TRUTH, "\"end\":0.15", "\"end\":15", "truth.jsonl:3: it ends at 15 s, but the videos end at 0.2 s"),
        (TRUTH, "\"id\":\"1\"", "\"id\":\"5\"", "truth.jsonl:2: the catalogue has no item 5"),
        (TRUTH, "\"label\":\"unknown\"", "\"label\":\"phone\"", "\"phone\" has no id"),
        (TRUTH, "\"track\":3", "\"track\":5", "no instance with track 5"),
        (TRUTH, "\"track\":3", "\"track\":4", "track 4 is unknown in session.json"),
        (TRUTH, "\"track\":4,\"episode\":0", "\"track\":4,\"episode\":1", "there is no episode 1"),
        (TRUTH, "\"changes\":2", "\"changes\":1", "to hold 1 changes and has 2"),
        (TRUTH, "\"kind\":\"removed\"", "\"kind\":\"moved\"", "truth.jsonl:3: unknown variant `moved`"),
        (TRUTH, "0.15", "NaN", "truth.jsonl:3: expected"),
        (ZONES, "", "[zones\n", "zones.toml:1: "),
        (ZONES, "rim-left", "rim-right", "no camera rim-right"),
        (ZONES, "[0.5, 0.9]", "[0.5, 1.9]", "outside the picture"),
        ("rim-left.mp4", "", "", "the video is empty"),
        (BOXES, "rim-left", "rim-right", "boxes.jsonl:1: session.json has no camera rim-right"),
        (BOXES, "\"frame\":1,", "\"frame\":3,", "boxes.jsonl:1: there is no frame 3"),
        (BOXES, "\"frame\":1,\"time\":0.067", "\"frame\":0,\"time\":0", "boxes.jsonl:3: frame 0"),
        (BOXES, "0.067", "0.2", "is not at 0.2 s but at 0.067 s"),
        (
            BOXES,
            "{\"camera\":\"rim-left\",\"frame\":1,\"time\":0.067,\"boxes\":[]}",
            "",
            "the first is frame 1",
        ),
        (BOXES, "[1,2,3,4]", "[3,2,1,4]", "boxes.jsonl:4: track 4 (unknown): the box"),
        (BOXES, "[1,2,3,4]", "[1,2,3,364]", "out of the frame of 640x360"),
        (BOXES, "[1,2,3,4]", "[1,2,3,NaN]", "boxes.jsonl:4: expected value (column "),
        (BOXES, "[1,2,3,4]", "[1,2,3]", "invalid length 3"),
        (BOXES, "\"visibility\":0.5", "\"visibility\":5", "a visibility of 5"),
        (BOXES, "\"id\":\"1\"", "\"id\":\"6\"", "the catalogue has no item 6"),
        (BOXES, "\"id\":\"1\"", "\"id\":\"2\"", "this track is 1 in session.json"),
        (BOXES, "\"id\":\"1\"", "\"id\":null", "an item has an id"),
        (BOXES, "\"track\":4", "\"track\":8", "no instance with this track"),
        (BOXES, "\"track\":9", "\"track\":3", "track 3 is here twice"),
    ];
    let mut wrong = vec![];
    for (file, old, new, expected) in cases {
        let place = session(file, old, new);
        let said = match Recording::read(place.path()) {
            Ok(recording) => {
                let boxes = recording.boxes().unwrap().filter_map(Result::err).flatten();
                let faults: Vec<_> =
                    recording.faults().into_iter().chain(boxes).map(|f| f.to_string()).collect();
                assert_eq!(
                    Recording::open(place.path()).and_then(|r| r.views().map(drop)).is_ok(),
                    faults.is_empty()
                );
                faults.join("\n")
            }
            Err(error) => error.to_string(),
        };
        if !said.contains(expected) || !said.contains(file) {
            wrong.push(format!("{file}, {old:?} → {new:?}: {said}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn missing_files_are_named() {
    for (name, _) in SOUND.iter().filter(|(name, _)| *name != SESSION) {
        let place = session("", "", "");
        fs::remove_file(place.path().join(name)).unwrap();
        let error = Recording::open(place.path()).and_then(|r| r.views().map(drop)).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn a_set_is_its_complete_sessions() {
    let place = tempdir().unwrap();
    assert!(matches!(Set::open(place.path()), Err(RecordingError::EmptySet { .. })));
    assert!(matches!(Set::open(&place.path().join("x")), Err(RecordingError::Unreadable { .. })));
    for name in ["b", "a", ".half", "empty"] {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    for name in ["b", "a", ".half"] {
        fs::write(place.path().join(name).join(SESSION), "{}").unwrap();
    }
    let set = Set::open(place.path()).unwrap();
    assert_eq!(set.directories(), [place.path().join("a"), place.path().join("b")]);
    assert_eq!(set.strangers(), [place.path().join("empty")]);
    assert_eq!(Set::open(&place.path().join("a")).unwrap().directories(), [place.path().join("a")]);
}

#[test]
fn a_truth_made_by_hand_needs_labels_and_times_alone() {
    let place = tempdir().unwrap();
    let file = place.path().join("truth.jsonl");
    fs::write(
        &file,
        "{\"kind\":\"removed\",\"label\":\"bottle\",\"start\":6.4,\"end\":7.2,\"where\":\"left\"}\n",
    )
    .unwrap();
    let truth = truth::read(&file).unwrap();
    assert_eq!(
        (truth.changes.len(), truth.changes[0].label.as_str(), truth.changes[0].end),
        (1, "bottle", 7.2)
    );
}

#[test]
fn a_line_without_end_is_not_swallowed() {
    let place = session(BOXES, "", &"x".repeat(3 << 20));
    let recording = Recording::open(place.path()).unwrap();
    let faults: Vec<_> = recording.boxes().unwrap().filter_map(Result::err).flatten().collect();
    assert!(faults[0].what.contains("longer than"), "{faults:?}");
    assert_eq!(faults.len(), 2, "nothing is read after it, and all frames are missing");
}
