use std::{collections::BTreeMap, sync::Mutex, thread};

use proptest::prelude::*;

use super::*;

const CAMERA: CameraId = CameraId::new(0).unwrap();
const LONG: Duration = Duration::from_secs(20);

fn at(ns: u64) -> MediaTime {
    MediaTime { ns }
}

fn fault(what: &str) -> Fault {
    Fault::Settings(what.into())
}

fn board(lossless: bool, cameras: usize) -> Board<u64> {
    Board::new(lossless, &vec![(LONG, LONG); cameras])
}

/// Camera and payload of a frame.
fn frame(took: Took<u64>) -> (usize, u64) {
    match took {
        Took::Frame { camera, payload, .. } => (camera.index(), payload),
        other => panic!("{other:?}"),
    }
}

#[test]
fn live_the_newest_wins() {
    let board = board(false, 1);
    for n in 0..5 {
        assert_eq!(board.put(CAMERA, 0, at(n), n), Put::Kept);
    }
    let took = board.take(LONG);
    assert_eq!(took, Took::Frame { ticket: 0, camera: CAMERA, index: 4, at: at(4), payload: 4 });
    assert_eq!(board.take(Duration::ZERO), Took::Idle);
    let Tally { delivered, dropped, .. } = board.tally(CAMERA);
    assert_eq!((delivered, dropped), (1, 4));
}

#[test]
fn live_the_oldest_waiting_frame_goes_first() {
    let board = board(false, 3);
    for (camera, ns) in [(2, 30), (0, 20), (1, 10)] {
        board.put(CameraId::new(camera).unwrap(), 0, at(ns), ns);
    }
    let order: Vec<_> = (0..3).map(|_| frame(board.take(LONG))).collect();
    assert_eq!(order, [(1, 10), (0, 20), (2, 30)]);
}

#[test]
fn live_cameras_share_what_is_looked_at_evenly() {
    // At 30, 15 and 10 frames a second; every 40 ms one frame is looked at.
    let board = board(false, 3);
    let mut looked = [0; 3];
    for ms in 0..8000_u64 {
        for (camera, every) in [(0, 33), (1, 66), (2, 100)] {
            if ms % every == 0 {
                board.put(CameraId::new(camera).unwrap(), 0, at(ms * 1_000_000), ms);
            }
        }
        if ms % 40 == 0
            && let Took::Frame { camera, .. } = board.take(Duration::ZERO)
        {
            looked[camera.index()] += 1;
        }
    }
    assert!(looked.iter().max().unwrap() - looked.iter().min().unwrap() <= 2, "{looked:?}");
}

#[test]
fn a_limit_holds_for_each_live_camera_and_is_met() {
    let board = board(false, 2);
    board.space(Span::from_ms(100));
    let mut looked = [0; 2];
    let mut run = |from: u64| {
        looked = [0; 2];
        for ms in from..from + 4000 {
            for (camera, every) in [(0, 33), (1, 250)] {
                if ms % every == 0 {
                    board.put(CameraId::new(camera).unwrap(), 0, at(ms * 1_000_000), ms);
                }
            }
            while let Took::Frame { camera, .. } = board.take(Duration::ZERO) {
                looked[camera.index()] += 1;
            }
        }
        looked
    };
    let [fast, slow] = run(0);
    assert!((38..=42).contains(&fast), "10 a second: {fast}");
    assert_eq!(slow, 16, "it is slower than the limit");
    board.space(Span::ZERO);
    let [fast, _] = run(4000);
    assert!((120..=122).contains(&fast), "as they come: {fast}");
}

/// A frame that a limit holds back does not hide that no other comes.
#[test]
fn silence_is_heard_under_a_limit() {
    let board = Board::new(false, &[(LONG, Duration::from_millis(50))]);
    board.space(Span::from_ms(9_000));
    board.put(CAMERA, 0, at(1), 1);
    board.put(CAMERA, 0, at(2), 2);
    loop {
        match board.take(LONG) {
            Took::Frame { .. } => {}
            Took::Closed { how: Err(Fault::Silent { .. }), .. } => break,
            other => panic!("{other:?}"),
        }
    }
}

/// Whether such a frame is of any use is for others to say: here none is held back for good.
#[test]
fn times_that_go_back_hold_up_nothing() {
    for (lossless, spacing) in [(true, 0), (false, 0), (false, 100)] {
        let board = board(lossless, 1);
        board.space(Span::from_ms(spacing));
        for ms in [60_000, 5, 200_000, 3] {
            board.put(CAMERA, 0, at(ms * 1_000_000), ms);
            assert_eq!(frame(board.take(LONG)), (0, ms), "lossless: {lossless}, {spacing} ms apart");
        }
    }
}

#[test]
fn losslessly_nothing_goes_before_all_are_known() {
    let board = board(true, 2);
    board.put(CameraId::new(1).unwrap(), 0, at(5), 5);
    assert_eq!(board.take(Duration::ZERO), Took::Idle);
    board.put(CAMERA, 0, at(5), 6);
    // Of equal moments, the camera named first.
    assert_eq!(frame(board.take(LONG)), (0, 6));
    assert_eq!(board.take(Duration::ZERO), Took::Idle);
    board.close(CAMERA, 0, Ok(()));
    assert!(matches!(board.take(LONG), Took::Closed { camera: CAMERA, how: Ok(()), .. }));
    assert_eq!(frame(board.take(LONG)), (1, 5));
}

#[test]
fn a_replay_gives_the_good_frames_before_a_failure() {
    let board = board(true, 1);
    thread::scope(|scope| {
        scope.spawn(|| {
            board.put(CAMERA, 0, at(0), 0);
            board.doom(CAMERA, 0, fault("damaged"));
            // Decoded before the failure.
            board.put(CAMERA, 0, at(1), 1);
            board.close(CAMERA, 0, Ok(()));
        });
        assert_eq!(frame(board.take(LONG)), (0, 0));
        assert_eq!(frame(board.take(LONG)), (0, 1));
        let Took::Closed { how, .. } = board.take(LONG) else { panic!("not closed") };
        assert_eq!(how, Err(fault("damaged")));
        assert_eq!(board.take(LONG), Took::Over);
    });
}

#[test]
fn a_failure_without_an_end_is_told_all_the_same() {
    let board = board(true, 1);
    board.put(CAMERA, 0, at(0), 0);
    board.doom(CAMERA, 0, fault("damaged"));
    assert_eq!(frame(board.take(LONG)), (0, 0));
    assert!(matches!(board.take(LONG), Took::Closed { how: Err(_), .. }));
}

#[test]
fn too_late_is_a_failure() {
    for lossless in [false, true] {
        let board = Board::<u64>::new(lossless, &[(Duration::ZERO, LONG)]);
        let Took::Closed { how, .. } = board.take(LONG) else { panic!("not closed") };
        assert_eq!(how, Err(Fault::NoFrame { waited: Duration::ZERO }));
        assert_eq!(board.put(CAMERA, 0, at(0), 0), Put::Unwanted);
    }
}

#[test]
fn a_graph_that_was_given_up_is_not_heard() {
    let board = board(false, 1);
    assert_eq!(board.reopen(CAMERA), None, "it runs");
    board.close(CAMERA, 0, Err(fault("lost")));
    assert!(matches!(board.take(LONG), Took::Closed { run: 0, .. }));
    assert_eq!(board.reopen(CAMERA), Some(1));
    assert_eq!(board.put(CAMERA, 0, at(0), 0), Put::Unwanted);
    board.close(CAMERA, 0, Err(fault("lost again")));
    board.put(CAMERA, 1, at(9), 9);
    assert_eq!(frame(board.take(LONG)), (0, 9));
}

#[test]
fn stopping_wakes_everybody() {
    let board = board(true, 2);
    board.put(CAMERA, 0, at(0), 0);
    thread::scope(|scope| {
        let producer = scope.spawn(|| board.put(CAMERA, 0, at(1), 1));
        let taker = scope.spawn(|| board.take(Duration::from_secs(3600)));
        board.stop();
        assert_eq!(producer.join().unwrap(), Put::Unwanted);
        assert_eq!(taker.join().unwrap(), Took::Over);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the takers and the threads' luck: the order is that of the recordings, and nothing is lost.
    #[test]
    fn tickets_are_in_media_order(
        gaps in prop::collection::vec(prop::collection::vec(1_u64..5, 0..20), 1..4),
        takers in 1_usize..4,
    ) {
        let recordings: Vec<Vec<u64>> = gaps
            .iter()
            .map(|gaps| gaps.iter().scan(0, |ns, gap| { *ns += gap; Some(*ns) }).collect())
            .collect();
        let mut expected: Vec<(u64, usize)> = Vec::new();
        for (camera, times) in recordings.iter().enumerate() {
            expected.extend(times.iter().map(|ns| (*ns, camera)));
        }
        expected.sort_unstable();

        let board = board(true, recordings.len());
        let given = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for (camera, times) in recordings.iter().enumerate() {
                let board = &board;
                scope.spawn(move || {
                    for ns in times {
                        assert_eq!(board.put(CameraId::new(camera).unwrap(), 0, at(*ns), *ns), Put::Kept);
                    }
                    board.close(CameraId::new(camera).unwrap(), 0, Ok(()));
                });
            }
            for _ in 0..takers {
                scope.spawn(|| loop {
                    let (ticket, what) = match board.take(LONG) {
                        Took::Frame { ticket, camera, at, .. } => (ticket, Some((at.ns, camera.index()))),
                        Took::Closed { ticket, .. } => (ticket, None),
                        Took::Over => return,
                        Took::Idle => panic!("nothing came"),
                    };
                    assert_eq!(given.lock().unwrap().insert(ticket, what), None, "a ticket came twice");
                });
            }
        });
        let given = given.into_inner().unwrap();
        prop_assert!(given.keys().copied().eq(0..given.len() as u64));
        prop_assert_eq!(given.len(), expected.len() + recordings.len());
        prop_assert_eq!(given.into_values().flatten().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_live_camera_that_falls_silent_has_failed_and_a_recording_has_not() {
    let short = Duration::from_millis(30);
    let board = Board::new(false, &[(LONG, short)]);
    board.put(CAMERA, 0, at(1), 1);
    assert_eq!(frame(board.take(LONG)), (0, 1));
    let took = board.take(LONG);
    let how = Err(Fault::Silent { waited: short });
    assert_eq!(took, Took::Closed { ticket: 1, camera: CAMERA, run: 0, how });
    assert_eq!(board.put(CAMERA, 0, at(2), 2), Put::Unwanted, "until it is opened again");
    assert_eq!(board.reopen(CAMERA), Some(1));
    board.put(CAMERA, 1, at(3), 3);
    assert_eq!(frame(board.take(LONG)), (0, 3));

    // A frame that nobody has taken yet is not silence.
    let board = Board::new(false, &[(LONG, short)]);
    board.put(CAMERA, 0, at(1), 1);
    thread::sleep(short * 2);
    assert_eq!(frame(board.take(LONG)), (0, 1));

    let recording = Board::new(true, &[(LONG, short)]);
    recording.put(CAMERA, 0, at(1), 1);
    assert_eq!(frame(recording.take(LONG)), (0, 1));
    assert_eq!(recording.take(short * 3), Took::Idle);
}
