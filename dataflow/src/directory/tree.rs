//! The locations of one election as a tree: rows of a register in, nodes with their place out.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Names;
use crate::register::Register;

/// A location's place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What the public calls it.
    pub name: String,
    /// The location above.
    pub parent: Option<u32>,
    /// Whether votes may name it.
    pub leaf: bool,
    /// Its own registered voters, else the sum of its children's, if all have one.
    pub registered: Option<u64>,
}

/// The forest of one election's locations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    nodes: FxHashMap<u32, Node>,
    /// Locations in the order of their codes.
    sorted: Vec<u32>,
    /// The sum over the roots, if all have one.
    pub registered: Option<u64>,
}

impl Tree {
    /// The trees of all elections that have locations, by election.
    pub(super) fn all(
        register: &Register,
        elections: &Names,
        locations: &Names,
    ) -> Vec<(u32, Tree)> {
        let mut by_election: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for row in &register.locations {
            let numbers = (
                elections.number(&row.election_id),
                locations.number(&row.location),
            );
            if let (Some(election), Some(location)) = numbers {
                let parent = row.parent.as_deref().and_then(|id| locations.number(id));
                let name = row.name.clone().unwrap_or_else(|| row.location.clone());
                let node = Node {
                    name,
                    parent,
                    leaf: true,
                    registered: row.registered,
                };
                by_election
                    .entry(election)
                    .or_default()
                    .push((location, node));
            }
        }
        let grown = by_election.into_iter();
        grown
            .map(|(election, rows)| (election, Tree::grow(rows, locations)))
            .collect()
    }

    fn grow(mut rows: Vec<(u32, Node)>, names: &Names) -> Tree {
        rows.sort_by(|(a, _), (b, _)| names.text(*a).cmp(names.text(*b)));
        let sorted: Vec<u32> = rows.iter().map(|(location, _)| *location).collect();
        let mut tree = Tree {
            nodes: rows.into_iter().collect(),
            sorted,
            registered: None,
        };
        let mut children: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut roots = Vec::new();
        for &location in &tree.sorted {
            match tree.nodes[&location].parent {
                Some(parent) => children.entry(parent).or_default().push(location),
                None => roots.push(location),
            }
        }
        // From the roots down, then sums from the leaves up.
        let mut order = roots.clone();
        let mut at = 0;
        while at < order.len() {
            order.extend(children.get(&order[at]).into_iter().flatten());
            at += 1;
        }
        for &location in order.iter().rev() {
            if let Some(below) = children.get(&location) {
                let sum = tree.sum(below);
                let node = tree.nodes.get_mut(&location).expect("a listed location");
                node.leaf = false;
                node.registered = node.registered.or(sum);
            }
        }
        tree.registered = tree.sum(&roots);
        tree
    }

    fn sum(&self, locations: &[u32]) -> Option<u64> {
        let each = locations.iter();
        each.map(|location| self.nodes[location].registered).sum()
    }

    /// A location's node.
    pub fn node(&self, location: u32) -> Option<&Node> {
        self.nodes.get(&location)
    }

    /// All locations with their nodes, by code.
    pub fn nodes(&self) -> impl Iterator<Item = (u32, &Node)> {
        let sorted = self.sorted.iter();
        sorted.map(|&location| (location, &self.nodes[&location]))
    }

    /// A location and all above it.
    pub fn way_up(&self, location: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(location), |at| self.nodes.get(at)?.parent)
    }
}
