//! Which pictures come onto the contact sheet: spread evenly over what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::sheet::Tile;
use crate::halt::Halt;
use crate::{
    dataset::{
        Error,
        classes::{Class, Role},
        labels::{self, Label, Least},
        made,
        video::Video,
    },
    recording::{Recording, Split, Thing, View},
};

/// How many of `count` places each of `things` gets.
pub(super) fn spread(things: usize, count: usize) -> Vec<usize> {
    let up_to = |thing: usize| (thing * count).div_ceil(things.max(1));
    (0..things).map(|thing| up_to(thing + 1) - up_to(thing)).collect()
}

/// Pictures of a session: of its cameras in turn, spread over the frames in which a hand is busy.
pub(super) fn of_session(
    recording: &Recording,
    views: &[Vec<View>],
    classes: &[Class],
    places: usize,
    split: Option<Split>,
    halt: &Halt,
) -> Result<Vec<Tile>, Error> {
    let session = &recording.session;
    let size = (session.width, session.height);
    let mut tiles = Vec::new();
    for (index, (camera, views)) in session.cameras.iter().zip(views).enumerate() {
        let turns = (0..places).filter(|place| place % session.cameras.len() == index);
        let busy = |view: &&View| view.boxes.iter().any(|seen| seen.thing == Thing::Hand);
        let mut choice: Vec<_> = views.iter().filter(busy).collect();
        if choice.is_empty() {
            choice.extend(views);
        }
        let chosen: BTreeMap<u64, &View> = turns
            .map(|place| choice[(2 * place + 1) * choice.len() / (2 * places).max(1) % choice.len()])
            .map(|view| (view.frame, view))
            .collect();
        if chosen.is_empty() {
            continue;
        }
        let wanted: Vec<_> = chosen.keys().copied().collect();
        let mut left = wanted.len();
        let file = recording.video(camera);
        let mut video = Video::open(&file, session.fps, size, move |frame| wanted.contains(&frame), halt)?;
        while left > 0 {
            let Some(frame) = video.next()? else { break };
            left -= 1;
            let Some(view) = chosen.get(&frame.index) else { continue };
            let all = Least { visibility: 0.0, side: 0.0 };
            let items = classes.len().saturating_sub(2);
            let (labels, _) = labels::of(view, size, size, items, all);
            let split = split.map_or("", Split::name);
            tiles.push(Tile {
                caption: format!("{} {} {} {split}", session.name, camera.name.as_str(), frame.index),
                labels: named(&labels, classes),
                picture: frame.picture,
            });
        }
    }
    Ok(tiles)
}

/// Pictures of a data set.
pub(super) fn of_images(
    data: &Path,
    images: Vec<(Split, PathBuf, Vec<Label>)>,
    classes: &[Class],
    count: usize,
) -> Result<Vec<Tile>, Error> {
    // Of each stretch the picture nearest to its middle with a hand in it, where there is one.
    let count = count.min(images.len());
    let hand = |label: &Label| classes.get(label.class).is_some_and(|class| class.role == Role::Hand);
    let choice = |stretch: usize| {
        let (from, to) = (stretch * images.len() / count, (stretch + 1) * images.len() / count);
        let middle = usize::midpoint(from, to);
        let busy = (from..to).filter(|i| images[*i].2.iter().any(hand));
        busy.min_by_key(|i| i.abs_diff(middle)).unwrap_or(middle)
    };
    let chosen: BTreeSet<usize> = (0..count).map(choice).collect();
    let chosen = images.into_iter().enumerate().filter(|(i, _)| chosen.contains(i)).map(|(_, image)| image);
    let tile = |(split, image, labels): (Split, PathBuf, Vec<Label>)| {
        let path = data.join(&image);
        let unreadable = |reason| Error::Unreadable { path: path.clone(), reason };
        let bytes = fs::read(&path).map_err(|e| unreadable(e.to_string()))?;
        let picture = made::decode(&bytes).map_err(unreadable)?;
        let name = image.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Tile { caption: format!("{name} {split}"), labels: named(&labels, classes), picture })
    };
    chosen.map(tile).collect()
}

fn named(labels: &[Label], classes: &[Class]) -> Vec<(Label, String)> {
    let name = |label: &Label| classes.get(label.class).map_or("?".to_owned(), |class| class.label.clone());
    labels.iter().map(|label| (label.clone(), name(label))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_and_all_given_out() {
        for (things, count) in [(1, 12), (3, 12), (5, 12), (12, 12), (100, 12), (7, 1)] {
            let places = spread(things, count);
            assert_eq!((places.len(), places.iter().sum::<usize>()), (things, count));
            let (least, most) = (places.iter().min().unwrap(), places.iter().max().unwrap());
            assert!(most - least <= 1, "{places:?}");
        }
        assert!(spread(0, 12).is_empty());
    }
}
