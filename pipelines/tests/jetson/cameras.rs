//! Stand-ins for `nvarguscamerasrc`, after `gst-inspect-1.0` of JetPack 6, and for `v4l2src`, whose device is a file with
//! the one picture that it gives. Both give pictures at the rate that is asked for.

use std::{
    fs,
    sync::{LazyLock, Mutex},
    thread,
    time::Duration,
};

use gstreamer::{self as gst, glib, prelude::*, subclass::prelude::*};
use gstreamer_video::{gst_base, gst_base::prelude::*, subclass::prelude::*};

use crate::{
    machine::{Machine, Seen, saw, stand_in},
    settings::Settings,
    surface::surface,
};

/// The brightness of every picture of the CSI sensor.
pub const SENSOR: u8 = 99;

pub fn register() {
    if matches!(Machine::here(), Machine::Orin | Machine::Thor) {
        stand_in::<Argus>("nvarguscamerasrc", gst::Rank::PRIMARY);
    }
    stand_in::<V4l2>("v4l2src", gst::Rank::PRIMARY);
}

fn about(name: &'static str) -> gst::subclass::ElementMetadata {
    gst::subclass::ElementMetadata::new(name, "Source/Video", "A stand-in", "Us")
}

fn pad(caps: &str) -> Vec<gst::PadTemplate> {
    let caps: gst::Caps = caps.parse().unwrap();
    vec![gst::PadTemplate::new("src", gst::PadDirection::Src, gst::PadPresence::Always, &caps).unwrap()]
}

/// Until the next picture, at the rate of these caps.
fn pace(caps: &gst::Caps) {
    let rate = caps.structure(0).unwrap().get::<gst::Fraction>("framerate").unwrap();
    thread::sleep(Duration::from_secs_f64(f64::from(rate.denom()) / f64::from(rate.numer())));
}

fn live(source: &impl IsA<gst_base::BaseSrc>) {
    source.set_live(true);
    source.set_format(gst::Format::Time);
    source.set_do_timestamp(true);
}

#[derive(Default)]
pub struct ArgusImp {
    settings: Settings,
    caps: Mutex<Option<gst::Caps>>,
}

#[glib::object_subclass]
impl ObjectSubclass for ArgusImp {
    const NAME: &'static str = "StandInArgus";
    type Type = Argus;
    type ParentType = gst_base::PushSrc;
}

glib::wrapper! {
    pub struct Argus(ObjectSubclass<ArgusImp>) @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
}

impl ObjectImpl for ArgusImp {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecInt::builder("sensor-id").minimum(0).maximum(255).build(),
                glib::ParamSpecInt::builder("sensor-mode").minimum(-1).maximum(255).default_value(-1).build(),
                glib::ParamSpecBoolean::builder("silent").default_value(true).build(),
                glib::ParamSpecUInt::builder("timeout").build(),
                glib::ParamSpecBoolean::builder("aelock").build(),
                glib::ParamSpecBoolean::builder("awblock").build(),
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

    fn constructed(&self) {
        self.parent_constructed();
        live(&*self.obj());
    }
}

impl GstObjectImpl for ArgusImp {}

impl ElementImpl for ArgusImp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static ABOUT: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| about("NvArgusCameraSrc"));
        Some(&ABOUT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PADS: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pad("video/x-raw(memory:NVMM),width=[1,2147483647],height=[1,2147483647],format=NV12,\
                 framerate=[0/1,2147483647/1]")
        });
        &PADS
    }
}

impl BaseSrcImpl for ArgusImp {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        match self.obj().property::<i32>("sensor-id") {
            0 | 1 => Ok(()),
            other => Err(gst::error_msg!(gst::ResourceError::NotFound, ("no sensor {other}"))),
        }
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        *self.caps.lock().unwrap() = Some(caps.clone());
        let set = format!("sensor-id={}", self.obj().property::<i32>("sensor-id"));
        saw(Seen { element: "nvarguscamerasrc", set, input: None, output: caps.clone() });
        Ok(())
    }
}

impl PushSrcImpl for ArgusImp {
    fn create(
        &self,
        _: Option<&mut gst::BufferRef>,
    ) -> Result<gst_base::subclass::base_src::CreateSuccess, gst::FlowError> {
        let caps = self.caps.lock().unwrap().clone().ok_or(gst::FlowError::NotNegotiated)?;
        pace(&caps);
        Ok(gst_base::subclass::base_src::CreateSuccess::NewBuffer(surface(SENSOR)))
    }
}

#[derive(Default)]
pub struct V4l2Imp {
    settings: Settings,
    picture: Mutex<Vec<u8>>,
    caps: Mutex<Option<gst::Caps>>,
}

#[glib::object_subclass]
impl ObjectSubclass for V4l2Imp {
    const NAME: &'static str = "StandInV4l2Src";
    type Type = V4l2;
    type ParentType = gst_base::PushSrc;
}

glib::wrapper! {
    pub struct V4l2(ObjectSubclass<V4l2Imp>) @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
}

impl ObjectImpl for V4l2Imp {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![glib::ParamSpecString::builder("device").default_value(Some("/dev/video0")).build()]
        });
        &ALL
    }

    fn set_property(&self, _: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.settings.set(value, pspec);
    }

    fn property(&self, _: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.settings.get(pspec)
    }

    fn constructed(&self) {
        self.parent_constructed();
        live(&*self.obj());
    }
}

impl GstObjectImpl for V4l2Imp {}

impl ElementImpl for V4l2Imp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static ABOUT: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| about("Video4Linux"));
        Some(&ABOUT)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PADS: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pad("image/jpeg; video/x-raw,format={YUY2,UYVY,NV12,GRAY8,BGR},width=[1,32768],height=[1,32768],\
                 framerate=[0/1,2147483647/1]")
        });
        &PADS
    }
}

impl BaseSrcImpl for V4l2Imp {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let device = self.obj().property::<String>("device");
        let picture = fs::read(&device)
            .map_err(|e| gst::error_msg!(gst::ResourceError::NotFound, ["{device}: {e}"]))?;
        *self.picture.lock().unwrap() = picture;
        Ok(())
    }

    /// A camera has the formats that its device's name ends in, and no others.
    fn caps(&self, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
        let device = self.obj().property::<String>("device");
        let caps: gst::Caps = match device.rsplit('.').next().unwrap_or_default() {
            "jpeg" => "image/jpeg,width=[1,32768],height=[1,32768],framerate=[0/1,2147483647/1]".parse(),
            format => format!(
                "video/x-raw,format={format},width=[1,32768],height=[1,32768],framerate=[0/1,2147483647/1]"
            )
            .parse(),
        }
        .unwrap();
        Some(match filter {
            Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
            None => caps,
        })
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        *self.caps.lock().unwrap() = Some(caps.clone());
        saw(Seen { element: "v4l2src", set: String::new(), input: None, output: caps.clone() });
        Ok(())
    }
}

impl PushSrcImpl for V4l2Imp {
    fn create(
        &self,
        _: Option<&mut gst::BufferRef>,
    ) -> Result<gst_base::subclass::base_src::CreateSuccess, gst::FlowError> {
        let caps = self.caps.lock().unwrap().clone().ok_or(gst::FlowError::NotNegotiated)?;
        pace(&caps);
        let picture = gst::Buffer::from_slice(self.picture.lock().unwrap().clone());
        Ok(gst_base::subclass::base_src::CreateSuccess::NewBuffer(picture))
    }
}
