//! A cache of replies in this process.

use std::fmt;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::ReplyCache;
use crate::Completion;
use crate::tool::BoxFuture;

/// A cache of replies in this process. If it is full, a reply that is rarely used is replaced.
pub struct MemoryCache {
    replies: Cache<Box<str>, (Instant, Completion)>,
    ttl: Option<Duration>,
}

impl MemoryCache {
    /// Creates a cache of at most that number of replies.
    pub fn new(capacity: usize) -> Self {
        Self { replies: Cache::new(capacity), ttl: None }
    }

    /// Sets how long a reply is used. Default: as long as there is space.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Returns the number of replies.
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Returns whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Removes all replies.
    pub fn clear(&self) {
        self.replies.clear();
    }
}

impl ReplyCache for MemoryCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Completion>> {
        Box::pin(async move {
            let (stored, reply) = self.replies.get(key)?;
            if self.ttl.is_some_and(|ttl| stored.elapsed() >= ttl) {
                self.replies.remove(key);
                return None;
            }
            Some(reply)
        })
    }

    fn put<'a>(&'a self, key: &'a str, reply: &'a Completion) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.replies.insert(key.into(), (Instant::now(), reply.clone())) })
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache")
            .field("len", &self.len())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
