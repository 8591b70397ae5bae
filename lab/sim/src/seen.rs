//! What is seen in a picture: a box for each thing and hand, from the pixels that are theirs.

/// Owners of pixels: nobody (the store), the cart, people, the left hand (the right one follows), the first thing.
pub(crate) const SCENERY: u16 = 1;
pub(crate) const PEOPLE: u16 = 2;
pub(crate) const HAND: u16 = 3;
pub(crate) const THINGS: u16 = 8;

/// Fewer visible pixels than this are not seen.
const LEAST: u32 = 12;

/// What a box is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A thing: its place in [`crate::Simulation::instances`].
    Thing(usize),
    /// A hand: 0 the left one, 1 the right one.
    Hand(usize),
}

/// One thing, or hand, in one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// What.
    pub who: Who,
    /// Left, top, right, bottom of its visible part, pixels; right and bottom are one past it.
    pub bbox: [u32; 4],
    /// Visible pixels over those that would be visible if nothing were in front and the picture had no edge. Of a
    /// hand only what stands still and the picture's edge count as in front.
    pub visibility: f32,
    /// Whether a hand carries it.
    pub held: bool,
}

/// Gathers boxes; reused from picture to picture.
#[derive(Debug)]
pub(crate) struct Boxes {
    width: usize,
    height: usize,
    expected: Vec<f32>,
    found: Vec<([u32; 4], u32)>,
    seen: Vec<Seen>,
}

impl Boxes {
    pub(crate) fn new(owners: usize, width: usize, height: usize) -> Self {
        Self { width, height, expected: vec![0.0; owners], found: vec![NONE; owners], seen: Vec::new() }
    }

    /// How many pixels each owner would cover.
    pub(crate) fn expect(&mut self, areas: impl Iterator<Item = f32>) {
        for (place, area) in self.expected.iter_mut().zip(areas) {
            *place = area;
        }
    }

    /// Boxes of all that is seen, by owner; `shift` is how far the film shook the picture.
    pub(crate) fn gather(
        &mut self,
        owners: &[u16],
        shift: (i32, i32),
        held: impl Fn(usize) -> bool,
    ) -> &[Seen] {
        self.found.fill(NONE);
        for (y, row) in owners.chunks_exact(self.width).enumerate() {
            let mut x = 0;
            while x < row.len() {
                let owner = row[x];
                let from = x;
                // Runs: rows are mostly of one owner for a while.
                while x < row.len() && row[x] == owner {
                    x += 1;
                }
                if owner >= HAND {
                    let ([x0, y0, x1, y1], count) = &mut self.found[usize::from(owner)];
                    (*x0, *x1) = ((*x0).min(from as u32), (*x1).max(x as u32));
                    (*y0, *y1) = ((*y0).min(y as u32), (*y1).max(y as u32 + 1));
                    *count += (x - from) as u32;
                }
            }
        }
        self.seen.clear();
        for (owner, ([x0, y0, x1, y1], count)) in self.found.iter().enumerate() {
            if *count < LEAST {
                continue;
            }
            let owner = owner as u16;
            let who = match owner {
                THINGS.. => Who::Thing(usize::from(owner - THINGS)),
                _ => Who::Hand(usize::from(owner - HAND)),
            };
            let moved = |v: u32, by: i32, most: usize| (v as i32 - by).clamp(0, most as i32) as u32;
            let bbox = [
                moved(*x0, shift.0, self.width),
                moved(*y0, shift.1, self.height),
                moved(*x1, shift.0, self.width),
                moved(*y1, shift.1, self.height),
            ];
            if bbox[0] >= bbox[2] || bbox[1] >= bbox[3] {
                continue;
            }
            let expected = self.expected[usize::from(owner)].max(*count as f32);
            self.seen.push(Seen {
                who,
                bbox,
                visibility: *count as f32 / expected,
                held: matches!(who, Who::Thing(i) if held(i)),
            });
        }
        &self.seen
    }
}

const NONE: ([u32; 4], u32) = ([u32::MAX, u32::MAX, 0, 0], 0);
