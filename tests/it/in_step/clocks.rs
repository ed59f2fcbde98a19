//! Clocks that jump: what the clock of each run showed when, so that times which runs kept can be
//! told back to real ones.
//!
//! A debug build reads from a file by how much its clock is wrong. A *spell* is a time during which
//! one clock is wrong by one offset. Offsets are drawn so that no two clocks ever show the same time,
//! but where they are wrong by as much: so a time that a run kept belongs to one real time and to
//! one kind of run, and a time that no clock showed is a finding.

use std::path::Path;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::holdings::{Held, Holdings, Swept};
use super::{Findings, GRAIN};

/// A spell lasts no longer: before that its clock has to jump, or its run to end.
pub const LONGEST_SPELL: SignedDuration = SignedDuration::from_secs(150);
/// A clock is wrong by at most so many seconds: an unfinished sweep is resumed for seven days.
const MOST: i64 = 36 * 3_600;

/// One clock, wrong by one offset.
#[derive(Debug)]
struct Spell {
    offset: SignedDuration,
    from: Timestamp,
    /// When it ended.
    to: Option<Timestamp>,
    /// Whether the run whose clock it is is one of a part of the site.
    is_of_part: bool,
}

/// See the module's text.
pub struct Clocks {
    spells: Vec<Spell>,
    rng: Rng,
}

/// A spell that may be under way.
#[derive(Debug, Clone, Copy)]
pub struct SpellId(usize);

impl Spell {
    /// What its clock showed, up to `now`, with the millisecond that stores cut off.
    fn shown(&self, until: Timestamp) -> (Timestamp, Timestamp) {
        (self.from + self.offset - GRAIN, self.to.unwrap_or(until) + self.offset + GRAIN)
    }

    fn may_show(&self, time: Timestamp) -> bool {
        let (from, to) = self.shown(Timestamp::now());
        (from..=to).contains(&time)
    }
}

impl Clocks {
    pub fn new(seed: u64) -> Clocks {
        Clocks { spells: Vec::new(), rng: Rng::with_seed(seed) }
    }

    /// From now on the clock that reads `file` is wrong by an offset that is drawn: half the time the
    /// one before, else another one, ahead or back by seconds to hours.
    pub fn set(&mut self, file: &Path, is_of_part: bool) -> SpellId {
        let from = Timestamp::now();
        let last = self.spells.last().map_or(SignedDuration::ZERO, |last| last.offset);
        let mut offset = if self.rng.bool() { last } else { self.drawn() };
        while !self.is_free(offset, from) {
            offset = self.drawn();
        }
        // Replaced as a whole: a clock that read half of it would be right for a moment.
        let new = file.with_extension("new");
        std::fs::write(&new, offset.as_secs().to_string()).expect("a file");
        std::fs::rename(&new, file).expect("a file");
        self.spells.push(Spell { offset, from, to: None, is_of_part });
        SpellId(self.spells.len() - 1)
    }

    /// No clock is read by this spell any more.
    pub fn end(&mut self, SpellId(at): SpellId) {
        self.spells[at].to.get_or_insert_with(Timestamp::now);
    }

    /// Whether a spell has lasted so long that its clock has to jump.
    pub fn is_over(&self, SpellId(at): SpellId) -> bool {
        Timestamp::now().duration_since(self.spells[at].from) > LONGEST_SPELL / 2
    }

    /// How often a clock became wrong by another offset.
    pub fn jumps(&self) -> usize {
        self.spells.windows(2).filter(|pair| pair[0].offset != pair[1].offset).count()
    }

    fn drawn(&mut self) -> SignedDuration {
        let most = [0, 120, 7_200, MOST][self.rng.usize(0..4)];
        SignedDuration::from_secs(self.rng.i64(-most..=most))
    }

    /// Whether a clock that is wrong by `offset` will show no time that another one shows.
    fn is_free(&self, offset: SignedDuration, now: Timestamp) -> bool {
        let soon = now + LONGEST_SPELL;
        let (from, to) = (now + offset - 2 * GRAIN, soon + offset + 2 * GRAIN);
        self.spells.iter().all(|spell| {
            let (first, last) = spell.shown(soon);
            // By the same offset other times are shown, once the spell has ended.
            (spell.offset == offset && spell.to.is_some()) || last < from || to < first
        })
    }

    /// The real time at which a clock showed `time`, and whether it is the clock of a run of a part of
    /// the site.
    fn real(&self, time: Timestamp) -> Option<(Timestamp, bool)> {
        let mut showing = self.spells.iter().filter(|spell| spell.may_show(time)).peekable();
        let offset = showing.peek()?.offset;
        Some((time - offset, showing.all(|spell| spell.is_of_part)))
    }

    /// What a store holds, in real times; and what its times alone say against it.
    pub fn read(&self, holdings: Holdings) -> (Holdings, Findings) {
        let mut findings = Findings::default();
        let Holdings { documents, sweeps, failures } = holdings;
        let documents = documents.into_iter().map(|held| self.held(held, &mut findings)).collect();
        let sweeps = sweeps.into_iter().map(|swept| self.swept(swept, &mut findings)).collect();
        (Holdings { documents, sweeps, failures }, findings)
    }

    fn held(&self, held: Held, findings: &mut Findings) -> Held {
        let mut real = |what: &str, time: Option<Timestamp>, may_be_of_part: bool| {
            let time = time?;
            let Some((real, is_of_part)) = self.real(time) else {
                findings.ledger.push(format!("no clock showed {what} of {held:?}"));
                return Some(time);
            };
            if is_of_part && !may_be_of_part {
                findings.wrongly_gone.push(format!("a run of a part set {what} of {held:?}"));
            }
            Some(real)
        };
        let fetched_at = real("fetched_at", Some(held.fetched_at), true).expect("a time");
        let unlisted_at = real("unlisted_at", held.unlisted_at, false);
        let gone_at = real("gone_at", held.gone_at, false);
        Held { fetched_at, unlisted_at, gone_at, ..held }
    }

    fn swept(&self, swept: Swept, findings: &mut Findings) -> Swept {
        let mut real = |what: &str, time: Timestamp| match self.real(time) {
            Some((real, _)) => real,
            None => {
                findings.ledger.push(format!("no clock showed {what} of {swept:?}"));
                time
            }
        };
        let started_at = real("started_at", swept.started_at);
        // Whoever finds a dead run ends it as failed, in MongoDB by the server's clock.
        let ended_at = swept.ended_at.filter(|_| swept.state != "failed");
        let ended_at = ended_at.map(|time| real("ended_at", time));
        Swept { started_at, ended_at, ..swept }
    }
}
