//! Network cameras, against a small RTSP server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::TcpListener;

use cartvision_pipelines::{Fault, FrameSet, Pace, RtspUrl, Source, Taken, Transport, What};
use support::{
    rtsp::{Manner, Media, serve},
    *,
};

fn network(port: u16, credentials: &str) -> Source {
    let url = RtspUrl::new(format!("rtsp://{credentials}127.0.0.1:{port}/rim")).unwrap();
    Source::Rtsp { url, latency_ms: 0, transport: Transport::Tcp }
}

/// Frames until the camera fails, and how.
fn watch(set: &FrameSet) -> (u32, Fault) {
    let mut frames = 0;
    loop {
        match set.take(LONG) {
            Taken::Given { what: What::Frame(frame), .. } => {
                assert_eq!((frame.picture().width, frame.picture().height), (64, 48));
                frames += 1;
            }
            Taken::Given { what: What::Failed(_, error), .. } => {
                assert!(!error.to_string().contains("secret"), "{error}");
                return (frames, error.fault);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_network_camera_plays_is_lost_and_plays_again() {
    init();
    let (port, _server) = serve(Manner::Plays(40), Media::jpegs());
    let set = FrameSet::open(vec![camera("net", network(port, ""))], Pace::Live).unwrap();
    for _ in 0..2 {
        let (frames, fault) = watch(&set);
        assert!(frames > 5, "{frames}");
        assert!(matches!(fault, Fault::ConnectionLost { .. }), "{fault:?}");
        set.reopen(FIRST).unwrap();
    }
}

/// Its pictures do not say how long they last.
#[test]
fn a_network_camera_is_looked_at_less_often() {
    init();
    let (port, _server) = serve(Manner::Plays(100), Media::jpegs());
    let mut settings = camera("net", network(port, ""));
    settings.rate = Some(rate(10));
    let (frames, fault) = watch(&FrameSet::open(vec![settings], Pace::Live).unwrap());
    assert!(matches!(fault, Fault::ConnectionLost { .. }), "{fault:?}");
    assert!((3..40).contains(&frames), "of 100 packets at 50 pictures a second: {frames}");
}

#[test]
fn credentials_are_used_and_never_told() {
    init();
    let (port, _server) = serve(Manner::Guarded(40), Media::jpegs());
    let open = |credentials| {
        let set = FrameSet::open(vec![camera("net", network(port, credentials))], Pace::Live).unwrap();
        watch(&set)
    };
    let address = format!("rtsp://…@127.0.0.1:{port}/rim");
    assert_eq!(open("user:wrong-secret@"), (0, Fault::Unauthorized { address }));
    let (frames, fault) = open("user:secret@");
    assert!(frames > 5 && matches!(fault, Fault::ConnectionLost { .. }), "{frames} {fault:?}");
}

#[test]
fn a_camera_that_is_not_reached() {
    init();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (empty, _server) = serve(Manner::Empty, Media::jpegs());
    for port in [port, empty] {
        let set = FrameSet::open(vec![camera("net", network(port, "user:secret@"))], Pace::Live).unwrap();
        let (frames, fault) = watch(&set);
        let Fault::Unreachable { address, .. } = &fault else { panic!("{fault:?}") };
        assert_eq!((frames, address.as_str()), (0, format!("rtsp://…@127.0.0.1:{port}/rim").as_str()));
    }
}
