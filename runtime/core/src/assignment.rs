//! The linear assignment problem: which track gets which detection.

use crate::sighting::MAX_DETECTIONS;
use crate::tracker::MAX_TRACKS;

/// Columns of the working matrix: the detections, and for each track one more that means "none".
const COLUMNS: usize = MAX_DETECTIONS + MAX_TRACKS;

/// The cost of giving a detection (column) to a track (row).
pub(crate) type Costs = [[f32; MAX_DETECTIONS]; MAX_TRACKS];

/// For each of `rows` tracks the detection among `columns` that it gets, so that the total is least, where a
/// track without a detection costs `limit`. Shortest augmenting paths with potentials (Kuhn 1955, Jonker and
/// Volgenant 1987); O(rows² · columns).
pub(crate) fn assign(costs: &Costs, rows: usize, columns: usize, limit: f32) -> [Option<usize>; MAX_TRACKS] {
    let width = columns + rows;
    let cost = |row: usize, column: usize| match column {
        c if c < columns => costs[row][c],
        c if c == columns + row => limit,
        // Another track's "none".
        _ => f32::MAX / 4.0,
    };
    let mut row_potential = [0.0_f32; MAX_TRACKS];
    let mut column_potential = [0.0_f32; COLUMNS];
    // The row that holds each column.
    let mut holder: [Option<usize>; COLUMNS] = [None; COLUMNS];
    for row in 0..rows {
        let mut least = [f32::INFINITY; COLUMNS];
        let mut came_from: [Option<usize>; COLUMNS] = [None; COLUMNS];
        let mut visited = [false; COLUMNS];
        // The column last reached, `None` at the path's start; its row is where the path goes on.
        let mut at: Option<usize> = None;
        let mut at_row = row;
        let free = loop {
            let mut step = f32::INFINITY;
            let mut next = None;
            for column in 0..width {
                if visited[column] {
                    continue;
                }
                let reduced = cost(at_row, column) - row_potential[at_row] - column_potential[column];
                if reduced < least[column] {
                    least[column] = reduced;
                    came_from[column] = at;
                }
                if least[column] < step {
                    step = least[column];
                    next = Some(column);
                }
            }
            // Its own "none" column is always open to a row, so there is a next column.
            let Some(next) = next else { return [None; MAX_TRACKS] };
            row_potential[row] += step;
            for column in 0..width {
                match (visited[column], holder[column]) {
                    (true, Some(held)) => {
                        row_potential[held] += step;
                        column_potential[column] -= step;
                    }
                    _ => least[column] -= step,
                }
            }
            visited[next] = true;
            at = Some(next);
            match holder[next] {
                Some(held) => at_row = held,
                None => break next,
            }
        };
        // Turn the path round: each column goes to the row from which it was reached.
        let mut column = free;
        loop {
            let before = came_from[column];
            holder[column] = match before {
                Some(previous) => holder[previous],
                None => Some(row),
            };
            match before {
                Some(previous) => column = previous,
                None => break,
            }
        }
    }
    let mut given = [None; MAX_TRACKS];
    for (column, held) in holder.iter().enumerate().take(columns) {
        if let Some(row) = *held {
            given[row] = Some(column);
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The least total over every way of giving, by trying them all.
    fn least_total(costs: &[std::vec::Vec<f32>], row: usize, taken: u32, limit: f32) -> f32 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = limit + least_total(costs, row + 1, taken, limit);
        for (c, cost) in costs[row].iter().enumerate() {
            if taken & (1 << c) == 0 {
                best = best.min(cost + least_total(costs, row + 1, taken | (1 << c), limit));
            }
        }
        best
    }

    extern crate std;

    proptest! {
        #[test]
        fn total_is_least(
            costs in (1_usize..6, 0_usize..6).prop_flat_map(|(r, c)| {
                proptest::collection::vec(proptest::collection::vec(0.0_f32..1.0, c), r)
            }),
        ) {
            let limit = 0.6;
            let mut matrix: std::boxed::Box<Costs> = std::boxed::Box::new([[0.0; MAX_DETECTIONS]; MAX_TRACKS]);
            for (r, row) in costs.iter().enumerate() {
                matrix[r][..row.len()].copy_from_slice(row);
            }
            let given = assign(&matrix, costs.len(), costs[0].len(), limit);
            let mut seen = 0_u32;
            let mut total = 0.0;
            for (r, row) in costs.iter().enumerate() {
                match given[r] {
                    Some(c) => {
                        prop_assert_eq!(seen & (1 << c), 0, "detection given twice");
                        seen |= 1 << c;
                        total += row[c];
                    }
                    None => total += limit,
                }
            }
            prop_assert!((total - least_total(&costs, 0, 0, limit)).abs() < 1e-4);
        }
    }
}
