//! A network camera as a process of its own, so that it can die: serves on this port of the loopback (0: any), and says which.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it stands for a camera")]

use std::net::{Ipv4Addr, TcpListener};

use cartvision_rtsp::{Manner, Media, serve};

fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    serve(&listener, Manner::PlaysOn, &Media::jpegs())
}
