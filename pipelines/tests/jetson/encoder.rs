//! A stand-in for `nvjpegenc`, with the caps of NVIDIA's source for JetPack 6 and no properties, as we set none. What it
//! gives is the picture's brightness between a JPEG's first and last two bytes.

use std::sync::LazyLock;

use gstreamer::{self as gst, glib, prelude::*, subclass::prelude::*};
use gstreamer_video::{self as video, prelude::*, subclass::prelude::*};

use crate::{
    decoders::pads,
    machine::{Seen, saw, stand_in},
    surface,
};

pub fn register() {
    stand_in::<Nvjpegenc>("nvjpegenc", gst::Rank::PRIMARY);
}

#[derive(Default)]
pub struct Imp;

#[glib::object_subclass]
impl ObjectSubclass for Imp {
    const NAME: &'static str = "StandInNvjpegenc";
    type Type = Nvjpegenc;
    type ParentType = video::VideoEncoder;
}

glib::wrapper! {
    pub struct Nvjpegenc(ObjectSubclass<Imp>) @extends video::VideoEncoder, gst::Element, gst::Object;
}

impl ObjectImpl for Imp {}
impl GstObjectImpl for Imp {}

impl ElementImpl for Imp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static ABOUT: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "JPEG image encoder",
                "Codec/Encoder/Image",
                "A stand-in",
                "Us",
            )
        });
        Some(&ABOUT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PADS: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let size = "width=[1,2147483647],height=[1,2147483647],framerate=[0/1,2147483647/1]";
            pads(
                &format!(
                    "video/x-raw(memory:NVMM),format={{I420,NV12}},{size};video/x-raw,format={{I420,YV12,GRAY8}},{size}"
                ),
                "image/jpeg,width=[16,65535],height=[16,65535],framerate=[0/1,2147483647/1],sof-marker={0,1,2,9}",
            )
        });
        &PADS
    }
}

impl VideoEncoderImpl for Imp {
    fn set_format(
        &self,
        input: &video::VideoCodecState<'static, video::video_codec_state::Readable>,
    ) -> Result<(), gst::LoggableError> {
        let refused = |what: &str| gst::loggable_error!(gst::CAT_RUST, "{}", what);
        let caps = gst::Caps::builder("image/jpeg").field("sof-marker", 0).build();
        let encoder = self.obj();
        let output =
            encoder.set_output_state(caps, Some(input)).map_err(|_| refused("no output of this size"))?;
        encoder.negotiate(output).map_err(|_| refused("nobody takes JPEGs"))?;
        let output = encoder.static_pad("src").and_then(|pad| pad.current_caps());
        let (input, output) = input.caps_owned().zip(output).ok_or_else(|| refused("no caps"))?;
        saw(Seen { element: "nvjpegenc", set: String::new(), input: Some(input), output });
        Ok(())
    }

    fn handle_frame(
        &self,
        mut frame: video::VideoCodecFrame<'_>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let input = frame.input_buffer_owned().ok_or(gst::FlowError::Error)?;
        let bytes = input.map_readable().map_err(|_| gst::FlowError::Error)?;
        let luma = surface::luma(&bytes).ok_or(gst::FlowError::Error)?;
        frame.set_output_buffer(gst::Buffer::from_slice([0xff, 0xd8, luma, 0xff, 0xd9]));
        self.obj().finish_frame(frame)
    }
}
