//! The owner's side: lends items of the frontier to helpers, and keeps their leases.
//!
//! A member is dead if nothing was heard of it for [`mailbox::silence`], or if its process on this
//! machine has ended. Its place is taken away first, and then its chunks. A chunk that a member does not
//! have after several beats is lost in the mailbox, and is taken back as well.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::message::{Brought, SoFar, read};
use super::shares::Grants;
use super::{LONGEST_LOOK, TICK, message};
use crate::engine::error::CrawlError;
use crate::engine::lookup;
use crate::engine::refresh::canary::Verdict;
use crate::engine::refresh::{self, Plan};
use crate::engine::worker::{self, WorkerContext};
use crate::engine::writer::{Outbox, Outcome};
use crate::frontier::{Lease, Returned};
use crate::model::record::Key;
use crate::model::report::{Member, MemberEnd, MemberRole};
use crate::model::share::{HostWait, Share};
use crate::model::task::{Content, Done, Page, Task};
use crate::observe::members::Members;
use crate::observe::problems::Sentence;
use crate::store::StoreError;
use crate::store::mailbox::{self, Chunk, FIRST_MESSAGE, Mailbox, Orders, Said, TakenBack, Term};
use crate::sweep::{Holder, Life, SweepEntry};
use crate::system::clock;

/// Time for which a member gets tasks ahead.
const AHEAD: f64 = 1.5;
/// Time for which the tasks of a chunk last.
const CHUNK: f64 = 0.5;
/// Usual minimum number of tasks in a chunk: enough to judge whether documents tell items apart.
const LEAST_TASKS: usize = 12;
/// Minimum number of tasks that a member gets ahead.
const LEAST_LENT: usize = 16;
/// Maximum number of tasks in a chunk.
const MOST_TASKS: usize = 64;
/// Size of a chunk, in bytes, from which no further task is added.
const ENOUGH_BYTES: usize = 192 << 10;
/// Maximum number of tasks that are lent to a member.
const MOST_LENT: usize = 8 * MOST_TASKS;
/// Interval at which the owner looks for others while it is alone.
const IDLE: Duration = Duration::from_millis(250);
/// Number of beats after which a member has borrowed what is lent to it.
const BEATS: i64 = 3;
/// Number of members that died with a task in hand, after which the task is given up.
const DEATHS: u32 = 3;
/// Weight of the newest reading in a member's speed.
const NEWEST: f64 = 0.3;
/// Difference between two times from which a wait is told again.
const LATER: Duration = Duration::from_millis(300);

/// Lends items to the other members of a sweep.
pub struct Lender {
    context: Arc<WorkerContext>,
    outbox: Outbox,
    members: Arc<Members>,
    term: Term,
    grants: Grants,
    peers: BTreeMap<Box<str>, Peer>,
    lent: HashMap<u64, Lent>,
    /// Number of members that died with an item in hand.
    deaths: HashMap<Key, u32>,
    /// Number of the last chunk.
    last: u64,
    /// Time of the last look, by a clock that cannot be set.
    looked: Duration,
}

/// A member that helps.
struct Peer {
    /// True if it joined in this term. Others are about to leave.
    is_ours: bool,
    holder: Holder,
    beats: i64,
    silent: Duration,
    said: Said,
    orders: Orders,
    /// True if the mailbox has lost these orders.
    are_lost: bool,
    /// Times until which hosts are to wait, as it was told.
    told: HashMap<Box<str>, Duration>,
    /// Number of items that it does in a second.
    speed: Option<f64>,
    /// Time since its last beat that brought items.
    since: Duration,
    so_far: SoFar,
}

/// A chunk that is lent.
struct Lent {
    member: Box<str>,
    leases: Vec<Lease>,
    /// Number of the member's beats that was seen first after it was lent, or `None` before that.
    beats: Option<i64>,
}

impl Lender {
    /// Creates the lender of the sweep of `entry`, of whose requests `whole` is the limit.
    pub fn new(
        entry: &SweepEntry,
        whole: Share,
        context: Arc<WorkerContext>,
        outbox: Outbox,
        members: Arc<Members>,
    ) -> Lender {
        let Holder { host, pid, .. } = Holder::this();
        let (role, joined_at) = (MemberRole::Owner, clock::now());
        let own = Member { host, pid, role, joined_at, left: None, requests: 0, items: 0 };
        members.join(&entry.id, own);
        Lender {
            context,
            outbox,
            members,
            term: Term::of(entry),
            grants: Grants::new(whole),
            peers: BTreeMap::new(),
            lent: HashMap::new(),
            deaths: HashMap::new(),
            last: 0,
            looked: clock::since_boot(),
        }
    }

    /// Lends until the store fails, and returns that error. Drop it when the sweep has ended.
    pub async fn run(mut self) -> CrawlError {
        match self.lend().await {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn lend(&mut self) -> Result<Infallible, CrawlError> {
        let store = self.context.storage.store.clone();
        let no_mailbox = || StoreError::Unusable("the store has no mailbox".to_owned());
        let mail = store.mailbox().ok_or_else(no_mailbox)?;
        mail.begin(&self.term).await?;
        loop {
            let left = self.look(mail).await?;
            self.collect(mail).await?;
            self.take_back(mail, &left).await?;
            self.order(mail).await?;
            self.give(mail).await?;
            tokio::time::sleep(if self.peers.is_empty() { IDLE } else { TICK }).await;
        }
    }

    /// Looks who takes part, and fences members that are dead. Returns those that left or are fenced.
    async fn look(&mut self, mail: &dyn Mailbox) -> Result<Vec<(Box<str>, MemberEnd)>, CrawlError> {
        let found = mail.members(&self.term.sweep).await?;
        let now = clock::since_boot();
        let passed = now.saturating_sub(self.looked).min(LONGEST_LOOK);
        self.looked = now;
        let mut left = Vec::new();
        for id in self.peers.keys() {
            if !found.iter().any(|member| member.id == *id) {
                left.push((id.clone(), MemberEnd::Stopped));
            }
        }
        for member in found {
            let (id, is_ours) = (member.id.clone(), member.term == self.term.number);
            let is_new = !self.peers.contains_key(&id);
            let peer = self.peers.entry(id.clone()).or_insert_with(|| Peer::of(&member, is_ours));
            if is_new && is_ours {
                info!(member = %member.holder, "another run joined the sweep");
                self.members.join(&id, joined(&member.holder));
            }
            peer.are_lost = member.orders.number < peer.orders.number;
            peer.heard(member.beats, member.said, passed);
            let Said { requests, items, .. } = peer.said;
            self.members.change(&id, |it| (it.requests, it.items) = (requests, items));
            let is_dead = peer.silent >= mailbox::silence() || peer.holder.life() == Life::Dead;
            if is_dead && mail.fence(&id, peer.beats).await? {
                warn!(member = %peer.holder, "lost a run that helped: its items are taken back");
                left.push((id, MemberEnd::Lost));
            }
        }
        Ok(left)
    }

    /// Ends the leases of what was brought back.
    async fn collect(&mut self, mail: &dyn Mailbox) -> Result<(), CrawlError> {
        loop {
            let found = mail.collect(&self.term).await?;
            if found.is_empty() {
                return Ok(());
            }
            let ids: Vec<u64> = found.iter().map(|chunk| chunk.id).collect();
            for Chunk { id, member, content } in found {
                match id < FIRST_MESSAGE {
                    true => self.brought(id, &member, &content),
                    false => {
                        let said: Vec<Sentence> = read(&content).unwrap_or_default();
                        said.into_iter().for_each(|it| self.context.reports.problems.hear(it));
                    }
                }
            }
            mail.delete(&self.term, &ids).await?;
            // The writer may hold all other tasks.
            self.outbox.look();
        }
    }

    fn brought(&mut self, id: u64, member: &str, content: &[u8]) {
        // What was taken back before is lent to another one, or done.
        let Some(Lent { leases, .. }) = self.lent.remove(&id) else { return };
        // Leases that are dropped go back to the frontier.
        let Some(Brought { ends, so_far }) = read(content) else { return };
        so_far.into_iter().for_each(|it| self.count(member, *it));
        let frontier = self.context.frontier.clone();
        for (lease, end) in leases.into_iter().zip(ends) {
            match end {
                Returned::Done(done) => frontier.finish(lease, done),
                Returned::AtTheEnd => frontier.retry_at_the_end(lease),
                Returned::Rest => drop(lease),
            }
        }
    }

    /// Adds what a member did.
    fn count(&mut self, member: &str, so_far: SoFar) {
        let Some(peer) = self.peers.get_mut(member) else { return };
        if so_far.number <= peer.so_far.number {
            return;
        }
        let WorkerContext { reports, findings, .. } = &*self.context;
        reports.metrics.made_by(member, so_far.made.clone());
        findings.canary.counted_by(member, so_far.counted.clone());
        reports.fields.add(&so_far.fields, &peer.so_far.fields);
        reports.texts.add(&so_far.texts, &peer.so_far.texts);
        peer.so_far = so_far;
    }

    /// Takes back the chunks of members that `left`, and chunks that are lost.
    async fn take_back(
        &mut self,
        mail: &dyn Mailbox,
        left: &[(Box<str>, MemberEnd)],
    ) -> Result<(), CrawlError> {
        for (id, end) in left {
            if let Some(peer) = self.peers.remove(id).filter(|_| *end == MemberEnd::Stopped) {
                info!(member = %peer.holder, "a run that helped has left the sweep");
            }
            self.members.change(id, |member| member.left = Some(*end));
        }
        for lent in self.lent.values_mut() {
            lent.beats = lent.beats.or(self.peers.get(&lent.member).map(|peer| peer.beats));
        }
        let is_lost = |id: &u64, lent: &Lent| match self.peers.get(&lent.member) {
            None => true,
            // It may request nothing any more: there are more members than requests at once.
            Some(_) if self.grants.of(&lent.member).most == 0 => true,
            Some(peer) => {
                let is_due = lent.beats.is_some_and(|first| peer.beats >= first + BEATS);
                is_due && !peer.said.holds.contains(id)
            }
        };
        let lost = self.lent.iter().filter(|(id, lent)| is_lost(id, lent));
        let lost: Vec<u64> = lost.map(|(id, _)| *id).collect();
        for id in lost {
            // What was brought meanwhile is collected.
            if mail.take_back(&self.term, id).await? == TakenBack::Ours
                && let Some(lent) = self.lent.remove(&id)
            {
                let died = left.contains(&(lent.member.clone(), MemberEnd::Lost));
                self.settle(lent.leases, died).await?;
            }
        }
        Ok(())
    }

    /// Ends the leases of what this sweep wrote, and gives the others back. If a member `died` with
    /// them once too often, they are given up.
    async fn settle(&mut self, leases: Vec<Lease>, died: bool) -> Result<(), CrawlError> {
        let context = self.context.clone();
        let keys: Vec<Key> = leases.iter().filter_map(|it| it.task().key().cloned()).collect();
        let known = lookup::ask(&*context.storage.store, &keys).await?;
        for lease in leases {
            let Some(key) = lease.task().key().cloned() else { continue };
            let known = known.get(&key).map(|it| &**it);
            let plan = refresh::plan(known, None, &context.policy, context.policy.now());
            if let Plan::Done(verdict) = plan {
                context.frontier.finish(lease, Done::Kept(verdict));
                self.outbox.look();
                continue;
            }
            if died {
                let deaths = self.deaths.entry(key).or_default();
                *deaths += 1;
                if *deaths >= DEATHS {
                    let failure = worker::death(&context, lease.task());
                    self.outbox.deliver(lease, Outcome::Failure(Box::new(failure))).await?;
                }
            }
        }
        Ok(())
    }

    /// Divides the requests among the members, and tells each what hosts asked others for.
    async fn order(&mut self, mail: &dyn Mailbox) -> Result<(), CrawlError> {
        let hosts = &self.context.hosts;
        let members = self.peers.iter().map(|(id, peer)| (&**id, peer.said.heard));
        let members: Vec<(&str, i64)> = members.collect();
        let changed = self.grants.divide(&members, hosts.in_flight());
        hosts.share(self.grants.own());
        let heard: Vec<(Box<str>, Vec<HostWait>)> = self
            .peers
            .iter()
            .map(|(id, peer)| (id.clone(), peer.said.waits.clone()))
            .chain([("".into(), hosts.heard_waits())])
            .filter(|(_, waits)| !waits.is_empty())
            .collect();
        let now = clock::since_boot();
        for (from, waits) in &heard {
            if !from.is_empty() {
                hosts.told_waits(waits);
            }
        }
        let ids: Vec<Box<str>> = self.peers.keys().cloned().collect();
        for id in ids {
            let share = changed.iter().find(|it| it.member == id).map(|it| (it.number, it.share));
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let others = heard.iter().filter(|(from, _)| *from != id);
            let waits = peer.to_tell(others.flat_map(|(_, waits)| waits), now);
            if share.is_some() || !waits.is_empty() {
                let next = || (self.grants.next_number(), peer.orders.share);
                let (number, share) = share.unwrap_or_else(next);
                peer.orders = Orders { number, share, waits, at: Some(clock::now()) };
            } else if !peer.are_lost {
                continue;
            }
            mail.order(&id, &peer.orders).await?;
        }
        Ok(())
    }

    /// Lends to each member what it does in a while.
    async fn give(&mut self, mail: &dyn Mailbox) -> Result<(), CrawlError> {
        let context = self.context.clone();
        let working = self.peers.iter().map(|(id, peer)| (id, peer, self.grants.of(id)));
        let working = working.filter(|(_, peer, share)| peer.is_ours && share.most > 0);
        let working = working.map(|(id, peer, share)| (id.clone(), peer.credit(share)));
        let members: Vec<(Box<str>, (usize, usize))> = working.collect();
        let ahead: usize = members.iter().map(|(_, (credit, _))| credit).sum();
        context.frontier.read_ahead(ahead as u64);
        // The owner decides first whether the site was redesigned.
        let is_sound = context.findings.canary.verdict(false) == Verdict::Sound;
        if !is_sound || context.shutdown.is_requested() {
            return Ok(());
        }
        let mut chunks = Vec::new();
        for (member, (credit, most)) in members {
            let of_member = self.lent.values().filter(|lent| lent.member == member);
            let mut room = credit.saturating_sub(of_member.map(|lent| lent.leases.len()).sum());
            while room > 0 {
                let (may_go, most) = (|task: &Task| may_go(&context, task), room.min(most));
                // Where the owner has more than it may request now, its workers have parked it.
                let mut leases = context.frontier.take_details(most, may_go);
                leases.extend(context.hosts.take_parked(most - leases.len(), may_go));
                if leases.is_empty() {
                    break;
                }
                room = room.saturating_sub(leases.len());
                chunks.extend(self.chunks_of(&member, leases));
            }
        }
        if !chunks.is_empty() {
            mail.lend(&self.term, &chunks).await?;
        }
        Ok(())
    }

    /// Packs tasks into chunks of limited size, and keeps their leases.
    fn chunks_of(&mut self, member: &str, leases: Vec<Lease>) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut leases = leases.into_iter().peekable();
        while leases.peek().is_some() {
            let (mut taken, mut content) = (Vec::new(), b"[".to_vec());
            while content.len() < ENOUGH_BYTES
                && let Some(lease) = leases.next()
            {
                if !taken.is_empty() {
                    content.push(b',');
                }
                content.extend(message::content(lease.task()));
                taken.push(lease);
            }
            content.push(b']');
            self.last += 1;
            self.lent.insert(self.last, Lent { member: member.into(), leases: taken, beats: None });
            chunks.push(Chunk { id: self.last, member: member.into(), content });
        }
        chunks
    }
}

impl Peer {
    fn of(member: &mailbox::Member, is_ours: bool) -> Peer {
        Peer {
            is_ours,
            holder: member.holder.clone(),
            beats: member.beats,
            silent: Duration::ZERO,
            said: Said::default(),
            orders: member.orders.clone(),
            are_lost: false,
            told: HashMap::new(),
            speed: None,
            since: Duration::ZERO,
            so_far: SoFar::default(),
        }
    }

    /// Takes what it said with its last beat; `passed` is the time since the last look.
    fn heard(&mut self, beats: i64, said: Said, passed: Duration) {
        if beats == self.beats {
            self.silent += passed;
        } else {
            self.silent = Duration::ZERO;
        }
        self.since += passed;
        let items = said.items.saturating_sub(self.said.items);
        if items > 0 && !self.since.is_zero() {
            let now = items as f64 / self.since.as_secs_f64();
            let before = self.speed.unwrap_or(now);
            self.speed = Some(before + NEWEST * (now - before));
            self.since = Duration::ZERO;
        }
        (self.beats, self.said) = (beats, said);
    }

    /// Returns how many tasks it gets ahead, and how many of them in a chunk.
    fn credit(&self, share: Share) -> (usize, usize) {
        let most = share.most as usize;
        let of = |seconds: f64| self.speed.map_or(0, |speed| (speed * seconds) as usize);
        let credit = of(AHEAD).max(2 * most).clamp(LEAST_LENT, MOST_LENT);
        (credit, of(CHUNK).max(most.div_ceil(2)).clamp(LEAST_TASKS, MOST_TASKS))
    }

    /// Returns those of the waits that it was not told.
    fn to_tell<'w>(
        &mut self,
        waits: impl Iterator<Item = &'w HostWait>,
        now: Duration,
    ) -> Vec<HostWait> {
        let mut new = Vec::new();
        for wait in waits {
            let until = now + Duration::from_millis(wait.ms);
            let told = self.told.entry(wait.host.clone()).or_default();
            if until > *told + LATER {
                *told = until;
                new.push(wait.clone());
            }
        }
        new
    }
}

fn joined(holder: &Holder) -> Member {
    Member {
        host: holder.host.clone(),
        pid: holder.pid,
        role: MemberRole::Helper,
        joined_at: clock::now(),
        left: None,
        requests: 0,
        items: 0,
    }
}

/// Returns true if a task may be lent: it is an item that needs a request, to a host that sets no pace,
/// and nothing about it is decided by what the owner alone knows.
fn may_go(context: &WorkerContext, task: &Task) -> bool {
    let Page::Detail(item) = &task.page else { return false };
    let is_unreadable =
        item.listed.as_ref().is_some_and(|listed| matches!(listed.content, Content::Unreadable(_)));
    if task.waits > 0 || item.is_unlisted || item.assembly.is_some() || is_unreadable {
        return false;
    }
    let Some(url) = context.site.host(&task.page) else { return false };
    let host = context.hosts.of(&url);
    let rules = host.rules().and_then(|rules| rules.as_ref().ok());
    let is_free = rules.is_some_and(|rules| rules.delay().is_none());
    is_free && matches!(worker::plan(context, item), Plan::Fetch(_))
}
