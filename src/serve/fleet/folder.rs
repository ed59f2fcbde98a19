//! The folder of site files: the last good version of each, and what is wrong with the present one.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::variables;
use crate::site::Site;
use crate::store::SiteId;
use crate::sweep::calendar::Schedule;

/// A folder of site files.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Site files by their names in the folder.
    pub files: BTreeMap<Box<str>, SiteFile>,
    /// Reason why the folder could not be read last, in words.
    pub trouble: Option<String>,
    /// Names of files with a site of another file before them, and the names of those.
    twins: BTreeMap<Box<str>, Box<str>>,
}

/// A site file of the folder.
#[derive(Debug)]
pub struct SiteFile {
    path: PathBuf,
    /// Time at which it was seen first.
    pub seen: Timestamp,
    /// Last version that is a valid site file, or `None` if there was none.
    pub good: Option<Good>,
    /// Reason why the present version is not valid, in words.
    pub error: Option<String>,
    /// Reason why its variables are refused, in words.
    pub refused: Option<String>,
    stamps: [Stamp; 2],
}

/// The parts of a site file that the fleet needs.
#[derive(Debug, Clone)]
pub struct Good {
    /// Name of the site, and its collection.
    pub id: SiteId,
    /// Hosts that its requests may go to.
    pub hosts: Vec<Box<str>>,
    /// Its schedule, or `None` if it has none.
    pub schedule: Option<Schedule>,
    /// True if it names a file of keys, so that it can be read in its folder only.
    has_keys_file: bool,
    text: Arc<str>,
}

/// Version of a file: device and inode, size, and the times of its last
/// changes.
type Stamp = Option<(u64, u64, u64, i64, i64, i64, i64)>;

impl Folder {
    /// Creates the folder at `path`. Nothing is read yet.
    pub fn new(path: PathBuf) -> Folder {
        Folder { path, files: BTreeMap::new(), trouble: None, twins: BTreeMap::new() }
    }

    /// Looks at the folder. Returns the names of files that are new or changed, with their variables.
    /// A folder that cannot be read keeps its files.
    pub fn look(&mut self, now: Timestamp) -> Vec<Box<str>> {
        let names = match names(&self.path) {
            Ok(names) => names,
            Err(error) => {
                self.trouble = Some(format!("{}: {error}", self.path.display()));
                return Vec::new();
            }
        };
        self.trouble = None;
        self.files.retain(|name, _| names.contains_key(name));
        let mut changed = Vec::new();
        for (name, path) in names {
            let new = || SiteFile::new(path, now);
            if self.files.entry(name.clone()).or_insert_with(new).look() {
                changed.push(name);
            }
        }
        self.twins = self.find_twins();
        changed
    }

    /// Returns the file that the site of the file `name` was first named in, if that is another one.
    pub fn twin(&self, name: &str) -> Option<&str> {
        self.twins.get(name).map(|first| &**first)
    }

    fn find_twins(&self) -> BTreeMap<Box<str>, Box<str>> {
        let (mut firsts, mut twins) = (BTreeMap::new(), BTreeMap::new());
        for (name, file) in &self.files {
            let Some(good) = &file.good else { continue };
            let first = *firsts.entry(&good.id.site).or_insert(name);
            if first != name {
                twins.insert(name.clone(), first.clone());
            }
        }
        twins
    }
}

impl SiteFile {
    fn new(path: PathBuf, now: Timestamp) -> SiteFile {
        let stamps = [None, None];
        SiteFile { path, seen: now, good: None, error: None, refused: None, stamps }
    }

    /// Reads what changed. Returns true if something did.
    pub fn look(&mut self) -> bool {
        let variables = self.variables_path();
        let stamps = [stamp(&self.path), stamp(&variables)];
        // A file that could not be looked at is read, for its error.
        let is_first = self.good.is_none() && self.error.is_none();
        let [is_same, is_env_same] = [0, 1].map(|at| stamps[at] == self.stamps[at] && !is_first);
        self.stamps = stamps;
        if !is_same {
            match Good::read(&self.path) {
                Ok(good) => (self.good, self.error) = (Some(good), None),
                Err(error) => self.error = Some(error),
            }
        }
        if !is_env_same {
            self.refused = variables::read(&variables).err();
        }
        !is_same || !is_env_same
    }

    /// Returns the variables of its crawls.
    ///
    /// # Errors
    /// Returns, in words, why they are refused.
    pub fn variables(&self) -> Result<Vec<(String, String)>, String> {
        variables::read(&self.variables_path())
    }

    /// Returns the path that a sweep is started with: of the file, or of a copy of its last good version
    /// in the folder `copies` if the present one is not valid.
    ///
    /// # Errors
    /// Returns, in words, why there is no such file.
    pub fn to_crawl(&self, copies: &Path) -> Result<PathBuf, String> {
        let (Some(good), Some(error)) = (&self.good, &self.error) else {
            return Ok(self.path.clone());
        };
        if good.has_keys_file {
            return Err(format!("{error}; the last good version reads a file beside it"));
        }
        let copy = copies.join(format!("{}.toml", good.id.site));
        let written = std::fs::write(&copy, &*good.text);
        written.map_err(|error| format!("{}: {error}", copy.display()))?;
        Ok(copy)
    }

    fn variables_path(&self) -> PathBuf {
        self.path.with_extension("env")
    }
}

impl Good {
    fn read(path: &Path) -> Result<Good, String> {
        let origin = path.to_string_lossy();
        let text = Site::read(&origin).map_err(|error| error.to_string())?;
        let site = Site::parse(&text, &origin).map_err(|error| error.to_string())?;
        let home = site.home();
        let port = home.site.port().map_or_else(String::new, |port| format!(":{port}"));
        let own = format!("{}{port}", home.site.host_str().unwrap_or_default());
        let mut hosts = vec![own.into_boxed_str()];
        hosts.extend(home.hosts);
        let has_keys_file = site.keys_file().is_some();
        let id = SiteId { site: site.name, collection: site.collection };
        let text = text.into();
        Ok(Good { id, hosts, schedule: site.own.schedule, has_keys_file, text })
    }
}

fn names(folder: &Path) -> io::Result<BTreeMap<Box<str>, PathBuf>> {
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Editors keep their own files beside the edited one, with a dot before the name.
        if name.ends_with(".toml") && !name.starts_with('.') {
            names.insert(name.into(), entry.path());
        }
    }
    Ok(names)
}

fn stamp(path: &Path) -> Stamp {
    let of = |it: Metadata| {
        (it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec())
    };
    std::fs::metadata(path).ok().map(of)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn site(name: &str, host: &str) -> String {
        format!(
            "name = '{name}'\nbase_url = 'http://{host}'\nhosts = ['cdn.example']\n[schedule]\nevery = '6h'\n[index]\nurl = '/'\nitems = '$[*]'\nkey = '$.id'\n"
        )
    }

    fn looked(folder: &mut Folder) -> Vec<String> {
        folder.look(Timestamp::UNIX_EPOCH).into_iter().map(String::from).collect()
    }

    #[test]
    fn site_files_come_change_break_and_go() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(place.path().to_owned());
        at(place.path(), "a.toml", &site("a", "a.example:81"));
        at(place.path(), ".#a.toml", "an editor's");
        at(place.path(), "notes.txt", "not a site");
        assert_eq!(looked(&mut folder), ["a.toml"]);
        assert_eq!(looked(&mut folder), [""; 0]);
        let good = folder.files["a.toml"].good.as_ref().unwrap();
        assert_eq!(good.hosts.join(" "), "a.example:81 cdn.example");
        assert_eq!(good.schedule.as_ref().unwrap().to_string(), "every 6h");
        let copies = tempfile::tempdir().unwrap();
        let file = |folder: &Folder| folder.files["a.toml"].to_crawl(copies.path()).unwrap();
        assert_eq!(file(&folder), place.path().join("a.toml"));

        at(place.path(), "a.toml", "name = 'a'\nbroken");
        assert_eq!(looked(&mut folder), ["a.toml"]);
        let broken = &folder.files["a.toml"];
        assert!(broken.error.as_ref().unwrap().contains("a.toml:2: "), "{broken:?}");
        assert_eq!(std::fs::read_to_string(file(&folder)).unwrap(), site("a", "a.example:81"));
        assert_eq!(looked(&mut folder), [""; 0]);
        at(place.path(), "a.toml", &site("a", "b.example"));
        assert_eq!(looked(&mut folder), ["a.toml"]);
        assert_eq!(folder.files["a.toml"].error, None);
        assert_eq!(&*folder.files["a.toml"].good.as_ref().unwrap().hosts[0], "b.example");

        std::fs::remove_file(place.path().join("a.toml")).unwrap();
        at(place.path(), "b.toml", "broken from the start");
        assert_eq!(looked(&mut folder), ["b.toml"]);
        assert_eq!(folder.files.keys().map(|it| &**it).collect::<Vec<_>>(), ["b.toml"]);
        assert!(folder.files["b.toml"].good.is_none() && folder.files["b.toml"].error.is_some());
        drop(place);
        assert_eq!(looked(&mut folder), [""; 0]);
        assert!(folder.trouble.is_some() && folder.files.len() == 1, "its files are kept");
    }

    #[test]
    fn a_change_of_the_variables_is_one_of_the_site() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(place.path().to_owned());
        at(place.path(), "a.toml", &site("a", "a.example"));
        assert_eq!(looked(&mut folder), ["a.toml"]);
        at(place.path(), "a.env", "A=1\n");
        let mode = |mode| {
            let path = place.path().join("a.env");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o644);
        assert_eq!(looked(&mut folder), ["a.toml"]);
        let refused = folder.files["a.toml"].refused.clone().unwrap();
        assert!(refused.starts_with("a.env: others may read it (mode 0644)"), "{refused}");
        mode(0o600);
        assert_eq!(looked(&mut folder), ["a.toml"]);
        assert_eq!(folder.files["a.toml"].refused, None);
        let variables = folder.files["a.toml"].variables().unwrap();
        assert_eq!(variables, [("A".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn two_files_of_one_site_are_noticed_by_the_second() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(place.path().to_owned());
        at(place.path(), "a.toml", &site("shop", "a.example"));
        at(place.path(), "b.toml", &site("shop", "b.example"));
        at(place.path(), "c.toml", &site("other", "b.example"));
        looked(&mut folder);
        assert_eq!(folder.twin("b.toml"), Some("a.toml"));
        assert_eq!((folder.twin("a.toml"), folder.twin("c.toml")), (None, None));
    }
}
