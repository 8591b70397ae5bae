//! The matching against brute force: as many pairs as any choice has, and no choice of so many is cheaper.

use cartvision_metric::{Edge, cheapest};
use proptest::prelude::*;

/// The most pairs and the least total of so many, by trying every choice.
fn best(edges: &[Edge], taken_left: u32, taken_right: u32) -> (usize, i64) {
    let Some(((l, r, cost), rest)) = edges.split_first() else { return (0, 0) };
    let without = best(rest, taken_left, taken_right);
    if taken_left & (1 << l) != 0 || taken_right & (1 << r) != 0 {
        return without;
    }
    let (pairs, total) = best(rest, taken_left | (1 << l), taken_right | (1 << r));
    let with = (pairs + 1, total + cost);
    if (with.0, -with.1) > (without.0, -without.1) { with } else { without }
}

/// Up to 6 × 6 nodes, at most 14 edges: few enough to try all, many enough to need augmenting paths. Costs from
/// few values, so that ties are common.
fn problem() -> impl Strategy<Value = (usize, usize, Vec<Edge>)> {
    (1_usize..=6, 1_usize..=6).prop_flat_map(|(left, right)| {
        let edge = (0..left, 0..right, prop_oneof![0_i64..5, 0_i64..1_000_000_000]);
        (Just(left), Just(right), proptest::collection::vec(edge, 0..=14)).prop_map(|(l, r, mut edges)| {
            edges.sort_by_key(|(l, r, _)| (*l, *r));
            edges.dedup_by_key(|(l, r, _)| (*l, *r));
            (l, r, edges)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn largest_then_cheapest((left, right, edges) in problem()) {
        let given = cheapest(left, right, &edges);
        prop_assert_eq!(given.len(), left);
        let mut taken = vec![false; right];
        let (mut pairs, mut total) = (0, 0);
        for (l, r) in given.iter().enumerate().filter_map(|(l, r)| Some((l, (*r)?))) {
            prop_assert!(!taken[r], "{} has two partners", r);
            taken[r] = true;
            let edge = edges.iter().find(|(a, b, _)| (*a, *b) == (l, r));
            prop_assert!(edge.is_some(), "({}, {}) is no edge", l, r);
            pairs += 1;
            total += edge.map_or(0, |(_, _, cost)| *cost);
        }
        prop_assert_eq!((pairs, total), best(&edges, 0, 0));
    }
}
