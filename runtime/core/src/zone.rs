//! The basket region of one camera: what counts as "in the cart".

use crate::geometry::Point;

/// The most corners a zone has.
pub const MAX_CORNERS: usize = 32;

/// A simple polygon in normalized picture coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    corners: heapless::Vec<Point, MAX_CORNERS>,
}

/// Why some corners make no zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZoneError {
    /// A polygon has three corners at least.
    TooFewCorners {
        /// How many were given.
        given: usize,
    },
    /// More than [`MAX_CORNERS`].
    TooManyCorners {
        /// How many were given.
        given: usize,
    },
    /// A coordinate is not between 0 and 1.
    OutsidePicture {
        /// The corner's place in the list, from 0.
        corner: usize,
    },
    /// Two edges cross or touch.
    EdgesCross {
        /// The corner that the first edge starts from.
        first: usize,
        /// The corner that the second edge starts from.
        second: usize,
    },
    /// The corners lie on one line, or two of them are one.
    NoArea,
}

impl core::fmt::Display for ZoneError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::TooFewCorners { given } => write!(f, "a zone needs at least 3 corners, {given} given"),
            Self::TooManyCorners { given } => {
                write!(f, "a zone has at most {MAX_CORNERS} corners, {given} given")
            }
            Self::OutsidePicture { corner } => write!(
                f,
                "corner {} lies outside the picture (x and y are shares of width and height, 0 to 1)",
                corner + 1
            ),
            Self::EdgesCross { first, second } => write!(
                f,
                "the edges from corner {} and from corner {} cross; list the corners in order around the zone",
                first + 1,
                second + 1
            ),
            Self::NoArea => write!(f, "the zone has no area (corners on one line, or one given twice)"),
        }
    }
}

impl core::error::Error for ZoneError {}

impl Zone {
    /// The zone with these corners, in order around it, either way round.
    pub fn new(corners: &[Point]) -> Result<Self, ZoneError> {
        let n = corners.len();
        if n < 3 {
            return Err(ZoneError::TooFewCorners { given: n });
        }
        let Ok(kept) = heapless::Vec::from_slice(corners) else {
            return Err(ZoneError::TooManyCorners { given: n });
        };
        let inside = |v: f32| (0.0..=1.0).contains(&v);
        if let Some(corner) = corners.iter().position(|p| !inside(p.x) || !inside(p.y)) {
            return Err(ZoneError::OutsidePicture { corner });
        }
        let edge = |i: usize| (corners[i], corners[(i + 1) % n]);
        for i in 0..n {
            let (a, b) = edge(i);
            if a == b {
                return Err(ZoneError::NoArea);
            }
            for j in i + 1..n {
                // Neighbours share a corner; only edges apart can cross.
                let neighbours = j == i + 1 || (i == 0 && j == n - 1);
                let (c, d) = edge(j);
                if !neighbours && segments_meet(a, b, c, d) {
                    return Err(ZoneError::EdgesCross { first: i, second: j });
                }
            }
        }
        let doubled: f32 = (0..n).map(edge).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
        if doubled.abs() < 1e-6 {
            return Err(ZoneError::NoArea);
        }
        Ok(Self { corners: kept })
    }

    /// The whole picture.
    pub fn whole() -> Self {
        let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
        Self { corners: corners.into_iter().collect() }
    }

    /// Whether the point lies within (even-odd rule).
    pub fn contains(&self, p: Point) -> bool {
        let n = self.corners.len();
        let mut inside = false;
        let mut j = n - 1;
        for i in 0..n {
            let (a, b) = (self.corners[i], self.corners[j]);
            if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
            j = i;
        }
        inside
    }
}

/// Whether two closed segments have a point in common.
fn segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool {
    let side = |p: Point, q: Point, r: Point| (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    let between = |p: Point, q: Point, r: Point| {
        r.x >= p.x.min(q.x) && r.x <= p.x.max(q.x) && r.y >= p.y.min(q.y) && r.y <= p.y.max(q.y)
    };
    let (s1, s2, s3, s4) = (side(c, d, a), side(c, d, b), side(a, b, c), side(a, b, d));
    if ((s1 > 0.0 && s2 < 0.0) || (s1 < 0.0 && s2 > 0.0))
        && ((s3 > 0.0 && s4 < 0.0) || (s3 < 0.0 && s4 > 0.0))
    {
        return true;
    }
    (s1 == 0.0 && between(c, d, a))
        || (s2 == 0.0 && between(c, d, b))
        || (s3 == 0.0 && between(a, b, c))
        || (s4 == 0.0 && between(a, b, d))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::{format, vec::Vec};

    fn points(corners: &[(f32, f32)]) -> Vec<Point> {
        corners.iter().map(|(x, y)| Point { x: *x, y: *y }).collect()
    }

    #[test]
    fn what_makes_a_zone() {
        let cross = |first, second| Err(ZoneError::EdgesCross { first, second });
        let circle: Vec<_> = (0..=MAX_CORNERS)
            .map(|i| i as f32 * core::f32::consts::TAU / (MAX_CORNERS + 1) as f32)
            .map(|a| (0.5 + 0.4 * libm::cosf(a), 0.5 + 0.4 * libm::sinf(a)))
            .collect();
        type Case<'a> = (&'a str, &'a [(f32, f32)], Result<(), ZoneError>);
        let cases: &[Case<'_>] = &[
            ("a triangle", &[(0.1, 0.1), (0.9, 0.1), (0.5, 0.9)], Ok(())),
            ("the other way round", &[(0.5, 0.9), (0.9, 0.1), (0.1, 0.1)], Ok(())),
            ("concave", &[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.2), (0.0, 1.0)], Ok(())),
            ("a corner on a straight edge", &[(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.0, 1.0)], Ok(())),
            ("as many corners as may be", &circle[..MAX_CORNERS], Ok(())),
            ("nothing", &[], Err(ZoneError::TooFewCorners { given: 0 })),
            ("two corners", &[(0.1, 0.1), (0.9, 0.9)], Err(ZoneError::TooFewCorners { given: 2 })),
            ("too many", &circle, Err(ZoneError::TooManyCorners { given: MAX_CORNERS + 1 })),
            ("a bow tie", &[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)], cross(0, 2)),
            (
                "a corner on another edge",
                &[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.0), (0.0, 1.0)],
                cross(0, 2),
            ),
            ("there and back", &[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, 0.2)], cross(1, 3)),
            (
                "two edges on one line, overlapping",
                &[
                    (0.0, 0.0),
                    (0.6, 0.0),
                    (0.6, 0.5),
                    (0.8, 0.5),
                    (0.8, 0.0),
                    (0.3, 0.0),
                    (0.3, 1.0),
                    (0.0, 1.0),
                ],
                cross(0, 4),
            ),
            ("one line", &[(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)], Err(ZoneError::NoArea)),
            ("a corner twice", &[(0.1, 0.1), (0.1, 0.1), (0.9, 0.1), (0.5, 0.9)], Err(ZoneError::NoArea)),
            ("outside", &[(0.1, 0.1), (1.1, 0.1), (0.5, 0.9)], Err(ZoneError::OutsidePicture { corner: 1 })),
            (
                "not a number",
                &[(0.1, 0.1), (0.9, 0.1), (0.5, f32::NAN)],
                Err(ZoneError::OutsidePicture { corner: 2 }),
            ),
        ];
        let mut wrong = Vec::new();
        for (name, corners, expected) in cases {
            let got = Zone::new(&points(corners)).map(|_| ());
            if got != *expected {
                wrong.push(format!("{name}: {got:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_lies_within() {
        // A U, open to the bottom.
        let u = Zone::new(&points(&[
            (0.1, 0.1),
            (0.9, 0.1),
            (0.9, 0.9),
            (0.6, 0.9),
            (0.6, 0.4),
            (0.4, 0.4),
            (0.4, 0.9),
            (0.1, 0.9),
        ]))
        .unwrap();
        let cases = [
            ("an arm", (0.2, 0.8), true),
            ("the other arm", (0.8, 0.8), true),
            ("the bow", (0.5, 0.2), true),
            ("between the arms", (0.5, 0.8), false),
            ("level with a corner", (0.2, 0.4), true),
            ("level with a corner, outside", (0.95, 0.4), false),
            ("left of all", (0.05, 0.5), false),
            ("out of the picture", (-3.0, 0.5), false),
            ("not a number", (f32::NAN, 0.5), false),
        ];
        for (name, (x, y), within) in cases {
            assert_eq!(u.contains(Point { x, y }), within, "{name}");
        }
        // Of two zones that share an edge, a point on it lies in exactly one.
        let left = Zone::new(&points(&[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)])).unwrap();
        let right = Zone::new(&points(&[(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)])).unwrap();
        for y in [0.001, 0.25, 0.5, 0.999] {
            let p = Point { x: 0.5, y };
            assert!(left.contains(p) != right.contains(p), "{p:?}");
        }
        assert!(Zone::whole().contains(Point { x: 0.0, y: 0.0 }));
    }
}
