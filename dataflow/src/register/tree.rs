//! Whether the locations form a forest of a bounded height, found without recursion and in linear
//! time: parents exist, nothing is above itself, nothing lies too deep.

use std::collections::HashMap;

use super::problem::{Problems, quoted};
use super::{LEVELS_MAX, Register};

/// What is known of a location.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Nothing yet.
    Unknown,
    /// It is on the way up that is being followed.
    OnWay,
    /// So many are on the way from the root to it, itself included.
    Known(usize),
    /// The way up from it ends nowhere, which is said already.
    Lost,
}

impl Register {
    pub(super) fn check_tree(&self, problems: &mut Problems) {
        let rows = self.locations.iter().enumerate();
        let places: HashMap<(&str, &str), usize> = rows
            .map(|(at, row)| ((&*row.election_id, &*row.location), at))
            .collect();
        let mut levels = vec![Level::Unknown; self.locations.len()];
        let mut way = Vec::new();
        for start in 0..self.locations.len() {
            let above = self.climb(start, &places, &mut levels, &mut way, problems);
            self.settle(above, &mut levels, &mut way, problems);
        }
    }

    /// Goes up until something is known; notes the way, and gives what is above it.
    fn climb(
        &self,
        start: usize,
        places: &HashMap<(&str, &str), usize>,
        levels: &mut [Level],
        way: &mut Vec<usize>,
        problems: &mut Problems,
    ) -> Level {
        let mut at = start;
        loop {
            match levels[at] {
                Level::Unknown => {}
                Level::OnWay => {
                    let text = " is above itself: its parents form a cycle; give one of them \
                                another parent, or none";
                    problems.row(("cycle", ""), self.location(at), text);
                    return Level::Lost;
                }
                known => return known,
            }
            levels[at] = Level::OnWay;
            way.push(at);
            let row = &self.locations[at];
            let Some(parent) = row.parent.as_deref() else {
                return Level::Known(0);
            };
            match places.get(&(&*row.election_id, parent)) {
                Some(above) => at = *above,
                None => {
                    let text = format!(": there is no parent {}", quoted(parent));
                    problems.row(("no parent", ""), self.location(at), text);
                    return Level::Lost;
                }
            }
        }
    }

    /// Goes the way down again; what lies on the first level that is too deep is said, and what
    /// is below it not again.
    fn settle(
        &self,
        mut above: Level,
        levels: &mut [Level],
        way: &mut Vec<usize>,
        problems: &mut Problems,
    ) {
        while let Some(at) = way.pop() {
            if let Level::Known(level) = above {
                above = Level::Known(level + 1);
                if level == LEVELS_MAX {
                    let text = format!(
                        " is on level {}: at most {LEVELS_MAX} locations lie on the way from a \
                         root down, itself included; leave levels out",
                        level + 1
                    );
                    problems.row(("too deep", ""), self.location(at), text);
                }
            }
            levels[at] = above;
        }
    }
}
