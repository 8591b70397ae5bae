//! The detector: what its family and its one input say about it.

use std::{path::Path, str::FromStr};

use cartvision_engines::{
    bundle::{Colour, DetectorModel, Dtype, Family, Padding, Placement, TensorLayout, Variants},
    detector::Port,
};

use super::{Arguments, Error};

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum FamilyName {
    Yolox,
    Yolo,
    End2end,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum ColourName {
    Rgb,
    Bgr,
    /// Four bytes a pixel, as captured; the model takes 1×height×width×4 bytes
    Rgbx,
}

/// Width and height of an input, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Size {
    /// Width, then height.
    pub(crate) fn sides(self) -> [usize; 2] {
        [self.width, self.height]
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it like 416x416";
        let (width, height) = text.split_once(['x', '×']).ok_or(wrong)?;
        let side = |text: &str| text.trim().parse().ok().filter(|side| *side > 0).ok_or(wrong);
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

/// What the family and the model's one input say about it; the files are left to the caller.
pub(super) fn describe(arguments: &Arguments, file: &Path, ports: &[Port]) -> Result<DetectorModel, Error> {
    let file = || file.to_owned();
    let wrong = || {
        let found: Vec<_> = ports.iter().map(Port::to_string).collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join(" and ") };
        Error::Input { file: file(), found }
    };
    let [Port { name, dtype: Some(dtype), shape }] = ports else { return Err(wrong()) };
    let (layout, width, height) = match shape.as_slice() {
        [None | Some(1), Some(3), height, width] => (TensorLayout::Nchw, *width, *height),
        [None | Some(1), height, width, Some(3 | 4)] => (TensorLayout::Nhwc, *width, *height),
        _ => return Err(wrong()),
    };
    let asked = arguments.input;
    let differs = |has: Option<usize>, asked: Option<usize>| has.is_some() && asked.is_some() && has != asked;
    if let Some(asked) = asked
        && (differs(width, Some(asked.width)) || differs(height, Some(asked.height)))
    {
        let side = |side: Option<usize>| side.map_or("?".to_owned(), |side| side.to_string());
        let has = format!("{}x{}", side(width), side(height));
        return Err(Error::SizeFixed { file: file(), has, asked });
    }
    let width = width.or(asked.map(|a| a.width)).ok_or_else(|| Error::SizeOpen { file: file() })?;
    let height = height.or(asked.map(|a| a.height)).ok_or_else(|| Error::SizeOpen { file: file() })?;

    let (family, colour, scale, placement) = match arguments.family {
        FamilyName::Yolox => (Family::Yolox, Colour::Bgr, 1.0, Placement::TopLeft),
        FamilyName::Yolo => (Family::Yolo, Colour::Rgb, 1.0 / 255.0, Placement::Centre),
        FamilyName::End2end => (Family::End2end, Colour::Rgb, 1.0 / 255.0, Placement::Centre),
    };
    // Pictures of four bytes a pixel.
    let colour =
        if layout == TensorLayout::Nhwc && shape.last() == Some(&Some(4)) { Colour::Rgbx } else { colour };
    Ok(DetectorModel {
        family,
        input: Some(name.clone()),
        width,
        height,
        layout,
        dtype: *dtype,
        colour: arguments.colour.map_or(colour, |colour| match colour {
            ColourName::Rgb => Colour::Rgb,
            ColourName::Bgr => Colour::Bgr,
            ColourName::Rgbx => Colour::Rgbx,
        }),
        scale: arguments.scale.unwrap_or(if *dtype == Dtype::U8 { 1.0 } else { scale }),
        padding: Padding { value: 114, placement },
        variants: Variants::default(),
    })
}
