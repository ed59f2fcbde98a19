//! `gleaner_sweeps`: the ledger, which contains the lock.
//!
//! A lock is an entry in state running. It is read and changed in one transaction that holds the
//! file's write lock from the start, so it cannot change in between.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Params, Result, Row, named_params};

use super::paged::limit;
use super::row::{parsed, required_time, time};
use crate::model::report::Kind;
use crate::observe::progress::Progress;
use crate::store::Place;
use crate::sweep::lock::Claim;
use crate::sweep::{Holder, LedgerEntry, Scope, SweepEntry};
use crate::system::clock;

/// Sets all columns of an entry but its id, site and collection. Parameters are named after the
/// columns.
const CHANGE: &str = "UPDATE gleaner_sweeps SET state = :state, limited = :limited, since = :since, \
     definition = :definition, started_at = :started_at, \
     resumed_at = :resumed_at, ended_at = :ended_at, report = :report, \
     holder = :holder, heartbeat_at = :heartbeat_at, runs = :runs, \
     expect = :expect, progress = NULL";
const INSERT: &str = "INSERT INTO gleaner_sweeps (id, site, collection, state, limited, \
     definition, started_at, ended_at, report, holder, heartbeat_at, runs, fence, resumed_at, since, \
     expect) \
   VALUES (:id, :site, :collection, :state, :limited, :definition, :started_at, :ended_at, \
     :report, :holder, :heartbeat_at, :runs, :fence, :resumed_at, :since, :expect) \
   ON CONFLICT DO NOTHING";
const SWEEPS: &str = "SELECT * FROM gleaner_sweeps WHERE site = ?1 AND collection = ?2 \
   ORDER BY fence DESC, id DESC LIMIT ?3";
/// Parameters: site, collection, limit, number of the lock and id of the entry after them.
const BEFORE: &str = "SELECT * FROM gleaner_sweeps WHERE site = ?1 AND collection = ?2 \
   AND (fence, id) < (?4, ?5) ORDER BY fence DESC, id DESC LIMIT ?3";
const WHOLE: &str = "SELECT * FROM gleaner_sweeps WHERE site = ?1 AND collection = ?2 \
   AND state = 'complete' AND NOT limited ORDER BY fence DESC, id DESC LIMIT ?3";
const SWEEP: &str = "SELECT * FROM gleaner_sweeps WHERE id = ?3 AND site = ?1 AND collection = ?2";
const LATEST: &str = "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY limited, \
     since IS NULL, state ORDER BY fence DESC, id DESC) AS place FROM gleaner_sweeps \
     WHERE site = ?1 AND collection = ?2) WHERE place = 1 ORDER BY fence DESC, id DESC";
/// Parameters: site, collection.
const NEXT_FENCE: &str = "SELECT coalesce(max(fence), 0) + 1 FROM gleaner_sweeps \
     WHERE site = ?1 AND collection = ?2";
const FENCE: &str = "SELECT fence FROM gleaner_sweeps WHERE id = ?1";
/// Parameters: id, holder, number of the lock, or 0 if it is unknown.
const IS_HELD: &str = "SELECT EXISTS (SELECT 1 FROM gleaner_sweeps WHERE id = ?1 \
   AND state = 'running' AND holder IS ?2 AND (?3 = 0 OR fence = ?3))";
/// Parameters: id, time, progress, or null if there is none to write.
const RENEW: &str = "UPDATE gleaner_sweeps SET heartbeat_at = ?2, \
   progress = coalesce(?3, progress) WHERE id = ?1";
/// Parameters: id, heartbeat as it was read, time.
const END_DEAD: &str = "UPDATE gleaner_sweeps SET state = 'failed', ended_at = ?3, \
   heartbeat_at = NULL WHERE id = ?1 AND state = 'running' AND heartbeat_at IS ?2";
/// Parameters: site, collection, id.
const OTHER_RUNS: &str = "SELECT EXISTS (SELECT 1 FROM gleaner_sweeps WHERE site = ?1 \
   AND collection = ?2 AND state = 'running' AND id <> ?3)";
/// Parameters: id, progress.
const SHOW: &str = "UPDATE gleaner_sweeps SET progress = ?2 WHERE id = ?1";
/// Condition that an entry is of the site and collection.
const OF_SITE: &str = "WHERE id = :id AND site = :site AND collection = :collection";
/// Condition that an entry has not changed since it was read.
const AS_READ: &str = "WHERE id = :id AND state = :was AND heartbeat_at IS :was_heartbeat_at \
   AND ended_at IS :was_ended_at";
/// Condition that an entry may be ended. A call whose response was lost may have ended it already.
const HELD: &str = "WHERE id = :id AND holder IS :holder AND (:fence = 0 OR fence = :fence) \
   AND (state = 'running' OR ended_at IS :ended_at)";

/// Ends running entries without a holder as failed. Earlier versions left such entries when they
/// were killed.
pub fn end_abandoned(connection: &Connection) -> Result<()> {
    let sql = "UPDATE gleaner_sweeps SET state = 'failed', ended_at = ?1 \
               WHERE state = 'running' AND holder IS NULL";
    connection.execute(sql, [time(clock::now())]).map(drop)
}

/// A lock that was acquired: its entry, holder and number.
pub struct Held {
    id: Box<str>,
    holder: Option<String>,
    fence: i64,
}

impl Held {
    /// Returns the lock of `entry`.
    pub fn of(entry: &SweepEntry) -> Result<Held> {
        Ok(Held { id: entry.id.clone(), holder: json(entry.holder.as_ref())?, fence: entry.fence })
    }

    /// Returns `true` if the lock is still held.
    pub fn is_held(&self, connection: &Connection) -> Result<bool> {
        let Held { id, holder, fence } = self;
        let mut statement = connection.prepare_cached(IS_HELD)?;
        statement.query_row((id, holder, fence), |row| row.get(0))
    }
}

/// Implements [`crate::store::Ledger::sweeps`].
pub fn sweeps(connection: &Connection, place: &Place, most: usize) -> Result<Vec<LedgerEntry>> {
    entries(connection, SWEEPS, (&place.site, &place.collection, limit(most)))
}

/// Returns the entry with this id.
pub fn sweep(connection: &Connection, place: &Place, id: &str) -> Result<Option<LedgerEntry>> {
    Ok(entries(connection, SWEEP, (&place.site, &place.collection, id))?.pop())
}

/// Implements [`crate::store::Restore::sweeps_before`].
pub fn before(
    connection: &Connection,
    place: &Place,
    entry: &SweepEntry,
    most: usize,
) -> Result<Vec<LedgerEntry>> {
    let asked = (&place.site, &place.collection, limit(most), entry.fence, &entry.id);
    entries(connection, BEFORE, asked)
}

/// Implements [`crate::store::Restore::restore_sweeps`]. Returns the id of an entry that another
/// site has.
pub fn restore(connection: &Connection, entries: &[LedgerEntry]) -> Result<Option<Box<str>>> {
    let change = format!("{CHANGE}, fence = :fence {OF_SITE}");
    for LedgerEntry { entry, progress, .. } in entries {
        let is_written =
            write(connection, INSERT, entry, None)? || write(connection, &change, entry, None)?;
        if !is_written {
            return Ok(Some(entry.id.clone()));
        }
        if let Some(progress) = progress {
            changed(connection, SHOW, (&entry.id, json(Some(progress))?))?;
        }
    }
    Ok(None)
}

/// Implements [`crate::store::Ledger::whole_sweeps`].
pub fn whole(connection: &Connection, place: &Place, most: usize) -> Result<Vec<SweepEntry>> {
    let whole = entries(connection, WHOLE, (&place.site, &place.collection, limit(most)))?;
    Ok(whole.into_iter().map(|found| found.entry).collect())
}

/// Implements [`crate::store::Ledger::latest_sweeps`].
pub fn latest(connection: &Connection, place: &Place) -> Result<Vec<LedgerEntry>> {
    entries(connection, LATEST, (&place.site, &place.collection))
}

fn entries(connection: &Connection, sql: &str, asked: impl Params) -> Result<Vec<LedgerEntry>> {
    let now = clock::now();
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let entry = entry(row)?;
        let silent_for = entry.heartbeat_at.map(|at| now.duration_since(at));
        let silent_for = silent_for.and_then(|silent| Duration::try_from(silent).ok());
        let progress: Option<String> = row.get("progress")?;
        let progress = progress.and_then(|text| serde_json::from_str(&text).ok());
        Ok(LedgerEntry { entry, silent_for, progress })
    };
    statement.query_map(asked, read)?.collect()
}

/// Implements [`crate::store::Ledger::take_lock`]. Returns the entry with the number of the lock, or
/// `None` if it was not acquired: then the caller must roll back.
pub fn take_lock(connection: &Connection, claim: &Claim) -> Result<Option<SweepEntry>> {
    let now = clock::now();
    // The number is unknown if a response was lost.
    let entry = SweepEntry { fence: 0, ..claim.entry.clone() };
    let fence = match renew(connection, &entry, None, now)? {
        true => Some(connection.query_row(FENCE, [&entry.id], |row| row.get(0))?),
        false => take(connection, claim, now)?,
    };
    Ok(fence.map(|fence| SweepEntry { fence, ..entry }))
}

/// Implements [`crate::store::Ledger::renew_lock`].
pub fn renew_lock(
    connection: &Connection,
    entry: &SweepEntry,
    progress: Option<&Progress>,
) -> Result<bool> {
    renew(connection, entry, progress, clock::now())
}

/// Implements [`crate::store::Ledger::finish_sweep`].
pub fn finish_sweep(connection: &Connection, entry: &SweepEntry) -> Result<bool> {
    let entry = SweepEntry { heartbeat_at: None, ..entry.clone() };
    write(connection, &format!("{CHANGE} {HELD}"), &entry, None)
}

fn renew(
    connection: &Connection,
    entry: &SweepEntry,
    progress: Option<&Progress>,
    now: Timestamp,
) -> Result<bool> {
    let values = (&entry.id, time(now), json(progress)?);
    Ok(Held::of(entry)?.is_held(connection)? && changed(connection, RENEW, values)?)
}

/// Evicts the expired entry, then writes the new one. Returns the number of the lock, or `None` if
/// it was not acquired.
fn take(connection: &Connection, claim: &Claim, now: Timestamp) -> Result<Option<i64>> {
    let Claim { entry, resumes, evicts } = claim;
    if let Some(dead) = evicts {
        let heartbeat_at = dead.heartbeat_at.map(time);
        if !changed(connection, END_DEAD, (&dead.id, heartbeat_at, time(now)))? {
            return Ok(None);
        }
    }
    let Scope { site, collection, .. } = &entry.scope;
    let asked = (site, collection, &entry.id);
    if connection.query_row(OTHER_RUNS, asked, |row| row.get(0))? {
        return Ok(None);
    }
    let next: i64 = connection.query_row(NEXT_FENCE, (site, collection), |row| row.get(0))?;
    let fence = next.max(entry.fence);
    let entry = SweepEntry { heartbeat_at: Some(now), fence, ..entry.clone() };
    let is_written = match resumes {
        Some(last) => {
            write(connection, &format!("{CHANGE}, fence = :fence {AS_READ}"), &entry, Some(last))?
        }
        None => write(connection, INSERT, &entry, None)?,
    };
    Ok(is_written.then_some(fence))
}

/// Runs a statement with the values of an entry and of its earlier state. Returns `true` if it
/// changed a row.
fn write(
    connection: &Connection,
    sql: &str,
    entry: &SweepEntry,
    was: Option<&SweepEntry>,
) -> Result<bool> {
    let mut statement = connection.prepare_cached(sql)?;
    let was_state = was.map(|was| was.state.to_string());
    let was_heartbeat_at = was.and_then(|was| was.heartbeat_at).map(time);
    let was_ended_at = was.and_then(|was| was.ended_at).map(time);
    let values = named_params! {
        ":id": entry.id,
        ":site": entry.scope.site,
        ":collection": entry.scope.collection,
        ":state": entry.state.to_string(),
        ":limited": entry.kind != Kind::Full,
        ":since": entry.kind.since().map(time),
        ":definition": entry.scope.definition,
        ":started_at": time(entry.started_at),
        ":resumed_at": entry.resumed_at.map(time),
        ":ended_at": entry.ended_at.map(time),
        ":report": json(entry.report.as_ref())?,
        ":holder": json(entry.holder.as_ref())?,
        ":heartbeat_at": entry.heartbeat_at.map(time),
        ":runs": entry.runs,
        ":fence": entry.fence,
        ":expect": json(Some(&entry.scope.expect).filter(|expect| !expect.is_default()))?,
        ":was": was_state,
        ":was_heartbeat_at": was_heartbeat_at,
        ":was_ended_at": was_ended_at,
    };
    for (name, value) in values {
        // A statement takes only the parameters that it names.
        if let Some(place) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(place, value)?;
        }
    }
    Ok(statement.raw_execute()? > 0)
}

fn changed(connection: &Connection, sql: &str, values: impl Params) -> Result<bool> {
    Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
}

fn json<T: serde::Serialize>(value: Option<&T>) -> Result<Option<String>> {
    let text = value.map(serde_json::to_string).transpose();
    text.map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

/// Parses an entry of the ledger. A report or holder that another version wrote differently counts
/// as absent.
fn entry(row: &Row<'_>) -> Result<SweepEntry> {
    let column = |name: &str| row.as_ref().column_index(name);
    let time = |name: &str| parsed::<Timestamp>(row, column(name)?);
    let text = |name: &str| row.get::<_, Option<String>>(name);
    let holder: Option<Holder> = text("holder")?.and_then(|it| serde_json::from_str(&it).ok());
    let expect = text("expect")?.and_then(|it| serde_json::from_str(&it).ok());
    let state = serde_json::Value::from(row.get::<_, String>("state")?);
    let state = serde_json::from_value(state)
        .map_err(|error| Error::FromSqlConversionFailure(3, Type::Text, Box::new(error)))?;
    Ok(SweepEntry {
        id: row.get("id")?,
        scope: Scope {
            site: row.get("site")?,
            collection: row.get("collection")?,
            definition: row.get("definition")?,
            expect: expect.unwrap_or_default(),
        },
        state,
        kind: Kind::stored(row.get("limited")?, time("since")?),
        started_at: required_time(row, column("started_at")?)?,
        resumed_at: time("resumed_at")?,
        ended_at: time("ended_at")?,
        report: text("report")?.and_then(|text| serde_json::from_str(&text).ok()),
        holder,
        heartbeat_at: time("heartbeat_at")?,
        runs: row.get("runs")?,
        fence: row.get("fence")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::database::tests::{opened, plan};
    use super::*;

    #[test]
    fn sweeps_of_a_site_are_found_by_their_index() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database) = opened(&folder);
        for sql in [SWEEPS, BEFORE, WHOLE, NEXT_FENCE] {
            let plan = plan(&database, sql);
            assert!(plan.contains("USING") && plan.contains("gleaner_sweeps_by_site"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
