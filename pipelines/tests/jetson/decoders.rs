//! Stand-ins for `nvv4l2decoder` and `nvjpegdec`. The first's caps, properties and rank are those of NVIDIA's source for
//! JetPack 6 (gst-nvvideo4linux2, © 2018-2024), the second's those of its documentation and source. They look at how a
//! picture begins, decode nothing, and give pictures of [`brightness`] in the device's memory.

use std::sync::{
    LazyLock, Mutex,
    atomic::{AtomicU64, Ordering},
};

use gstreamer::{self as gst, glib, prelude::*, subclass::prelude::*};
use gstreamer_video::{self as video, prelude::*, subclass::prelude::*};

use crate::{
    machine::{Machine, Seen, saw, stand_in, tried},
    settings::Settings,
    support::brightness,
    surface::surface,
};

pub fn register() {
    stand_in::<Nvv4l2decoder>("nvv4l2decoder", gst::Rank::PRIMARY + 11);
    stand_in::<Nvjpegdec>("nvjpegdec", gst::Rank::PRIMARY + 15);
}

fn about(name: &'static str) -> gst::subclass::ElementMetadata {
    gst::subclass::ElementMetadata::new(name, "Codec/Decoder/Video", "A stand-in", "Us")
}

pub fn pads(sink: &str, src: &str) -> Vec<gst::PadTemplate> {
    let pad = |name, direction, caps: &str| {
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps.parse().unwrap()).unwrap()
    };
    vec![pad("sink", gst::PadDirection::Sink, sink), pad("src", gst::PadDirection::Src, src)]
}

/// The stream that is decoded, and how many of its pictures were.
#[derive(Default)]
struct Stream {
    media: Mutex<Option<String>>,
    given: AtomicU64,
}

impl Stream {
    /// Says what comes out: pictures of this format in the device's memory.
    fn begin(
        &self,
        decoder: &impl IsA<video::VideoDecoder>,
        (element, set): (&'static str, String),
        input: &video::VideoCodecState<'static, video::video_codec_state::Readable>,
        format: video::VideoFormat,
    ) -> Result<(), gst::LoggableError> {
        let refused = |what: &str| gst::loggable_error!(gst::CAT_RUST, "{}", what);
        let caps = input.caps_owned().ok_or_else(|| refused("no caps"))?;
        let s = caps.structure(0).ok_or_else(|| refused("no caps"))?;
        *self.media.lock().unwrap() = Some(s.name().to_string());
        let (width, height) = (input.info().width(), input.info().height());
        let mut state = decoder
            .set_output_state(format, width, height, Some(input))
            .map_err(|_| refused("no output of this size"))?;
        let mut output = state.info().to_caps().map_err(|e| refused(&e.message))?;
        output.make_mut().set_features(0, Some(gst::CapsFeatures::new(["memory:NVMM"])));
        state.set_caps(&output);
        decoder.negotiate(state).map_err(|_| refused("nobody takes pictures in the device's memory"))?;
        saw(Seen { element, set, input: Some(caps.clone()), output });
        Ok(())
    }

    fn decode(
        &self,
        decoder: &impl IsA<video::VideoDecoder>,
        mut frame: video::VideoCodecFrame<'_>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let media = self.media.lock().unwrap().clone().ok_or(gst::FlowError::NotNegotiated)?;
        let begin: &[&[u8]] = match media.as_str() {
            "image/jpeg" => &[&[0xff, 0xd8]],
            "video/x-h264" | "video/x-h265" => &[&[0, 0, 1], &[0, 0, 0, 1]],
            _ => &[&[]],
        };
        let input = frame.input_buffer_owned().ok_or(gst::FlowError::Error)?;
        let bytes = input.map_readable().map_err(|_| gst::FlowError::Error)?;
        if !begin.iter().any(|begin| bytes.starts_with(begin)) {
            gst::element_error!(
                decoder.upcast_ref::<video::VideoDecoder>(),
                gst::StreamError::Decode,
                ["this is no {media}"]
            );
            return Err(gst::FlowError::Error);
        }
        frame.set_output_buffer(surface(brightness(self.given.fetch_add(1, Ordering::Relaxed))));
        decoder.finish_frame(frame)
    }
}

#[derive(Default)]
pub struct V4l2 {
    settings: Settings,
    stream: Stream,
}

#[glib::object_subclass]
impl ObjectSubclass for V4l2 {
    const NAME: &'static str = "StandInNvv4l2decoder";
    type Type = Nvv4l2decoder;
    type ParentType = video::VideoDecoder;
}

glib::wrapper! {
    pub struct Nvv4l2decoder(ObjectSubclass<V4l2>) @extends video::VideoDecoder, gst::Element, gst::Object;
}

impl ObjectImpl for V4l2 {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let flag = |name| glib::ParamSpecBoolean::builder(name).build();
            let number = |name, most| glib::ParamSpecUInt::builder(name).maximum(most).build();
            let mut all = vec![number("drop-frame-interval", 30), number("num-extra-surfaces", 55)];
            // NVIDIA's source installs these where the decoder is the Tegra's own, and others for GPUs. That Thor has the others
            // is our guess.
            all.extend(match Machine::here() {
                Machine::Orin | Machine::Bare => vec![
                    flag("disable-dpb"),
                    flag("enable-full-frame"),
                    flag("enable-frame-type-reporting"),
                    flag("mjpeg"),
                    flag("enable-error-check"),
                    flag("enable-max-performance"),
                ],
                Machine::Thor | Machine::Desk => vec![number("gpu-id", u32::MAX), flag("low-latency-mode")],
            });
            all
        });
        &ALL
    }

    fn set_property(&self, _: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.settings.set(value, pspec);
    }

    fn property(&self, _: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.settings.get(pspec)
    }
}

impl GstObjectImpl for V4l2 {}

impl ElementImpl for V4l2 {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static ABOUT: LazyLock<gst::subclass::ElementMetadata> =
            LazyLock::new(|| about("NVIDIA v4l2 video decoder"));
        Some(&ABOUT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PADS: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pads(
                "image/jpeg; video/x-h264,stream-format=byte-stream,alignment=au; \
                 video/x-h265,stream-format=byte-stream,alignment=au; video/x-av1; video/x-vp8; \
                 video/x-vp9,width=[1,2147483647],height=[1,2147483647]",
                "video/x-raw(memory:NVMM),width=[1,2147483647],height=[1,2147483647],framerate=[0/1,2147483647/1]",
            )
        });
        &PADS
    }
}

impl VideoDecoderImpl for V4l2 {
    fn set_format(
        &self,
        input: &video::VideoCodecState<'static, video::video_codec_state::Readable>,
    ) -> Result<(), gst::LoggableError> {
        tried("nvv4l2decoder");
        let decoder = self.obj();
        let mjpeg = decoder.find_property("mjpeg").is_some() && decoder.property::<bool>("mjpeg");
        let jpeg = input
            .caps_owned()
            .is_some_and(|caps| caps.structure(0).is_some_and(|s| s.name() == "image/jpeg"));
        if jpeg != mjpeg {
            return Err(gst::loggable_error!(
                gst::CAT_RUST,
                "mjpeg is {mjpeg} and the stream says otherwise"
            ));
        }
        let set = format!("mjpeg={mjpeg}");
        self.stream.begin(&*decoder, ("nvv4l2decoder", set), input, video::VideoFormat::Nv12)
    }

    fn handle_frame(&self, frame: video::VideoCodecFrame<'_>) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.stream.decode(&*self.obj(), frame)
    }
}

#[derive(Default)]
pub struct Jpeg {
    stream: Stream,
}

#[glib::object_subclass]
impl ObjectSubclass for Jpeg {
    const NAME: &'static str = "StandInNvjpegdec";
    type Type = Nvjpegdec;
    type ParentType = video::VideoDecoder;
}

glib::wrapper! {
    pub struct Nvjpegdec(ObjectSubclass<Jpeg>) @extends video::VideoDecoder, gst::Element, gst::Object;
}

impl ObjectImpl for Jpeg {}
impl GstObjectImpl for Jpeg {}

impl ElementImpl for Jpeg {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static ABOUT: LazyLock<gst::subclass::ElementMetadata> =
            LazyLock::new(|| about("JPEG image decoder"));
        Some(&ABOUT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PADS: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pads(
                "image/jpeg",
                "video/x-raw(memory:NVMM),format={I420,GRAY8,NV12,YUY2,Y42B,Y444,RGBA}; video/x-raw,format=I420",
            )
        });
        &PADS
    }
}

impl VideoDecoderImpl for Jpeg {
    /// The format is the camera's: most send 4:2:2.
    fn set_format(
        &self,
        input: &video::VideoCodecState<'static, video::video_codec_state::Readable>,
    ) -> Result<(), gst::LoggableError> {
        tried("nvjpegdec");
        // The real one has a choice then, and users report that nothing comes of it.
        let asked = self.obj().static_pad("src").and_then(|pad| pad.allowed_caps());
        if asked.is_none_or(|asked| asked.iter_with_features().any(|(_, f)| !f.contains("memory:NVMM"))) {
            return Err(gst::loggable_error!(gst::CAT_RUST, "pictures in either memory are asked for"));
        }
        self.stream.begin(&*self.obj(), ("nvjpegdec", String::new()), input, video::VideoFormat::Y42b)
    }

    fn handle_frame(&self, frame: video::VideoCodecFrame<'_>) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.stream.decode(&*self.obj(), frame)
    }
}
