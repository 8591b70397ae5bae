//! Conversations that small vision-language models are fine-tuned on: pictures of an episode, and what happened, as JSON.
//!
//! The model chooses among candidates, as it will in service, where the edge names them: the right ones, their near-twins,
//! what else is in sight, and others. Null episodes are asked about in the same words.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    Error,
    draft::Output,
    export::{Job, Size},
    manifest::Counts,
    pictures::write_jpeg,
    video::Video,
};
use crate::recording::{Catalogue, Change, ChangeKind, Episode, Recording, Split, Thing, Truth, View};

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) pictures: usize,
    pub(super) candidates: usize,
    pub(super) padding_s: f64,
    pub(super) size: Option<Size>,
    pub(super) quality: u8,
}

const SYSTEM: &str = "You see pictures from one camera of a shopping cart, in order, with their times. You tell which \
items were put into the cart and which were taken out. An item that is only moved within the cart, held over it or covered \
is no change. You answer with one JSON object and nothing else.";

/// What is answered for something that is not in the catalogue.
pub(super) const UNKNOWN: &str = "unknown";

/// The file of a split, below the data set's directory.
pub(super) fn document(split: Split) -> String {
    format!("{split}.jsonl")
}

#[derive(Serialize, Deserialize)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    pub(super) content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Part {
    /// A path below the data set's directory.
    Image {
        image: String,
    },
    Text {
        text: String,
    },
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) events: Vec<Event>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) kind: ChangeKind,
    pub(super) id: String,
    /// Seconds after the first picture.
    pub(super) time: f64,
}

pub(super) fn export(job: &Job<'_>, options: &Options) -> Result<BTreeMap<Split, Counts>, Error> {
    let mut writers = BTreeMap::new();
    for split in job.splits() {
        job.draft.folder(&format!("images/{split}"))?;
        let file = job.draft.file(&document(split))?;
        writers.insert(split, Writer { file, split, left: job.limit, counts: Counts::new() });
    }
    job.sessions(|split, recording, views| match writers.get_mut(&split) {
        Some(writer) => (0..views.len())
            .try_for_each(|camera| writer.camera(job, options, recording, camera, &views[camera])),
        None => Ok(()),
    })?;
    let mut counts = BTreeMap::new();
    for (split, writer) in writers {
        writer.file.close()?;
        counts.insert(split, writer.counts);
    }
    Ok(counts)
}

struct Writer {
    file: Output,
    split: Split,
    left: u64,
    counts: Counts,
}

impl Writer {
    fn count(&mut self, what: &str, more: u64) {
        *self.counts.entry(what.to_owned()).or_default() += more;
    }

    fn camera(
        &mut self,
        job: &Job<'_>,
        options: &Options,
        recording: &Recording,
        camera: usize,
        views: &[View],
    ) -> Result<(), Error> {
        let session = &recording.session;
        let mut wanted = BTreeSet::new();
        let split = self.split;
        let name = |frame: usize| {
            let camera = session.cameras[camera].name.as_str();
            format!("images/{}/{}_{camera}_{frame:06}.jpg", split, session.name)
        };
        let mut lines = Vec::new();
        for episode in &recording.truth.episodes {
            if lines.len() as u64 == self.left {
                break;
            }
            let frames = sampled(episode, options, session.fps, views.len());
            let clip = &views[frames[0]..=frames[frames.len() - 1]];
            let events = events(&recording.truth, episode, &clip[0]);
            let choice = candidates(&recording.catalogue, &events, clip, options.candidates, session.seed);
            let times: Vec<_> = frames.iter().map(|frame| views[*frame].time - clip[0].time).collect();
            let pictures: Vec<_> = frames.iter().map(|frame| name(*frame)).collect();
            let question =
                question(&recording.catalogue, session.cameras[camera].name.as_str(), &times, &choice);
            lines.push(conversation(pictures, question, &Answer { events })?);
            self.count(if episode.changes == 0 { "null conversations" } else { "conversations" }, 1);
            wanted.extend(frames);
        }
        let pictures = wanted.len() as u64;
        let names: BTreeMap<u64, String> =
            wanted.into_iter().map(|frame| (frame as u64, name(frame))).collect();
        self.left -= lines.len() as u64;
        self.count("pictures", pictures);
        for line in lines {
            self.file.json(&line)?;
            self.file.write(b"\n")?;
        }
        decode(job, options, recording, camera, names)
    }
}

/// Writes the frames that are named.
fn decode(
    job: &Job<'_>,
    options: &Options,
    recording: &Recording,
    camera: usize,
    names: BTreeMap<u64, String>,
) -> Result<(), Error> {
    let session = &recording.session;
    let file = recording.video(&session.cameras[camera]);
    let size = options.size.map_or((session.width, session.height), |Size(width, height)| (width, height));
    let wanted: BTreeSet<u64> = names.keys().copied().collect();
    let mut left = wanted.len();
    if left == 0 {
        return Ok(());
    }
    let mut video = Video::open(&file, session.fps, size, move |frame| wanted.contains(&frame), job.halt)?;
    while let Some(frame) = video.next()? {
        if let Some(name) = names.get(&frame.index) {
            write_jpeg(&job.draft.directory().join(Path::new(name)), &frame.picture, options.quality)?;
        }
        left -= 1;
        if left == 0 {
            return Ok(());
        }
    }
    let reason = format!("it ends after {} frames, before an episode does", video.decoded());
    Err(Error::Video { file, reason })
}

/// The frames of an episode that are shown: evenly from before its start to after its end.
fn sampled(episode: &Episode, options: &Options, fps: f64, frames: usize) -> Vec<usize> {
    let frame = |time: f64| ((time * fps).max(0.0) as usize).min(frames.saturating_sub(1));
    let first = frame(episode.start - options.padding_s);
    let last = frame((episode.end + options.padding_s).max(0.0) + 0.5 / fps).max(first);
    let steps = options.pictures.max(2) - 1;
    let mut sampled: Vec<_> =
        (0..options.pictures).map(|i| first + (i * (last - first) + steps / 2) / steps).collect();
    sampled.dedup();
    sampled
}

/// The changes of an episode, timed from the first picture.
fn events(truth: &Truth, episode: &Episode, first: &View) -> Vec<Event> {
    let within = |change: &&Change| match change.episode {
        Some(number) => number == episode.episode,
        None => change.start < episode.end && change.end > episode.start,
    };
    let event = |change: &Change| Event {
        kind: change.kind,
        id: change.id.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        time: ((change.end - first.time) * 100.0).round() / 100.0,
    };
    let mut events: Vec<_> = truth.changes.iter().filter(within).map(event).collect();
    events.sort_by(|a, b| a.time.total_cmp(&b.time));
    events
}

/// The items to choose from. Their order tells nothing; the same set gives the same order.
fn candidates(catalogue: &Catalogue, events: &[Event], clip: &[View], most: usize, seed: u64) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let add = |items: Vec<usize>, chosen: &mut Vec<usize>, most: usize| {
        for item in items {
            if chosen.len() < most && !chosen.contains(&item) {
                chosen.push(item);
            }
        }
    };
    let twins = |items: &[usize]| items.iter().flat_map(|item| catalogue.twins(*item)).collect::<Vec<_>>();
    let right: Vec<_> = events.iter().filter_map(|event| catalogue.index(&event.id)).collect();
    let seen: BTreeSet<_> = clip
        .iter()
        .flat_map(|view| &view.boxes)
        .filter_map(|seen| if let Thing::Item(item) = seen.thing { Some(item) } else { None })
        .collect();
    let seen: Vec<_> = seen.into_iter().collect();
    let mut others: Vec<_> = (0..catalogue.items().len()).collect();
    let mut dice = Dice(seed ^ (clip[0].frame << 32) ^ clip[0].camera as u64);
    dice.shuffle(&mut others);
    // An answer that cannot be chosen would teach to invent.
    add(right.clone(), &mut chosen, usize::MAX);
    for items in [twins(&right), seen.clone(), twins(&seen), others] {
        add(items, &mut chosen, most);
    }
    dice.shuffle(&mut chosen);
    chosen
}

fn question(catalogue: &Catalogue, camera: &str, times: &[f64], candidates: &[usize]) -> String {
    let times: Vec<_> = times.iter().map(|time| format!("{time:.2}")).collect();
    let items: Vec<_> = candidates
        .iter()
        .map(|item| &catalogue.items()[*item])
        .map(|item| format!("- {}: {} ({})", item.id, item.label, item.shape))
        .chain([format!("- {UNKNOWN}: anything else")])
        .collect();
    format!(
        "Camera {camera}. The pictures were taken at {} s. Candidates:\n{}\nWhich of them were put in or taken out, and \
         when had they come to rest or left? Answer as {{\"events\":[{{\"kind\":\"added\" or \"removed\",\"id\":one of the \
         candidates' ids,\"time\":seconds}}]}}, in order of time; without a change {{\"events\":[]}}.",
        times.join(", "),
        items.join("\n"),
    )
}

fn conversation(pictures: Vec<String>, question: String, answer: &Answer) -> Result<Conversation, Error> {
    let answer = serde_json::to_string(answer).map_err(|e| Error::Output { reason: e.to_string() })?;
    let images = pictures.into_iter().map(|image| Part::Image { image });
    let parts = images.chain([Part::Text { text: question }]).collect();
    let message = |role: &str, content| Message { role: role.to_owned(), content };
    Ok(Conversation {
        messages: vec![
            message("system", Content::Text(SYSTEM.to_owned())),
            message("user", Content::Parts(parts)),
            message("assistant", Content::Text(answer)),
        ],
    })
}

/// SplitMix64: enough to shuffle a list, and the same everywhere for ever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn shuffle(&mut self, list: &mut [usize]) {
        for i in (1..list.len()).rev() {
            let below = i as u64 + 1;
            list.swap(i, usize::try_from(self.roll() % below).unwrap_or(0));
        }
    }
}
