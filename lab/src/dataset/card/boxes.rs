//! Boxes counted: per class, by size, by visibility.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::dataset::classes::Class;

/// Upper ends of the size bins: the side of a square of the same area, pixels. The last bin is open.
const SIDES: [f64; 6] = [8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

#[derive(Debug, Serialize)]
pub(super) struct BoxFigures {
    boxes: u64,
    /// Of those that are known to be held or not.
    held: u64,
    classes: Vec<ClassFigures>,
    sizes: Vec<Bin>,
    /// Empty where the form does not keep visibility.
    visibility: Vec<Bin>,
}

#[derive(Debug, Serialize)]
struct ClassFigures {
    label: String,
    id: Option<String>,
    boxes: u64,
    /// Side of a square of the same area, mean over boxes, pixels.
    mean_side: Option<f64>,
    #[serde(skip)]
    sides: f64,
}

#[derive(Debug, Serialize)]
struct Bin {
    from: f64,
    /// `None`: no end.
    to: Option<f64>,
    boxes: u64,
}

impl BoxFigures {
    pub(super) fn new(classes: &[Class]) -> Self {
        let class = |class: &Class| ClassFigures {
            label: class.label.clone(),
            id: class.id.clone(),
            boxes: 0,
            mean_side: None,
            sides: 0.0,
        };
        let from = [0.0].into_iter().chain(SIDES);
        let to = SIDES.into_iter().map(Some).chain([None]);
        Self {
            boxes: 0,
            held: 0,
            classes: classes.iter().map(class).collect(),
            sizes: from.zip(to).map(|(from, to)| Bin { from, to, boxes: 0 }).collect(),
            visibility: vec![],
        }
    }

    pub(super) fn add(
        &mut self,
        class: usize,
        width: f64,
        height: f64,
        visibility: Option<f64>,
        held: Option<bool>,
    ) {
        let side = (width * height).max(0.0).sqrt();
        self.boxes += 1;
        self.held += u64::from(held == Some(true));
        if let Some(class) = self.classes.get_mut(class) {
            class.boxes += 1;
            class.sides += side;
            class.mean_side = Some((class.sides / class.boxes as f64 * 10.0).round() / 10.0);
        }
        let bin = SIDES.iter().position(|end| side < *end).unwrap_or(SIDES.len());
        self.sizes[bin].boxes += 1;
        if let Some(visibility) = visibility {
            if self.visibility.is_empty() {
                let tenth = |i: u32| f64::from(i) / 10.0;
                self.visibility =
                    (0..10).map(|i| Bin { from: tenth(i), to: Some(tenth(i + 1)), boxes: 0 }).collect();
            }
            // 1 is in the last tenth.
            let bin = (visibility * 10.0).clamp(0.0, 9.0) as usize;
            self.visibility[bin].boxes += 1;
        }
    }
}

impl fmt::Display for BoxFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "## Boxes\n\n{} boxes, {} of them of held things or of hands that hold.\n",
            self.boxes, self.held
        )?;
        let mut table = String::new();
        for class in &self.classes {
            let side = class.mean_side.map_or("–".to_owned(), |side| format!("{side:.1}"));
            let id = class.id.as_deref().unwrap_or("");
            writeln!(table, "| {} | {id} | {} | {side} |", class.label.replace('|', "\\|"), class.boxes)?;
        }
        writeln!(f, "| class | id | boxes | mean side, px |\n|---|---|---:|---:|\n{table}")?;
        histogram(f, "Side of a square of a box's area, px", &self.sizes, self.boxes)?;
        if !self.visibility.is_empty() {
            histogram(f, "Visible share", &self.visibility, self.boxes)?;
        }
        Ok(())
    }
}

fn histogram(f: &mut fmt::Formatter<'_>, title: &str, bins: &[Bin], boxes: u64) -> fmt::Result {
    let most = bins.iter().map(|bin| bin.boxes).max().unwrap_or(0).max(1);
    let mut table = String::new();
    for Bin { from, to, boxes: count } in bins {
        let range = to.map_or(format!("{from} and more"), |to| format!("{from} to {to}"));
        let share = *count as f64 / boxes.max(1) as f64 * 100.0;
        let bar = "#".repeat(usize::try_from(count * 30 / most).unwrap_or(0));
        writeln!(table, "| {range} | {count} | {share:.1} % | {bar} |")?;
    }
    writeln!(f, "| {title} | boxes | share | |\n|---|---:|---:|---|\n{table}")
}
