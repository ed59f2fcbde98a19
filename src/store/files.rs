//! Files that items name: a folder in which each is kept once, under the SHA-256 of its content.
//!
//! `ab/abcd….` holds a file, where `abcd…` is its digest. `urls/…` holds what the site said of the
//! file at a URL (its validators), under the digest of the URL. No name in the folder comes from a
//! site.
//!
//! A file is written under a temporary name, synced, and then renamed, so that a file with its final
//! name is whole. Files are never changed or deleted.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::Builder;

use crate::model::record::Validators;

/// Beginning of the names of files that are being written.
const NEW: &str = ".new-";
/// Folder of what is known of URLs.
const URLS: &str = "urls";

/// A folder of files.
#[derive(Debug, Clone)]
pub struct Files(PathBuf);

/// A file in the folder, as its document describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// SHA-256 of the content, in hexadecimal: the name of the file.
    pub sha256: Box<str>,
    /// Size in bytes.
    pub size: u64,
    /// Media type, or `None` if the site does not say it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<Box<str>>,
}

/// The file that was last at a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAt {
    /// The file.
    #[serde(flatten)]
    pub file: StoredFile,
    /// Value of the `ETag` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<Box<str>>,
    /// Value of the `Last-Modified` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<Box<str>>,
}

impl StoredFile {
    /// Describes a file with this content.
    pub fn of(content: &[u8], content_type: Option<&str>) -> StoredFile {
        let media_type = content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        StoredFile {
            sha256: hex(content).into(),
            size: content.len() as u64,
            media_type: media_type.filter(|it| !it.is_empty()).map(Into::into),
        }
    }
}

impl FileAt {
    /// Returns the validators for a conditional request, or `None` if there are none.
    pub fn validators(&self) -> Option<Validators> {
        let FileAt { etag, last_modified, .. } = self.clone();
        let validators = Validators { etag, last_modified };
        (validators != Validators::default()).then_some(validators)
    }
}

impl Files {
    /// Opens a folder, which is created if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created or written to.
    pub fn open(folder: &Path) -> io::Result<Files> {
        fs::create_dir_all(folder.join(URLS))?;
        Builder::new().tempfile_in(folder)?;
        Ok(Files(folder.to_owned()))
    }

    /// Removes what a run that was killed left of a file that it was writing. A file that is being written is
    /// locked, by whichever run.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read.
    pub fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let is_new = entry.file_name().to_str().is_some_and(|name| name.starts_with(NEW));
            // A file may be gone meanwhile, since it was written to its end.
            if is_new
                && let Ok(file) = File::open(entry.path())
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Returns the path of a file.
    pub fn path(&self, file: &StoredFile) -> PathBuf {
        self.0.join(file.sha256.get(..2).unwrap_or_default()).join(&*file.sha256)
    }

    /// Returns the file that was last at a URL, or `None` if there is none in the folder.
    pub fn last_at(&self, url: &str) -> Option<FileAt> {
        let known: FileAt = serde_json::from_slice(&fs::read(self.note(url)).ok()?).ok()?;
        let is_digest = |it: &str| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
        (is_digest(&known.file.sha256) && self.has(&known.file)).then_some(known)
    }

    /// Keeps the content of a file, and what is known of its URL. When this returns, the file is
    /// durable.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn keep(&self, url: &str, content: &[u8], known: &FileAt) -> io::Result<()> {
        if !self.has(&known.file) {
            let path = self.path(&known.file);
            let folder = path.parent().unwrap_or(&self.0).to_owned();
            if !folder.is_dir() {
                fs::create_dir_all(&folder)?;
                File::open(&self.0)?.sync_all()?;
            }
            self.put(&path, content)?;
            File::open(&folder)?.sync_all()?;
        }
        // Without it, the file is merely requested again.
        self.put(&self.note(url), serde_json::to_string(known)?.as_bytes())
    }

    fn has(&self, file: &StoredFile) -> bool {
        fs::metadata(self.path(file)).is_ok_and(|it| it.is_file() && it.len() == file.size)
    }

    fn note(&self, url: &str) -> PathBuf {
        self.0.join(URLS).join(hex(url.as_bytes()))
    }

    fn put(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        match self.put_once(path, content) {
            // Another run may have taken the file for a leftover before it was locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.put_once(path, content),
            put => put,
        }
    }

    fn put_once(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut new = Builder::new()
            .prefix(NEW)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&self.0)?;
        // Where a file system has no locks, leftovers stay.
        let _ = new.as_file().try_lock();
        new.write_all(content)?;
        new.as_file().sync_all()?;
        new.persist(path).map(drop).map_err(|error| error.error)
    }
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(content: &[u8]) -> FileAt {
        let file = StoredFile::of(content, Some("image/png; a=b"));
        FileAt { file, etag: Some("\"e\"".into()), last_modified: None }
    }

    #[test]
    fn a_file_is_kept_once_under_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(&folder.path().join("new/files")).unwrap();
        let known = at(b"abc");
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(&*known.file.sha256, digest);
        assert_eq!((known.file.size, known.file.media_type.as_deref()), (3, Some("image/png")));
        for url in ["http://h/../../etc/passwd", "http://h/b"] {
            assert_eq!(files.last_at(url), None);
            files.keep(url, b"abc", &known).unwrap();
            assert_eq!(files.last_at(url), Some(known.clone()));
        }
        let path = folder.path().join("new/files/ba").join(digest);
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        let names = |at: &str| fs::read_dir(folder.path().join(at)).unwrap().count();
        assert_eq!((names("new/files"), names("new/files/urls")), (2, 2), "nothing else is left");
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_not_what_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path()).unwrap();
        files.keep("u", b"abc", &at(b"abc")).unwrap();
        let [left, written] = [".new-left", ".new-written"].map(|name| folder.path().join(name));
        fs::write(&left, "ab").unwrap();
        let open = File::create(&written).unwrap();
        open.lock().unwrap();
        files.clear().unwrap();
        assert!(!left.exists() && written.exists());
        drop(open);
        files.clear().unwrap();
        assert!(!written.exists() && files.last_at("u").is_some());
    }

    #[test]
    fn a_file_that_is_gone_or_cut_is_not_known_and_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (files, known) = (Files::open(folder.path()).unwrap(), at(b"abc"));
        files.keep("u", b"abc", &known).unwrap();
        for damage in
            [fs::remove_file as fn(PathBuf) -> io::Result<()>, |path| fs::write(path, "a")]
        {
            damage(files.path(&known.file)).unwrap();
            assert_eq!(files.last_at("u"), None);
            files.keep("u", b"abc", &known).unwrap();
            assert_eq!(files.last_at("u"), Some(known.clone()));
        }
        // What somebody else wrote leads nowhere.
        let wild = FileAt { file: StoredFile { sha256: "../x".into(), ..known.file }, ..at(b"") };
        fs::write(files.note("u"), serde_json::to_string(&wild).unwrap()).unwrap();
        assert_eq!(files.last_at("u"), None);
    }
}
