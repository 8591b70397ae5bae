//! The network camera in software, on a thread of its own.

use std::{
    net::TcpListener,
    thread::{self, JoinHandle},
};

pub use cartvision_rtsp::{Manner, Media};

/// Serves until the test's end.
pub fn serve(manner: Manner, media: Media) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || cartvision_rtsp::serve(&listener, manner, &media)))
}
