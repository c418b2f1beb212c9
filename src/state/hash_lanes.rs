//! Which of the lanes that hash in order has least to do. Counts jobs; sends none out.

use crate::job::Lane;

/// The lanes, and the jobs that each has out.
#[derive(Debug)]
pub struct HashLanes(Vec<usize>);

impl HashLanes {
    /// So many lanes, at least one.
    pub(super) fn new(lanes: u16) -> HashLanes {
        HashLanes(vec![0; usize::from(lanes).max(1)])
    }

    /// The lane with the fewest jobs; the first of them, so that little work needs few threads.
    pub fn least(&self) -> Lane {
        let least = self.0.iter().enumerate().min_by_key(|(_, jobs)| **jobs);
        Lane::HashInOrder(least.map_or(0, |(number, _)| number as u16))
    }

    /// A job goes out.
    pub(super) fn goes_out(&mut self, lane: Lane) {
        if let Some(jobs) = self.jobs_of(lane) {
            *jobs += 1;
        }
    }

    /// A job has come home.
    pub fn came_home(&mut self, lane: Lane) {
        if let Some(jobs) = self.jobs_of(lane) {
            *jobs -= 1;
        }
    }

    fn jobs_of(&mut self, lane: Lane) -> Option<&mut usize> {
        match lane {
            Lane::HashInOrder(number) => self.0.get_mut(usize::from(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_spread_and_little_work_stays_together() {
        let mut lanes = HashLanes::new(2);
        assert_eq!(lanes.least(), Lane::HashInOrder(0));
        lanes.goes_out(Lane::HashInOrder(0));
        assert_eq!(lanes.least(), Lane::HashInOrder(1));
        lanes.goes_out(Lane::HashInOrder(1));
        lanes.goes_out(Lane::Hash);
        assert_eq!(lanes.least(), Lane::HashInOrder(0));
        lanes.came_home(Lane::HashInOrder(1));
        assert_eq!(lanes.least(), Lane::HashInOrder(1));
        lanes.came_home(Lane::Hash);
        lanes.came_home(Lane::HashInOrder(0));
        assert_eq!(lanes.least(), Lane::HashInOrder(0));
    }

    #[test]
    fn there_is_always_one() {
        assert_eq!(HashLanes::new(0).least(), Lane::HashInOrder(0));
    }
}
