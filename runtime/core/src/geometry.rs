//! Points and boxes in normalized picture coordinates: x and y from 0 (left, top) to 1 (right, bottom).

/// A point, normalized coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// 0 left to 1 right.
    pub x: f32,
    /// 0 top to 1 bottom.
    pub y: f32,
}

/// An axis-aligned box, normalized coordinates, `x0 <= x1` and `y0 <= y1`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BBox {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl BBox {
    /// The box's width.
    pub fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    /// The box's height.
    pub fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    /// The box's area.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The box's centre.
    pub fn centre(&self) -> Point {
        Point { x: (self.x0 + self.x1) * 0.5, y: (self.y0 + self.y1) * 0.5 }
    }

    /// The area that both boxes cover.
    pub fn intersection(&self, other: &Self) -> f32 {
        let w = self.x1.min(other.x1) - self.x0.max(other.x0);
        let h = self.y1.min(other.y1) - self.y0.max(other.y0);
        if w > 0.0 && h > 0.0 { w * h } else { 0.0 }
    }

    /// Intersection over union; 0 when both are empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let i = self.intersection(other);
        let u = self.area() + other.area() - i;
        if u > 0.0 { i / u } else { 0.0 }
    }

    /// The share of this box that `other` covers; 0 when this box is empty.
    pub fn covered_by(&self, other: &Self) -> f32 {
        let a = self.area();
        if a > 0.0 { self.intersection(other) / a } else { 0.0 }
    }

    /// Whether this box lies in `other`, grown on every side by `slack` of its size.
    pub fn within(&self, other: &Self, slack: f32) -> bool {
        let (w, h) = (other.width() * slack, other.height() * slack);
        self.x0 >= other.x0 - w
            && self.x1 <= other.x1 + w
            && self.y0 >= other.y0 - h
            && self.y1 <= other.y1 + h
    }

    /// The box `share` of the way from this one to `other`.
    pub fn towards(&self, other: &Self, share: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * share;
        Self {
            x0: mix(self.x0, other.x0),
            y0: mix(self.y0, other.y0),
            x1: mix(self.x1, other.x1),
            y1: mix(self.y1, other.y1),
        }
    }
}
