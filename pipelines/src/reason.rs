//! From what an element says on the bus to what it means.

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::{error::Fault, settings::Source};

/// Where decoders come from.
pub(crate) const CODECS: &str = "gstreamer1.0-libav (or gstreamer1.0-plugins-good, -bad, -ugly)";

/// What an error on the bus means for a camera of this kind. `playing`: it has given pictures. `missing`: what
/// GStreamer said before to have no plugin for.
pub(crate) fn of(
    error: &gst::message::Error,
    source: &Source,
    playing: bool,
    missing: Option<String>,
) -> Fault {
    use gst::{CoreError as Core, ResourceError as Resource, StreamError as Stream};

    let element = error.src().map_or_else(|| "pipeline".into(), |s| s.name().to_string());
    let error = error.error();
    let reason = without_credentials(error.message(), source);
    if error.matches(Core::MissingPlugin) || error.matches(Stream::CodecNotFound) {
        return Fault::MissingPlugin { what: missing.unwrap_or(reason), package: CODECS };
    }
    match source {
        Source::File { path, .. } => {
            if error.matches(Stream::TypeNotFound) || error.matches(Stream::WrongType) {
                Fault::NotMedia { element, reason }
            } else if error.matches(Resource::NotFound) {
                Fault::NoSuchFile { path: path.clone() }
            } else if error.matches(Resource::OpenRead) || error.matches(Resource::NotAuthorized) {
                Fault::Unreadable { path: path.clone(), reason }
            } else if error.is::<Stream>() || error.is::<Resource>() {
                Fault::Damaged { element, reason }
            } else {
                Fault::Element { element, reason }
            }
        }
        Source::Rtsp { url, .. } => {
            if error.matches(Resource::NotAuthorized) {
                Fault::Unauthorized { address: url.to_string() }
            } else if playing {
                Fault::ConnectionLost { element, reason }
            } else {
                Fault::Unreachable { address: url.to_string(), element, reason }
            }
        }
        Source::V4l2 { device, .. } => {
            if playing {
                Fault::ConnectionLost { element, reason }
            } else if error.matches(Resource::NotFound) {
                Fault::DeviceMissing { device: device.clone() }
            } else if error.matches(Resource::Busy) {
                Fault::DeviceBusy { device: device.clone() }
            } else {
                Fault::Element { element, reason }
            }
        }
        Source::Csi { .. } if playing => Fault::ConnectionLost { element, reason },
        Source::Csi { .. } | Source::Test { .. } => Fault::Element { element, reason },
    }
}

/// `text` with the camera's user and password blotted out.
pub(crate) fn without_credentials(text: &str, source: &Source) -> String {
    let Source::Rtsp { url, .. } = source else { return text.into() };
    let Some(credentials) = url.credentials() else { return text.into() };
    let mut text = text.replace(credentials, "…");
    if let Some((_, password)) = credentials.split_once(':').filter(|(_, password)| !password.is_empty()) {
        text = text.replace(password, "…");
    }
    text
}
