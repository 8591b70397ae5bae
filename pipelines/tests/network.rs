//! Network cameras, against a small RTSP server: one client, JPEG over RTP within the connection.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use cartvision_pipelines::{Fault, FrameSet, Pace, RtspUrl, Source, Taken, Transport, What};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as app;
use support::*;

/// What the server does.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Plays this many packets, then hangs up.
    Plays(usize),
    /// Wants `user` and `secret`, then plays so many packets.
    Guarded(usize),
    /// Has no such stream.
    Empty,
}

/// Serves one connection after another until its end is hung up on by the test's end.
fn serve(manner: Manner) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that hangs up midway is an everyday thing.
            let _ = answer(stream.unwrap(), manner);
        }
    });
    (port, server)
}

fn answer(mut out: TcpStream, manner: Manner) -> std::io::Result<()> {
    let mut input = BufReader::new(out.try_clone()?);
    loop {
        let mut request = Vec::new();
        loop {
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            request.push(line.trim().to_owned());
        }
        let Some(first) = request.first() else { continue };
        let field = |name: &str| request.iter().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim();
        let method = first.split(' ').next().unwrap_or_default();
        let cseq = field("CSeq:");
        // Base64 of user:secret.
        let allowed =
            !matches!(manner, Manner::Guarded(_)) || field("Authorization:") == "Basic dXNlcjpzZWNyZXQ=";
        let (status, rest) = match method {
            "OPTIONS" => ("200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n".to_owned()),
            _ if !allowed => {
                ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"camera\"\r\n\r\n".to_owned())
            }
            _ if manner == Manner::Empty => ("404 Not Found", "\r\n".to_owned()),
            "DESCRIBE" => {
                let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\na=control:*\r\n\
                           m=video 0 RTP/AVP 26\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:26 JPEG/90000\r\na=control:0\r\n";
                let length = sdp.len();
                ("200 OK", format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"))
            }
            "SETUP" => {
                ("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7\r\n\r\n".to_owned())
            }
            _ => ("200 OK", "Session: 7\r\n\r\n".to_owned()),
        };
        write!(out, "RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{rest}")?;
        match (method, manner) {
            ("PLAY", Manner::Plays(packets) | Manner::Guarded(packets)) => return play(&mut out, packets),
            ("TEARDOWN", _) => return Ok(()),
            _ => {}
        }
    }
}

/// Sends RTP as live as a camera does.
fn play(out: &mut TcpStream, packets: usize) -> std::io::Result<()> {
    let graph = "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,framerate=50/1 \
                 ! jpegenc ! rtpjpegpay ! appsink name=out sync=false";
    let pipeline = gst::parse::launch(graph).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let result = (0..packets).try_for_each(|_| {
        let sample = sink.pull_sample().unwrap();
        let packet = sample.buffer().unwrap().map_readable().unwrap();
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        out.write_all(&[&[b'$', 0], &length[..], &packet].concat())
    });
    pipeline.set_state(gst::State::Null).unwrap();
    result
}

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
    let (port, _server) = serve(Manner::Plays(40));
    let set = FrameSet::open(vec![camera("net", network(port, ""))], Pace::Live).unwrap();
    for _ in 0..2 {
        let (frames, fault) = watch(&set);
        assert!(frames > 5, "{frames}");
        assert!(matches!(fault, Fault::ConnectionLost { .. }), "{fault:?}");
        set.reopen(FIRST).unwrap();
    }
}

#[test]
fn credentials_are_used_and_never_told() {
    init();
    let (port, _server) = serve(Manner::Guarded(40));
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
    let (empty, _server) = serve(Manner::Empty);
    for port in [port, empty] {
        let set = FrameSet::open(vec![camera("net", network(port, "user:secret@"))], Pace::Live).unwrap();
        let (frames, fault) = watch(&set);
        let Fault::Unreachable { address, .. } = &fault else { panic!("{fault:?}") };
        assert_eq!((frames, address.as_str()), (0, format!("rtsp://…@127.0.0.1:{port}/rim").as_str()));
    }
}
