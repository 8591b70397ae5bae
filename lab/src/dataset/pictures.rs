//! Pictures with boxes, out of videos: what `coco` and `yolo` have in common.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use image::{ImageError, RgbImage, codecs::jpeg::JpegEncoder};

use super::{
    Error,
    export::{Job, Size},
    labels::{self, Label, Least},
    manifest::Counts,
    video::Video,
};
use crate::recording::Split;

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) every: u64,
    pub(super) size: Option<Size>,
    pub(super) quality: u8,
    pub(super) least: Least,
}

/// Keeps what belongs to a picture that was written.
pub(super) trait Keeper {
    /// `name` is the picture's file, without its folder.
    fn keep(&mut self, split: Split, name: &str, size: (u32, u32), labels: &[Label]) -> Result<(), Error>;
}

/// Writes the pictures of all sessions into `images/<split>/`, and gives their labels to the keeper.
pub(super) fn export(
    job: &Job<'_>,
    options: &Options,
    keeper: &mut impl Keeper,
) -> Result<BTreeMap<Split, Counts>, Error> {
    let mut all: BTreeMap<Split, Tally> = BTreeMap::new();
    for split in job.splits() {
        job.draft.folder(&format!("images/{split}"))?;
        all.insert(split, Tally::default());
    }
    job.sessions(|split, recording, views| {
        let tally = all.entry(split).or_default();
        let session = &recording.session;
        let from = (session.width, session.height);
        let to = options.size.map_or(from, |Size(width, height)| (width, height));
        for (camera, views) in session.cameras.iter().zip(views) {
            let every = options.every;
            let file = recording.video(camera);
            let mut video =
                Video::open(&file, session.fps, to, move |frame| frame.is_multiple_of(every), job.halt)?;
            while let Some(frame) = video.next()? {
                if tally.pictures >= job.limit {
                    return Ok(());
                }
                let view = usize::try_from(frame.index).ok().and_then(|index| views.get(index));
                let Some(view) = view else { break };
                let (labels, left_out) = labels::of(view, from, to, job.items(), options.least);
                let name = format!("{}_{}_{:06}.jpg", session.name, camera.name.as_str(), frame.index);
                let path = job.draft.directory().join("images").join(split.name()).join(&name);
                write_jpeg(&path, &frame.picture, options.quality)?;
                keeper.keep(split, &name, to, &labels)?;
                tally.pictures += 1;
                tally.boxes += labels.len() as u64;
                tally.left_out += left_out as u64;
                tally.empty += u64::from(labels.is_empty());
            }
            let (decoded, frames) = (video.decoded(), camera.frames);
            if decoded != frames {
                let reason = format!("it has {decoded} frames, but session.json says {frames}");
                return Err(Error::Video { file, reason });
            }
        }
        Ok(())
    })?;
    Ok(all.into_iter().map(|(split, tally)| (split, tally.counts())).collect())
}

#[derive(Default)]
struct Tally {
    pictures: u64,
    boxes: u64,
    left_out: u64,
    empty: u64,
}

impl Tally {
    fn counts(&self) -> Counts {
        let named = [
            ("pictures", self.pictures),
            ("boxes", self.boxes),
            ("boxes left out", self.left_out),
            ("pictures without boxes", self.empty),
        ];
        named.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

/// Writes a new JPEG file.
pub(super) fn write_jpeg(path: &Path, picture: &RgbImage, quality: u8) -> Result<(), Error> {
    let write = || {
        let mut file = BufWriter::new(File::create_new(path)?);
        JpegEncoder::new_with_quality(&mut file, quality).encode_image(picture).map_err(|e| match e {
            ImageError::IoError(e) => e,
            other => io::Error::other(other),
        })?;
        file.flush()
    };
    write().map_err(Error::write(path, "write the picture"))
}
