//! The tools that vendors run on their own servers. [`Provider::with_tool`](crate::Provider::with_tool)
//! enables those that the vendor supports.

/// A web search that the vendor runs for the model.
///
/// A limit that the vendor cannot enforce (on searches or domains) is an error of the request; it is
/// never ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSearch {
    /// The maximum number of searches of one reply.
    pub max_uses: Option<u32>,
    /// The only domains that results may come from. Empty means any.
    pub allowed_domains: Vec<String>,
    /// Domains that results may not come from.
    pub blocked_domains: Vec<String>,
}

/// A web page fetch that the vendor runs for the model.
///
/// A limit that the vendor cannot enforce (on fetches or domains) is an error of the request; it is
/// never ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebFetch {
    /// The maximum number of fetches of one reply.
    pub max_uses: Option<u32>,
    /// The only domains that pages may come from. Empty means any.
    pub allowed_domains: Vec<String>,
    /// Domains that pages may not come from.
    pub blocked_domains: Vec<String>,
}

macro_rules! settings {
    ($tool:ident) => {
        impl $tool {
            /// Creates the tool without limits.
            pub fn new() -> Self {
                Self::default()
            }

            /// Sets the maximum number of uses in one reply.
            #[must_use]
            pub fn with_max_uses(mut self, uses: u32) -> Self {
                self.max_uses = Some(uses);
                self
            }

            /// Allows only these domains.
            #[must_use]
            pub fn with_allowed_domains<S: Into<String>>(
                mut self,
                domains: impl IntoIterator<Item = S>,
            ) -> Self {
                self.allowed_domains = domains.into_iter().map(Into::into).collect();
                self
            }

            /// Blocks these domains.
            #[must_use]
            pub fn with_blocked_domains<S: Into<String>>(
                mut self,
                domains: impl IntoIterator<Item = S>,
            ) -> Self {
                self.blocked_domains = domains.into_iter().map(Into::into).collect();
                self
            }
        }
    };
}

settings!(WebSearch);
settings!(WebFetch);
