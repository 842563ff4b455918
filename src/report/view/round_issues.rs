//! The issues of rounds: each kind once, with the stacks that show it.

use super::provenance::has_many_stacks;
use crate::record::{Record, RoundIssue, RoundOutcome};

/// Issues of one kind. The first stack's text stands for all.
pub struct IssueGroup<'a> {
    pub stacks: Vec<StackIssue<'a>>,
}

/// An issue of one kind with rounds of one stack.
pub struct StackIssue<'a> {
    pub stack: &'a str,
    pub rounds: usize,
    pub issue: &'a RoundIssue,
}

impl IssueGroup<'_> {
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.stacks.iter().map(|one| one.rounds).sum()
    }

    /// Whether all stacks have the same text.
    #[must_use]
    pub fn is_uniform(&self) -> bool {
        self.stacks.windows(2).all(|pair| pair[0].issue.message == pair[1].issue.message)
    }
}

/// The issues with the rounds of a load. If there are many stacks, those with the same kind of issue form one group.
#[must_use]
pub fn groups<'a>(record: &'a Record, load: &str) -> Vec<IssueGroup<'a>> {
    let is_many = has_many_stacks(record);
    let mut groups: Vec<IssueGroup<'a>> = Vec::new();
    for one in stack_issues(record, load) {
        let same_kind = |group: &&mut IssueGroup<'_>| is_many && group.stacks[0].issue.kind == one.issue.kind;
        match groups.iter_mut().find(same_kind) {
            Some(group) => group.stacks.push(one),
            None => groups.push(IssueGroup { stacks: vec![one] }),
        }
    }
    groups
}

fn stack_issues<'a>(record: &'a Record, load: &str) -> Vec<StackIssue<'a>> {
    let mut found: Vec<StackIssue<'_>> = Vec::new();
    for round in record.rounds.iter().filter(|round| round.load == load) {
        let RoundOutcome::Measured(measured) = &round.outcome else { continue };
        for issue in &measured.issues {
            match found.iter_mut().find(|known| known.stack == round.stack && known.issue.kind == issue.kind) {
                Some(known) => known.rounds += 1,
                None => found.push(StackIssue { stack: &round.stack, rounds: 1, issue }),
            }
        }
    }
    found
}
