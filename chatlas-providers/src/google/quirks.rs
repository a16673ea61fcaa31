//! How the products with the protocol of `generateContent` differ.

/// How products with this protocol differ. The default is the Gemini API.
#[derive(Clone, Copy, Debug)]
// Each is a difference by itself.
#[allow(clippy::struct_excessive_bools)]
pub struct Quirks {
    /// The name of the product in error messages.
    pub(super) title: &'static str,
    /// Whether a reply has parts for the tools that the product runs, if the request asks for them.
    pub(super) reports_server_tools: bool,
    /// Whether the web search can exclude domains.
    pub(super) blocks_domains: bool,
    /// Whether a request to count tokens contains a complete request.
    pub(super) counts_whole_requests: bool,
    /// Whether models belong to a project and a location of Google Cloud.
    #[cfg(feature = "vertex")]
    pub(super) has_resources: bool,
}

impl Quirks {
    /// The Gemini API.
    pub const GEMINI: Self = Self {
        title: "the Gemini API",
        reports_server_tools: true,
        blocks_domains: false,
        counts_whole_requests: true,
        #[cfg(feature = "vertex")]
        has_resources: false,
    };
}

impl Default for Quirks {
    fn default() -> Self {
        Self::GEMINI
    }
}

#[cfg(feature = "vertex")]
impl Quirks {
    /// Vertex AI.
    pub const VERTEX: Self = Self {
        title: "Vertex AI",
        reports_server_tools: false,
        blocks_domains: true,
        counts_whole_requests: false,
        has_resources: true,
    };
}
