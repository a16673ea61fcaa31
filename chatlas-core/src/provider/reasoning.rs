//! How much a model reasons before it answers.

use serde::{Deserialize, Serialize};

/// How much a model reasons ("thinks") before it answers.
///
/// Each provider sends it in the form of its vendor. A level that the vendor's API has for some models
/// is sent for all; the vendor rejects it for a model without it. A form that the API does not have,
/// such as a budget for OpenAI, is an [`Unsupported`](super::ProviderErrorKind::Unsupported) error
/// before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reasoning {
    /// The model does not reason.
    Off,
    /// The least effort.
    Minimal,
    /// Low effort.
    Low,
    /// Medium effort.
    Medium,
    /// High effort.
    High,
    /// More than high effort.
    XHigh,
    /// The most effort.
    Max,
    /// At most that number of tokens.
    Budget(u32),
}

impl Reasoning {
    /// Returns the level as most vendors name it: `none` if reasoning is off. A budget has no level.
    pub const fn level(self) -> Option<&'static str> {
        Some(match self {
            Self::Off => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
            Self::Budget(_) => return None,
        })
    }
}
