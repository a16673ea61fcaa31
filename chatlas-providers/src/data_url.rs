//! `data:` URLs: images and documents that stand in their address, as base64.

/// The media type and the base64 of such a URL; `None` of another.
pub(crate) fn read(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// The URL of a media type and its base64.
#[cfg(feature = "_completions")]
pub(crate) fn write(mime_type: &str, data: &str) -> String {
    format!("data:{mime_type};base64,{data}")
}
