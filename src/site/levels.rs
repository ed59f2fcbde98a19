//! The levels of categories, and the lists that they lead to.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Seeds, SeedsPage};
use crate::model::seed::{Seed, SeedPath};
use crate::model::task::List;

/// The levels of categories, the outermost first. Without one there is a single list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels(pub Vec<Seeds>);

impl Levels {
    /// Returns `true` if there are no categories.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the pages of categories, by their level from 0.
    pub fn pages(&self) -> impl Iterator<Item = (usize, &SeedsPage)> {
        self.0.iter().enumerate().filter_map(|(level, seeds)| match seeds {
            Seeds::Page(page) => Some((level, &**page)),
            _ => None,
        })
    }

    /// Returns the page whose list of categories this is, or `None` for another list.
    pub fn page_of(&self, list: &List) -> Option<&SeedsPage> {
        let List::Seeds(path) = list else { return None };
        match self.0.get(path.levels())? {
            Seeds::Page(page) => Some(page),
            _ => None,
        }
    }

    /// Returns the name of the site whose items are the outermost categories, or `None`.
    pub fn parent(&self) -> Option<&str> {
        match self.0.first() {
            Some(Seeds::Items { site, .. }) => Some(site),
            _ => None,
        }
    }

    /// Returns the lists of these categories, which are all in the categories of `path`.
    pub fn lists(&self, path: &SeedPath, seeds: impl Iterator<Item = Seed>) -> Vec<List> {
        let mut lists = Vec::new();
        seeds.for_each(|seed| self.add(path.with(seed), &mut lists));
        lists
    }

    /// Returns the first lists of a crawl.
    pub fn first(&self) -> Vec<List> {
        let mut lists = Vec::new();
        self.add(SeedPath::default(), &mut lists);
        lists
    }

    /// Adds the lists in the categories of `path`: of its items, or of the categories in it.
    fn add(&self, path: SeedPath, lists: &mut Vec<List>) {
        match self.0.get(path.levels()) {
            None => lists.push(List::Items(path)),
            Some(Seeds::Page(_) | Seeds::Items { .. }) => lists.push(List::Seeds(path)),
            Some(Seeds::Listed(seeds)) => {
                seeds.iter().for_each(|seed| self.add(path.with(Seed::of(seed.clone())), lists));
            }
            // It is bound to the beginning of a sweep first.
            Some(Seeds::Range(_)) => {}
        }
    }

    /// Returns the levels as a sweep has them that began at `began`: ranges are listed.
    pub fn at(self, began: Timestamp) -> Levels {
        let listed = |seeds| match seeds {
            Seeds::Range(range) => Seeds::Listed(range.at(began).map(Into::into).collect()),
            seeds => seeds,
        };
        Levels(self.0.into_iter().map(listed).collect())
    }

    /// Returns the names of the values that the categories of a level have, from 0.
    pub fn value_names_of(&self, level: usize) -> impl Iterator<Item = &Arc<str>> {
        let own = self.pages().find(|(of, _)| *of == level);
        own.into_iter().flat_map(|(_, page)| page.names.values()).map(|(name, _)| name)
    }

    /// Returns the names of the values that categories have.
    pub fn value_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.pages().flat_map(|(_, page)| page.names.values()).map(|(name, _)| name)
    }
}
