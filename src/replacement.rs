//! Files that take another one's place once they are whole, so that nobody reads half of one.
//!
//! The new file is written beside the one that it replaces, under a random name and made by this
//! process alone (`O_EXCL`): whoever else can write to the folder cannot lead it elsewhere with a
//! link. Links that the user named are followed, and stay.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// As many links in a row as Linux follows.
const MOST_LINKS: usize = 40;

/// Who may read a file that replaces none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner.
    Owner,
    /// Whom the user's umask allows.
    Umask,
}

/// What becomes of a file that never took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// It is deleted.
    Deleted,
    /// It stays, also where the process is killed.
    Kept,
}

/// A file on its way to another one's place.
#[derive(Debug)]
pub struct Replacement {
    file: NamedTempFile,
    to: PathBuf,
}

impl Replacement {
    /// A new file that is to replace the one at `path`; none where something else stands there:
    /// devices and pipes are written to, since replacing them would take them away.
    ///
    /// Whoever may read and write the old file may do so with the new one, from the beginning.
    ///
    /// # Errors
    /// Where it cannot be made.
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
            // Only root can give files away; anybody else keeps at least the mode.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
            file.as_file().set_permissions(old.permissions())?;
        }
        // Says to `left_behind` that its writer lives. Not every file system can.
        let _ = file.as_file().try_lock();
        Ok(Some(Replacement { file, to }))
    }

    /// Where it will be, without links.
    pub fn to(&self) -> &Path {
        &self.to
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// Where it cannot be written out or moved; then the old file stays as it was.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.to).map(drop).map_err(|error| error.error)
    }

    /// Leaves the file where it is now, unless it is empty.
    ///
    /// # Errors
    /// Where it cannot be written out.
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

/// Ends the names of files on their way.
const SUFFIX: &str = ".partial";

/// Files that processes which do not live any more meant for the place of `path`, and did not
/// finish. Empty ones are deleted.
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

/// Returns whether nobody writes the file any more, and it holds anything.
fn is_abandoned(path: &Path) -> bool {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else { return false };
    if file.try_lock().is_err() {
        return false;
    }
    let is_empty = file.metadata().is_ok_and(|it| it.len() == 0);
    if is_empty {
        // Nothing is lost with it, nor where this fails.
        let _ = std::fs::remove_file(path);
    }
    !is_empty
}

/// Returns whether the path names what this process has open, such as a shell's `> file`: replacing that
/// would take it away from whoever opened it.
fn is_descriptor(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|at| path.starts_with(at))
}

/// What links at `path` lead to, also where nothing is there yet.
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
