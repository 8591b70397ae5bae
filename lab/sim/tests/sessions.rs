//! What every session must be like, over many seeds; replayable by the seed that a failure names.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use cartvision_sim::{
    Act, Catalogue, ChangeKind, Difficulty, Order, Seen, Simulation, Split, Style, Vec2, Who,
};

fn order(seed: u64, difficulty: Difficulty) -> Order {
    Order { seed, difficulty, cameras: 2, duration: 40.0, fps: 15, width: 640, height: 360 }
}

/// FNV-1a, 64 bits: short, and the same everywhere.
fn hash(bytes: &[u8], seen: &[Seen], start: u64) -> u64 {
    let boxes = seen.iter().flat_map(|s| s.bbox).flat_map(u32::to_le_bytes);
    bytes.iter().copied().chain(boxes).fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn truth_is_sound_over_many_seeds() {
    let catalogue = Catalogue::own();
    let (mut episodes, mut nulls) = (0, 0);
    let mut acts: BTreeMap<Act, usize> = BTreeMap::new();
    for difficulty in Difficulty::ALL {
        for seed in 0..60 {
            let about = format!("{} {seed}", difficulty.name());
            let simulation = Simulation::new(order(seed, difficulty), &catalogue);
            let truth = simulation.truth();
            let things = simulation.instances().count();
            assert!(truth.changes.len() <= 16, "{about}: {} changes", truth.changes.len());
            assert!(!truth.changes.is_empty(), "{about}: nothing happens");
            let mut last = 0.0;
            for (n, episode) in truth.episodes.iter().enumerate() {
                assert!(
                    last <= episode.start && episode.start < episode.end && episode.end <= 40.0,
                    "{about}"
                );
                assert!(!episode.acts.is_empty(), "{about}: episode {n} {episode:?} was not played");
                last = episode.end;
                let own = truth.changes.iter().filter(|c| c.episode == n).count();
                assert_eq!(own, episode.changes, "{about}: episode {n}");
                for act in &episode.acts {
                    *acts.entry(*act).or_default() += 1;
                }
            }
            // Of one thing, in and out take turns.
            let mut where_is: BTreeMap<usize, (ChangeKind, f32)> = BTreeMap::new();
            for change in &truth.changes {
                assert!(change.thing < things);
                assert!(change.start <= change.end && change.end - change.start < 4.0, "{about}: {change:?}");
                let episode = &truth.episodes[change.episode];
                assert!(
                    episode.start <= change.start && change.end <= episode.end,
                    "{about}: {change:?} {episode:?}"
                );
                if let Some((kind, until)) = where_is.insert(change.thing, (change.kind, change.end)) {
                    assert!(kind != change.kind && until <= change.start, "{about}: {change:?}");
                }
            }
            episodes += truth.episodes.len();
            nulls += truth.episodes.iter().filter(|e| e.changes == 0).count();
        }
    }
    assert!(nulls * 3 >= episodes, "only {nulls} of {episodes} episodes are null");
    assert!(nulls * 10 <= episodes * 6, "{nulls} of {episodes} episodes are null: too little happens");
    let missing: Vec<_> = Act::ALL.iter().filter(|a| !acts.contains_key(a)).collect();
    assert!(missing.is_empty(), "never played: {missing:?}");
}

/// Acts that are told as one kind do what that kind says, when nothing else is in their episode.
#[test]
fn acts_do_what_they_are_called() {
    let catalogue = Catalogue::own();
    let mut wrong = Vec::new();
    for seed in 0..150 {
        let simulation = Simulation::new(order(seed, Difficulty::ALL[seed as usize % 3]), &catalogue);
        let truth = simulation.truth();
        for (n, episode) in truth.episodes.iter().enumerate() {
            let [act] = episode.acts[..] else { continue };
            let mut kinds: Vec<_> = truth.changes.iter().filter(|c| c.episode == n).map(|c| c.kind).collect();
            kinds.sort();
            let (added, removed) = (ChangeKind::Added, ChangeKind::Removed);
            // One act with a second of quiet within (somebody hesitates) is two episodes.
            let neighbours = [n.wrapping_sub(1), n + 1];
            let halved = neighbours.iter().any(|i| truth.episodes.get(*i).is_some_and(|e| e.acts == [act]));
            let right = match act {
                Act::Add | Act::Drop | Act::AddUnknown => kinds == [added],
                Act::Remove | Act::RemoveUnknown => kinds == [removed],
                Act::TwoHands => kinds.len() == 1,
                Act::Swap => kinds == [added, removed] || halved && kinds.len() == 1,
                Act::Several => kinds == [added, added] || halved && kinds == [added],
                _ => kinds.is_empty(),
            };
            if !right {
                wrong.push(format!("seed {seed}, episode {n}: {act:?} made {kinds:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn splits_share_no_shopper_and_no_print() {
    let catalogue = Catalogue::own();
    let mut owners: BTreeMap<String, Split> = BTreeMap::new();
    let mut styles = BTreeMap::new();
    for split in Split::ALL {
        for n in 0..40 {
            let simulation = Simulation::new(order(split.seed(n), Difficulty::Normal), &catalogue);
            *styles.entry((split, simulation.shopper().style)).or_insert(0) += 1;
            let mut claims = vec![simulation.shopper().name()];
            claims.extend(simulation.instances().map(|i| format!("{:?} {}", i.product, i.variant)));
            for claim in claims {
                let owner = *owners.entry(claim.clone()).or_insert(split);
                assert_eq!(owner, split, "{claim} is in both");
            }
        }
    }
    for split in Split::ALL {
        for style in [Style::Calm, Style::Fast, Style::Hesitant, Style::TwoHanded] {
            assert!(styles.contains_key(&(split, style)), "{split:?} has no {style:?}");
        }
    }
}

#[test]
fn a_zone_covers_the_things_that_rest_in_it() {
    let catalogue = Catalogue::own();
    for seed in 0..6 {
        let order = Order { cameras: 4, ..order(seed, Difficulty::Normal) };
        let simulation = Simulation::new(order, &catalogue);
        for camera in 0..order.cameras {
            let zone = simulation.zone(camera);
            assert!((4..=16).contains(&zone.len()), "{zone:?}");
            assert!(zone.iter().all(|p| (0.0..=1.0).contains(&p.x) && (0.0..=1.0).contains(&p.y)));
            let area: f32 =
                (0..zone.len()).map(|i| zone[i].perp_dot(zone[(i + 1) % zone.len()])).sum::<f32>() * 0.5;
            assert!((0.2..0.95).contains(&area.abs()), "camera {camera} sees {area} of it");
            let inside = |p: Vec2| {
                (0..zone.len()).all(|i| {
                    let (a, b) = (zone[i], zone[(i + 1) % zone.len()]);
                    (b - a).perp_dot(p - a) * area >= -0.002
                })
            };
            let mut studio = simulation.studio(&catalogue, camera);
            let (_, seen) = studio.shoot(0);
            for seen in seen.iter().filter(|s| matches!(s.who, Who::Thing(_)) && !s.held) {
                let [x0, y0, x1, y1] = seen.bbox.map(|v| v as f32);
                let middle = Vec2::new((x0 + x1) / 1280.0, (y0 + y1) / 720.0);
                assert!(inside(middle), "seed {seed} camera {camera}: {seen:?}");
            }
        }
    }
}

#[test]
fn what_reaches_beyond_the_picture_is_not_wholly_visible() {
    let catalogue = Catalogue::own();
    let order = Order { width: 320, height: 180, ..order(3, Difficulty::Normal) };
    let simulation = Simulation::new(order, &catalogue);
    let (mut cut, mut whole) = (0, 0);
    for camera in 0..2 {
        let mut studio = simulation.studio(&catalogue, camera);
        for frame in (0..600).step_by(6) {
            let (_, seen) = studio.shoot(frame);
            for seen in seen.iter().filter(|s| matches!(s.who, Who::Hand(_))) {
                assert!((0.0..=1.0).contains(&seen.visibility));
                // Cut off by the upper edge: a hand's upper end is its wrist.
                if seen.bbox[1] == 0 && seen.bbox[3] < 40 {
                    cut += 1;
                    whole += usize::from(seen.visibility > 0.9);
                }
            }
        }
    }
    assert!(cut > 10 && whole * 3 < cut, "{whole} of {cut} hands at the edge are said to be whole");
}

#[test]
fn a_picture_depends_on_its_number_alone() {
    let catalogue = Catalogue::own();
    let order = Order { width: 320, height: 180, ..order(4, Difficulty::Hard) };
    let simulation = Simulation::new(order, &catalogue);
    let frames = [200, 31, 32, 33, 400, 31];
    let mut studio = simulation.studio(&catalogue, 1);
    let mut first: BTreeMap<u32, u64> = BTreeMap::new();
    for frame in frames {
        let (bytes, seen) = studio.shoot(frame);
        let now = hash(bytes, seen, 0);
        assert_eq!(*first.entry(frame).or_insert(now), now, "frame {frame}");
    }
    let mut fresh = simulation.studio(&catalogue, 1);
    for (frame, before) in first {
        let (bytes, seen) = fresh.shoot(frame);
        assert_eq!(hash(bytes, seen, 0), before, "frame {frame}");
    }
}

/// The same bits on every machine. Whoever changes what pictures or sessions look like, on purpose, writes the new
/// number here, and knows by it that older sets were made otherwise.
#[test]
fn pictures_are_those_of_every_machine() {
    let catalogue = Catalogue::own();
    let mut all = 0xcbf2_9ce4_8422_2325;
    for difficulty in Difficulty::ALL {
        let order = Order { width: 320, height: 180, ..order(77, difficulty) };
        let simulation = Simulation::new(order, &catalogue);
        for camera in 0..2 {
            let mut studio = simulation.studio(&catalogue, camera);
            for frame in (0..600).step_by(40) {
                let (bytes, seen) = studio.shoot(frame);
                all = hash(bytes, seen, all);
            }
        }
    }
    assert_eq!(all, PICTURES, "{all:#018x}");
}

const PICTURES: u64 = 0x3db2_b395_5b57_efad;
