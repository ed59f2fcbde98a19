//! Reads replies of the server: which errors are a document's fault, which are temporary, which are
//! neither.

use bson::{Bson, Document};
use mongodb::error::{Error, ErrorKind};

use crate::model::text::secret::Secret;
use crate::store::StoreError;

/// Errors caused by a document: BadValue, FailedToParse, dotted names, names with `$`, a different
/// `_id`, failed validation, document too large (three codes).
const DOCUMENT_FAULTS: [i32; 9] = [2, 9, 15, 52, 66, 121, 10334, 17419, 17420];
/// Errors of the setup: authentication failed, not authorized, unknown commands and options,
/// another index with the same name or keys, a view. A retry does not help.
const SETUP_FAULTS: [i32; 9] = [NOT_AUTHORIZED, 18, 59, 72, 73, 85, 86, 166, 8000];
/// Temporary errors of the server: network, elections, shutdown, locks, time limits, disk. The
/// driver's retryable codes are among them.
const PASSING: [i32; 22] = [
    6, 7, 24, 46, 50, 64, 89, 91, 112, 133, 134, 189, 202, 262, 9001, 10058, 10107, 11600, 11602,
    13435, 13436, 14031,
];
/// Further temporary errors of whole commands: a cursor, plan or operation that was killed, metadata
/// of a sharded cluster or a snapshot that is out of date, another operation on the collection, a
/// cache under pressure, and another write of the same key that came first.
const PASSING_COMMANDS: [i32; 17] = [
    43, 63, 117, 136, 150, 175, 237, 246, 276, 285, 314, 365, 11601, 12586, 12587, 13388, DUPLICATE,
];
/// Labels by which newer servers say that a retry may help.
const PASSING_LABELS: [&str; 3] =
    ["RetryableWriteError", "RetryableError", "SystemOverloadedError"];
/// Not authorized. The message contains the whole command.
const NOT_AUTHORIZED: i32 = 13;
/// A unique index already has such an entry.
const DUPLICATE: i32 = 11_000;

/// Reason why a whole command failed.
pub enum Refusal {
    /// A document of the command. The batch can be halved to find it.
    Document(String),
    /// Anything else.
    Store(StoreError),
}

/// Reason why one entry of a command was not written.
pub enum Fault {
    /// The document cannot be stored.
    Document(String),
    /// The key exists already, another write came first, or the error is unknown. A retry may help.
    Race(String),
}

/// Returns the entries of a command that were not written, by their index in it.
///
/// # Errors
/// Returns an error if the server failed for its own reasons, or did not receive the
/// acknowledgement required by the write concern.
pub fn faults(reply: &Document) -> Result<Vec<(usize, Fault)>, StoreError> {
    if let Ok(concern) = reply.get_document("writeConcernError") {
        return Err(StoreError::Unavailable(format!(
            "written, but not acknowledged as asked: {}",
            concern.get_str("errmsg").unwrap_or("no message")
        )));
    }
    let Ok(errors) = reply.get_array("writeErrors") else { return Ok(Vec::new()) };
    errors.iter().filter_map(Bson::as_document).map(fault).collect()
}

/// Returns the number of documents that a command matched or inserted. The whole command must have
/// succeeded.
///
/// # Errors
/// Returns an error if a part was not done, or not acknowledged as required.
pub fn done(reply: &Document) -> Result<u64, StoreError> {
    match faults(reply)?.into_iter().next() {
        None => Ok(count(reply)),
        Some((_, Fault::Race(reason))) => Err(StoreError::Unavailable(reason)),
        Some((_, Fault::Document(reason))) => Err(StoreError::Failed(reason)),
    }
}

/// Returns the number of documents that a command says it matched or inserted.
pub fn count(reply: &Document) -> u64 {
    match reply.get("n") {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or_default(),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or_default(),
        // The cast saturates.
        Some(Bson::Double(n)) => *n as u64,
        _ => 0,
    }
}

/// Returns all documents of a command's cursor.
///
/// # Errors
/// Returns an error if they do not fit into one reply.
pub fn whole(mut reply: Document) -> Result<Vec<Document>, StoreError> {
    let wrong = |what: &str| StoreError::Failed(format!("the answer {what}"));
    let cursor = reply.get_document_mut("cursor").map_err(|_| wrong("has no cursor"))?;
    if cursor.get_i64("id").is_ok_and(|more| more != 0) {
        return Err(wrong("would be larger than 16 MiB"));
    }
    let Some(Bson::Array(batch)) = cursor.remove("firstBatch") else {
        return Err(wrong("has no documents"));
    };
    let documents = batch.into_iter().filter_map(|found| match found {
        Bson::Document(document) => Some(document),
        _ => None,
    });
    Ok(documents.collect())
}

/// Returns `true` if a command was refused because a unique index has such an entry already.
pub fn is_duplicate(reply: &Document) -> bool {
    let errors = reply.get_array("writeErrors").into_iter().flatten();
    errors
        .filter_map(Bson::as_document)
        .any(|error| error.get_i32("code").is_ok_and(|code| code == DUPLICATE))
}

fn fault(error: &Document) -> Result<(usize, Fault), StoreError> {
    let code = error.get_i32("code").unwrap_or_default();
    let message = error.get_str("errmsg").unwrap_or("no message").to_owned();
    let index = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok());
    match (index, code) {
        (_, code) if SETUP_FAULTS.contains(&code) => {
            Err(StoreError::Unusable(format!("{message} (code {code})")))
        }
        (Some(index), code) if DOCUMENT_FAULTS.contains(&code) => {
            Ok((index, Fault::Document(format!("{message} (code {code})"))))
        }
        (Some(index), code) if !PASSING.contains(&code) => {
            Ok((index, Fault::Race(format!("{message} (code {code})"))))
        }
        _ => Err(StoreError::Unavailable(format!("{message} (code {code})"))),
    }
}

impl Refusal {
    /// Returns the error for a caller that need not tell the reasons apart.
    pub fn into_error(self) -> StoreError {
        match self {
            Refusal::Document(message) => StoreError::Failed(message),
            Refusal::Store(error) => error,
        }
    }
}

/// Converts an error of the driver in a whole command.
pub fn refusal(error: &Error, uri: &Secret) -> Refusal {
    let is_of_document = match &*error.kind {
        ErrorKind::Command(command) => DOCUMENT_FAULTS.contains(&command.code),
        ErrorKind::BsonSerialization(_) | ErrorKind::BsonDeserialization(_) => true,
        _ => false,
    };
    let message = uri.scrub(&plain(error));
    match is_of_document {
        true => Refusal::Document(message),
        false => Refusal::Store(store_error(error, message)),
    }
}

fn store_error(error: &Error, message: String) -> StoreError {
    match &*error.kind {
        ErrorKind::Command(command) if SETUP_FAULTS.contains(&command.code) => {
            StoreError::Unusable(message)
        }
        // To wait for an error that does not pass would only delay the end of the run.
        ErrorKind::Command(command) if !is_passing(error, command.code) => {
            StoreError::Failed(message)
        }
        ErrorKind::Authentication { .. } | ErrorKind::InvalidArgument { .. } => {
            StoreError::Unusable(message)
        }
        ErrorKind::Command(_)
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Write(_)
        | ErrorKind::InsertMany(_) => StoreError::Unavailable(message),
        _ => StoreError::Failed(message),
    }
}

fn is_passing(error: &Error, code: i32) -> bool {
    PASSING.contains(&code)
        || PASSING_COMMANDS.contains(&code)
        || PASSING_LABELS.iter().any(|label| error.contains_label(label))
}

/// Returns a short message. The driver's own message contains its whole state.
pub fn plain(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => {
            let message = match command.message.split_once(", ") {
                Some((begin, _)) if command.code == NOT_AUTHORIZED => format!("{begin}, … }}"),
                _ => command.message.clone(),
            };
            format!("{message} (code {})", command.code)
        }
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::ServerSelection { message, .. } => selection(message),
        ErrorKind::Authentication { message, .. } => format!("authentication failed: {message}"),
        other => other.to_string(),
    }
}

/// Returns the first reason in the driver's long description of all servers.
fn selection(message: &str) -> String {
    let reason = message.split("Kind: ").nth(1).and_then(|rest| rest.split(", labels").next());
    reason.or_else(|| message.split(". Topology").next()).unwrap_or(message).to_owned()
}
