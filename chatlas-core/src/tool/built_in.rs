//! The tools that vendors run on their own servers. A provider's
//! [`with_tool`](crate::Provider::with_tool) takes those that its vendor has.

/// The vendor searches the web for the model.
///
/// What a vendor cannot hold to (a bound on searches, a list of domains) is an error of the
/// request, never passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSearch {
    /// The most searches of one reply.
    pub max_uses: Option<u32>,
    /// The only domains that results may come from; any where empty.
    pub allowed_domains: Vec<String>,
    /// Domains that results may not come from.
    pub blocked_domains: Vec<String>,
}

/// The vendor reads web pages for the model.
///
/// What a vendor cannot hold to (a bound on fetches, a list of domains) is an error of the
/// request, never passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebFetch {
    /// The most fetches of one reply.
    pub max_uses: Option<u32>,
    /// The only domains that pages may come from; any where empty.
    pub allowed_domains: Vec<String>,
    /// Domains that pages may not come from.
    pub blocked_domains: Vec<String>,
}

macro_rules! settings {
    ($tool:ident) => {
        impl $tool {
            /// The tool, without any bound.
            pub fn new() -> Self {
                Self::default()
            }

            /// Bounds how often one reply may use it.
            #[must_use]
            pub fn max_uses(mut self, uses: u32) -> Self {
                self.max_uses = Some(uses);
                self
            }

            /// Allows those domains alone.
            #[must_use]
            pub fn allowed_domains<S: Into<String>>(
                mut self,
                domains: impl IntoIterator<Item = S>,
            ) -> Self {
                self.allowed_domains = domains.into_iter().map(Into::into).collect();
                self
            }

            /// Forbids those domains.
            #[must_use]
            pub fn blocked_domains<S: Into<String>>(
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
