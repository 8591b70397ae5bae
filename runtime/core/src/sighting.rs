//! What a detector saw in one picture.

use crate::geometry::BBox;

/// The most detections one picture gives; a detector that sees more keeps those with the highest scores.
pub const MAX_DETECTIONS: usize = 64;

/// A class of the detector: its index in the bundle's class list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

/// What a class means to the cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Something that can be bought.
    Item,
    /// Something real that is not in the catalogue: followed as an item is, and told of without a name.
    Unknown,
    /// A hand or an arm: what acts.
    Hand,
    /// Nothing of ours; a detector drops it before it reports.
    Ignore,
}

/// One thing seen in one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// What it looks like.
    pub class: ClassId,
    /// Whether that class is an item or a hand (never [`Role::Ignore`]).
    pub role: Role,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Where it is, within the picture.
    pub bbox: BBox,
}

impl Detection {
    /// Whether it can be taken for real: its numbers are finite, its score is a share, its box has a size and
    /// lies within the picture.
    pub fn is_sound(&self) -> bool {
        let share = |v: f32| (0.0..=1.0).contains(&v);
        let BBox { x0, y0, x1, y1 } = self.bbox;
        share(self.score) && [x0, y0, x1, y1].into_iter().all(share) && x0 < x1 && y0 < y1
    }
}

/// All that was seen in one picture, highest score first.
pub type Detections = heapless::Vec<Detection, MAX_DETECTIONS>;
