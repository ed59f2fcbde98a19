//! Opening a store for reading: the arguments shared by `gleaner sweeps`, `gleaner failures` and
//! `gleaner export`.
//!
//! A missing SQLite file is an error; it is not created.

use std::sync::Arc;

use clap::Args;

use super::exit::Exit;
use super::overrides::{in_collection, store_url};
use super::streams::print_message;
use super::usage::wrong;
use crate::site::Site;
use crate::store::{self, Place, Store, StoreError, StoreUrl};

/// Store of a crawl that names no other.
pub const DEFAULT_STORE: &str = "sqlite:gleaner.db";

/// Arguments that name a site and the store to read.
#[derive(Debug, Args)]
pub struct HoldingsArgs {
    /// Built-in site, or path of a site file
    site: String,

    /// Store to read: mongodb://HOST/DATABASE or sqlite:PATH
    #[arg(long, env = "GLEANER_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<String>,

    /// Collection or table to read
    #[arg(long, env = "GLEANER_COLLECTION", value_name = "NAME")]
    collection: Option<String>,
}

/// A store that is open for reading.
pub struct Holdings {
    /// The open store.
    pub store: Arc<dyn Store>,
    /// URL of the store.
    pub url: StoreUrl,
    /// Site, store and collection, in words for the user.
    pub what: String,
}

impl HoldingsArgs {
    /// Builds the arguments from those of another command.
    pub fn of(site: String, store: Option<String>, collection: Option<String>) -> HoldingsArgs {
        HoldingsArgs { site, store, collection }
    }

    /// Loads the site.
    ///
    /// # Errors
    /// Returns the exit code, after printing why the site cannot be loaded.
    pub fn site(&self) -> Result<Site, Exit> {
        Site::load(&self.site).map_err(|error| {
            print_message(&format!("error: {error}\n"));
            Exit::Usage
        })
    }

    /// Opens the store for reading.
    ///
    /// # Errors
    /// Returns the exit code, after printing why the store cannot be opened.
    pub async fn open(&self) -> Result<Holdings, Exit> {
        let site = self.site()?;
        let url = store_url(self.store.as_deref().unwrap_or(DEFAULT_STORE))?;
        let site = in_collection(site, self.collection.as_deref())?;
        readable(&url).map_err(|why| wrong("--store", "GLEANER_STORE", &why))?;
        let what = match site.name == site.collection {
            true => format!("{} in {url}", site.name),
            false => format!("{} in {url}, collection {}", site.name, site.collection),
        };
        let place = Place {
            site: site.name.clone(),
            collection: site.collection.clone(),
            key_field: site.key_field(),
            adopt: false,
        };
        let store =
            store::open_to_read(&url, &place).await.map_err(|error| report_error(&error))?;
        Ok(Holdings { store, url, what })
    }
}

impl Holdings {
    /// Closes the store. Errors are ignored: nothing was written, so nothing can be lost.
    pub async fn close(self) {
        let _ = self.store.close().await;
    }
}

/// Checks that the store can be read: it keeps documents that can be read back, and an SQLite file
/// exists.
///
/// # Errors
/// Returns the reason, in words.
pub fn readable(url: &StoreUrl) -> Result<(), String> {
    match url {
        StoreUrl::JsonLines(_) => {
            Err(format!("{url}: JSON lines cannot be read back; crawl into SQLite or MongoDB"))
        }
        StoreUrl::Sqlite(path) if !path.exists() => {
            let path = path.display();
            Err(format!("{path} does not exist; a crawl creates it. Name the store of your crawl"))
        }
        _ => Ok(()),
    }
}

/// Prints an error of the store, and returns the exit code.
pub fn report_error(error: &StoreError) -> Exit {
    print_message(&format!("error: {error}\n"));
    exit_of(error)
}

/// Returns the exit code of a command that needs the store.
pub fn exit_of(error: &StoreError) -> Exit {
    match error {
        StoreError::Unusable(_) | StoreError::NotAdopted(_) => Exit::Usage,
        _ => Exit::Failed,
    }
}
