//! A stand-in for `nvvidconv`: its caps, properties and refusals after NVIDIA's source for JetPack 6
//! (gst-nvvidconv 1.2.3).

use std::sync::{LazyLock, Mutex};

use gstreamer::{self as gst, glib, prelude::*, subclass::prelude::*};
use gstreamer_video::{self as video, gst_base, subclass::prelude::*};

use crate::{
    machine::{Seen, saw, stand_in},
    settings::Settings,
    surface,
};

const DEVICE_IN: &str = "I420, I420_10LE, P010_10LE, I420_12LE, UYVY, YUY2, YVYU, NV12, NV16, NV24, GRAY8, BGRx, \
                         RGBA, Y42B, Y444";
const DEVICE_OUT: &str = "I420, I420_10LE, P010_10LE, UYVY, YUY2, YVYU, NV12, NV16, NV24, GRAY8, BGRx, RGBA, Y42B, \
                          Y444";
const OURS_IN: &str = "I420, UYVY, YUY2, YVYU, NV12, NV16, NV24, P010_10LE, GRAY8, BGRx, RGBA, Y42B, Y444";
const OURS_OUT: &str = "I420, UYVY, YUY2, YVYU, NV12, NV16, NV24, GRAY8, BGRx, RGBA, Y42B, Y444";

pub fn register() {
    stand_in::<Nvvidconv>("nvvidconv", gst::Rank::PRIMARY);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstInterpolationMethod")]
enum Interpolation {
    #[enum_value(name = "Nearest", nick = "Nearest")]
    Nearest,
    #[enum_value(name = "Bilinear", nick = "Bilinear")]
    Bilinear,
    #[enum_value(name = "5-Tap", nick = "5-Tap")]
    FiveTap,
    #[enum_value(name = "10-Tap", nick = "10-Tap")]
    TenTap,
    #[enum_value(name = "Smart", nick = "Smart")]
    Smart,
    #[enum_value(name = "Nicest", nick = "Nicest")]
    Nicest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNvVideoFlipMethod")]
enum Flip {
    #[enum_value(name = "Identity (no rotation)", nick = "none")]
    None,
    #[enum_value(name = "Rotate counter-clockwise 90 degrees", nick = "counterclockwise")]
    Counterclockwise,
    #[enum_value(name = "Rotate 180 degrees", nick = "rotate-180")]
    Half,
    #[enum_value(name = "Rotate clockwise 90 degrees", nick = "clockwise")]
    Clockwise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNvVidConvComputeHWType")]
enum ComputeHw {
    #[enum_value(name = "Default, VIC for Jetson", nick = "Default")]
    Default,
    #[enum_value(name = "GPU", nick = "GPU")]
    Gpu,
    #[enum_value(name = "VIC", nick = "VIC")]
    Vic,
}

#[derive(Default)]
pub struct Imp {
    settings: Settings,
    /// Whether pictures come in the device's memory, how, and whether they go so.
    known: Mutex<Option<(bool, video::VideoInfo, bool)>>,
}

#[glib::object_subclass]
impl ObjectSubclass for Imp {
    const NAME: &'static str = "StandInNvvidconv";
    type Type = Nvvidconv;
    type ParentType = gst_base::BaseTransform;
}

glib::wrapper! {
    pub struct Nvvidconv(ObjectSubclass<Imp>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

impl ObjectImpl for Imp {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let edge = |name| glib::ParamSpecInt::builder(name).minimum(0).build();
            vec![
                glib::ParamSpecBoolean::builder("silent").build(),
                glib::ParamSpecEnum::builder_with_default("flip-method", Flip::None).build(),
                glib::ParamSpecUInt::builder("output-buffers").minimum(1).default_value(4).build(),
                glib::ParamSpecEnum::builder_with_default("interpolation-method", Interpolation::Nearest)
                    .build(),
                edge("left"),
                edge("right"),
                edge("top"),
                edge("bottom"),
                glib::ParamSpecBoolean::builder("bl-output").default_value(true).build(),
                glib::ParamSpecEnum::builder_with_default("compute-hw", ComputeHw::Default).build(),
                glib::ParamSpecUInt::builder("gpu-id").build(),
            ]
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

impl GstObjectImpl for Imp {}

impl ElementImpl for Imp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static ABOUT: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "NvVidConv",
                "Filter/Converter/Video/Scaler",
                "A stand-in",
                "Us",
            )
        });
        Some(&ABOUT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PADS: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let pad = |name, direction, device: &str, ours: &str| {
                let rest = "width=[1,2147483647],height=[1,2147483647],framerate=[0/1,2147483647/1]";
                let caps = format!(
                    "video/x-raw(memory:NVMM),format={{{device}}},{rest};video/x-raw,format={{{ours}}},{rest}"
                );
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps.parse().unwrap())
                    .unwrap()
            };
            vec![
                pad("sink", gst::PadDirection::Sink, DEVICE_IN, OURS_IN),
                pad("src", gst::PadDirection::Src, DEVICE_OUT, OURS_OUT),
            ]
        });
        &PADS
    }
}

impl BaseTransformImpl for Imp {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    /// Anything of the one pad's into anything of the other's, at the same rate.
    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let other = Self::pad_templates().iter().find(|pad| pad.direction() != direction).unwrap().caps();
        let mut all = gst::Caps::new_empty();
        for s in caps.iter() {
            let mut possible = other.clone();
            if let Ok(rate) = s.value("framerate") {
                possible.make_mut().iter_mut().for_each(|p| p.set_value("framerate", rate.clone()));
            }
            all.merge(possible);
        }
        Some(
            filter.map_or(all.clone(), |filter| {
                filter.intersect_with_mode(&all, gst::CapsIntersectMode::First)
            }),
        )
    }

    fn set_caps(&self, input: &gst::Caps, output: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = video::VideoInfo::from_caps(input).unwrap();
        let device = |caps: &gst::Caps| caps.features(0).unwrap().contains("memory:NVMM");
        *self.known.lock().unwrap() = Some((device(input), info, device(output)));
        let mut set = format!("{:?}", self.obj().property::<Interpolation>("interpolation-method"));
        match self.obj().property::<Flip>("flip-method") {
            Flip::None => {}
            flip => set += &format!(" {flip:?}"),
        }
        saw(Seen { element: "nvvidconv", set, input: Some(input.clone()), output: output.clone() });
        Ok(())
    }

    fn unit_size(&self, caps: &gst::Caps) -> Option<usize> {
        let device = caps.features(0).is_some_and(|features| features.contains("memory:NVMM"));
        if device { Some(surface::SIZE) } else { Some(video::VideoInfo::from_caps(caps).ok()?.size()) }
    }

    fn transform_size(
        &self,
        _: gst::PadDirection,
        _: &gst::Caps,
        _: usize,
        other: &gst::Caps,
    ) -> Option<usize> {
        self.unit_size(other)
    }

    fn transform(
        &self,
        input: &gst::Buffer,
        output: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let known = self.known.lock().unwrap().clone();
        let (device, info, to_device) = known.ok_or(gst::FlowError::NotNegotiated)?;
        let pixels = input.map_readable().map_err(|_| gst::FlowError::Error)?;
        let luma = match (device, surface::luma(&pixels)) {
            (true, Some(luma)) => luma,
            // The caps are of other memory than the picture.
            (true, None) | (false, Some(_)) => return Err(gst::FlowError::Error),
            (false, None) => in_the_middle(&info, &pixels).ok_or(gst::FlowError::Error)?,
        };
        if to_device {
            output.set_size(surface::SIZE);
        }
        let mut pixels = output.map_writable().map_err(|_| gst::FlowError::Error)?;
        if to_device {
            pixels.copy_from_slice(&surface::described(luma));
            return Ok(gst::FlowSuccess::Ok);
        }
        pixels.chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&[luma, luma, luma, 255]));
        Ok(gst::FlowSuccess::Ok)
    }
}

/// The brightness in the middle of a picture. `None` for grey ones, which the real one takes and fails to colour.
fn in_the_middle(info: &video::VideoInfo, pixels: &[u8]) -> Option<u8> {
    use video::VideoFormat::*;
    let (x, y) = (info.width() as usize / 2, info.height() as usize / 2);
    let row = usize::try_from(info.stride()[0]).ok()? * y;
    let at = match info.format() {
        I420 | Nv12 | Nv16 | Nv24 | Y42b | Y444 => x,
        Yuy2 | Yvyu => 2 * x,
        Uyvy => 2 * x + 1,
        Bgrx | Rgba => 4 * x,
        _ => return None,
    };
    pixels.get(row + at).copied()
}
