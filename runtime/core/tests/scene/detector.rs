//! What cameras and a detector make of the scene.

use cartvision_core::{BBox, ClassId, Detection, Point, Role, Zone};

use super::script::{Scene, Thing};

/// A zone that is not the whole picture: a hexagon around the middle.
pub const ZONE: [(f32, f32); 6] =
    [(0.3, 0.15), (0.7, 0.15), (0.85, 0.5), (0.7, 0.85), (0.3, 0.85), (0.15, 0.5)];

/// SplitMix64: enough for noise.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn chance(&mut self, p: f32) -> bool {
        self.between(0.0, 1.0) < p
    }

    /// About normal, standard deviation 1, never beyond 3.5.
    fn gauss(&mut self) -> f32 {
        (0..12).map(|_| self.between(0.0, 1.0)).sum::<f32>().clamp(2.5, 9.5) - 6.0
    }
}

/// A camera: when it takes pictures and how the scene lies in them.
#[derive(Clone, Debug)]
pub struct Lens {
    pub rate: f32,
    pub offset: f32,
    /// Share of an interval by which a picture comes early or late.
    pub irregular: f32,
    pub mirrored: bool,
    /// Size of the scene in the picture, and where its middle comes to lie.
    pub scale: f32,
    pub middle: (f32, f32),
    pub zone: Zone,
    /// No pictures from then to then.
    pub gap: Option<(f32, f32)>,
}

impl Default for Lens {
    fn default() -> Self {
        Self {
            rate: 30.0,
            offset: 0.0,
            irregular: 0.0,
            mirrored: false,
            scale: 1.0,
            middle: (0.5, 0.5),
            zone: Zone::whole(),
            gap: None,
        }
    }
}

impl Lens {
    /// The hexagon as its zone.
    pub fn with_zone(self) -> Self {
        let corners: Vec<_> = ZONE.iter().map(|(x, y)| Point { x: *x, y: *y }).collect();
        Self { zone: Zone::new(&corners).expect("a hexagon"), ..self }
    }

    /// The moments of its pictures, seconds.
    pub fn moments(&self, length: f32, rng: &mut Rng) -> Vec<f32> {
        (0..)
            .map(|i| {
                let early = self.irregular * 0.5;
                self.offset + (i as f32 + 1.0 + rng.between(-early, early)) / self.rate
            })
            .take_while(|t| *t < length)
            .filter(|t| self.gap.is_none_or(|(from, to)| !(from..to).contains(t)))
            .collect()
    }

    fn place(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let x = if self.mirrored { 1.0 - x } else { x };
        ((x - 0.5) * self.scale + self.middle.0, (y - 0.5) * self.scale + self.middle.1)
    }
}

/// How badly the detector sees.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Standard deviation of an edge, in box sizes.
    pub jitter: f32,
    pub score: f32,
    pub score_spread: f32,
    /// Share of sightings that it misses, and that it takes for another item.
    pub misses: f32,
    pub confusion: f32,
    /// Share of sightings that it reports twice, as different items.
    pub doubles: f32,
    /// Share of hands that it sees; 0: it has no such class.
    pub hands: f32,
    /// Boxes that are not there: place, class, share of pictures.
    pub flicker: Vec<((f32, f32), u16, f32)>,
    /// Nothing is seen from then to then.
    pub dark: Option<(f32, f32)>,
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            jitter: 0.015,
            score: 0.85,
            score_spread: 0.05,
            misses: 0.03,
            confusion: 0.03,
            doubles: 0.02,
            hands: 0.9,
            flicker: vec![],
            dark: None,
        }
    }
}

/// Cells by which visibility is measured, a side.
const CELLS: usize = 10;

/// What the detector reports of the scene at `t`, highest score first.
pub fn look(scene: &Scene, lens: &Lens, t: f32, rng: &mut Rng) -> Vec<Detection> {
    let noise = &scene.noise;
    if noise.dark.is_some_and(|(from, to)| (from..to).contains(&t)) {
        return vec![];
    }
    let there: Vec<(&Thing, BBox)> = scene
        .things
        .iter()
        .filter_map(|thing| Some((thing, boxed(lens, thing.at(t)?, thing.size))))
        .collect();
    let mut seen = vec![];
    for (thing, bbox) in &there {
        let covers: Vec<BBox> =
            there.iter().filter(|(o, _)| o.layer > thing.layer).map(|(_, b)| *b).collect();
        let Some((share, visible)) = visible(bbox, &covers) else { continue };
        let (class, role) = match thing.item {
            Some(item) => (ClassId(item), Role::Item),
            None => (ClassId(999), Role::Hand),
        };
        // Of what is mostly covered the detector sees little, and is not sure of it.
        let (misses, faint) = match share {
            s if s < 0.3 => (1.0, 0.0),
            s if s < 0.55 => (0.4, 0.3),
            s if s < 0.85 => (noise.misses * 2.0, 0.1),
            _ => (noise.misses, 0.0),
        };
        let seen_at_all = if role == Role::Hand { rng.chance(noise.hands) } else { !rng.chance(misses) };
        let score = (noise.score - faint + rng.gauss() * noise.score_spread).clamp(0.05, 0.99);
        let mut edge = |size: f32| rng.gauss() * noise.jitter * size;
        let (w, h) = (visible.width(), visible.height());
        let bbox = clipped(BBox {
            x0: visible.x0 + edge(w),
            y0: visible.y0 + edge(h),
            x1: visible.x1 + edge(w),
            y1: visible.y1 + edge(h),
        });
        let class = if role == Role::Item && rng.chance(noise.confusion) { ClassId(100) } else { class };
        let double = role == Role::Item && rng.chance(noise.doubles);
        if !seen_at_all || bbox.width() <= 0.0 || bbox.height() <= 0.0 {
            continue;
        }
        seen.push(Detection { class, role, score, bbox });
        if double {
            seen.push(Detection { class: ClassId(101), role, score: score * 0.6, bbox });
        }
    }
    for (place, item, share) in &noise.flicker {
        if rng.chance(*share) {
            let bbox = boxed(lens, *place, (0.1, 0.2));
            let score = rng.between(0.4, 0.7);
            seen.push(Detection { class: ClassId(*item), role: Role::Item, score, bbox });
        }
    }
    seen.sort_by(|a, b| b.score.total_cmp(&a.score));
    seen
}

fn boxed(lens: &Lens, centre: (f32, f32), size: (f32, f32)) -> BBox {
    let ((x, y), (w, h)) = (lens.place(centre), (size.0 * lens.scale * 0.5, size.1 * lens.scale * 0.5));
    BBox { x0: x - w, y0: y - h, x1: x + w, y1: y + h }
}

fn clipped(b: BBox) -> BBox {
    let c = |v: f32| v.clamp(0.0, 1.0);
    BBox { x0: c(b.x0), y0: c(b.y0), x1: c(b.x1), y1: c(b.y1) }
}

/// The share of the box that is in the picture and not covered, and the box around that.
fn visible(b: &BBox, covers: &[BBox]) -> Option<(f32, BBox)> {
    let (w, h) = (b.width() / CELLS as f32, b.height() / CELLS as f32);
    let mut cells = 0;
    let mut around: Option<BBox> = None;
    for (i, j) in (0..CELLS).flat_map(|i| (0..CELLS).map(move |j| (i, j))) {
        let (x0, y0) = (b.x0 + i as f32 * w, b.y0 + j as f32 * h);
        let (x, y) = (x0 + w * 0.5, y0 + h * 0.5);
        let within = |o: &BBox| x > o.x0 && x < o.x1 && y > o.y0 && y < o.y1;
        if !within(&BBox { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 }) || covers.iter().any(within) {
            continue;
        }
        cells += 1;
        let a = around.unwrap_or(BBox { x0, y0, x1: x0, y1: y0 });
        around =
            Some(BBox { x0: a.x0.min(x0), y0: a.y0.min(y0), x1: a.x1.max(x0 + w), y1: a.y1.max(y0 + h) });
    }
    Some((cells as f32 / (CELLS * CELLS) as f32, clipped(around?)))
}
