//! Files that take another one's place once all of them is there, so that nobody reads half of one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Whether what stands at `path` is replaced: devices and pipes are written to, since replacing
/// them would take them away.
pub fn is_replaced(path: &Path) -> bool {
    !path.exists() || path.is_file()
}

/// A file beside the one at `path`, that is to be renamed to it. Whoever may read and write the one
/// may do so with the other, from the beginning.
///
/// # Errors
/// Where it cannot be made.
pub fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let file = File::create(&beside)?;
    if let Ok(there) = std::fs::metadata(path) {
        file.set_permissions(there.permissions())?;
    }
    Ok((file, beside))
}
