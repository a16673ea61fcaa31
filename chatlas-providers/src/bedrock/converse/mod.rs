//! Any model of Bedrock's, in the words of its
//! [Converse API](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).

mod blocks;
pub(super) mod reply;
pub(super) mod request;
