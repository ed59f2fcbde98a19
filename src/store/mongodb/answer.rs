//! Reading the server's answers: what is a document's own fault, what passes, what does not.

use bson::{Bson, Document};
use mongodb::error::{Error, ErrorKind};

use crate::secret::Secret;
use crate::store::StoreError;

/// BadValue, FailedToParse, dotted names, names with `$`, a foreign `_id`, failed validation,
/// document too large (three codes).
const DOCUMENT_FAULTS: [i32; 9] = [2, 9, 15, 52, 66, 121, 10334, 17419, 17420];
/// Authentication failed, not authorized, unknown commands and options, another index of that name or
/// kind, a view: waiting changes nothing.
const SETUP_FAULTS: [i32; 9] = [NOT_AUTHORIZED, 18, 59, 72, 73, 85, 86, 166, 8000];
/// Network, elections, shutdown, locks, time limits, disk: the server's own troubles, which pass.
const PASSING: [i32; 22] = [
    6, 7, 24, 46, 50, 64, 89, 91, 112, 133, 134, 189, 202, 262, 9001, 10058, 10107, 11600, 11602,
    13435, 13436, 14031,
];
/// The message holds the whole command.
const NOT_AUTHORIZED: i32 = 13;
/// A unique index has such an entry already.
const DUPLICATE: i32 = 11_000;
/// Errors that a command's documents caused carry this, so that a batch can be halved.
const OF_DOCUMENTS: &str = "the documents of this command: ";

/// Why one entry of a command was not written.
pub enum Fault {
    /// The document cannot be stored.
    Document(String),
    /// The key is there already, another write came first, or something that is not known: worth one
    /// more try.
    Race(String),
}

/// The entries of a command that were not written, by their place in it.
///
/// # Errors
/// Where the server could not write for reasons of its own, or did not get the acknowledgement
/// it was asked to wait for.
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

/// How many documents a command found, or made. All of what it was to do has to be done.
///
/// # Errors
/// Where something was not done, or not acknowledged as asked.
pub fn done(reply: &Document) -> Result<u64, StoreError> {
    match faults(reply)?.into_iter().next() {
        None => Ok(count(reply)),
        Some((_, Fault::Race(reason))) => Err(StoreError::Unavailable(reason)),
        Some((_, Fault::Document(reason))) => Err(StoreError::Failed(reason)),
    }
}

/// How many documents a command says that it found, or made.
pub fn count(reply: &Document) -> u64 {
    match reply.get("n") {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap_or_default(),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap_or_default(),
        // A cast of a number that is no count gives the nearest one that is.
        Some(Bson::Double(n)) => *n as u64,
        _ => 0,
    }
}

/// What a command's cursor gives, all at once.
///
/// # Errors
/// Where there is more than fits into one answer.
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

/// Whether a command was refused because a unique index has such an entry already.
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

/// Whether an error of a whole command was caused by what is in its documents.
pub fn is_of_documents(reason: &str) -> bool {
    reason.starts_with(OF_DOCUMENTS)
}

/// What an error of the driver means.
pub fn store_error(error: &Error, uri: &Secret) -> StoreError {
    let message = uri.scrub(&plain(error));
    match &*error.kind {
        ErrorKind::Command(command) if DOCUMENT_FAULTS.contains(&command.code) => {
            StoreError::Failed(format!("{OF_DOCUMENTS}{message}"))
        }
        ErrorKind::Command(command) if SETUP_FAULTS.contains(&command.code) => {
            StoreError::Unusable(message)
        }
        ErrorKind::BsonSerialization(_) | ErrorKind::BsonDeserialization(_) => {
            StoreError::Failed(format!("{OF_DOCUMENTS}{message}"))
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

/// The error in few words: what the driver prints holds its whole state.
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

/// The first reason inside the driver's account of all servers, which is long.
fn selection(message: &str) -> String {
    let reason = message.split("Kind: ").nth(1).and_then(|rest| rest.split(", labels").next());
    reason.or_else(|| message.split(". Topology").next()).unwrap_or(message).to_owned()
}
