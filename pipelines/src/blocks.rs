//! What decodes, scales and converts on this machine: a Jetson's own blocks where GStreamer has them, else the CPU.
//!
//! Written to NVIDIA's published sources of these elements for JetPack 6 (GStreamer 1.20), to what `gst-inspect-1.0` says
//! on such a board, and to NVIDIA's notes on JetPack 7 (1.24); **never run on hardware**. `tests/jetson` holds it against
//! stand-ins.
//!
//! Deliberately absent: NV12 as what we are given, as no model takes it; pictures that stay in the device's memory up to
//! TensorRT.

use std::sync::OnceLock;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::{
    error::Fault,
    graph::{element, input, set},
};

/// What pictures in a Jetson's own memory carry in their caps. Only NVIDIA's elements can read them: mapped, they are a
/// descriptor.
pub(crate) const DEVICE_MEMORY: &str = "memory:NVMM";

/// What the graphs of this process are built of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub scaler: Scaler,
    pub jpeg: Jpeg,
    pub encoder: JpegEncoder,
}

/// What scales and converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scaler {
    /// A Jetson's image processor: from its own memory or ours to RGBA in ours, in one pass.
    Nvvidconv,
    /// `videoscale` and `videoconvert`.
    Cpu,
}

/// What decodes a USB camera's JPEGs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jpeg {
    /// With `mjpeg`, a property that NVIDIA's source has for a Tegra's own decoder alone. On Thor, where it says that
    /// this decoder takes no JPEGs, we take it to be missing.
    Nvv4l2decoder,
    /// A Jetson's other way to that block. The second choice: users report that it may give its first picture for ever.
    Nvjpegdec,
    /// On the CPU.
    Jpegdec,
}

/// What makes stills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JpegEncoder {
    /// A Jetson's JPEG block, which takes pictures in its own memory.
    Nvjpegenc,
    /// On the CPU.
    Jpegenc,
}

impl Blocks {
    /// Those of this machine, looked at once, when GStreamer runs.
    pub fn here() -> Self {
        static HERE: OnceLock<Blocks> = OnceLock::new();
        *HERE.get_or_init(Self::found)
    }

    fn found() -> Self {
        // A PC with DeepStream has these decoders without this converter: nothing of ours could read what they give.
        if gst::ElementFactory::find("nvvidconv").is_none() {
            return Self { scaler: Scaler::Cpu, jpeg: Jpeg::Jpegdec, encoder: JpegEncoder::Jpegenc };
        }
        let has_jpeg_block = gst::ElementFactory::make("nvv4l2decoder")
            .build()
            .is_ok_and(|decoder| decoder.find_property("mjpeg").is_some());
        // GStreamer's own elements of these names, which a Jetson may have too, are for another kind of memory.
        let nvjpegdec = gst::ElementFactory::find("nvjpegdec").is_some_and(|f| gives_device_memory(&f));
        let nvjpegenc = gst::ElementFactory::find("nvjpegenc")
            .is_some_and(|f| has_device_memory(&f, gst::PadDirection::Sink));
        let encoder = if nvjpegenc { JpegEncoder::Nvjpegenc } else { JpegEncoder::Jpegenc };
        let jpeg = match (has_jpeg_block, nvjpegdec) {
            (true, _) => Jpeg::Nvv4l2decoder,
            (false, true) => Jpeg::Nvjpegdec,
            (false, false) => Jpeg::Jpegdec,
        };
        Self { scaler: Scaler::Nvvidconv, jpeg, encoder }
    }

    /// The elements that make JPEGs of what comes to the scaler, each picture in its own size.
    pub fn stills(self) -> Result<Vec<gst::Element>, Fault> {
        let encoder = element(self.encoder.name())?;
        let i420 = gst::Caps::builder("video/x-raw").field("format", "I420");
        let i420 = match (self.scaler, self.encoder) {
            (Scaler::Cpu, _) => return Ok(vec![element("videoconvert")?, encoder]),
            // It takes little from our own memory, and copies that.
            (Scaler::Nvvidconv, JpegEncoder::Nvjpegenc) => in_device_memory(i420),
            (Scaler::Nvvidconv, JpegEncoder::Jpegenc) => i420.build(),
        };
        let (convert, filter) = (element("nvvidconv")?, filter(&i420)?);
        let sized = filter.clone();
        // It converts and scales: the size that it gives is the one that it gets.
        input(&convert)?.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && let gst::EventView::Caps(event) = event.view()
                && let Some(s) = event.caps().structure(0)
            {
                let mut caps = i420.clone();
                for side in ["width", "height"] {
                    if let Ok(pixels) = s.value(side) {
                        caps.make_mut().set_value(side, pixels.clone());
                    }
                }
                sized.set_property("caps", caps);
            }
            gst::PadProbeReturn::Ok
        });
        Ok(vec![convert, filter, encoder])
    }

    /// Whether `decodebin` may take this element for such a stream. NVIDIA's have the highest ranks, so they are asked
    /// first. JPEGs are left to the CPU: of the two that would take them one wants to be told, and both want caps
    /// after them that `decodebin` does not set.
    pub fn may_decode(self, factory: &gst::ElementFactory, stream: &gst::CapsRef) -> bool {
        let jpeg = stream.structure(0).is_some_and(|s| s.name() == "image/jpeg");
        !gives_device_memory(factory) || (self.scaler == Scaler::Nvvidconv && !jpeg)
    }
}

/// The elements that scale and convert, and the format they are asked for.
pub(crate) struct Scaling {
    pub elements: Vec<gst::Element>,
    pub format: &'static str,
}

impl Scaling {
    /// Turns pictures in the device's memory upright, as these tags say; gives whether they lie on their side. `None`:
    /// the tags say nothing of it.
    pub fn turn(&self, tags: &gst::TagListRef) -> Option<bool> {
        let scaler = self.elements.first()?;
        let (method, on_its_side) = match tags.get::<gst::tags::ImageOrientation>()?.get() {
            "rotate-90" => ("clockwise", true),
            "rotate-180" => ("rotate-180", false),
            "rotate-270" => ("counterclockwise", true),
            // Mirrored ones are taken as they are: no camera of a cart makes them.
            _ => ("none", false),
        };
        if let Err(fault) = set(scaler, "flip-method", method) {
            tracing::warn!(%fault, "a recording stays as it lies");
            return None;
        }
        Some(on_its_side)
    }
}

impl Scaler {
    /// Its elements.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nvvidconv => "nvvidconv",
            Self::Cpu => "videoscale, videoconvert",
        }
    }

    /// The elements that scale and convert, and the format they are asked for.
    ///
    /// Measured on x86-64, 640x360 I420 → 416x234, CPU per frame beyond decoding (medians of seven interleaved runs),
    /// relative to scale-then-convert to RGBx (0.40 ms): to RGB 1.3; convert-then-scale 1.5 (RGBx) and 2.3 (RGB);
    /// `videoconvertscale`, which 1.20 lacks besides, 2.9 (RGB); two threads 2.0 (RGB). RGBA, which has the same
    /// layout, is also what a Jetson gives.
    pub fn elements(self) -> Result<Scaling, Fault> {
        match self {
            Self::Nvvidconv => {
                let convert = element("nvvidconv")?;
                // As on the CPU; left to itself it takes the nearest pixel.
                set(&convert, "interpolation-method", "Bilinear")?;
                Ok(Scaling { elements: vec![convert], format: "RGBA" })
            }
            Self::Cpu => {
                let scale = element("videoscale")?;
                // The fitted size is the picture's aspect to the pixel; borders would move every box.
                scale.set_property("add-borders", false);
                scale.set_property_from_str("method", "bilinear");
                let elements = vec![scale, element("videoconvert")?];
                Ok(Scaling { elements, format: "RGBx" })
            }
        }
    }

    /// What pictures in our own memory go through before the scaler; on the CPU nothing, as its elements take anything.
    /// `nvvidconv` takes few formats, and of those not grey, which it says to and cannot convert to colour. The
    /// converter does nothing for the others, the cameras' usual ones among them.
    pub fn adapter(self) -> Result<Vec<gst::Element>, Fault> {
        match self {
            Self::Cpu => Ok(Vec::new()),
            Self::Nvvidconv => {
                let formats = ["NV12", "I420", "YUY2", "UYVY", "YVYU", "Y42B", "Y444", "BGRx", "RGBA"];
                let caps = gst::Caps::builder("video/x-raw").field("format", gst::List::new(formats)).build();
                Ok(vec![element("videoconvert")?, filter(&caps)?])
            }
        }
    }
}

impl Jpeg {
    /// Its element.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nvv4l2decoder => "nvv4l2decoder",
            Self::Nvjpegdec => "nvjpegdec",
            Self::Jpegdec => "jpegdec",
        }
    }

    /// The elements that decode a camera's JPEGs, and whether what they give lies in the device's memory.
    ///
    /// No `jpegparse`: `v4l2src` gives whole pictures, and it would put times of its own in place of theirs.
    pub fn elements(self) -> Result<(Vec<gst::Element>, bool), Fault> {
        let decoder = element(self.name())?;
        if self == Self::Nvv4l2decoder {
            set(&decoder, "mjpeg", "true")?;
        }
        match self {
            Self::Jpegdec => Ok((vec![decoder], false)),
            // Without these caps `nvjpegdec` may give pictures in ours.
            _ => Ok((vec![decoder, filter(&in_device_memory(gst::Caps::builder("video/x-raw")))?], true)),
        }
    }
}

impl JpegEncoder {
    /// Its element. Its quality is left at 85, the default of both.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nvjpegenc => "nvjpegenc",
            Self::Jpegenc => "jpegenc",
        }
    }
}

/// These caps, in the device's memory.
pub(crate) fn in_device_memory(caps: gst::caps::Builder<gst::caps::NoFeature>) -> gst::Caps {
    caps.features([DEVICE_MEMORY]).build()
}

/// Whether pictures with these caps may lie in the device's memory.
pub(crate) fn may_be_device_memory(caps: &gst::CapsRef) -> bool {
    caps.iter_with_features().any(|(_, features)| features.contains(DEVICE_MEMORY))
}

/// A `capsfilter` with these caps.
pub(crate) fn filter(caps: &gst::Caps) -> Result<gst::Element, Fault> {
    let filter = element("capsfilter")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

fn gives_device_memory(factory: &gst::ElementFactory) -> bool {
    has_device_memory(factory, gst::PadDirection::Src)
}

fn has_device_memory(factory: &gst::ElementFactory, direction: gst::PadDirection) -> bool {
    factory
        .static_pad_templates()
        .iter()
        .any(|pad| pad.direction() == direction && may_be_device_memory(&pad.caps()))
}
