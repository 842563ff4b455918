//! The turns of a worker's connections.

/// How many bytes a connection moves in one turn. It takes a fraction of a millisecond, also if they go to a file.
const TURN: usize = 256 * 1024;

/// Makes a connection that moves bytes as fast as they come give way to the others of its worker.
///
/// The runtime bounds a turn by the number of socket operations, not by what they move: that is megabytes, and a request
/// needs several turns of every other connection before it has its response.
#[derive(Debug)]
pub struct TurnBudget {
    left: usize,
}

impl Default for TurnBudget {
    fn default() -> TurnBudget {
        TurnBudget { left: TURN }
    }
}

impl TurnBudget {
    /// Records that bytes were moved, and ends the turn if they were the last.
    pub async fn spend(&mut self, bytes: usize) {
        match self.left.checked_sub(bytes) {
            Some(left) if left > 0 => self.left = left,
            _ => {
                self.left = TURN;
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[tokio::test(flavor = "local")]
    async fn others_run_between_turns() {
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        tokio::task::spawn_local(async move {
            loop {
                counted.set(counted.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let mut budget = TurnBudget::default();
        for _ in 0..10 {
            budget.spend(TURN / 2).await;
            budget.spend(TURN).await;
        }
        assert_eq!(turns.get(), 10);
    }
}
