//! The [Converse API](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html),
//! which all models of Bedrock support.

pub(super) mod blocks;
pub(super) mod reply;
pub(super) mod request;
mod wire;
