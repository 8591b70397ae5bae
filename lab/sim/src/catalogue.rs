//! What is sold: the dummy cart's own products, or anybody's from pictures.

use glam::Vec3;

use crate::form::{Form, Layout, Shape, form};
use crate::paint::{Design, print};
use crate::picture::Picture;
use crate::texture::{Rgb, Texture};

/// Texture variants of one product: print runs, stickers, wear. Data splits share none of them.
pub const VARIANTS: u32 = 20;

/// One product.
#[derive(Clone, Debug)]
pub struct Product {
    /// The catalogue's identifier: a GTIN where there is one.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Its shape.
    pub shape: Shape,
    /// Depth, width and height when it stands and shows its front, metres.
    pub size: Vec3,
    /// The product that it is easily taken for, by id.
    pub twin_of: Option<String>,
    look: Look,
}

#[derive(Clone, Debug)]
enum Look {
    Printed(Design),
    Pictured(Picture),
}

/// All products, in order: a product's index is its class.
#[derive(Clone, Debug)]
pub struct Catalogue {
    products: Vec<Product>,
}

/// Why a catalogue cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueError {
    /// It holds nothing.
    Empty,
    /// Two products have this id.
    Twice(String),
    /// A product's size is not one: metres, each side within 1 cm and 40 cm.
    Size(String),
}

impl std::fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "the catalogue holds no product"),
            Self::Twice(id) => write!(f, "two products have the id {id}"),
            Self::Size(id) => write!(f, "product {id}: each side must be from 10 to 400 mm"),
        }
    }
}

impl std::error::Error for CatalogueError {}

impl Product {
    /// A product known by its picture.
    pub fn pictured(id: String, label: String, shape: Shape, size: Vec3, picture: Picture) -> Self {
        Self { id, label, shape, size, twin_of: None, look: Look::Pictured(picture) }
    }

    pub(crate) fn form(&self) -> Form {
        form(self.shape, self.size)
    }

    /// The texture of one instance.
    pub(crate) fn texture(&self, layout: Layout, variant: u32) -> Texture {
        Texture::new(match &self.look {
            Look::Printed(design) => print(design, layout, variant),
            Look::Pictured(picture) => picture.wrapped(layout, variant),
        })
    }

    /// How much it shines, 0 to 255.
    pub(crate) fn gloss(&self) -> u8 {
        match self.shape {
            Shape::Box => 12,
            Shape::Bottle => 90,
            Shape::Can => 75,
            Shape::Pouch => 60,
            Shape::Jar => 95,
            Shape::Produce => 25,
        }
    }
}

impl Catalogue {
    /// A catalogue of these products.
    pub fn new(products: Vec<Product>) -> Result<Self, CatalogueError> {
        if products.is_empty() {
            return Err(CatalogueError::Empty);
        }
        for (i, product) in products.iter().enumerate() {
            if products[..i].iter().any(|p| p.id == product.id) {
                return Err(CatalogueError::Twice(product.id.clone()));
            }
            if !product.size.to_array().iter().all(|side| (0.01..=0.4).contains(side)) {
                return Err(CatalogueError::Size(product.id.clone()));
            }
        }
        Ok(Self { products })
    }

    /// The products.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// The dummy cart's own: 24 products of six shapes, 14 of them near-twins in pairs (one package, another sort).
    pub fn own() -> Self {
        let mut products: Vec<Product> = Vec::new();
        for (number, line) in OWN.iter().enumerate() {
            let size = Vec3::new(line.size[0], line.size[1], line.size[2]) / 1000.0;
            let twin_of = line.twin.then(|| products[number - 1].id.clone());
            // Twins share where things stand.
            let layout = if line.twin { number - 1 } else { number } as u64 + 0x5eed;
            let design = Design {
                base: line.base,
                accent: line.accent,
                material: line.material,
                lid: line.lid,
                layout,
            };
            products.push(Product {
                id: gtin(number),
                label: line.label.to_owned(),
                shape: line.shape,
                size,
                twin_of,
                look: Look::Printed(design),
            });
        }
        Self { products }
    }
}

/// A GTIN-14 of the range that GS1 keeps free for use within a company (prefix 02), with its check digit.
fn gtin(number: usize) -> String {
    let body = format!("02000{:08}", number + 1);
    let sum: u32 =
        body.bytes().rev().zip([3, 1].into_iter().cycle()).map(|(d, w)| u32::from(d - b'0') * w).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

struct Line {
    label: &'static str,
    shape: Shape,
    /// Millimetres: depth, width, height.
    size: [f32; 3],
    base: Rgb,
    accent: Rgb,
    material: Rgb,
    lid: Rgb,
    /// Another sort of the product before it.
    twin: bool,
}

const fn line(label: &'static str, shape: Shape, size: [f32; 3], base: Rgb, accent: Rgb) -> Line {
    Line { label, shape, size, base, accent, material: base, lid: base, twin: false }
}

const fn package(line: Line, material: Rgb, lid: Rgb) -> Line {
    Line { material, lid, ..line }
}

const fn twin(line: Line) -> Line {
    Line { twin: true, ..line }
}

const OWN: [Line; 24] = [
    line("flakes-honey", Shape::Box, [55.0, 160.0, 225.0], [247, 236, 205], [226, 160, 24]),
    twin(line("flakes-cocoa", Shape::Box, [55.0, 160.0, 225.0], [247, 236, 205], [104, 58, 30])),
    line("tea-green", Shape::Box, [68.0, 132.0, 78.0], [236, 240, 228], [66, 150, 58]),
    twin(line("tea-black", Shape::Box, [68.0, 132.0, 78.0], [236, 240, 228], [40, 40, 48])),
    line("crackers", Shape::Box, [50.0, 110.0, 165.0], [214, 40, 44], [250, 200, 60]),
    line("milk-whole", Shape::Box, [72.0, 72.0, 198.0], [248, 248, 250], [32, 86, 196]),
    twin(line("milk-light", Shape::Box, [72.0, 72.0, 198.0], [248, 248, 250], [104, 190, 230])),
    package(
        line("cola", Shape::Bottle, [68.0, 68.0, 232.0], [200, 24, 34], [245, 240, 236]),
        [52, 26, 20],
        [208, 26, 36],
    ),
    twin(package(
        line("cola-zero", Shape::Bottle, [68.0, 68.0, 232.0], [200, 24, 34], [26, 24, 26]),
        [52, 26, 20],
        [24, 24, 26],
    )),
    package(
        line("water", Shape::Bottle, [70.0, 70.0, 245.0], [224, 240, 250], [36, 128, 214]),
        [186, 212, 226],
        [30, 110, 200],
    ),
    package(
        line("ketchup", Shape::Bottle, [62.0, 62.0, 190.0], [238, 232, 214], [46, 124, 52]),
        [176, 20, 22],
        [246, 246, 242],
    ),
    package(
        line("soup-tomato", Shape::Can, [75.0, 75.0, 110.0], [238, 226, 200], [206, 40, 30]),
        [186, 188, 190],
        [198, 200, 204],
    ),
    twin(package(
        line("soup-pea", Shape::Can, [75.0, 75.0, 110.0], [238, 226, 200], [86, 150, 40]),
        [186, 188, 190],
        [198, 200, 204],
    )),
    package(
        line("tuna", Shape::Can, [85.0, 85.0, 42.0], [24, 78, 140], [240, 196, 40]),
        [196, 188, 150],
        [206, 200, 170],
    ),
    package(
        line("energy", Shape::Can, [54.0, 54.0, 135.0], [28, 30, 44], [90, 230, 70]),
        [150, 152, 158],
        [180, 182, 188],
    ),
    line("chips-salt", Shape::Pouch, [70.0, 150.0, 215.0], [238, 196, 40], [210, 42, 40]),
    twin(line("chips-paprika", Shape::Pouch, [70.0, 150.0, 215.0], [238, 196, 40], [236, 120, 24])),
    line("coffee", Shape::Pouch, [60.0, 95.0, 170.0], [70, 40, 28], [220, 176, 96]),
    package(
        line("jam-strawberry", Shape::Jar, [70.0, 70.0, 100.0], [250, 246, 236], [214, 30, 52]),
        [150, 16, 30],
        [220, 220, 214],
    ),
    twin(package(
        line("jam-apricot", Shape::Jar, [70.0, 70.0, 100.0], [250, 246, 236], [240, 150, 40]),
        [216, 120, 20],
        [220, 220, 214],
    )),
    package(
        line("pickles", Shape::Jar, [82.0, 82.0, 150.0], [240, 236, 160], [30, 96, 44]),
        [116, 132, 50],
        [40, 120, 60],
    ),
    line("apple", Shape::Produce, [76.0, 76.0, 70.0], [188, 34, 40], [222, 170, 62]),
    line("orange", Shape::Produce, [78.0, 78.0, 76.0], [240, 142, 26], [248, 170, 60]),
    line("cucumber", Shape::Produce, [46.0, 240.0, 46.0], [44, 96, 44], [86, 140, 66]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_products_are_as_many_and_as_alike_as_promised() {
        let own = Catalogue::own();
        assert!(Catalogue::new(own.products().to_vec()).is_ok());
        assert!(own.products().len() >= 24);
        let shapes: std::collections::BTreeSet<_> = own.products().iter().map(|p| p.shape).collect();
        assert!(shapes.len() >= 5);
        let twins = own.products().iter().filter(|p| p.twin_of.is_some()).count() * 2;
        assert!(twins * 3 >= own.products().len(), "{twins} twins");
        for product in own.products() {
            let digits: Vec<u32> = product.id.bytes().map(|d| u32::from(d - b'0')).collect();
            assert_eq!(digits.len(), 14);
            let sum: u32 = digits.iter().rev().zip([1, 3].into_iter().cycle()).map(|(d, w)| d * w).sum();
            assert_eq!(sum % 10, 0, "the check digit of {}", product.id);
        }
    }

    #[test]
    fn twins_have_one_body_and_two_prints() {
        let own = Catalogue::own();
        for product in own.products() {
            let Some(of) = &product.twin_of else { continue };
            let other = own.products().iter().find(|p| p.id == *of).unwrap();
            assert_eq!((product.shape, product.size), (other.shape, other.size));
            let layout = product.form().layout;
            let [a, b] = [product, other].map(|p| p.texture(layout, 0).sample(0, 0.25, 0.7));
            assert_ne!(a, b, "{} and {}", product.label, other.label);
        }
    }

    #[test]
    fn variants_differ() {
        let own = Catalogue::own();
        let product = &own.products()[0];
        let layout = product.form().layout;
        let colours: std::collections::BTreeSet<_> =
            (0..VARIANTS).map(|v| product.texture(layout, v).sample(2, 0.1, 0.9)).collect();
        assert!(colours.len() > VARIANTS as usize / 2);
    }
}
