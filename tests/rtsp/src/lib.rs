//! A network camera in software, for tests: an RTSP server for one client at a time, RTP within the connection.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as app;

/// What the camera does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Plays for as long as somebody looks.
    PlaysOn,
    /// Plays this many packets, then hangs up.
    Plays(usize),
    /// Wants `user` and `secret`, then plays so many packets.
    Guarded(usize),
    /// Has no such stream.
    Empty,
}

/// What it plays.
#[derive(Clone, Debug)]
pub struct Media {
    /// Payload type.
    pub payload: u8,
    /// `encoding/clock`.
    pub rtpmap: &'static str,
    /// A graph that ends in a payloader, as live as a camera.
    pub graph: String,
}

impl Media {
    /// Moving pictures of 64x48, each a JPEG.
    pub fn jpegs() -> Self {
        let graph = "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,framerate=50/1 \
                     ! jpegenc ! rtpjpegpay";
        Self { payload: 26, rtpmap: "JPEG/90000", graph: graph.into() }
    }
}

/// Serves one connection after another.
///
/// # Panics
/// When the listener fails, or GStreamer.
pub fn serve(listener: &TcpListener, manner: Manner, media: &Media) -> ! {
    gst::init().unwrap();
    loop {
        let (client, _) = listener.accept().unwrap();
        // A client that hangs up midway is an everyday thing.
        _ = answer(client, manner, media);
    }
}

fn answer(mut out: TcpStream, manner: Manner, media: &Media) -> std::io::Result<()> {
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
                let Media { payload, rtpmap, .. } = media;
                let sdp = format!(
                    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\na=control:*\r\n\
                     m=video 0 RTP/AVP {payload}\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:{payload} {rtpmap}\r\na=control:0\r\n"
                );
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
            ("PLAY", Manner::PlaysOn) => return play(&mut out, usize::MAX, media),
            ("PLAY", Manner::Plays(packets) | Manner::Guarded(packets)) => {
                return play(&mut out, packets, media);
            }
            ("TEARDOWN", _) => return Ok(()),
            _ => {}
        }
    }
}

/// Sends that many packets of RTP, or as many as there are.
fn play(out: &mut TcpStream, packets: usize, media: &Media) -> std::io::Result<()> {
    let graph = format!("{} ! appsink name=out", media.graph);
    let pipeline = gst::parse::launch(&graph).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples = std::iter::from_fn(|| sink.pull_sample().ok()).take(packets);
    let result = samples.into_iter().try_for_each(|sample| {
        let packet = sample.buffer().unwrap().map_readable().unwrap();
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        out.write_all(&[&[b'$', 0], &length[..], &packet].concat())
    });
    pipeline.set_state(gst::State::Null).unwrap();
    result
}
