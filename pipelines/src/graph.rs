//! One camera's graph: what every kind of source has in common.
//!
//! ```text
//! profile's elements → [videorate] → videoscale → videoconvert → caps → [queue] → appsink → the camera's slot
//!                      ▲ watched here: the picture's size decides the caps
//!                ╰─ [tee] → queue → converter → JPEG encoder → appsink → the camera's still
//! ```
//! On a Jetson `nvvidconv` stands in for the scaler and the converter ([`blocks`](crate::blocks)).

use std::sync::{Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as app;

use crate::{
    blocks::{Blocks, Scaling, filter, may_be_device_memory},
    error::{Fault, Size},
    port::Port,
    profile,
    settings::{CameraSettings, Pace, Rate, Source},
};

/// Frames that a replay decodes ahead of the slot: with the slot's own, all that waits.
const AHEAD: u32 = 4;

/// A camera's elements. Stops when dropped; wake its producers first.
pub(crate) struct Graph {
    pipeline: gst::Pipeline,
    port: Port,
}

impl Graph {
    /// Puts the elements together; nothing runs yet.
    pub fn build(settings: &CameraSettings, pace: Pace, port: Port) -> Result<Self, Fault> {
        let pipeline = gst::Pipeline::with_name(settings.name.as_str());
        pipeline.use_clock(Some(port.clock()));
        watch_bus(&pipeline, &port);

        let mut tail = Vec::new();
        if let Some(rate) = settings.rate {
            tail.push(limit(rate)?);
        }
        let blocks = Blocks::here();
        let fork = settings.stills.map(|rate| Ok((element("tee")?, rate))).transpose()?;
        tail.extend(fork.iter().map(|(tee, _)| tee.clone()));
        let scaling = blocks.scaler.elements()?;
        tail.extend(scaling.elements.iter().cloned());
        let caps = filter(&wanted(scaling.format, None))?;
        tail.push(caps.clone());
        // A live camera needs none: its thread never waits for us.
        if settings.source.ends() {
            tail.push(queue(AHEAD)?);
        }
        let sink = app::AppSink::builder()
            // Cameras pace themselves, files are paced here.
            .sync(match pace {
                Pace::Live => matches!(settings.source, Source::File { .. }),
                Pace::Lossless { realtime } => realtime,
            })
            .max_buffers(1)
            .enable_last_sample(false)
            .build();
        let (samples, ends) = (port.clone(), port.clone());
        sink.set_callbacks(
            app::AppSinkCallbacks::builder()
                .new_sample(move |sink| samples.sample(sink))
                .eos(move |sink| ends.ended(sink))
                .build(),
        );
        tail.push(sink.upcast());

        add(&pipeline, &tail)?;
        if let Some((tee, rate)) = &fork {
            add_stills(&pipeline, tee, *rate, blocks, &port)?;
        }
        fit_to_source(&tail[0], caps, scaling, settings, &port)?;
        let site = profile::Site { pipeline: &pipeline, entry: &tail[0], port: &port, blocks };
        profile::build(settings, pace, &site)?;
        Ok(Self { pipeline, port })
    }

    /// Starts; what does not start is the camera's fault, told on its board.
    pub fn play(&self) {
        if self.pipeline.set_state(gst::State::Playing).is_err() {
            // The element that refused has said more on the bus, and the first word counts.
            let reason = "the graph does not start".into();
            self.port.fail(Fault::Element { element: "pipeline".into(), reason });
        }
    }

    /// Plays a file that has ended from its start again.
    pub fn rewind(&self) {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        if self.pipeline.seek_simple(flags, gst::ClockTime::ZERO).is_err() {
            let reason = "it cannot be repeated: its container cannot seek; use mp4 or mkv".into();
            self.port.fail(Fault::Element { element: "demuxer".into(), reason });
        }
    }

    /// Gives the device or the file back.
    pub fn retire(&self) {
        // Nothing is left to be done for a graph that does not even stop.
        let _ = self.pipeline.set_state(gst::State::Null);
    }

    /// Which opening of the camera this is.
    pub fn run(&self) -> u32 {
        self.port.run()
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.retire();
    }
}

/// A new element of this kind.
pub(crate) fn element(factory: &str) -> Result<gst::Element, Fault> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|_| Fault::MissingPlugin { what: format!("element {factory}"), package: package(factory) })
}

/// The Debian and Ubuntu package that brings an element that we name.
fn package(factory: &str) -> &'static str {
    match factory {
        "nvarguscamerasrc" | "nvvidconv" | "nvv4l2decoder" | "nvjpegdec" | "nvjpegenc" => {
            "nvidia-l4t-gstreamer (JetPack)"
        }
        "v4l2src" | "jpegdec" | "jpegenc" | "rtspsrc" | "videoflip" => "gstreamer1.0-plugins-good",
        "queue" | "tee" | "capsfilter" | "filesrc" => "libgstreamer1.0-0",
        _ => "gstreamer1.0-plugins-base",
    }
}

/// Sets a property of an element that is not GStreamer's own: an error where its version has none of this name, or
/// takes no such value.
pub(crate) fn set(element: &gst::Element, name: &str, value: &str) -> Result<(), Fault> {
    let refused =
        |what: &str| Fault::Element { element: element.name().into(), reason: format!("{name}: {what}") };
    let property = element.find_property(name).ok_or_else(|| refused("it has no such property"))?;
    let parsed =
        gst::glib::Value::deserialize(value, property.value_type()).map_err(|e| refused(&e.message))?;
    let range = property.downcast_ref::<gst::glib::ParamSpecInt>().map(|p| p.minimum()..=p.maximum());
    if let (Some(range), Ok(n)) = (range, parsed.get::<i32>())
        && !range.contains(&n)
    {
        return Err(refused(&format!("{n} is not within {range:?}")));
    }
    element.set_property_from_value(name, &parsed);
    Ok(())
}

/// Adds `elements` to the pipeline and links each to the next.
pub(crate) fn add(pipeline: &gst::Pipeline, elements: &[gst::Element]) -> Result<(), Fault> {
    let refused = |e: gst::glib::BoolError| Fault::Element {
        element: "pipeline".into(),
        reason: e.message.to_string(),
    };
    pipeline.add_many(elements).map_err(refused)?;
    gst::Element::link_many(elements).map_err(refused)
}

/// Links two elements that are in the pipeline.
pub(crate) fn link(from: &gst::Element, to: &gst::Element) -> Result<(), Fault> {
    from.link(to).map_err(|e| Fault::Element { element: from.name().into(), reason: e.message.to_string() })
}

/// A queue of so many pictures, whatever their size and their times.
fn queue(pictures: u32) -> Result<gst::Element, Fault> {
    let queue = element("queue")?;
    queue.set_property("max-size-buffers", pictures);
    queue.set_property("max-size-bytes", 0_u32);
    queue.set_property("max-size-time", 0_u64);
    Ok(queue)
}

fn wanted(format: &str, size: Option<Size>) -> gst::Caps {
    let caps = gst::Caps::builder("video/x-raw").field("format", format);
    match size {
        // A size within the model's: it fits an i32 or nothing would.
        Some(Size { width, height }) => caps
            .field("width", i32::try_from(width).unwrap_or(i32::MAX))
            .field("height", i32::try_from(height).unwrap_or(i32::MAX))
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build(),
        None => caps.build(),
    }
}

/// The branch that makes stills. What it has no time for it drops: it holds up nobody, and keeps two pictures of the
/// camera's at most.
fn add_stills(
    pipeline: &gst::Pipeline,
    tee: &gst::Element,
    rate: Rate,
    blocks: Blocks,
    port: &Port,
) -> Result<(), Fault> {
    let queue = queue(1)?;
    queue.set_property_from_str("leaky", "downstream");
    let sink = app::AppSink::builder()
        .sync(false)
        // The graph need not wait for its first one.
        .async_(false)
        .max_buffers(1)
        .drop(true)
        .enable_last_sample(false)
        .build();
    let samples = port.clone();
    let callbacks = app::AppSinkCallbacks::builder().new_sample(move |sink| samples.still(sink));
    sink.set_callbacks(callbacks.build());
    space(&queue, rate)?;
    let mut branch = vec![queue];
    branch.extend(blocks.stills()?);
    branch.push(sink.upcast());
    add(pipeline, &branch)?;
    link(tee, &branch[0])
}

/// Drops what comes sooner than this rate allows. Not `videorate`: behind a `tee` it copies each picture to mark it, also
/// those that it drops, and a copy of what describes a picture in the device's memory may outlive the picture.
fn space(element: &gst::Element, rate: Rate) -> Result<(), Fault> {
    let interval = gst::ClockTime::SECOND / u64::from(rate.0.get());
    let next = Mutex::new(None);
    input(element)?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        // What carries no time is a fault of its own, told further on.
        let Some(at) = info.buffer().and_then(|picture| picture.pts()) else {
            return gst::PadProbeReturn::Ok;
        };
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        match *next {
            // Sooner than that by more: a file that began again. (`Drop` would free it twice, as below.)
            Some(due) if at < due && due - at <= interval => gst::PadProbeReturn::Handled,
            _ => {
                *next = Some(at + interval);
                gst::PadProbeReturn::Ok
            }
        }
    });
    Ok(())
}

/// Lets at most so many pictures a second through.
fn limit(rate: Rate) -> Result<gst::Element, Fault> {
    let limit = element("videorate")?;
    limit.set_property("drop-only", true);
    // Else it makes up for the time before the first one: a burst.
    limit.set_property("skip-to-first", true);
    limit.set_property("max-rate", i32::try_from(rate.0.get()).unwrap_or(i32::MAX));
    lasting(&limit, rate)?;
    Ok(limit)
}

/// Says of each picture how long it lasts: a network camera need not, and `videorate` (1.22) ends the process for it.
fn lasting(limit: &gst::Element, rate: Rate) -> Result<(), Fault> {
    let lasts = gst::ClockTime::SECOND / u64::from(rate.0.get());
    input(limit)?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(picture)) = &mut info.data
            && picture.duration().is_none()
        {
            picture.make_mut().set_duration(lasts);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// An element's way in.
pub(crate) fn input(element: &gst::Element) -> Result<gst::Pad, Fault> {
    element
        .static_pad("sink")
        .ok_or_else(|| Fault::Element { element: element.name().into(), reason: "it has no input".into() })
}

/// How pictures come to the scaler.
#[derive(Clone, Copy, Default)]
struct Comes {
    size: Option<Size>,
    in_device_memory: bool,
    on_its_side: bool,
}

/// Asks `caps` for the fitted size as soon as the source's is known, and ends the stream where it changes.
/// Until the first picture it may still change: a file's rotation is known a moment after its size.
fn fit_to_source(
    entry: &gst::Element,
    caps: gst::Element,
    scaling: Scaling,
    settings: &CameraSettings,
    port: &Port,
) -> Result<(), Fault> {
    let pad = input(entry)?;
    let (max_width, max_height) = (settings.max_width, settings.max_height);
    let port = port.clone();
    let comes = Mutex::new(Comes::default());
    let kinds = gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER;
    pad.add_probe(kinds, move |pad, info| {
        let event = match &info.data {
            Some(gst::PadProbeData::Event(event)) => event,
            Some(gst::PadProbeData::Buffer(_)) => {
                port.entered();
                return gst::PadProbeReturn::Ok;
            }
            _ => return gst::PadProbeReturn::Ok,
        };
        let mut comes = comes.lock().unwrap_or_else(PoisonError::into_inner);
        match event.view() {
            gst::EventView::Caps(event) => {
                comes.size = shown_size(event.caps());
                comes.in_device_memory = may_be_device_memory(event.caps());
            }
            // Others have been turned by `videoflip`, which leaves the tag as it is.
            gst::EventView::Tag(event) if comes.in_device_memory => match scaling.turn(event.tag()) {
                Some(on_its_side) => comes.on_its_side = on_its_side,
                None => return gst::PadProbeReturn::Ok,
            },
            _ => return gst::PadProbeReturn::Ok,
        }
        let source = match *comes {
            Comes { size: None, .. } => return gst::PadProbeReturn::Ok,
            Comes { size: Some(Size { width, height }), on_its_side: true, .. } => {
                Size { width: height, height: width }
            }
            Comes { size: Some(size), .. } => size,
        };
        let (width, height) =
            cartvision_core::picture::fit(source.width, source.height, max_width, max_height);
        let fitted = Size { width, height };
        match port.sized(source, fitted) {
            Ok(()) => {
                caps.set_property("caps", wanted(scaling.format, Some(fitted)));
                gst::PadProbeReturn::Ok
            }
            Err(changed) => {
                port.fail(changed);
                // Behind the frames that are still good, in place of the others.
                pad.send_event(gst::event::Eos::new());
                // The binding has given the event up already: `Drop` would free it twice.
                gst::PadProbeReturn::Handled
            }
        }
    });
    Ok(())
}

/// Size of the picture when pixels are square.
fn shown_size(caps: &gst::CapsRef) -> Option<Size> {
    let s = caps.structure(0)?;
    let width = u64::try_from(s.get::<i32>("width").ok()?).ok()?;
    let height = usize::try_from(s.get::<i32>("height").ok()?).ok()?;
    let pixel = s.get::<gst::Fraction>("pixel-aspect-ratio").ok();
    let (n, d) = pixel
        .map_or((1, 1), |p| (u64::try_from(p.numer()).unwrap_or(1), u64::try_from(p.denom()).unwrap_or(1)));
    let width = usize::try_from((width * n + d / 2) / d.max(1)).ok()?;
    (width > 0 && height > 0).then_some(Size { width, height })
}

fn watch_bus(pipeline: &gst::Pipeline, port: &Port) {
    let Some(bus) = pipeline.bus() else { return };
    let port = port.clone();
    // Handled where it is posted, and dropped: no thread to read the bus, and nothing piles up in it.
    bus.set_sync_handler(move |_, message| {
        port.message(message);
        gst::BusSyncReply::Drop
    });
}
