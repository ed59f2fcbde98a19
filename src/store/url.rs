//! Location of the store: `mongodb://…/db`, `sqlite:PATH`, `jsonl:PATH`, `jsonl:-`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::text::secret::{Credentials, Secret};

/// URL of a store. Its `Display` hides the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A MongoDB connection string that names a database.
    Mongodb(Secret),
    /// An SQLite file, or a folder with a file `NAME.db` for each site.
    Sqlite(PathBuf),
    /// A file of JSON lines, or `None` for standard output.
    JsonLines(Option<PathBuf>),
}

/// Reason why a text is not the URL of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// The scheme is none of the three.
    #[error(
        "a store is mongodb://HOST/DATABASE, sqlite:PATH or jsonl:PATH (jsonl:- is standard output){0}"
    )]
    Scheme(Meant),
    /// The MongoDB URI names no database.
    #[error("the URI names no database: write mongodb://HOST/DATABASE")]
    NoDatabase,
    /// The path is empty.
    #[error("no path after the colon")]
    NoPath,
}

/// The URL that was probably meant by a text without a scheme, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant(Option<String>);

impl Meant {
    /// Guesses by the ending of a file's name. A text with a scheme may hold a password and is not
    /// repeated.
    fn of(text: &str) -> Meant {
        let is_path = !text.contains("://") && !text.contains('@');
        let ending = Path::new(text).extension().and_then(|it| it.to_str()).filter(|_| is_path);
        Meant(match ending {
            Some("db" | "sqlite" | "sqlite3") => Some(format!("sqlite:{text}")),
            Some("jsonl" | "ndjson") => Some(format!("jsonl:{text}")),
            _ => None,
        })
    }
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |meant| write!(f, "; did you mean {meant}?"))
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<StoreUrl, StoreUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return path_of(path).map(StoreUrl::Sqlite);
        }
        if let Some(path) = text.strip_prefix("jsonl:") {
            return match path {
                "-" => Ok(StoreUrl::JsonLines(None)),
                path => path_of(path).map(|path| StoreUrl::JsonLines(Some(path))),
            };
        }
        let hosts = ["mongodb://", "mongodb+srv://"];
        let Some(rest) = hosts.iter().find_map(|scheme| text.strip_prefix(scheme)) else {
            return Err(StoreUrlError::Scheme(Meant::of(text)));
        };
        let database = rest.split_once('/').map(|(_, rest)| rest.split('?').next().unwrap_or(""));
        match database {
            None | Some("") => Err(StoreUrlError::NoDatabase),
            Some(_) => Ok(StoreUrl::Mongodb(Secret::new(text))),
        }
    }
}

impl StoreUrl {
    /// Adds the credentials in the URL to `into`.
    pub fn credentials(&self, into: &mut Credentials) {
        if let StoreUrl::Mongodb(uri) = self {
            into.url(uri.expose());
        }
    }

    /// Returns the URL as text, with the password.
    pub fn expose(&self) -> String {
        match self {
            StoreUrl::Mongodb(uri) => uri.expose().to_owned(),
            _ => self.to_string(),
        }
    }

    /// Returns the folder of SQLite files that this is, if it is one. A path that ends with a slash is
    /// one before it is created.
    pub fn folder(&self) -> Option<&Path> {
        let StoreUrl::Sqlite(path) = self else { return None };
        let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
        is_folder.then_some(path)
    }

    /// Returns the store of a site: its own file if this is a folder.
    pub fn of_site(&self, site: &str) -> StoreUrl {
        match self.folder() {
            Some(folder) => StoreUrl::Sqlite(folder.join(format!("{site}.db"))),
            None => self.clone(),
        }
    }

    /// Returns the folder that the files of the store are in, or `None` if the store is not on this
    /// machine or keeps no files.
    pub fn directory(&self) -> Option<PathBuf> {
        let (StoreUrl::Sqlite(path) | StoreUrl::JsonLines(Some(path))) = self else { return None };
        if let Some(folder) = self.folder() {
            return Some(folder.to_owned());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(folder.unwrap_or(Path::new(".")).to_owned())
    }

    /// Returns the URL with the canonical path of its file, which need not exist.
    pub fn absolute(self) -> StoreUrl {
        match self {
            StoreUrl::Sqlite(path) => StoreUrl::Sqlite(place(&path)),
            other => other,
        }
    }

    /// Returns `true` if the store is the file at `path`, however that is written.
    pub fn is_at(&self, path: &Path) -> bool {
        match self {
            StoreUrl::Sqlite(own) | StoreUrl::JsonLines(Some(own)) => place(own) == place(path),
            StoreUrl::Mongodb(_) | StoreUrl::JsonLines(None) => false,
        }
    }
}

/// Returns the canonical path of a file, which need not exist.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    let beside = folder.ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
    path.canonicalize().ok().or(beside).unwrap_or_else(|| path.to_owned())
}

fn path_of(path: &str) -> Result<PathBuf, StoreUrlError> {
    if path.is_empty() { Err(StoreUrlError::NoPath) } else { Ok(PathBuf::from(path)) }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Mongodb(uri) => write!(f, "{uri}"),
            StoreUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            StoreUrl::JsonLines(None) => f.write_str("jsonl:-"),
            StoreUrl::JsonLines(Some(path)) => write!(f, "jsonl:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_and_shown() {
        for text in
            ["mongodb://h:1/db", "mongodb+srv://h/db", "sqlite:a/b.db", "jsonl:-", "jsonl:x"]
        {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_store_says_why() {
        let error = |text: &str| text.parse::<StoreUrl>().unwrap_err();
        let schemes = "a store is mongodb://HOST/DATABASE, sqlite:PATH or jsonl:PATH (jsonl:- is standard output)";
        let cases = [
            ("postgres://h/db", ""),
            ("postgres://me:s3cret@h/x.db", ""),
            ("a/b.db", "; did you mean sqlite:a/b.db?"),
            ("items.jsonl", "; did you mean jsonl:items.jsonl?"),
            ("books", ""),
        ];
        for (text, meant) in cases {
            assert_eq!(error(text).to_string(), format!("{schemes}{meant}"), "{text}");
        }
        assert_eq!(error("mongodb://h"), StoreUrlError::NoDatabase);
        assert_eq!(error("mongodb://h/?w=1"), StoreUrlError::NoDatabase);
        assert_eq!(error("sqlite:"), StoreUrlError::NoPath);
    }

    #[test]
    fn a_folder_has_a_file_for_each_site() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display();
        for (text, own, place) in [
            (format!("sqlite:{here}"), format!("sqlite:{here}/shop.db"), Some(format!("{here}"))),
            ("sqlite:no/such/".into(), "sqlite:no/such/shop.db".into(), Some("no/such/".into())),
            ("sqlite:a/b.db".into(), "sqlite:a/b.db".into(), Some("a".into())),
            ("sqlite:b.db".into(), "sqlite:b.db".into(), Some(".".into())),
            ("mongodb://h/db".into(), "mongodb://h/db".into(), None),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.of_site("shop").to_string(), own);
            assert_eq!(url.directory(), place.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let url: StoreUrl = "mongodb://me:s3cret@h/db".parse().unwrap();
        assert_eq!(url.to_string(), "mongodb://***@h/db");
        assert!(!format!("{url:?}").contains("s3cret"));
        assert_eq!(url.expose(), "mongodb://me:s3cret@h/db");
    }
}
