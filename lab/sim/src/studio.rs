//! One camera at work: the world at a moment becomes a picture and the boxes of what is seen in it.
//!
//! ```text
//! what stands still ─► drawn once, kept until something comes to rest or leaves ─┐
//! what moves ─► drawn at several moments while the shutter is open ──────────────┼─► light ─► film ─► bytes
//! store behind the cart ─► moves when the cart rolls ────────────────────────────┘
//! ```

use glam::{Vec2, Vec3};

use crate::basket::{Part, parts};
use crate::camera::Camera;
use crate::dice::Dice;
use crate::film::{Film, Linear};
use crate::hand::bodies;
use crate::lamp::{Lamp, lamp, lit};
use crate::mesh::Mesh;
use crate::order::Order;
use crate::people::{cloth, skin, torso};
use crate::raster::{Buffer, Placement, Surface};
use crate::seen::{Boxes, HAND, PEOPLE, SCENERY, THINGS};
use crate::shadow::ShadowMap;
use crate::store::{Look, Store};
use crate::stranger;
use crate::texture::Texture;
use crate::world::{Disturbance, Kind, Motion, Placed, World, leg_at};
use crate::{Catalogue, Seen, Simulation};

/// The most moments that one picture is a mix of.
const MOMENTS: usize = 10;
/// A blur of this many pixels is worth another moment.
const BLUR_STEP: f32 = 2.5;

/// A thing as it is drawn.
#[derive(Debug)]
struct Body {
    mesh: Mesh,
    texture: Texture,
    gloss: u8,
}

/// What decides whether the still part must be drawn again.
#[derive(Clone, Debug, Default, PartialEq)]
struct StillLife {
    things: Vec<(usize, Placed)>,
    stand: Vec2,
}

/// A camera, and everything it needs to take pictures of one session.
#[derive(Debug)]
pub struct Studio<'a> {
    world: &'a World,
    order: Order,
    camera: Camera,
    film: Film,
    parts: Vec<Part>,
    bodies: Vec<Body>,
    store: Store,
    looks: Vec<Look>,
    /// World direction of each pixel, one unit of depth long.
    rays: Vec<Vec3>,
    lamp: Lamp,
    shutter: f32,
    skins: [Texture; 4],
    decode: [f32; 256],

    still: Buffer,
    /// Pixels that each owner would cover in the still part.
    still_areas: Vec<f32>,
    still_life: Option<StillLife>,
    still_shadow: ShadowMap,
    moving: Buffer,
    moving_areas: Vec<f32>,
    moving_shadow: ShadowMap,
    /// Light of the still part as it was last put together, and what for.
    base: Vec<Linear>,
    base_is: Option<(f32, Linear, Linear)>,
    light: Vec<Linear>,
    owners: Vec<u16>,
    hand_meshes: [Mesh; 3],
    bytes: Vec<u8>,
    boxes: Boxes,
}

impl<'a> Studio<'a> {
    pub(crate) fn new(simulation: &'a Simulation, catalogue: &Catalogue, number: usize) -> Self {
        let order = simulation.order;
        let world = &simulation.world;
        let camera = simulation.cameras[number].clone();
        let n = order.width * order.height;
        let rays: Vec<Vec3> = (0..n)
            .map(|i| camera.ray(Vec2::new((i % order.width) as f32 + 0.5, (i / order.width) as f32 + 0.5)))
            .collect();
        let mut dice = Dice::new(order.seed, "store", 0);
        let store = Store::new(&mut dice);
        let looks = store.looks(&camera, &rays);
        let parts = parts(&mut Dice::new(order.seed, "cart", 0));
        let bodies = world
            .things
            .iter()
            .map(|thing| match thing.kind {
                Kind::Product(i) => {
                    let product = &catalogue.products()[i];
                    let form = product.form();
                    let texture = product.texture(form.layout, thing.variant);
                    Body { mesh: form.mesh, texture, gloss: product.gloss() }
                }
                Kind::Stranger(i) => {
                    let stranger = stranger::ALL[i];
                    let form = stranger.form();
                    Body {
                        mesh: form.mesh,
                        texture: stranger.texture(thing.variant),
                        gloss: stranger.gloss(),
                    }
                }
            })
            .collect();
        let lamp = lamp(&order);
        let mut dice = Dice::new(order.seed, "shutter", 0);
        let shutter =
            dice.between(order.difficulty.of(0.004, 0.006, 0.012), order.difficulty.of(0.008, 0.016, 0.028));
        let arms = world.arms;
        let hand = arms.glove.unwrap_or(arms.skin);
        let skins =
            [skin(hand, 1), skin(arms.skin, 2), cloth(arms.sleeve, 3), cloth(simulation.shopper.shirt, 4)];
        let owners = usize::from(THINGS) + world.things.len();
        Self {
            world,
            order,
            film: Film::new(&order, number),
            parts,
            bodies,
            looks,
            store,
            rays,
            lamp,
            shutter,
            skins,
            decode: std::array::from_fn(|i| {
                let v = i as f32 / 255.0;
                if v <= 0.04045 { v / 12.92 } else { libm::powf((v + 0.055) / 1.055, 2.4) }
            }),
            still: Buffer::new(order.width, order.height),
            still_areas: vec![0.0; owners],
            still_life: None,
            still_shadow: ShadowMap::new(lamp.towards),
            moving: Buffer::new(order.width, order.height),
            moving_areas: vec![0.0; owners],
            moving_shadow: ShadowMap::new(lamp.towards),
            base: vec![[0.0; 3]; n],
            base_is: None,
            light: vec![[0.0; 3]; n],
            owners: vec![0; n],
            hand_meshes: Default::default(),
            bytes: Vec::new(),
            boxes: Boxes::new(owners, order.width, order.height),
            camera,
        }
    }

    /// Takes picture number `frame`: RGB bytes row by row, and what is seen in it. Frames may be taken in any order;
    /// taken in order they cost least.
    pub fn shoot(&mut self, frame: u32) -> (&[u8], &[Seen]) {
        let t = frame as f32 / self.order.fps as f32;
        self.draw_still(t);
        let moments = self.moments(t);
        let first = t - self.shutter * 0.5;
        let step = self.shutter / moments as f32;
        let middle = moments / 2;

        self.moving_shadow.clear();
        self.cast_moving(t);
        self.moving_shadow.soften();
        self.put_together_base(t);
        self.light.copy_from_slice(&self.base);
        for (owner, pixel) in self.owners.iter_mut().zip(&self.still.pixels) {
            *owner = pixel.owner;
        }
        let (key, ambient) = self.strengths(t);
        for moment in 0..moments {
            self.draw_moving(first + step * (moment as f32 + 0.5));
            let share = 1.0 / moments as f32;
            let (rows, columns) = self.moving.drawn();
            for y in rows {
                for x in columns.clone() {
                    let i = y * self.order.width + x;
                    let pixel = &self.moving.pixels[i];
                    if pixel.nearness <= self.still.pixels[i].nearness {
                        continue;
                    }
                    let lit = lit(&self.decode, pixel, 1.0, &key, &ambient);
                    for ((sum, new), old) in self.light[i].iter_mut().zip(lit).zip(self.base[i]) {
                        *sum += (new - old) * share;
                    }
                    if moment == middle {
                        self.owners[i] = pixel.owner;
                    }
                }
            }
            if moment == middle {
                let areas = self.still_areas.iter().zip(&self.moving_areas).map(|(a, b)| a + b);
                self.boxes.expect(areas);
            }
            self.moving.clear();
        }
        let shift = self.shake(t);
        self.film.expose(&self.light, t, frame, shift, &mut self.bytes);
        let held = |thing: usize| {
            let leg = leg_at(&self.world.things[thing], t);
            leg.is_some_and(|l| matches!(l.motion, Motion::Carried { .. }))
        };
        let seen = self.boxes.gather(&self.owners, shift, held);
        (&self.bytes, seen)
    }

    /// Colour and strength of key and ambient light at `t`.
    fn strengths(&self, t: f32) -> (Linear, Linear) {
        let mut gain = 1.0;
        for disturbance in &self.world.disturbances {
            if let Disturbance::Flicker { from, to, depth } = *disturbance
                && (from..=to).contains(&t)
            {
                let beat = libm::sinf((t - from) * 43.0) * libm::sinf((t - from) * 17.0 + 1.0);
                gain *= 1.0 - depth * (0.5 + 0.5 * beat);
            }
        }
        (self.lamp.key.map(|v| v * gain), self.lamp.ambient.map(|v| v * gain))
    }

    /// A passing shadow: how much of the key light is left at a place.
    fn passing(&self, t: f32, p: Vec3) -> f32 {
        let mut left = 1.0;
        for disturbance in &self.world.disturbances {
            if let Disturbance::Shadow { from, to, depth } = *disturbance
                && (from..=to).contains(&t)
            {
                let at = -0.9 + 1.8 * (t - from) / (to - from);
                let far = (p.x * 0.8 + p.y * 0.6 - at) / 0.28;
                left *= 1.0 - depth / (1.0 + far * far * far * far);
            }
        }
        left
    }

    /// How far the picture is shaken at `t`, pixels.
    fn shake(&self, t: f32) -> (i32, i32) {
        let mut shift = Vec2::ZERO;
        for disturbance in &self.world.disturbances {
            if let Disturbance::Jolt { from, to, size } = *disturbance
                && (from..=to).contains(&t)
            {
                let s = (t - from) / (to - from);
                let fade = size * (1.0 - s);
                shift += Vec2::new(libm::sinf(s * 21.0), libm::sinf(s * 33.0 + 0.7)) * fade;
            }
        }
        (libm::roundf(shift.x) as i32, libm::roundf(shift.y) as i32)
    }

    /// How many moments the picture at `t` needs, by how far things move while the shutter is open.
    fn moments(&self, t: f32) -> usize {
        let (a, b) = (t - self.shutter * 0.5, t + self.shutter * 0.5);
        let fastest = (0..2)
            .filter_map(|hand| {
                let [p, q] = [a, b].map(|t| self.camera.project(self.world.grasp(hand, t).point));
                Some(p?.distance(q?))
            })
            .fold(0.0, f32::max);
        (((fastest / BLUR_STEP).ceil()) as usize).clamp(1, MOMENTS)
    }

    /// Draws what stands still, if it has changed.
    fn draw_still(&mut self, t: f32) {
        let half = self.shutter * 0.5;
        let things = self.world.things.iter().enumerate().filter_map(|(i, thing)| {
            let leg = leg_at(thing, t)?;
            match leg.motion {
                // At rest for the whole exposure.
                Motion::Resting(placed) if leg.from <= t - half && t + half < leg.to => Some((i, placed)),
                _ => None,
            }
        });
        let life = StillLife { things: things.collect(), stand: self.world.stand(t) };
        if self.still_life.as_ref() == Some(&life) {
            return;
        }
        self.still.clear();
        self.still_shadow.clear();
        self.still_areas.fill(0.0);
        for part in &self.parts {
            let Part { mesh, texture, gloss, two_sided } = part;
            let surface = Surface { texture, gloss: *gloss, owner: SCENERY, two_sided: *two_sided };
            self.still.draw(&self.camera, mesh, &Placement::HOME, surface, &self.lamp);
        }
        // The floor and the walls' windows let light through: only things cast.
        for (i, placed) in &life.things {
            let body = &self.bodies[*i];
            let placement = self.world.things[*i].placement(placed);
            let owner = THINGS + *i as u16;
            let surface = Surface { texture: &body.texture, gloss: body.gloss, owner, two_sided: false };
            let area = self.still.draw(&self.camera, &body.mesh, &placement, surface, &self.lamp);
            self.still_areas[usize::from(owner)] = area;
            self.still_shadow.cast(&body.mesh, &placement);
        }
        let torso = torso(life.stand);
        let surface = Surface { texture: &self.skins[3], gloss: 5, owner: PEOPLE, two_sided: false };
        self.still.draw(&self.camera, &torso, &Placement::HOME, surface, &self.lamp);
        for (pixel, ray) in self.still.pixels.iter_mut().zip(&self.rays) {
            if pixel.nearness > 0.0 && pixel.key > 0 {
                let at = self.camera.position + *ray / pixel.nearness;
                pixel.key = (f32::from(pixel.key) * self.still_shadow.light_on_exact(at)) as u8;
            }
        }
        self.still_life = Some(life);
        self.base_is = None;
    }

    /// The light of everything that does not move, with the shadows of what does.
    fn put_together_base(&mut self, t: f32) {
        let (key, ambient) = self.strengths(t);
        let rolled = self.world.rolled(t);
        let passing = self.world.disturbances.iter().any(|d| {
            let (from, to) = d.span();
            matches!(d, Disturbance::Shadow { .. }) && (from..=to).contains(&t)
        });
        let shadows = passing || !self.moving_shadow.is_empty();
        let is = (rolled, key, ambient);
        if !shadows && self.base_is == Some(is) {
            return;
        }
        for (i, pixel) in self.still.pixels.iter().enumerate() {
            if pixel.nearness == 0.0 {
                let (colour, shade) = self.store.colour(&self.looks[i], rolled);
                for c in 0..3 {
                    let light = (key[c] * 0.55 + ambient[c] * 0.8) * shade;
                    self.base[i][c] = self.decode[usize::from(colour[c])] * light;
                }
                continue;
            }
            let mut reaches = 1.0;
            if shadows {
                let at = self.camera.position + self.rays[i] / pixel.nearness;
                reaches = self.moving_shadow.light_on(at);
                if passing {
                    reaches *= self.passing(t, at);
                }
            }
            self.base[i] = lit(&self.decode, pixel, reaches, &key, &ambient);
        }
        // With moving shadows it is good for this moment only.
        self.base_is = (!shadows).then_some(is);
    }

    /// Things that move at `t`, with where they are.
    fn moving_things(&self, t: f32) -> impl Iterator<Item = (usize, Placement)> {
        let still = self.still_life.as_ref().map_or(&[][..], |l| &l.things);
        let world = self.world;
        world.things.iter().enumerate().filter_map(move |(i, thing)| {
            if still.iter().any(|(s, _)| *s == i) {
                return None;
            }
            let (placed, _) = world.place(thing, t)?;
            Some((i, thing.placement(&placed)))
        })
    }

    fn cast_moving(&mut self, t: f32) {
        let over = |p: Vec3| p.x.abs() < 0.75 && p.y.abs() < 0.62;
        for hand in 0..2 {
            let grasp = self.world.grasp(hand, t);
            if over(grasp.point) {
                bodies(&grasp, &grasp.joints(), &self.world.arms, &mut self.hand_meshes);
                for mesh in &self.hand_meshes {
                    self.moving_shadow.cast(mesh, &Placement::HOME);
                }
            }
        }
        let things: Vec<_> = self.moving_things(t).collect();
        for (i, placement) in things {
            if over(placement.position) {
                self.moving_shadow.cast(&self.bodies[i].mesh, &placement);
            }
        }
    }

    fn draw_moving(&mut self, t: f32) {
        self.moving_areas.fill(0.0);
        let things: Vec<_> = self.moving_things(t).collect();
        for (i, placement) in things {
            let body = &self.bodies[i];
            let owner = THINGS + i as u16;
            let surface = Surface { texture: &body.texture, gloss: body.gloss, owner, two_sided: false };
            let area = self.moving.draw(&self.camera, &body.mesh, &placement, surface, &self.lamp);
            self.moving_areas[usize::from(owner)] = area;
        }
        for hand in 0..2 {
            let grasp = self.world.grasp(hand, t);
            bodies(&grasp, &grasp.joints(), &self.world.arms, &mut self.hand_meshes);
            let owner = HAND + hand as u16;
            let mut beyond = 1.0;
            for (mesh, (texture, whose)) in
                self.hand_meshes.iter().zip(self.skins.iter().zip([owner, PEOPLE, PEOPLE]))
            {
                let surface = Surface { texture, gloss: 12, owner: whose, two_sided: false };
                let area = self.moving.draw(&self.camera, mesh, &Placement::HOME, surface, &self.lamp);
                if whose == owner {
                    beyond = self.moving.beyond(area);
                }
            }
            // A hand's fingers hide each other: what it would cover is what it covers alone, and as much more as
            // lies beyond the picture's edge.
            let (rows, columns) = self.moving.drawn();
            let own = rows.flat_map(|y| {
                self.moving.pixels[y * self.order.width..][columns.clone()]
                    .iter()
                    .filter(|p| p.owner == owner)
            });
            self.moving_areas[usize::from(owner)] = own.count() as f32 * beyond;
        }
        for disturbance in &self.world.disturbances {
            if let Disturbance::PasserBy { from, to, side, shirt } = *disturbance
                && (from..=to).contains(&t)
            {
                let x = -2.2 + 4.4 * (t - from) / (to - from);
                let mesh = torso(Vec2::new(x, side * 0.75));
                let texture = cloth(shirt, 9);
                let surface = Surface { texture: &texture, gloss: 5, owner: PEOPLE, two_sided: false };
                self.moving.draw(&self.camera, &mesh, &Placement::HOME, surface, &self.lamp);
            }
        }
    }
}
