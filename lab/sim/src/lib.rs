//! The dummy cart: a seed in, pictures and their truth out.
//!
//! ```text
//! Order (seed) ─► director: acts, movements ─► World (everything as a function of time)
//!                                               ├─► truth: changes, episodes
//!                                               └─► Studio (one a camera): picture and boxes of a frame
//! ```
//!
//! Invariants: no I/O, no clock, no threads; equal orders and catalogues give equal bits on every x86-64 machine (only
//! basic arithmetic in a fixed order and `libm` touch a float, chance comes from ChaCha by purpose). A picture depends
//! on its frame number alone, never on the ones before.
//!
//! The renderer is a rasterizer on the CPU, ours: what a cart needs of one (a few thousand triangles, one light from
//! above, a still part that stays for seconds) is small, and no renderer at hand promises the same bits everywhere.
//! Deliberately absent: reflections, transparency, cloth, real physics.
#![forbid(unsafe_code)]

mod act;
mod basket;
mod camera;
mod catalogue;
mod dice;
mod director;
mod film;
mod form;
mod hand;
mod lamp;
mod mesh;
mod order;
mod paint;
mod people;
mod picture;
mod pile;
mod raster;
mod seen;
mod shadow;
mod store;
mod stranger;
mod studio;
mod texture;
mod truth;
mod world;

pub use act::Act;
pub use basket::MAX_CAMERAS;
pub use camera::Camera;
pub use catalogue::{Catalogue, CatalogueError, Product, VARIANTS};
pub use form::Shape;
pub use glam::{Mat3, Vec2, Vec3};
pub use order::{Difficulty, Order, Shopper, Split, Style};
pub use picture::Picture;
pub use seen::{Seen, Who};
pub use studio::Studio;
pub use truth::{Change, ChangeKind, Episode, Truth, UNKNOWN};

use world::World;

/// One thing of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its product's place in the catalogue; `None` for what is not sold.
    pub product: Option<usize>,
    /// Which print of it.
    pub variant: u32,
}

/// A session: everything that happens in it is settled, nothing is drawn yet.
#[derive(Clone, Debug)]
pub struct Simulation {
    order: Order,
    shopper: Shopper,
    world: World,
    truth: Truth,
    cameras: Vec<Camera>,
}

impl Simulation {
    /// Settles a session. The catalogue must be the one that [`Self::studio`] is given.
    pub fn new(order: Order, catalogue: &Catalogue) -> Self {
        let shopper = Shopper::of(&order);
        let (world, notes) = director::direct(&order, &shopper, catalogue);
        let truth = Truth::of(&world, &notes);
        Self { order, shopper, world, truth, cameras: basket::cameras(&order) }
    }

    /// Who shops.
    pub fn shopper(&self) -> &Shopper {
        &self.shopper
    }

    /// What happens.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The light's name, for break-downs.
    pub fn light(&self) -> String {
        lamp::light_name(&self.order)
    }

    /// The cameras.
    pub fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    /// The basket region in a camera's picture: corners in shares of it.
    pub fn zone(&self, camera: usize) -> Vec<Vec2> {
        self.cameras.get(camera).map(basket::zone).unwrap_or_default()
    }

    /// The things of the session; a thing's place is its track.
    pub fn instances(&self) -> impl Iterator<Item = Instance> + '_ {
        self.world.things.iter().map(|t| Instance { product: t.kind.product(), variant: t.variant })
    }

    /// Pictures that each camera takes.
    pub fn frames(&self) -> u32 {
        (self.order.duration * self.order.fps as f32) as u32
    }

    /// Sets up camera number `camera` (below the number ordered).
    pub fn studio(&self, catalogue: &Catalogue, camera: usize) -> Studio<'_> {
        Studio::new(self, catalogue, camera)
    }
}
