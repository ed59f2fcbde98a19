//! Replaces files atomically: a new file takes the place of the old one when it is complete, so
//! nobody reads half of it.
//!
//! The new file is written beside the old one, under a random name, and created exclusively
//! (`O_EXCL`), so that others who can write to the folder cannot redirect it with a link. Links
//! that the user named are followed, and stay.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Maximum number of links in a row, as in Linux.
const MOST_LINKS: usize = 40;

/// Read permission of a file that does not replace another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Only its owner.
    Owner,
    /// Everyone whom the user's umask allows.
    Umask,
}

/// The fate of a file that is never put in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// The file is deleted.
    Deleted,
    /// The file is kept, even if the process is killed.
    Kept,
}

/// A file that will replace another one.
#[derive(Debug)]
pub struct Replacement {
    file: NamedTempFile,
    to: PathBuf,
}

impl Replacement {
    /// Creates a file that will replace the one at `path`. Returns `None` if `path` is not a
    /// regular file: devices and pipes are written to directly, since replacing them would remove
    /// them.
    ///
    /// The new file has the owner and permissions of the old one from the beginning.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub fn of(
        path: &Path,
        readers: Readers,
        unfinished: Unfinished,
    ) -> io::Result<Option<Replacement>> {
        let old = std::fs::metadata(path).ok();
        if is_descriptor(path) || old.as_ref().is_some_and(|old| !old.is_file()) {
            return Ok(None);
        }
        let to = target(path);
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".");
        let mut builder = Builder::new();
        builder.prefix(&name).suffix(SUFFIX).disable_cleanup(unfinished == Unfinished::Kept);
        if readers == Readers::Umask {
            builder.permissions(Permissions::from_mode(0o666));
        }
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        if let Some(old) = old {
            // Only root can change the owner; other users keep at least the mode.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
            file.as_file().set_permissions(old.permissions())?;
        }
        // The lock shows `left_behind` that the writer is alive. Some file systems cannot lock.
        let _ = file.as_file().try_lock();
        Ok(Some(Replacement { file, to }))
    }

    /// Returns the final path, with links resolved.
    pub fn to(&self) -> &Path {
        &self.to
    }

    /// Returns the temporary path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Puts the file in place.
    ///
    /// # Errors
    /// Returns an error if the file cannot be synced or renamed; the old file is then unchanged.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.to).map(drop).map_err(|error| error.error)
    }

    /// Leaves the file under its temporary name, or deletes it if it is empty.
    ///
    /// # Errors
    /// Returns an error if the file cannot be synced or deleted.
    pub fn abandon(self) -> io::Result<()> {
        if self.file.as_file().metadata()?.len() == 0 {
            return std::fs::remove_file(self.path());
        }
        self.file.as_file().sync_all()
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Suffix of the names of temporary files.
const SUFFIX: &str = ".partial";

/// Returns the unfinished files for `path` whose process is dead. Empty ones are deleted.
pub fn left_behind(path: &Path) -> Vec<PathBuf> {
    let to = target(path);
    let (Some(name), Some(folder)) = (to.file_name(), to.parent()) else { return Vec::new() };
    let start = [name.as_encoded_bytes(), b"."].concat();
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let random =
            name.strip_prefix(&*start).and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
        random.is_some_and(|random| !random.contains(&b'.'))
    };
    let mut left: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_ours).collect();
    left.retain(|path| is_abandoned(path));
    left.sort();
    left
}

/// Returns true if no process writes the file any more, and it is not empty.
fn is_abandoned(path: &Path) -> bool {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else { return false };
    if file.try_lock().is_err() {
        return false;
    }
    let is_empty = file.metadata().is_ok_and(|it| it.len() == 0);
    if is_empty {
        // An empty file is worth nothing, so an error does not matter.
        let _ = std::fs::remove_file(path);
    }
    !is_empty
}

/// Returns true if the path names an open descriptor of this process, such as a shell's `> file`.
/// Replacing that file would take it away from the program that opened it.
fn is_descriptor(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|at| path.starts_with(at))
}

/// Resolves the links at `path`, even if the target does not exist yet.
fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Ok(target) = path.canonicalize() {
            return target;
        }
        let Ok(link) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(path: &Path, readers: Readers, text: &str) -> io::Result<()> {
        let mut new = Replacement::of(path, readers, Unfinished::Deleted)?.expect("a file");
        new.write_all(text.as_bytes())?;
        new.finish()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn x3_a_new_file_is_its_owner_s_and_an_old_one_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        replace(&path, Readers::Owner, "1").unwrap();
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let old = folder.path().join("old");
        std::fs::hard_link(&path, &old).unwrap();
        replace(&path, Readers::Owner, "2").unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "1", "whoever reads it reads it whole");
        assert_eq!((mode(&path), std::fs::read_to_string(&path).unwrap()), (0o640, "2".into()));
        let export = folder.path().join("books.csv");
        replace(&export, Readers::Umask, "3").unwrap();
        let usual = folder.path().join("usual");
        File::create(&usual).unwrap();
        assert_eq!(mode(&export), mode(&usual));
    }

    #[test]
    fn x3_links_stay_and_what_they_lead_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("far")).unwrap();
        std::os::unix::fs::symlink("far/away", at("near")).unwrap();
        std::os::unix::fs::symlink("near", at("nearer")).unwrap();
        for text in ["made", "replaced"] {
            replace(&at("nearer"), Readers::Owner, text).unwrap();
            assert_eq!(std::fs::read_to_string(at("far/away")).unwrap(), text);
        }
        assert!(at("near").is_symlink() && at("nearer").is_symlink());
        std::os::unix::fs::symlink("circle", at("circle")).unwrap();
        assert!(replace(&at("circle"), Readers::Owner, "").is_ok() || at("circle").is_symlink());
    }

    #[test]
    fn x3_names_are_random_and_links_that_lie_in_wait_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let new = || Replacement::of(&path, Readers::Owner, Unfinished::Deleted).unwrap().unwrap();
        for stream in ["/dev/null", "/dev/stdout", "/proc/self/fd/1"] {
            let none = Replacement::of(Path::new(stream), Readers::Owner, Unfinished::Deleted);
            assert!(none.unwrap().is_none(), "{stream}");
        }
        let (one, other) = (new(), new());
        assert_ne!(one.path(), other.path());
        assert_eq!(mode(one.path()), 0o600);
        // The name that 0.1.0 would have taken.
        let guessed = folder.path().join(format!("x.{}.tmp", std::process::id()));
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "whole").unwrap();
        std::os::unix::fs::symlink(&victim, &guessed).unwrap();
        replace(&path, Readers::Owner, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "whole");
        drop((one, other));
        assert_eq!(names(folder.path()), 3, "nothing half-written is left");
    }

    #[test]
    fn d11_what_a_killed_writer_left_is_found_and_what_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let new = || Replacement::of(&path, Readers::Owner, Unfinished::Kept).unwrap().unwrap();
        let (mut left, empty, mut alive) = (new(), new(), new());
        left.write_all(b"{}\n").unwrap();
        alive.write_all(b"{}\n").unwrap();
        let (left_path, empty_path) = (left.path().to_owned(), empty.path().to_owned());
        drop((left, empty));
        std::fs::write(folder.path().join("out.jsonl.mine.too.partial"), "x").unwrap();
        std::fs::write(folder.path().join("out.jsonl"), "x").unwrap();
        std::os::unix::fs::symlink("out.jsonl", folder.path().join("out.jsonl.link.partial"))
            .unwrap();
        assert_eq!(left_behind(&path), [left_path]);
        assert!(!empty_path.exists() && alive.path().exists());
    }
}
