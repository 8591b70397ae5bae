//! A camera whose driver hangs, and the others that go on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it skips"
)]

mod support;

use std::{sync::mpsc::channel, thread, time::Duration};

use cartvision_pipelines::{Fault, FrameSet, Pace, PixelStream, Source, Taken, What};
use gstreamer::{self as gst, glib, prelude::*};
use support::*;

mod driver {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    use gstreamer::{self as gst, glib, prelude::*, subclass::prelude::*};

    /// How often somebody went in; nobody comes out.
    pub static INSIDE: AtomicU32 = AtomicU32::new(0);

    #[derive(Default)]
    pub struct HangingCamera;

    #[glib::object_subclass]
    impl ObjectSubclass for HangingCamera {
        const NAME: &'static str = "HangingCamera";
        type Type = super::HangingCamera;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for HangingCamera {
        fn properties() -> &'static [glib::ParamSpec] {
            static DEVICE: LazyLock<Vec<glib::ParamSpec>> =
                LazyLock::new(|| vec![glib::ParamSpecString::builder("device").write_only().build()]);
            &DEVICE
        }

        fn set_property(&self, _: usize, _: &glib::Value, _: &glib::ParamSpec) {}

        fn constructed(&self) {
            self.parent_constructed();
            let template = Self::pad_templates().first().unwrap();
            self.obj().add_pad(&gst::Pad::from_template(template)).unwrap();
        }
    }

    impl GstObjectImpl for HangingCamera {}

    impl ElementImpl for HangingCamera {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static ABOUT: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Hanging camera", "Source", "Hangs when opened", "Us")
            });
            Some(&ABOUT)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static SOURCE: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let (direction, presence) = (gst::PadDirection::Src, gst::PadPresence::Always);
                vec![gst::PadTemplate::new("src", direction, presence, &gst::Caps::new_any()).unwrap()]
            });
            &SOURCE
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady {
                INSIDE.fetch_add(1, Ordering::SeqCst);
                loop {
                    std::thread::park();
                }
            }
            self.parent_change_state(transition)
        }
    }
}

glib::wrapper! {
    pub struct HangingCamera(ObjectSubclass<driver::HangingCamera>) @extends gst::Element, gst::Object;
}

#[test]
fn a_camera_that_hangs_holds_up_nobody_else() {
    init();
    gst::Element::register(None, "v4l2src", gst::Rank::PRIMARY, HangingCamera::static_type()).unwrap();
    let device = tempfile::NamedTempFile::new().unwrap();
    let source = Source::V4l2 {
        device: device.path().into(),
        width: 64,
        height: 48,
        framerate: rate(5),
        format: PixelStream::Raw,
    };
    let mut hanging = camera("hanging", source);
    hanging.first_frame_within = Duration::from_millis(200);

    let (told, tell) = channel();
    // Apart, so that a test that hangs with it fails.
    thread::spawn(move || {
        let set = FrameSet::open(vec![hanging, camera("good", pattern(50, None))], Pace::Live).unwrap();
        for openings in 1..=3 {
            let (mut frames, mut failed) = (0, false);
            while frames < 5 || !failed {
                match set.take(LONG) {
                    Taken::Given { what: What::Frame(frame), .. } => {
                        assert_eq!(frame.camera, SECOND);
                        frames += 1;
                    }
                    Taken::Given { what: What::Failed(FIRST, error), .. } => {
                        assert!(matches!(error.fault, Fault::NoFrame { .. }), "{error}");
                        failed = true;
                    }
                    other => panic!("{other:?} at opening {openings}"),
                }
            }
            set.reopen(FIRST).unwrap();
        }
        drop(set);
        told.send(driver::INSIDE.load(std::sync::atomic::Ordering::SeqCst)).unwrap();
    });
    assert_eq!(tell.recv_timeout(LONG), Ok(1), "it went on, and the driver was left alone");
}
