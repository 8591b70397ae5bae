//! Pictures in the device's memory: what one maps is a descriptor and no pixels, as with NVIDIA's. An element of the
//! CPU that gets one finds far too few bytes. A stand-in's picture is of one brightness, which stands in it.

use gstreamer as gst;

/// Of NVIDIA's `NvBufSurface` only that it is small.
pub const SIZE: usize = 64;
const MARK: &[u8] = b"NVMM";

/// A picture of this brightness.
pub fn surface(luma: u8) -> gst::Buffer {
    gst::Buffer::from_slice(described(luma))
}

/// The descriptor of one.
pub fn described(luma: u8) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..MARK.len()].copy_from_slice(MARK);
    bytes[MARK.len()] = luma;
    bytes
}

/// The brightness of the picture that this describes; `None` if these bytes are pixels.
pub fn luma(bytes: &[u8]) -> Option<u8> {
    (bytes.len() == SIZE && bytes.starts_with(MARK)).then(|| bytes[MARK.len()])
}
