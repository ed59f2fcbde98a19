//! The runs that take part in a sweep, as its owner knows them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::report::{Member, MemberEnd, MemberRole};

/// The members of a sweep that several machines share. Empty if they do not.
#[derive(Debug, Default)]
pub struct Members(Mutex<Vec<(Box<str>, Member)>>);

impl Members {
    /// Adds a member, or does nothing if there is one with this id.
    pub fn join(&self, id: &str, member: Member) {
        let mut members = self.all();
        if !members.iter().any(|(known, _)| **known == *id) {
            members.push((id.into(), member));
        }
    }

    /// Changes what is known of a member.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Member)) {
        let mut members = self.all();
        let member = members.iter_mut().find(|(known, _)| **known == *id);
        if let Some((_, member)) = member {
            change(member);
        }
    }

    /// Returns the members that take part now, and those that left. If no other run has ever joined,
    /// there are none. `requests` and `items` are those of all members: what others did not do, the
    /// owner did.
    pub fn now(&self, requests: u64, items: u64) -> Vec<Member> {
        let mut members: Vec<Member> = self.all().iter().map(|(_, it)| it.clone()).collect();
        if members.len() < 2 {
            return Vec::new();
        }
        let of_others = |count: fn(&Member) -> u64| {
            members.iter().filter(|it| it.role == MemberRole::Helper).map(count).sum::<u64>()
        };
        let (theirs, done) = (of_others(|it| it.requests), of_others(|it| it.items));
        for member in members.iter_mut().filter(|it| it.role == MemberRole::Owner) {
            member.requests = requests.saturating_sub(theirs);
            member.items = items.saturating_sub(done);
        }
        members
    }

    /// Returns the members at the end of the sweep.
    pub fn at_the_end(&self, requests: u64, items: u64) -> Vec<Member> {
        let mut members = self.now(requests, items);
        for member in &mut members {
            member.left = member.left.or(Some(MemberEnd::End));
        }
        members
    }

    /// Returns the number of members beside the owner that take part now.
    pub fn helpers(&self) -> usize {
        let is_here = |it: &Member| it.role == MemberRole::Helper && it.left.is_none();
        self.all().iter().filter(|(_, member)| is_here(member)).count()
    }

    fn all(&self) -> MutexGuard<'_, Vec<(Box<str>, Member)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
