//! Divides the requests of a sweep among its members.
//!
//! `--workers` and `--rate` of the owner hold for the sweep as a whole: the shares never add up to
//! more. So a share is raised only when the others are known to be low enough. A member counts with
//! the higher of its shares until it says that it keeps to the lower one. No I/O here.

use std::collections::BTreeMap;

use crate::model::share::Share;

/// The shares of a sweep's members.
#[derive(Debug)]
pub struct Grants {
    whole: Share,
    own: Share,
    members: BTreeMap<Box<str>, Grant>,
    /// Number of the last orders.
    last: i64,
}

#[derive(Debug, Default)]
struct Grant {
    /// Share that was ordered last.
    ordered: Share,
    /// Number of these orders.
    number: i64,
    /// Highest share that the member may still use.
    used: Share,
}

/// New orders for a member.
#[derive(Debug, PartialEq)]
pub struct NewOrders {
    /// Id of the member.
    pub member: Box<str>,
    /// Number of the orders.
    pub number: i64,
    /// Its share.
    pub share: Share,
}

impl Grants {
    /// Creates the shares of a sweep whose owner is alone.
    pub fn new(whole: Share) -> Grants {
        Grants { whole, own: whole, members: BTreeMap::new(), last: 0 }
    }

    /// Returns the owner's share.
    pub fn own(&self) -> Share {
        self.own
    }

    /// Returns the share of a member.
    pub fn of(&self, member: &str) -> Share {
        self.members.get(member).map(|grant| grant.ordered).unwrap_or_default()
    }

    /// Returns the number of the next orders, where something else than shares is ordered.
    pub fn next_number(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// Divides anew among the owner and `members`, each with the number of the orders that it keeps
    /// to. `in_flight` is the largest number of requests that the owner has in flight at a host.
    /// Returns the orders that changed.
    pub fn divide(&mut self, members: &[(&str, i64)], in_flight: u32) -> Vec<NewOrders> {
        self.members.retain(|id, _| members.iter().any(|(member, _)| **id == **member));
        for (member, heard) in members {
            let grant = self.members.entry((*member).into()).or_default();
            if *heard >= grant.number {
                grant.used = grant.ordered;
            }
        }
        let targets = divided(self.whole, self.members.len() + 1);
        let mut targets = targets.into_iter();
        let own = targets.next().unwrap_or(self.whole);
        let targets: Vec<(Box<str>, Share)> = self.members.keys().cloned().zip(targets).collect();
        // What is lowered is lowered first.
        self.own = least(self.own, own);
        let mut changed = Vec::new();
        for (member, target) in &targets {
            let to = least(self.of(member), *target);
            changed.extend(self.order(member, to));
        }
        let own_used = Share { most: self.own.most.max(in_flight), ..self.own };
        let room = |members: &BTreeMap<Box<str>, Grant>, own: Share, but: Option<&str>| {
            let others = members.iter().filter(|(id, _)| but != Some(id));
            let used = others.map(|(_, grant)| most(grant.used, grant.ordered));
            used.fold(own, |sum, one| Share {
                most: sum.most + one.most,
                rate: sum.rate.map(|rate| rate + one.rate.unwrap_or_default()),
            })
        };
        for (member, target) in &targets {
            let used = room(&self.members, own_used, Some(member));
            if *target != self.of(member) && fits(used, *target, self.whole) {
                changed.retain(|it| it.member != *member);
                changed.extend(self.order(member, *target));
            }
        }
        let none = Share { most: 0, rate: own.rate.map(|_| 0.0) };
        if fits(room(&self.members, none, None), own, self.whole) {
            self.own = own;
        }
        changed
    }

    fn order(&mut self, member: &str, share: Share) -> Option<NewOrders> {
        let grant = self.members.get_mut(member)?;
        if grant.ordered == share {
            return None;
        }
        grant.used = most(grant.used, grant.ordered);
        self.last += 1;
        (grant.ordered, grant.number) = (share, self.last);
        Some(NewOrders { member: member.into(), number: self.last, share })
    }
}

/// Divides `whole` into equal shares, the owner's first. Where there are more members than requests
/// at once, the last ones get none.
fn divided(whole: Share, members: usize) -> Vec<Share> {
    let members = u32::try_from(members).unwrap_or(u32::MAX).max(1);
    let working = members.min(whole.most.max(1));
    let share = |at: u32| {
        let most = whole.most / members + u32::from(at < whole.most % members);
        let rate = if at < working { f64::from(working) } else { f64::INFINITY };
        Share { most, rate: whole.rate.map(|whole| whole / rate) }
    };
    (0..members).map(share).collect()
}

fn least(one: Share, other: Share) -> Share {
    let rate = one.rate.zip(other.rate).map(|(one, other)| one.min(other));
    Share { most: one.most.min(other.most), rate }
}

fn most(one: Share, other: Share) -> Share {
    let rate = match (one.rate, other.rate) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    };
    Share { most: one.most.max(other.most), rate }
}

fn fits(used: Share, more: Share, whole: Share) -> bool {
    // A sum of equal shares may be a little more than the whole.
    let has_rate = whole.rate.is_none_or(|whole| {
        used.rate.unwrap_or_default() + more.rate.unwrap_or_default() <= whole * 1.000_001
    });
    has_rate && used.most + more.most <= whole.most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(most: u32, rate: f64) -> Share {
        Share { most, rate: Some(rate) }
    }

    fn ordered(orders: Vec<NewOrders>) -> Vec<(String, i64, Share)> {
        orders.into_iter().map(|it| (it.member.into(), it.number, it.share)).collect()
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        for (most, members) in [(16, 1), (16, 3), (16, 16), (3, 5), (1, 2)] {
            let whole = share(most, 10.0);
            let shares = divided(whole, members);
            assert_eq!(shares.iter().map(|it| it.most).sum::<u32>(), most, "{most} {members}");
            let rates: f64 = shares.iter().filter_map(|it| it.rate).sum();
            assert!((rates - 10.0).abs() < 1e-6, "{rates}");
            assert!(shares.iter().all(|it| (it.most > 0) == (it.rate > Some(0.0))));
        }
    }

    #[test]
    fn t9_a_share_is_raised_when_the_others_were_lowered() {
        let mut grants = Grants::new(share(16, 8.0));
        assert_eq!(grants.divide(&[], 16), []);
        // The owner still has more in flight than its new share.
        assert_eq!(grants.divide(&[("a", 0)], 16), []);
        assert_eq!(grants.own(), share(8, 4.0));
        let orders = ordered(grants.divide(&[("a", 0)], 8));
        assert_eq!(orders, [("a".to_owned(), 1, share(8, 4.0))]);
        assert_eq!(grants.divide(&[("a", 1)], 8), []);
        // Another one joins: it gets its share once the others keep to theirs.
        let orders = ordered(grants.divide(&[("a", 1), ("b", 0)], 8));
        assert_eq!(orders.len(), 1, "{orders:?}");
        assert_eq!((orders[0].0.as_str(), orders[0].2.most), ("a", 5));
        assert_eq!(grants.divide(&[("a", 1), ("b", 0)], 6), [], "a has not heard");
        let orders = ordered(grants.divide(&[("a", 2), ("b", 0)], 6));
        assert_eq!((orders.len(), orders[0].0.as_str(), orders[0].2.most), (1, "b", 5));
        assert_eq!((grants.own().most, grants.of("a").most, grants.of("b").most), (6, 5, 5));
        // One leaves, and its share is divided at once.
        let orders = ordered(grants.divide(&[("b", 3)], 6));
        assert_eq!((orders[0].0.as_str(), orders[0].2), ("b", share(8, 4.0)));
        assert_eq!(grants.own(), share(8, 4.0));
        assert_eq!(grants.divide(&[], 0), []);
        assert_eq!(grants.own(), share(16, 8.0));
    }

    #[test]
    fn where_there_is_no_rate_none_is_divided() {
        let whole = Share { most: 2, rate: None };
        let mut grants = Grants::new(whole);
        grants.divide(&[("a", 0), ("b", 0), ("c", 0)], 1);
        let mosts: Vec<u32> = ["a", "b", "c"].map(|it| grants.of(it).most).to_vec();
        assert_eq!((grants.own(), mosts), (Share { most: 1, rate: None }, vec![1, 0, 0]));
    }
}
